package openapi

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/adminapi"
)

// What an object of the document may contain, by kind: of OpenAPI 3.1.0, section
// 4.8, what this document uses. A field is of a kind, a list ("[]") or a map ("{}")
// of a kind; of "any" nothing is asked. With ! it is required.
var documentFields = map[string]map[string]string{
	"document":    {"openapi": "any!", "info": "info!", "servers": "[]server", "security": "any", "tags": "[]tag", "paths": "{}path!", "components": "components"},
	"info":        {"title": "any!", "version": "any!", "summary": "any", "description": "any", "license": "license"},
	"license":     {"name": "any!", "identifier": "any"},
	"server":      {"url": "any!", "description": "any", "variables": "{}variable"},
	"variable":    {"default": "any!"},
	"tag":         {"name": "any!", "description": "any"},
	"path":        {"summary": "any", "description": "any", "servers": "[]server", "parameters": "[]parameter", "get": "operation", "head": "operation", "post": "operation", "put": "operation", "patch": "operation", "delete": "operation"},
	"operation":   {"operationId": "any!", "tags": "any!", "summary": "any!", "description": "any", "parameters": "[]parameter", "requestBody": "requestBody", "responses": "{}response!"},
	"parameter":   {"name": "any!", "in": "any!", "description": "any", "required": "any", "schema": "schema!", "example": "any"},
	"requestBody": {"description": "any", "required": "any", "content": "{}media!"},
	"response":    {"description": "any!", "headers": "{}header", "content": "{}media"},
	"header":      {"description": "any", "required": "any", "schema": "schema!", "example": "any"},
	"media":       {"schema": "schema!", "examples": "{}example"},
	"example":     {"value": "any!"},
	"components":  {"parameters": "{}parameter", "requestBodies": "{}requestBody", "headers": "{}header", "responses": "{}response", "schemas": "{}schema"},
	"schema":      schemaFields,
}

// schemaFields are the keywords that document.validate knows, and those that say nothing of values.
var schemaFields = map[string]string{
	"$ref": "any", "type": "any", "enum": "any", "const": "any", "anyOf": "[]schema", "not": "schema",
	"properties": "{}schema", "required": "any", "additionalProperties": "closed", "unevaluatedProperties": "closed",
	"items": "schema", "minItems": "any", "maxItems": "any", "minLength": "any", "maxLength": "any", "pattern": "any",
	"minimum": "any", "maximum": "any", "format": "any", "contentEncoding": "any",
	"description": "any", "default": "any", "examples": "any",
}

// proofreader looks for what is wrong with a document by itself.
type proofreader struct {
	*testing.T
	doc        *document
	operations map[string]string // where an operationId was used
	used       map[string]bool   // what references lead to
}

// TestDocument reads docs/openapi.yaml as OpenAPI 3.1: every field is one that there
// is, references lead somewhere, examples fit, paths and parameters agree.
func TestDocument(t *testing.T) {
	p := &proofreader{T: t, doc: readDocument(t), operations: make(map[string]string), used: make(map[string]bool)}
	if version := p.doc.get("/openapi"); version != "3.1.0" {
		t.Errorf("openapi is %v", version)
	}
	p.read("document", "", p.doc.root)
	for _, path := range slices.Sorted(maps.Keys(p.doc.object("/paths"))) {
		p.path(path)
	}
	for kind, components := range p.doc.object("/components") {
		for name := range components.(map[string]any) {
			where := below("/components", kind, name)
			if !p.used[where] && where != methodNotAllowedAdmin {
				t.Errorf("nothing refers to %s", where)
			}
		}
	}
}

// read checks a value that should be of that kind.
func (p *proofreader) read(kind, where string, value any) {
	switch {
	case kind == "any":
		return
	case kind == "closed" && value == false:
		return
	case kind == "closed":
		kind = "schema"
	case strings.HasPrefix(kind, "[]"):
		list, ok := value.([]any)
		if !ok {
			p.Errorf("%s is no list", where)
		}
		for i, one := range list {
			p.read(kind[2:], below(where, strconv.Itoa(i)), one)
		}
		return
	case strings.HasPrefix(kind, "{}"):
		for name, one := range p.object(where, value) {
			p.read(kind[2:], below(where, name), one)
		}
		return
	}
	object := p.object(where, value)
	if ref, ok := object["$ref"].(string); ok {
		target := strings.TrimPrefix(ref, "#")
		p.used[target] = true
		if p.doc.get(target) == nil {
			p.Errorf("%s refers to %s, which is not there", where, ref)
		}
		if kind != "schema" { // elsewhere it stands alone, OpenAPI 3.1.0, section 4.8.23
			if len(object) > 1 {
				p.Errorf("%s has more than a reference", where)
			}
			return
		}
	}
	p.fields(kind, where, object)
	p.examples(kind, where, object)
}

func (p *proofreader) object(where string, value any) map[string]any {
	object, ok := value.(map[string]any)
	if !ok {
		p.Errorf("%s is no object", where)
	}
	return object
}

func (p *proofreader) fields(kind, where string, object map[string]any) {
	fields := documentFields[kind]
	for name, value := range object {
		field, known := fields[name]
		if !known {
			p.Errorf("%s: a %s has no %s, or the tests do not know it", where, kind, name)
			continue
		}
		p.read(strings.TrimSuffix(field, "!"), below(where, name), value)
	}
	for name, field := range fields {
		if _, there := object[name]; !there && strings.HasSuffix(field, "!") {
			p.Errorf("%s lacks %s", where, name)
		}
	}
	if pattern, ok := object["pattern"].(string); ok {
		if _, err := regexp.Compile(pattern); err != nil {
			p.Errorf("%s: %v", where, err)
		}
	}
	if id, ok := object["operationId"].(string); ok {
		if first := p.operations[id]; first != "" {
			p.Errorf("%s and %s are both called %s", first, where, id)
		}
		p.operations[id] = where
	}
	if kind != "operation" {
		return
	}
	for _, tag := range object["tags"].([]any) {
		if !slices.ContainsFunc(p.doc.get("/tags").([]any), func(one any) bool { return one.(map[string]any)["name"] == tag }) {
			p.Errorf("%s: there is no tag %s", where, tag)
		}
	}
	for code := range object["responses"].(map[string]any) {
		if n, err := strconv.Atoi(code); code != "default" && (err != nil || http.StatusText(n) == "") {
			p.Errorf("%s: %s is no status", where, code)
		}
	}
}

// examples must fit their schemas.
func (p *proofreader) examples(kind, where string, object map[string]any) {
	schema, values := below(where, "schema"), []any{}
	if kind == "schema" {
		schema = where
		values, _ = object["examples"].([]any)
	}
	if one, ok := object["example"]; ok {
		values = append(values, one)
	}
	if kind == "media" {
		for _, example := range p.doc.object(below(where, "examples")) {
			values = append(values, example.(map[string]any)["value"])
		}
	}
	if one, ok := object["default"]; ok && kind == "schema" {
		values = append(values, one)
	}
	for _, value := range values {
		for _, wrong := range p.doc.validate(schema, value, fmt.Sprint(value)).wrong {
			p.Errorf("%s: an example does not fit: %s", where, wrong)
		}
	}
}

var pathParameter = regexp.MustCompile(`\{([a-z]+)\}`)

// path compares the parameters in the path with those that are declared.
func (p *proofreader) path(path string) {
	where := below("/paths", path)
	var inPath []string
	for _, match := range pathParameter.FindAllStringSubmatch(path, -1) {
		inPath = append(inPath, match[1])
	}
	var declared []string
	for _, parameter := range p.doc.parameters(where, "") {
		if in := parameter.in; in == "path" {
			declared = append(declared, parameter.name)
			if p.doc.object(parameter.where)["required"] != true {
				p.Errorf("%s: %s must be required", path, parameter.name)
			}
		}
	}
	if !slices.Equal(inPath, declared) {
		p.Errorf("%s has the parameters %v and declares %v", path, inPath, declared)
	}
}

// declared is a parameter of an operation.
type declared struct{ where, name, in string }

// parameters returns those of a path and, if method is not empty, of its operation.
func (d *document) parameters(path, method string) []declared {
	var all []declared
	lists := []string{below(path, "parameters")}
	if method != "" {
		lists = append(lists, below(path, method, "parameters"))
	}
	for _, list := range lists {
		members, _ := d.get(list).([]any)
		for i := range members {
			where := d.follow(below(list, strconv.Itoa(i)))
			name, _ := d.object(where)["name"].(string)
			in, _ := d.object(where)["in"].(string)
			all = append(all, declared{where, name, in})
		}
	}
	return all
}

// TestAdminRoutesAreDocumented compares the routes with the paths, both ways.
func TestAdminRoutesAreDocumented(t *testing.T) {
	doc := readDocument(t)
	documented := make(map[string][]string)
	for path, item := range doc.object("/paths") {
		route, ok := strings.CutPrefix(path, "/webhooks/")
		if !ok {
			continue
		}
		for field := range item.(map[string]any) {
			if documentFields["path"][field] == "operation" {
				documented[route] = append(documented[route], strings.ToUpper(field))
			}
		}
		slices.Sort(documented[route])
	}
	routes := make(map[string][]string)
	for route, method := range adminapi.Routes() {
		routes[route] = append(routes[route], method)
		slices.Sort(routes[route])
	}
	if fmt.Sprint(routes) != fmt.Sprint(documented) {
		t.Errorf("routes:\n%v\nare documented as:\n%v", routes, documented)
	}
}
