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

	"github.com/caddywebhooks/caddy-webhooks/internal/ipsource"
	"github.com/caddywebhooks/caddy-webhooks/internal/policy"
	filestore "github.com/caddywebhooks/caddy-webhooks/retrystore/filestore/module"
	redisstore "github.com/caddywebhooks/caddy-webhooks/retrystore/redisstore/module"
)

// TestFieldsAreDocumented wants a comment of its own on each JSON field of a
// config: they are the public documentation, of which Caddy's website shows one a field.
func TestFieldsAreDocumented(t *testing.T) {
	fields := 0
	for _, dir := range []string{".", "limiter", "verify", "internal/ipsource", "internal/policy", "retrystore/filestore/module", "retrystore/redisstore/module"} {
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

// TestFieldsHavePlainTypes wants of each JSON field of a config that its type in Go
// is that in JSON: Caddy's website documents the former. A struct that writes itself
// as text is shown there as an object without fields.
func TestFieldsHavePlainTypes(t *testing.T) {
	seen := make(map[reflect.Type]bool)
	for _, config := range []any{new(Handler), new(App), new(filestore.Store), new(redisstore.Store), new(ipsource.Source)} {
		checkPlain(t, reflect.TypeOf(config), seen)
	}
	if !seen[reflect.TypeFor[policy.RateLimit]()] {
		t.Error("the limits were not looked at: this test shows nothing")
	}
}

func checkPlain(t *testing.T, of reflect.Type, seen map[reflect.Type]bool) {
	t.Helper()
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice || of.Kind() == reflect.Map {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct || seen[of] {
		return
	}
	seen[of] = true
	fields := 0
	for i := range of.NumField() {
		field := of.Field(i)
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); field.IsExported() && name != "" && name != "-" {
			fields++
			checkPlain(t, field.Type, seen)
		}
	}
	if fields == 0 {
		t.Errorf("%s has no JSON fields: a string or a number would be documented as what it is", of)
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
