package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheck checks a module that compiles on Linux only, in its code, in its
// test and in its external test.
func TestCheck(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":      "module example.com/m\n\ngo 1.24\n",
		"m.go":        "package m\n\nimport \"syscall\"\n\nfunc F() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }\n",
		"in_test.go":  "package m\n\nimport \"syscall\"\n\nfunc kill() { _ = syscall.Kill(1, 0) }\n",
		"out_test.go": "package m_test\n\nimport (\n\t\"syscall\"\n\n\t\"example.com/m\"\n)\n\nvar _ = m.F().Setpgid\n\nfunc kill() { _ = syscall.Kill(1, 0) }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files := &sources{set: token.NewFileSet(), parsed: make(map[string]*ast.File)}
	found, err := check(files, "linux/arm64", dir, "./...")
	if err != nil || len(found) != 0 {
		t.Fatalf("on Linux: %v, %v", found, err)
	}
	found, err = check(files, "windows/amd64", dir, "./...")
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprint(found)
	for _, want := range []string{"m.go:5", "in_test.go:5", "out_test.go:9", "out_test.go:11"} {
		if !strings.Contains(all, want) {
			t.Errorf("nothing was found in %s: %s", want, all)
		}
	}
	for _, target := range []string{"linux", "plan10/amd64"} {
		if _, err := check(files, target, dir, "./..."); err == nil {
			t.Errorf("target %s is no error", target)
		}
	}
}
