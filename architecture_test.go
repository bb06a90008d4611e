package caddywebhooks

import (
	"bytes"
	"go/ast"
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
	"verify":                {"internal/safe"},
	"retrystore":            {},
	"retrystore/filestore":  {"retrystore", "internal/safe"},
	"retrystore/redisstore": {"retrystore", "internal/safe"},
	"retrystore/storetest":  {"retrystore"},
	"dedupe":                {"retrystore"},
	"forward":               {"retrystore", "internal/safe"},
	"limiter":               {},
	"limiter/limitertest":   {"limiter", "internal/faketime"},
	"limiter/redislimiter":  {"limiter", "internal/safe"},
	"internal/safe":         {},
	"internal/traffic":      {"internal/intake"},
	"internal/redisclient":  {},
	"internal/redistest":    {},
	"internal/catalog":      {"verify"},
	"internal/faketime":     {},
	"internal/vectors":      {},
	"internal/statefiles":   {},
	"internal/storebook":    {"internal/safe", "internal/statefiles", "retrystore"},
	"internal/reach":        {"internal/rawpath"},
	"internal/rawpath":      {},
	"internal/references":   {},
	"internal/sample":       {"verify"},
	"internal/explain":      {"verify"},
	"internal/eventtypes":   {"forward", "verify"},
	"internal/inflight":     {},
	"internal/intake":       {"dedupe", "forward", "internal/envelope", "internal/inflight", "internal/rawpath", "internal/safe", "limiter", "retrystore", "verify"},
	"internal/offered":      {},
	"internal/policy":       {"forward", "internal/grammar", "limiter", "retrystore"},
	"internal/process":      {"internal/adminapi", "internal/inflight", "internal/lanes", "internal/safe", "internal/statefiles", "internal/storebook", "internal/traffic", "limiter", "retrystore", "verify"},
	"internal/redact":       {"forward", "retrystore", "verify"},
	"internal/adminapi":     {"internal/api", "internal/lanes", "internal/pace", "internal/redact", "internal/safe", "internal/strictjson", "limiter", "retrystore"},
	"internal/api":          {},
	"internal/cli":          {"internal/api", "internal/catalog", "internal/explain", "internal/grammar", "internal/intake", "internal/pace", "internal/safe", "internal/sample", "internal/wording", "limiter", "verify"},
	"internal/doctor":       {"forward", "internal/api", "internal/inflight", "internal/intake", "internal/lanes", "internal/storebook", "internal/traffic", "internal/wording", "retrystore", "verify"},
	"internal/lanes":        {"forward", "internal/api", "internal/traffic", "retrystore"},
	"internal/wording":      {},
	"internal/pace":         {"limiter"},
	"internal/caddyproc":    {},
	"internal/strictjson":   {},
	"internal/credentials":  {"internal/grammar", "verify"},
	"internal/deliver":      {"forward", "internal/grammar", "internal/envelope", "internal/intake", "internal/redact", "internal/telemetry", "retrystore"},
	"internal/telemetry":    {"forward", "internal/inflight", "internal/intake", "internal/lanes", "internal/safe", "retrystore", "verify"},
	"internal/envelope":     {"retrystore", "verify"},
	"internal/e2e":          {"internal/caddyproc"},
	"internal/grammar":      {"internal/eventtypes", "verify"},
	"internal/httpserver":   {"internal/intake", "internal/redact", "verify"},

	"internal/ipsource":            {"internal/grammar", "internal/safe", "verify"},
	"retrystore/filestore/module":  {"internal/grammar", "retrystore", "retrystore/filestore"},
	"retrystore/redisstore/module": {"internal/grammar", "internal/redisclient", "internal/statefiles", "limiter", "limiter/redislimiter", "retrystore", "retrystore/redisstore"},
}

// mayImportCaddy lists the packages below the root that are about Caddy itself.
var mayImportCaddy = []string{"internal/cli", "internal/deliver", "internal/grammar", "internal/httpserver", "internal/ipsource", "internal/policy", "internal/process", "internal/reach", "retrystore/filestore/module", "retrystore/redisstore/module"}

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

// mayStart are the folders whose code may start goroutines without package
// internal/safe: that package itself, and what runs in tests and tools only.
var mayStart = []string{
	"internal/safe", "examples", "internal/crosscheck", "internal/torture", "internal/oracle", "internal/redistest", "internal/caddyproc", "internal/e2e",
	"internal/bench", "internal/harness", "retrystore/storetest", "retrystore/modeltest", "limiter/limitertest",
}

// TestArchitectureGoroutinesSurvivePanics sees to it that no goroutine is started otherwise than
// by package internal/safe: a panic in it would end Caddy.
func TestArchitectureGoroutinesSurvivePanics(t *testing.T) {
	found := 0
	walkGo(t, func(path string, _ []byte) {
		slashed := filepath.ToSlash(path)
		if strings.HasSuffix(path, "_test.go") || slices.ContainsFunc(mayStart, func(dir string) bool { return strings.HasPrefix(slashed, dir+"/") }) {
			return
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a bare go statement: use safe.Go", files.Position(n.Pos()))
			case *ast.CallExpr:
				switch how := startsGoroutine(n); how {
				case "":
				case "safe":
					found++
				default:
					t.Errorf("%s: %s: use package internal/safe", files.Position(n.Pos()), how)
				}
			}
			return true
		})
	})
	if found < 10 {
		t.Errorf("found %d goroutines only: this test shows nothing", found)
	}
}

// startsGoroutine says by what a call starts a goroutine; "safe" where it is package
// internal/safe, which asks for a place and so has more arguments than others.
func startsGoroutine(call *ast.CallExpr) string {
	selector, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	x, _ := selector.X.(*ast.Ident)
	switch name := selector.Sel.Name; {
	case name == "Go" && len(call.Args) == 3, x != nil && x.Name == "safe" && name != "Do":
		return "safe"
	case name == "Go" && len(call.Args) == 1, name == "TryGo":
		return "WaitGroup.Go or its like"
	case name == "AfterFunc" && x != nil && (x.Name == "time" || x.Name == "context"):
		return x.Name + ".AfterFunc"
	}
	return ""
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
