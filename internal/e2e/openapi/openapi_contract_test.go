package openapi

import (
	"encoding/json"
	"io"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/adminapi"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

const (
	hookPath = "/{hook}"
	// methodNotAllowedAdmin is the answer to methods that a path does not list.
	methodNotAllowedAdmin = "/components/responses/MethodNotAllowed"
)

// contract compares requests and answers with docs/openapi.yaml, and remembers
// by pointers what of it was met.
type contract struct {
	*testing.T
	doc *document
	met map[string]bool
}

func newContract(t *testing.T) *contract {
	return &contract{T: t, doc: readDocument(t), met: make(map[string]bool)}
}

// admin calls the admin API and checks the answer.
func (k *contract) admin(c *harness.Caddy, method, path, body string) harness.Reply {
	k.Helper()
	r := c.Request(method, c.Admin+path, body)
	return k.adminRequest(c, r)
}

func (k *contract) adminRequest(c *harness.Caddy, r *http.Request) harness.Reply {
	k.Helper()
	pattern, _ := adminapi.SplitID(strings.TrimPrefix(r.URL.Path, "/webhooks/"))
	got := c.Do(r)
	k.answered(r, "/webhooks/"+pattern, got)
	return got
}

// hook sends a webhook and checks the answer.
func (k *contract) hook(c *harness.Caddy, r *http.Request) harness.Reply {
	k.Helper()
	got := c.Do(r)
	k.answered(r, hookPath, got)
	return got
}

// relayed sends a webhook that the application answers.
func (k *contract) relayed(c *harness.Caddy, r *http.Request) harness.Reply {
	k.Helper()
	got := c.Do(r)
	k.answer(below("/paths", hookPath, "post", "responses", "default"), r.Method, got)
	return got
}

// answered checks the answer to a request of that path of the document.
func (k *contract) answered(r *http.Request, path string, got harness.Reply) {
	k.Helper()
	operation := k.doc.operation(path, r.Method)
	where := below(operation, "responses", strconv.Itoa(got.Code))
	switch {
	case operation == "" && got.Code == http.StatusMethodNotAllowed:
		where = methodNotAllowedAdmin
		if path == hookPath {
			where = below("/paths", hookPath, "post", "responses", "405")
		}
	case k.doc.get(where) == nil:
		k.Errorf("%s %s was answered %d %q, which is not documented", r.Method, r.URL, got.Code, got.Body)
		return
	}
	k.answer(where, r.Method, got)
	if got.Code < 300 && path != hookPath {
		k.asked(r, path)
	}
}

// operation points to what the document says of a method of a path; empty if
// nothing. Operations with the same answers are one, the POST if it is among them.
func (d *document) operation(path, method string) string {
	item := below("/paths", path)
	field := strings.ToLower(method)
	answers := d.get(below(item, field, "responses"))
	if answers == nil {
		return ""
	}
	if reflect.DeepEqual(answers, d.get(below(item, "post", "responses"))) {
		field = "post"
	}
	return below(item, field)
}

// answer checks an answer against the response at where.
func (k *contract) answer(where, method string, got harness.Reply) {
	k.Helper()
	k.met[where] = true
	where = k.doc.follow(where)
	k.headers(where, got)
	media, _, _ := mime.ParseMediaType(got.Header.Get("Content-Type"))
	contents := k.doc.object(below(where, "content"))
	content := below(where, "content", media)
	if _, any := contents["*/*"]; any {
		content = below(where, "content", "*/*")
	}
	bodyless := method == http.MethodHead || got.Header.Get("X-Content-Type-Options") != "" // a form of the provider's own
	switch {
	case got.Body == "" && (bodyless || len(contents) == 0 || strings.HasSuffix(content, "*~1*")):
		k.met[content] = k.met[content] || strings.HasSuffix(content, "*~1*")
		return
	case k.doc.get(content) == nil:
		k.Errorf("%s: the answer %q is %q, which is not documented", where, got.Body, media)
		return
	}
	k.met[content] = true
	var value any = got.Body
	if media == "application/json" {
		if err := json.Unmarshal([]byte(got.Body), &value); err != nil {
			k.Errorf("%s: %q: %v", where, got.Body, err)
		}
	}
	k.fits(below(content, "schema"), value, where)
	if word := got.Header.Get("Webhook-Status"); word != "" && !bodyless {
		if object, ok := value.(map[string]any); ok && object["correlation_id"] != nil && object["status"] != word && object["error"] != word {
			k.Errorf("%s: Webhook-Status is %s, the body %s", where, word, got.Body)
		}
	}
}

// fits checks a value against a schema, and remembers what was met.
func (k *contract) fits(schema string, value any, at string) {
	k.Helper()
	v := k.doc.validate(schema, value, at)
	for _, wrong := range v.wrong {
		k.Error(wrong)
	}
	for _, met := range v.met {
		k.met[met] = true
	}
}

// ordinaryHeaders are those of any answer.
var ordinaryHeaders = []string{"Content-Type", "Content-Length", "Date", "Server", "Connection", "Allow"}

func (k *contract) headers(where string, got harness.Reply) {
	k.Helper()
	documented := make(map[string]bool)
	for name := range k.doc.object(below(where, "headers")) {
		canonical := http.CanonicalHeaderKey(name)
		documented[canonical] = true
		header := k.doc.follow(below(where, "headers", name))
		values := got.Header[canonical]
		if len(values) == 0 {
			if k.doc.object(header)["required"] == true {
				k.Errorf("%s: the answer %d %q lacks %s", where, got.Code, got.Body, name)
			}
			continue
		}
		k.met[header] = true
		var value any = values[0]
		if number, err := strconv.ParseFloat(values[0], 64); err == nil && k.doc.object(below(header, "schema"))["type"] == "integer" {
			value = number
		}
		k.fits(below(header, "schema"), value, name)
		if len(values) > 1 {
			k.Errorf("%s: %s is there %d times", where, name, len(values))
		}
	}
	if strings.HasSuffix(where, "/default") {
		return // the application's
	}
	for name := range got.Header {
		if !documented[name] && !slices.Contains(ordinaryHeaders, name) || name == "Allow" && !documented[name] {
			k.Errorf("%s: the header %s is not documented", where, name)
		}
	}
}

// asked checks a request that was granted: it must be one that the document allows.
func (k *contract) asked(r *http.Request, path string) {
	k.Helper()
	parameters := k.doc.parameters(below("/paths", path), strings.ToLower(r.Method))
	_, id := adminapi.SplitID(strings.TrimPrefix(r.URL.Path, "/webhooks/"))
	query := r.URL.Query()
	for _, p := range parameters {
		var value any = id
		if p.in == "query" {
			if !query.Has(p.name) {
				continue
			}
			value = query.Get(p.name)
			query.Del(p.name)
		}
		if number, err := strconv.ParseFloat(value.(string), 64); err == nil && k.doc.object(below(p.where, "schema"))["type"] == "integer" {
			value = number
		}
		k.met[p.where] = true
		k.fits(below(p.where, "schema"), value, p.name)
	}
	for name := range query {
		k.Errorf("%s took the parameter %s, which is not documented", path, name)
	}
	content := below(k.doc.follow(below("/paths", path, strings.ToLower(r.Method), "requestBody")), "content", "application/json", "schema")
	if k.doc.get(content) == nil {
		return
	}
	body, err := r.GetBody()
	if err != nil {
		k.Fatal(err)
	}
	text, _ := io.ReadAll(body)
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		k.Errorf("%s took %q: %v", path, text, err)
	}
	k.fits(content, value, string(text))
}

// promised are the pointers to everything in the document that a client may come
// to see or use: answers, headers, media types, properties, enumerated values, parameters.
func (d *document) promised() map[string]bool {
	all := make(map[string]bool)
	for path, item := range d.object("/paths") {
		for field := range item.(map[string]any) {
			operation := d.operation(path, field)
			if operation == "" {
				continue
			}
			for code := range d.object(below(operation, "responses")) {
				where := below(operation, "responses", code)
				all[where] = true
				d.promisedBy(all, d.follow(where))
			}
			if path == hookPath {
				continue
			}
			for _, p := range d.parameters(below("/paths", path), field) {
				all[p.where] = true
			}
			d.promisedBy(all, d.follow(below(operation, "requestBody")))
		}
	}
	return all
}

// promisedBy adds what a response or the body of a request has.
func (d *document) promisedBy(all map[string]bool, where string) {
	for name := range d.object(below(where, "headers")) {
		header := d.follow(below(where, "headers", name))
		all[header] = true
		d.promisedIn(all, below(header, "schema"))
	}
	for media := range d.object(below(where, "content")) {
		if strings.Contains(where, "/requestBodies/") {
			d.promisedIn(all, below(where, "content", media, "schema"))
			continue
		}
		all[below(where, "content", media)] = true
		d.promisedIn(all, below(where, "content", media, "schema"))
	}
}

// promisedIn adds what a schema has.
func (d *document) promisedIn(all map[string]bool, where string) {
	schema := d.object(where)
	if schema == nil {
		return
	}
	if ref, ok := schema["$ref"].(string); ok {
		d.promisedIn(all, strings.TrimPrefix(ref, "#"))
	}
	if list, ok := schema["enum"].([]any); ok {
		for i := range list {
			all[below(where, "enum", strconv.Itoa(i))] = true
		}
	}
	if _, ok := schema["const"]; ok {
		all[below(where, "const")] = true
	}
	for name := range d.object(below(where, "properties")) {
		property := below(where, "properties", name)
		all[property] = true
		d.promisedIn(all, property)
	}
	for _, inner := range []string{"items", "additionalProperties"} {
		d.promisedIn(all, below(where, inner))
	}
	if list, ok := schema["anyOf"].([]any); ok {
		for i := range list {
			d.promisedIn(all, below(where, "anyOf", strconv.Itoa(i)))
		}
	}
}

// fulfilled reports what the document promises and nobody met, but for the
// exceptions, which say why; one that was met is none.
func (k *contract) fulfilled(exceptions map[string]string) {
	k.Helper()
	for _, where := range slices.Sorted(maps.Keys(k.doc.promised())) {
		why, excepted := exceptions[where]
		switch {
		case k.met[where] && excepted:
			k.Errorf("%s was met, and is an exception: %s", where, why)
		case !k.met[where] && !excepted:
			k.Errorf("%s was not met: %v", where, k.doc.get(where))
		}
	}
	for where := range exceptions {
		if k.doc.get(where) == nil {
			k.Errorf("the exception %s is not in the document", where)
		}
	}
}
