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

// The size of the root package, which is the adapter to Caddy and nothing else.
const (
	mostRootFiles = 15
	mostRootLines = 2600
	mostRootTests = 15
)

// mayImport says which of our packages each package may import: one way only, and never the root. What is
// not listed is denied.
var mayImport = map[string][]string{
	// The libraries: what the product is about.
	"verify":               {"internal/safe"},
	"limiter":              {},
	"limiter/redislimiter": {"limiter", "internal/safe"},
	"dedupe":               {"retrystore"},
	"retrystore":           {},
	"retrystore/filestore": {"retrystore", "internal/safe"},
	// What its log will be made of.
	"retrystore/filestore/keyset": {}, "retrystore/filestore/seglog": {"internal/safe"},
	"retrystore/redisstore": {"retrystore", "internal/safe"},
	"forward":               {"retrystore", "internal/safe"},

	// Leaves: they know nothing of ours.
	"internal/api": {}, "internal/inflight": {}, "internal/ipaddr": {}, "internal/offered": {}, "internal/rawpath": {}, "internal/redisclient": {},
	"internal/references": {}, "internal/safe": {}, "internal/statefiles": {}, "internal/strictjson": {}, "internal/wording": {},

	// The way of an event.
	"internal/envelope": {"retrystore", "verify"},
	"internal/intake":   {"dedupe", "forward", "internal/envelope", "internal/inflight", "internal/ipaddr", "internal/rawpath", "internal/safe", "limiter", "retrystore", "verify"},
	"internal/deliver":  {"forward", "internal/envelope", "internal/grammar", "internal/intake", "internal/redact", "internal/telemetry", "retrystore"},

	// What is configured.
	"internal/eventtypes":          {"forward", "verify"},
	"internal/grammar":             {"internal/eventtypes", "verify"},
	"internal/policy":              {"forward", "internal/grammar", "limiter", "retrystore"},
	"internal/credentials":         {"internal/grammar", "verify"},
	"internal/ipsource":            {"internal/grammar", "internal/safe", "verify"},
	"retrystore/filestore/module":  {"internal/grammar", "retrystore", "retrystore/filestore"},
	"retrystore/redisstore/module": {"internal/grammar", "internal/redisclient", "internal/statefiles", "limiter", "limiter/redislimiter", "retrystore", "retrystore/redisstore"},

	// What happens, and what outlives a config.
	"internal/redact":     {"forward", "retrystore", "verify"},
	"internal/traffic":    {"internal/intake"},
	"internal/lanes":      {"forward", "internal/api", "internal/traffic", "retrystore"},
	"internal/telemetry":  {"forward", "internal/inflight", "internal/intake", "internal/lanes", "internal/safe", "retrystore", "verify"},
	"internal/storebook":  {"internal/safe", "internal/statefiles", "retrystore"},
	"internal/httpserver": {"internal/intake", "internal/redact", "verify"},
	"internal/reach":      {"internal/ipaddr", "internal/rawpath"},
	"internal/process":    {"internal/adminapi", "internal/inflight", "internal/lanes", "internal/safe", "internal/statefiles", "internal/storebook", "internal/traffic", "limiter", "retrystore", "verify"},

	// What people operate it with.
	"internal/pace":     {"limiter"},
	"internal/catalog":  {"verify"},
	"internal/explain":  {"verify"},
	"internal/sample":   {"verify"},
	"internal/doctor":   {"forward", "internal/api", "internal/inflight", "internal/intake", "internal/ipaddr", "internal/lanes", "internal/storebook", "internal/traffic", "internal/wording", "retrystore", "verify"},
	"internal/adminapi": {"internal/api", "internal/lanes", "internal/pace", "internal/redact", "internal/safe", "internal/strictjson", "limiter", "retrystore"},
	"internal/cli":      {"internal/api", "internal/catalog", "internal/explain", "internal/grammar", "internal/intake", "internal/pace", "internal/safe", "internal/sample", "internal/wording", "limiter", "verify"},

	// Tests and tools.
	"internal/caddyproc": {}, "internal/crosscheck": {}, "internal/faketime": {}, "internal/oracle": {}, "internal/redistest": {}, "internal/vectors": {},
	"internal/bench":           {"internal/caddyproc"},
	"internal/e2e/operator":    {"internal/api", "internal/harness"},
	"internal/e2e/proxy":       {"internal/caddyproc", "internal/oracle"},
	"internal/harness":         {"internal/api", "internal/caddyproc", "internal/cli", "internal/process", "internal/sample", "internal/vectors", "limiter", "verify"},
	"internal/torture":         {"internal/caddyproc", "internal/oracle", "internal/redistest"},
	"limiter/limitertest":      {"internal/faketime", "limiter"},
	"retrystore/storetest":     {"retrystore"},
	"retrystore/modeltest":     {"retrystore"},
	"examples/quickstart/demo": {"internal/caddyproc", "internal/sample", "verify"},
}

// mayImportCaddy are the packages below the root that are about Caddy itself.
var mayImportCaddy = []string{
	"internal/cli", "internal/deliver", "internal/grammar", "internal/harness", "internal/httpserver", "internal/ipsource", "internal/policy", "internal/process", "internal/reach",
	"retrystore/filestore/module", "retrystore/redisstore/module",
}

// TestImports keeps the layers: no package imports what mayImport does not list, and
// only a few import Caddy.
func TestImports(t *testing.T) {
	packages := make(map[string]bool)
	walkGo(t, func(path string, _ []byte) {
		pkg := filepath.ToSlash(filepath.Dir(path))
		packages[pkg] = true
		if strings.HasSuffix(path, "_test.go") || pkg == "." {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		allowed, listed := mayImport[pkg]
		if !listed {
			t.Errorf("%s: package %s is not in mayImport: say there what it may import", path, pkg)
		}
		for _, spec := range file.Imports {
			imported, _ := strconv.Unquote(spec.Path.Value)
			if !slices.Contains(mayImportCaddy, pkg) && strings.HasPrefix(imported, "github.com/caddyserver/") {
				t.Errorf("%s imports %s: only the root package and %v import Caddy", path, imported, mayImportCaddy)
			}
			if imported == modulePath {
				t.Errorf("%s imports the root package, which is at the top", path)
			}
			if ours, ok := strings.CutPrefix(imported, modulePath+"/"); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s: %s may import %v", path, ours, pkg, allowed)
			}
		}
	})
	for pkg := range mayImport {
		if !packages[pkg] {
			t.Errorf("mayImport lists %s, which there is not", pkg)
		}
	}
}

// TestRootIsSmall holds the root to the adapter that it is.
func TestRootIsSmall(t *testing.T) {
	files, lines, tests := 0, 0, 0
	walkGo(t, func(path string, content []byte) {
		switch {
		case filepath.Dir(path) != ".":
		case strings.HasSuffix(path, "_test.go"):
			tests++
		default:
			files++
			lines += bytes.Count(content, []byte("\n"))
		}
	})
	if files > mostRootFiles || lines > mostRootLines {
		t.Errorf("the root has %d files and %d lines: at most %d and %d; what is not configuration, grammar or lifecycle is a folder below internal", files, lines, mostRootFiles, mostRootLines)
	}
	if tests > mostRootTests {
		t.Errorf("the root has %d files of tests: at most %d; tests of a running Caddy are below internal/e2e", tests, mostRootTests)
	}
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
