package caddywebhooks

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const modulePath = "github.com/caddywebhooks/caddy-webhooks"

// mayImport says which of our packages each package may import: one way only.
// Packages that are missing here may import anything of ours.
var mayImport = map[string][]string{
	"verify":                {},
	"retrystore":            {},
	"retrystore/filestore":  {"retrystore"},
	"retrystore/redisstore": {"retrystore"},
	"retrystore/storetest":  {"retrystore"},
	"dedupe":                {"retrystore"},
	"forward":               {"retrystore"},
	"limiter":               {},
	"limiter/limitertest":   {"limiter"},
	"limiter/redislimiter":  {"limiter"},
	"internal/redisclient":  {},
	"internal/redistest":    {},
	"internal/catalog":      {"verify"},
	"internal/keyfiles":     {},
	"internal/reach":        {},
	"internal/references":   {},
	"internal/sample":       {"verify"},
	"internal/explain":      {"verify"},
	"internal/caddyproc":    {},
	"internal/strictjson":   {},
	"internal/e2e":          {"internal/caddyproc"},
}

// mayImportCaddy lists the packages below the root that are about Caddy itself.
var mayImportCaddy = []string{"internal/reach"}

// TestImports keeps the layers: packages below the root import no Caddy, and
// only what mayImport says.
func TestImports(t *testing.T) {
	walkGo(t, func(path string, _ []byte) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		pkg := filepath.ToSlash(filepath.Dir(path))
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if pkg != "." && !slices.Contains(mayImportCaddy, pkg) && strings.HasPrefix(imported, "github.com/caddyserver/") {
				t.Errorf("%s imports %s: only the root package and %v import Caddy", path, imported, mayImportCaddy)
			}
			ours, ok := strings.CutPrefix(imported, modulePath+"/")
			allowed, limited := mayImport[pkg]
			if ok && limited && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s: %s may import %v", path, ours, pkg, allowed)
			}
		}
	})
}

// TestFileLength keeps files at a length that is read in one go.
func TestFileLength(t *testing.T) {
	const longest = 400
	walkGo(t, func(path string, content []byte) {
		if lines := bytes.Count(content, []byte("\n")); lines > longest {
			t.Errorf("%s has %d lines: cut it below %d", path, lines, longest)
		}
	})
}

func walkGo(t *testing.T, visit func(path string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == ".git") {
			return filepath.SkipDir
		}
		if entry.IsDir() || filepath.Ext(path) != ".go" {
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		visit(path, content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
