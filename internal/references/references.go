// Package references finds what a block of Caddy handlers refers to. Such a block
// delivers stored events: what belonged to the webhook's own connection, and what
// handlers outside of the block set, is gone by then, and a reference to it would
// silently be empty.
package references

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Missing is a reference to something that no attempt has.
type Missing struct {
	Name   string // as written, without braces: "http.vars.tenant"
	Remedy string // what to do about it
}

// Error implements error.
func (m *Missing) Error() string {
	return fmt.Sprintf("{%s} is empty when a stored event is delivered: %s", m.Name, m.Remedy)
}

// Webhook are the placeholders below http.webhooks that deliveries have.
var Webhook = []string{
	"endpoint", "provider", "event_id", "event_type", "correlation_id", "received_at", "destination", "delivery_id", "attempt",
}

// always are the variables that every request has.
var always = []string{"client_ip", "trusted_proxy", "start_time", "uuid", "unhandled", "matchers.error"}

// ofRequests are Caddy's placeholders below http.request; those with a dot at their end have further ones below.
var ofRequests = []string{
	"body", "body_base64", "cookie.", "duration", "duration_ms", "header.", "host", "host.", "hostport", "local", "local.", "method",
	"orig_method", "orig_uri", "orig_uri.", "port", "proto", "remote", "remote.", "scheme", "tls.", "uri", "uri.", "uri_escaped", "uuid",
}

// known are Caddy's own handlers. Of another, and of what `invoke` leads to, nobody
// knows what it sets.
var known = []string{
	"vars", "map", "rewrite", "headers", "request_body", "encode", "templates", "file_server", "reverse_proxy", "static_response",
	"error", "subroute", "authentication", "intercept", "copy_response", "copy_response_headers", "push", "tracing", "log_append", "metrics",
}

// family is a group of placeholders that some handlers or matchers set.
type family struct {
	prefix string
	set    []string // by one of these
	remedy string
}

var families = []family{
	{"http.auth.", []string{"authentication"}, "nothing in this block logs anybody in; basic_auth and the like count only inside of it"},
	{"http.error", []string{"errors"}, "no error is being handled there"},
	{"http.regexp.", []string{"path_regexp", "header_regexp", "vars_regexp", "expression"}, "use the matcher with the regular expression inside of the block"},
	{"http.matchers.file.", []string{"file", "expression"}, "use the file matcher inside of the block"},
	{"http.reverse_proxy.", []string{"reverse_proxy"}, "nothing in this block proxies"},
	{"http.intercept.", []string{"intercept"}, "nothing in this block intercepts"},
}

// reference is a placeholder of Caddy's HTTP server, not escaped.
var reference = regexp.MustCompile(`(^|[^\\])\{((?:http\.|webhooks\.)[^{}\s]+|event_id|event_type|correlation_id|received_at|delivery_id)\}`)

// block is what was found in a block of handlers.
type block struct {
	references []string
	matched    []string            // variables that matchers look at
	vars       map[string]struct{} // variables that are set
	names      map[string]struct{} // handlers, matchers and other members
	dials      []string
	open       bool // a handler is there of which nobody knows what it sets
}

// Check returns the first reference to what an attempt does not have, or nil.
// routes is JSON of any form that holds handlers; what is no JSON has no references.
func Check(routes []byte) *Missing {
	b := read(routes)
	for _, name := range b.references {
		if remedy := b.missing(name); remedy != "" {
			return &Missing{name, remedy}
		}
	}
	for _, name := range b.matched {
		if remedy := b.missing("http.vars." + name); remedy != "" {
			return &Missing{"http.vars." + name, remedy}
		}
	}
	return nil
}

// Dials returns the addresses of the upstreams that the handlers name.
func Dials(routes []byte) []string { return read(routes).dials }

// variable is a placeholder of the environment, not escaped.
var variable = regexp.MustCompile(`(?:^|[^\\])\{env\.([^{}\s]+)\}`)

// Variables returns the environment variables that routes refer to, each once, in order.
func Variables(routes []byte) []string {
	var names []string
	for _, found := range variable.FindAllSubmatch(routes, -1) {
		names = append(names, string(found[1]))
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func read(routes []byte) *block {
	b := &block{vars: make(map[string]struct{}), names: make(map[string]struct{})}
	for _, name := range always {
		b.vars[name] = struct{}{}
	}
	var tree any
	if json.Unmarshal(routes, &tree) == nil {
		b.walk(tree)
	}
	return b
}

// walk visits everything, in a fixed order.
func (b *block) walk(node any) {
	switch node := node.(type) {
	case string:
		for _, found := range reference.FindAllStringSubmatch(node, -1) {
			b.references = append(b.references, found[2])
		}
	case []any:
		for _, child := range node {
			b.walk(child)
		}
	case map[string]any:
		b.look(node)
		for _, name := range slices.Sorted(maps.Keys(node)) {
			b.names[name] = struct{}{}
			b.walk(name)
			b.walk(node[name])
		}
	}
}

// look notes what a handler sets, or what a matcher asks for.
func (b *block) look(object map[string]any) {
	if dial, ok := object["dial"].(string); ok {
		b.dials = append(b.dials, dial)
	}
	handler, ok := object["handler"].(string)
	if !ok {
		for _, matcher := range []string{"vars", "vars_regexp"} {
			variables, _ := object[matcher].(map[string]any)
			for _, name := range slices.Sorted(maps.Keys(variables)) {
				if !strings.Contains(name, "{") {
					b.matched = append(b.matched, name)
				}
			}
		}
		return
	}
	b.names[handler] = struct{}{}
	b.open = b.open || !slices.Contains(known, handler)
	switch handler {
	case "vars":
		for name := range object {
			b.open = b.open || strings.Contains(name, "{")
			b.vars[name] = struct{}{}
		}
	case "tracing":
		b.vars["trace_id"], b.vars["span_id"] = struct{}{}, struct{}{}
	}
}

// missing returns what to do about a placeholder that attempts do not have; empty if they do.
func (b *block) missing(name string) string {
	if field := strings.TrimPrefix(name, "webhooks."); !strings.HasPrefix(name, "http.") && slices.Contains(Webhook, field) {
		return "write {http.webhooks." + field + "}"
	}
	if field, ok := strings.CutPrefix(name, "http.request."); ok && !b.open && !slices.ContainsFunc(ofRequests, func(known string) bool {
		return field == known || strings.HasSuffix(known, ".") && strings.HasPrefix(field, known)
	}) {
		return "Caddy has no such placeholder; of the body there is only the whole, {http.request.body}"
	}
	if field, ok := strings.CutPrefix(name, "http.webhooks."); ok {
		if slices.Contains(Webhook, field) {
			return ""
		}
		return "deliveries have " + strings.Join(Webhook, ", ")
	}
	if field, ok := strings.CutPrefix(name, "http.request.tls."); ok && field != "server_name" {
		return "the webhook's TLS connection is closed by then; check it before the webhooks directive"
	}
	if b.open {
		return ""
	}
	if variable, ok := strings.CutPrefix(name, "http.vars."); ok {
		if _, set := b.vars[variable]; set {
			return ""
		}
		return "variables from outside are not stored; set it inside of the block with `vars`, or use a header of the webhook, {http.request.header.<name>}"
	}
	for _, f := range families {
		if !strings.HasPrefix(name, f.prefix) {
			continue
		}
		if !slices.ContainsFunc(f.set, func(name string) bool { _, there := b.names[name]; return there }) {
			return f.remedy
		}
	}
	return ""
}
