// Command crosscheck reports what of this module, tests included, would not
// compile on other systems. It only checks types, of dependencies only those of
// declarations: that takes seconds, where cross-compiling Caddy takes minutes
// for each system. Code with cgo is left out, as in any cross-compiled build.
//
//	go run ./internal/crosscheck windows/amd64 darwin/arm64
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
)

func main() {
	log := func(text any) { fmt.Fprintln(os.Stderr, text) }
	if len(os.Args) < 2 {
		log("usage: crosscheck <os>/<architecture>...")
		os.Exit(2)
	}
	files := &sources{set: token.NewFileSet(), parsed: make(map[string]*ast.File)}
	failed := false
	for _, target := range os.Args[1:] {
		found, err := check(files, target, ".", "./...")
		if err != nil {
			found = append(found, err)
		}
		for _, err := range found {
			log(fmt.Sprintf("%s: %v", target, err))
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// listed is what go list tells of a package.
type listed struct {
	Dir        string
	ImportPath string
	GoFiles    []string
	ImportMap  map[string]string // what an import is, where it is not what it says
	Module     *struct{ Main bool }
}

// ours says whether a package is of this module.
func (p *listed) ours() bool { return p.Module != nil && p.Module.Main }

// check returns what does not compile of the packages in the directory for the
// target, an operating system and an architecture joined by a slash.
func check(files *sources, target, dir string, patterns ...string) (found []error, err error) {
	system, architecture, ok := strings.Cut(target, "/")
	known, err := exec.Command("go", "tool", "dist", "list").Output()
	if err != nil {
		return nil, fmt.Errorf("go tool dist list: %w", err)
	}
	if !ok || !slices.Contains(strings.Fields(string(known)), target) {
		return nil, errors.New("no target that Go knows: want <os>/<architecture>, such as windows/amd64")
	}
	packages, err := list(dir, system, architecture, patterns)
	if err != nil {
		return nil, err
	}
	if err := files.parse(packages); err != nil {
		return nil, err
	}
	checked := map[string]*types.Package{"unsafe": types.Unsafe}
	for _, p := range packages { // each behind those that it imports
		config := types.Config{
			IgnoreFuncBodies: !p.ours(),
			FakeImportC:      true,
			Sizes:            types.SizesFor("gc", architecture),
			Importer: importer(func(path string) (*types.Package, error) {
				if mapped, ok := p.ImportMap[path]; ok {
					path = mapped
				}
				if imported := checked[path]; imported != nil {
					return imported, nil
				}
				return nil, fmt.Errorf("%s is not among the dependencies", path)
			}),
			Error: func(err error) {
				if p.ours() {
					found = append(found, err)
				}
			},
		}
		path, _, _ := strings.Cut(p.ImportPath, " ") // "p [p.test]" is p with its tests
		checked[p.ImportPath], _ = config.Check(path, files.set, files.of(p), nil)
	}
	return found, nil
}

type importer func(path string) (*types.Package, error)

func (f importer) Import(path string) (*types.Package, error) { return f(path) }

// list returns the packages, with their tests, and all that they import: each
// package behind its imports.
func list(dir, system, architecture string, patterns []string) ([]*listed, error) {
	command := exec.Command("go", append([]string{"list", "-deps", "-test", "-json=Dir,ImportPath,GoFiles,ImportMap,Module"}, patterns...)...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+architecture, "CGO_ENABLED=0")
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w: %s", err, strings.TrimSpace(complaints.String()))
	}
	var packages []*listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		p := new(listed)
		if err := decoder.Decode(p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		if p.ImportPath != "unsafe" && !strings.HasSuffix(p.ImportPath, ".test") { // which go test writes itself
			packages = append(packages, p)
		}
	}
}

// sources are parsed files, by path; those of dependencies without the bodies
// of functions. Each is parsed once for all targets.
type sources struct {
	set    *token.FileSet
	parsed map[string]*ast.File
}

func (s *sources) of(p *listed) []*ast.File {
	files := make([]*ast.File, len(p.GoFiles))
	for i, name := range p.GoFiles {
		files[i] = s.parsed[pathOf(p, name)]
	}
	return files
}

func pathOf(p *listed, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.Dir, name)
}

// parse reads those files of the packages that were not read before.
func (s *sources) parse(packages []*listed) error {
	var mu sync.Mutex
	var wg sync.WaitGroup
	var errs []error
	room := make(chan struct{}, runtime.NumCPU())
	for _, p := range packages {
		for _, name := range p.GoFiles {
			path := pathOf(p, name)
			mu.Lock()
			_, known := s.parsed[path]
			if !known {
				s.parsed[path] = nil // is being read
			}
			mu.Unlock()
			if known {
				continue
			}
			room <- struct{}{}
			wg.Go(func() {
				defer func() { <-room }()
				file, err := parser.ParseFile(s.set, path, nil, parser.SkipObjectResolution)
				if err == nil && !p.ours() {
					dropBodies(file)
				}
				mu.Lock()
				defer mu.Unlock()
				s.parsed[path] = file
				if err != nil {
					errs = append(errs, err)
				}
			})
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

func dropBodies(file *ast.File) {
	for _, declaration := range file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok {
			function.Body = nil
		}
	}
}
