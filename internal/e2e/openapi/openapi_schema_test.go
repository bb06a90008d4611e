package openapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// document is docs/openapi.yaml. Its parts are named by JSON pointers (RFC 6901).
type document struct{ root any }

func readDocument(t *testing.T) *document {
	t.Helper()
	text, err := os.ReadFile("docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var root any
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	return newDocument(t, root)
}

// newDocument takes root as JSON has it: what YAML reads as an int is a float64 there.
func newDocument(t *testing.T, root any) *document {
	t.Helper()
	text, err := json.Marshal(root)
	if err != nil {
		t.Fatal(err)
	}
	d := new(document)
	if err := json.Unmarshal(text, &d.root); err != nil {
		t.Fatal(err)
	}
	return d
}

var (
	pointerEscapes   = strings.NewReplacer("~", "~0", "/", "~1")
	pointerUnescapes = strings.NewReplacer("~1", "/", "~0", "~")
)

// below is the pointer to a member of where.
func below(where string, names ...string) string {
	for _, name := range names {
		where += "/" + pointerEscapes.Replace(name)
	}
	return where
}

// get returns what the pointer names, or nil.
func (d *document) get(where string) any {
	value := d.root
	for token := range strings.SplitSeq(strings.TrimPrefix(where, "/"), "/") {
		switch v := value.(type) {
		case map[string]any:
			value = v[pointerUnescapes.Replace(token)]
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i >= len(v) {
				return nil
			}
			value = v[i]
		default:
			return nil
		}
	}
	return value
}

func (d *document) object(where string) map[string]any {
	object, _ := d.get(where).(map[string]any)
	return object
}

// follow returns the pointer that a reference at where leads to, or where itself.
func (d *document) follow(where string) string {
	for {
		ref, ok := d.object(where)["$ref"].(string)
		if !ok {
			return where
		}
		where = strings.TrimPrefix(ref, "#")
	}
}

// verdict is what a schema says of a value.
type verdict struct {
	wrong []string            // why it does not fit; empty if it does
	known map[string]struct{} // the properties that the schema, or one that it refers to, names
	met   []string            // pointers of the properties and the enumerated values that it has
}

func (v *verdict) fail(at, format string, args ...any) {
	v.wrong = append(v.wrong, at+": "+fmt.Sprintf(format, args...))
}

// include takes over the verdict of a schema about the same value.
func (v *verdict) include(other verdict) {
	v.wrong, v.met = append(v.wrong, other.wrong...), append(v.met, other.met...)
	maps.Copy(v.known, other.known)
}

// within takes over the verdict about a part of the value.
func (v *verdict) within(other verdict) {
	v.wrong, v.met = append(v.wrong, other.wrong...), append(v.met, other.met...)
}

// validate compares a value, as encoding/json decodes it, with the schema at
// where: JSON Schema 2020-12, as far as the document uses it (see schemaFields).
// at names the value in what is wrong with it.
func (d *document) validate(where string, value any, at string) verdict {
	v := verdict{known: make(map[string]struct{})}
	schema := d.object(where)
	if ref, ok := schema["$ref"].(string); ok {
		v.include(d.validate(strings.TrimPrefix(ref, "#"), value, at))
	}
	if want, ok := schema["type"].(string); ok && !isType(want, value) {
		v.fail(at, "%v is no %s", value, want)
		return v
	}
	if want, ok := schema["const"]; ok {
		v.met = append(v.met, below(where, "const"))
		if !reflect.DeepEqual(want, value) {
			v.fail(at, "it is %v: want %v", value, want)
		}
	}
	if list, ok := schema["enum"].([]any); ok {
		i := slices.IndexFunc(list, func(one any) bool { return reflect.DeepEqual(one, value) })
		if i < 0 {
			v.fail(at, "it is %v: want one of %v", value, list)
		}
		v.met = append(v.met, below(where, "enum", strconv.Itoa(i)))
	}
	d.combinations(&v, where, schema, value, at)
	switch value := value.(type) {
	case string:
		v.text(schema, value, at)
	case float64:
		v.number(schema, value, at)
	case []any:
		d.items(&v, where, schema, value, at)
	case map[string]any:
		d.properties(&v, where, schema, value, at)
	}
	return v
}

func isType(want string, value any) bool {
	switch value := value.(type) {
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || want == "integer" && value == math.Trunc(value)
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return want == "null" && value == nil
}

// combinations are anyOf and not. What only a failed branch knows does not count.
func (d *document) combinations(v *verdict, where string, schema map[string]any, value any, at string) {
	if list, ok := schema["anyOf"].([]any); ok {
		var reasons []string
		fits := false
		for i := range list {
			branch := d.validate(below(where, "anyOf", strconv.Itoa(i)), value, at)
			if len(branch.wrong) == 0 {
				fits = true
				v.include(branch)
			}
			reasons = append(reasons, branch.wrong...)
		}
		if !fits {
			v.fail(at, "it is none of what it may be: %s", strings.Join(reasons, "; "))
		}
	}
	if _, ok := schema["not"]; ok && len(d.validate(below(where, "not"), value, at).wrong) == 0 {
		v.fail(at, "it is what it must not be")
	}
}

func (v *verdict) text(schema map[string]any, value, at string) {
	length := float64(utf8.RuneCountInString(value))
	if least, ok := schema["minLength"].(float64); ok && length < least {
		v.fail(at, "%q is too short", value)
	}
	if most, ok := schema["maxLength"].(float64); ok && length > most {
		v.fail(at, "%q is too long", value)
	}
	if pattern, ok := schema["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(value) {
		v.fail(at, "%q does not match %s", value, pattern)
	}
	if schema["format"] == "date-time" {
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			v.fail(at, "%v", err)
		}
	}
	if schema["contentEncoding"] == "base64" {
		if _, err := base64.StdEncoding.DecodeString(value); err != nil {
			v.fail(at, "%v", err)
		}
	}
}

func (v *verdict) number(schema map[string]any, value float64, at string) {
	if least, ok := schema["minimum"].(float64); ok && value < least {
		v.fail(at, "%v is below %v", value, least)
	}
	if most, ok := schema["maximum"].(float64); ok && value > most {
		v.fail(at, "%v is above %v", value, most)
	}
}

func (d *document) items(v *verdict, where string, schema map[string]any, value []any, at string) {
	if least, ok := schema["minItems"].(float64); ok && float64(len(value)) < least {
		v.fail(at, "it has %d elements: want at least %v", len(value), least)
	}
	if most, ok := schema["maxItems"].(float64); ok && float64(len(value)) > most {
		v.fail(at, "it has %d elements: want at most %v", len(value), most)
	}
	if _, ok := schema["items"]; !ok {
		return
	}
	for i, one := range value {
		v.within(d.validate(below(where, "items"), one, fmt.Sprintf("%s[%d]", at, i)))
	}
}

func (d *document) properties(v *verdict, where string, schema map[string]any, value map[string]any, at string) {
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if _, there := value[name.(string)]; !there {
			v.fail(at, "it lacks %s", name)
		}
	}
	named, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(value)) {
		inner := at + "." + name
		if _, ok := named[name]; ok {
			property := below(where, "properties", name)
			v.known[name] = struct{}{}
			v.met = append(v.met, property)
			v.within(d.validate(property, value[name], inner))
			continue
		}
		switch schema["additionalProperties"].(type) {
		case bool: // false, see schemaFields
			v.fail(inner, "it is not documented")
		case map[string]any:
			v.known[name] = struct{}{}
			v.within(d.validate(below(where, "additionalProperties"), value[name], inner))
		}
	}
	if _, closed := schema["unevaluatedProperties"]; closed {
		for name := range value {
			if _, ok := v.known[name]; !ok {
				v.fail(at+"."+name, "it is not documented")
			}
		}
	}
}

// TestSchemas gives the validator values that fit, and ones that do not.
func TestSchemas(t *testing.T) {
	d := newDocument(t, map[string]any{
		"closed":    map[string]any{"type": "object", "additionalProperties": false, "required": []string{"a"}, "properties": map[string]any{"a": map[string]any{"type": "integer", "minimum": 1, "maximum": 3}}},
		"base":      map[string]any{"type": "object", "properties": map[string]any{"a": map[string]any{"enum": []any{"x", 1}}}},
		"derived":   map[string]any{"$ref": "#/base", "unevaluatedProperties": false, "properties": map[string]any{"b": map[string]any{"type": "boolean"}}},
		"narrowed":  map[string]any{"$ref": "#/closed", "properties": map[string]any{"a": map[string]any{"const": 2}}},
		"either":    map[string]any{"anyOf": []any{map[string]any{"$ref": "#/closed"}, map[string]any{"type": "object", "not": map[string]any{"required": []string{"a"}}}}},
		"list":      map[string]any{"type": "array", "minItems": 1, "maxItems": 2, "items": map[string]any{"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^[aé]*$"}},
		"time":      map[string]any{"type": "string", "format": "date-time"},
		"bytes":     map[string]any{"type": "string", "contentEncoding": "base64"},
		"of":        map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "number"}},
		"undefined": map[string]any{},
	})
	for _, test := range []struct {
		schema, value string
		fits          bool
	}{
		{"closed", `{"a":1}`, true}, {"closed", `{"a":0}`, false}, {"closed", `{"a":4}`, false}, {"closed", `{"a":1.5}`, false},
		{"closed", `{}`, false}, {"closed", `{"a":1,"b":2}`, false}, {"closed", `[]`, false}, {"closed", `null`, false},
		{"derived", `{"a":"x","b":true}`, true}, {"derived", `{"a":1}`, true}, {"derived", `{"a":"y"}`, false},
		{"derived", `{"c":1}`, false}, {"derived", `{"b":"true"}`, false},
		{"narrowed", `{"a":2}`, true}, {"narrowed", `{"a":3}`, false}, {"narrowed", `{"a":2,"b":1}`, false},
		{"either", `{"a":1}`, true}, {"either", `{"b":1}`, true}, {"either", `{"a":9}`, false}, {"either", `"a"`, false},
		{"list", `["a","éaé"]`, true}, {"list", `[]`, false}, {"list", `["a","a","a"]`, false}, {"list", `[""]`, false},
		{"list", `["aaaa"]`, false}, {"list", `["b"]`, false}, {"list", `[1]`, false},
		{"time", `"2026-01-02T03:04:05.6Z"`, true}, {"time", `"2026-01-02 03:04"`, false},
		{"bytes", `"/w=="`, true}, {"bytes", `"/w"`, false},
		{"of", `{"x":1.5}`, true}, {"of", `{"x":"1"}`, false}, {"undefined", `{"x":null}`, true},
	} {
		var value any
		if err := json.Unmarshal([]byte(test.value), &value); err != nil {
			t.Fatal(err)
		}
		if v := d.validate("/"+test.schema, value, "value"); (len(v.wrong) == 0) != test.fits {
			t.Errorf("%s as %s: %q: want fits %v", test.value, test.schema, v.wrong, test.fits)
		}
	}
}
