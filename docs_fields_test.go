package caddywebhooks

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// TestFieldsAreDocumented wants a comment of its own on each JSON field of a
// config: they are the public documentation, of which Caddy's website shows one a field.
func TestFieldsAreDocumented(t *testing.T) {
	fields := 0
	for _, dir := range []string{".", "limiter", "verify"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				spec, ok := n.(*ast.TypeSpec)
				if !ok || !spec.Name.IsExported() {
					return true
				}
				if structure, ok := spec.Type.(*ast.StructType); ok {
					for _, field := range structure.Fields.List {
						fields += checkDocumented(t, spec.Name.Name, field)
					}
				}
				return true
			})
		}
	}
	if fields < 50 {
		t.Errorf("only %d fields were found: this test shows nothing", fields)
	}
}

func checkDocumented(t *testing.T, owner string, field *ast.Field) (fields int) {
	t.Helper()
	if field.Tag == nil {
		return 0
	}
	tag, err := strconv.Unquote(field.Tag.Value)
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
	if name == "" || name == "-" {
		return 0
	}
	if field.Doc.Text() == "" {
		t.Errorf("%s: %s has no comment of its own", owner, name)
	}
	return 1
}
