package references

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	const respond = `{"handler":"static_response","body":"BODY"}`
	for _, test := range []struct{ routes, missing string }{
		{`[{"handle":[` + respond + `]}]`, ""},
		{strings.Replace(respond, "BODY", "{http.webhooks.event_type} {http.request.header.X-Any} {http.request.cookie.a} {http.request.local.host}", 1), ""},
		{strings.Replace(respond, "BODY", "{http.webhooks.outcome}", 1), "http.webhooks.outcome"},
		{strings.Replace(respond, "BODY", "{http.webhooks.eventtype}", 1), "http.webhooks.eventtype"},
		{strings.Replace(respond, "BODY", "{http.vars.tenant}", 1), "http.vars.tenant"},
		{strings.Replace(respond, "BODY", `\\{http.vars.tenant}`, 1), ""},
		{strings.Replace(respond, "BODY", `{\"json\": {http.vars.tenant}}`, 1), "http.vars.tenant"},
		{strings.Replace(respond, "BODY", "{http.vars.client_ip} {http.vars.uuid}", 1), ""},
		{`[{"handler":"vars","tenant":"{http.request.host}"},` + strings.Replace(respond, "BODY", "{http.vars.tenant}", 1) + `]`, ""},
		{`[{"handler":"vars","{http.request.host}":"x"},` + strings.Replace(respond, "BODY", "{http.vars.tenant}", 1) + `]`, ""},
		{`[{"handler":"third_party"},` + strings.Replace(respond, "BODY", "{http.vars.tenant}", 1) + `]`, ""},
		{`[{"handler":"invoke","name":"x"},` + strings.Replace(respond, "BODY", "{http.vars.tenant} {http.auth.user.id}", 1) + `]`, ""},
		{`[{"handler":"third_party"},` + strings.Replace(respond, "BODY", "{http.request.tls.client.subject}", 1) + `]`, "http.request.tls.client.subject"},
		{strings.Replace(respond, "BODY", "{http.request.tls.version}", 1), "http.request.tls.version"},
		{strings.Replace(respond, "BODY", "{http.request.tls.server_name}", 1), ""},
		{`[{"handler":"tracing"},` + strings.Replace(respond, "BODY", "{http.vars.trace_id}", 1) + `]`, ""},
		{strings.Replace(respond, "BODY", "{http.auth.user.id}", 1), "http.auth.user.id"},
		{`[{"handler":"authentication"},` + strings.Replace(respond, "BODY", "{http.auth.user.id}", 1) + `]`, ""},
		{strings.Replace(respond, "BODY", "{http.error.status_code}", 1), "http.error.status_code"},
		{`[{"handler":"subroute","errors":{"routes":[{"handle":[` + strings.Replace(respond, "BODY", "{http.error.status_code}", 1) + `]}]}}]`, ""},
		{strings.Replace(respond, "BODY", "{http.regexp.name.1}", 1), "http.regexp.name.1"},
		{`{"match":[{"path_regexp":{"name":"name"}}],"handle":[` + strings.Replace(respond, "BODY", "{http.regexp.name.1}", 1) + `]}`, ""},
		{strings.Replace(respond, "BODY", "{http.matchers.file.relative}", 1), "http.matchers.file.relative"},
		{strings.Replace(respond, "BODY", "{http.reverse_proxy.status_code}", 1), "http.reverse_proxy.status_code"},
		{strings.Replace(respond, "BODY", "{http.intercept.status_code}", 1), "http.intercept.status_code"},
		{`{"match":[{"vars":{"tenant":["a"]}}],"handle":[` + respond + `]}`, "http.vars.tenant"},
		{`{"match":[{"not":[{"vars_regexp":{"tenant":{"pattern":"a"}}}]}],"handle":[` + respond + `]}`, "http.vars.tenant"},
		{`{"match":[{"vars":{"{http.request.host}":["a"]}}],"handle":[` + respond + `]}`, ""},
		{`{"match":[{"vars":{"tenant":["a"]}}],"handle":[{"handler":"vars","tenant":"a"},` + respond + `]}`, ""},
		{`{"match":[{"expression":"{http.vars.tenant} == 'a'"}]}`, "http.vars.tenant"},
		{`["{http.vars.app}:80"]`, "http.vars.app"},
		{`no JSON`, ""},
	} {
		var name string
		if missing := Check([]byte(test.routes)); missing != nil {
			name = missing.Name
			if !strings.Contains(missing.Error(), "{"+name+"}") || missing.Remedy == "" {
				t.Errorf("%s: %v", test.routes, missing)
			}
		}
		if name != test.missing {
			t.Errorf("%s: missing %q, want %q", test.routes, name, test.missing)
		}
	}
}

func TestDials(t *testing.T) {
	const routes = `[{"handle":[{"handler":"subroute","routes":[{"handle":[{"handler":"reverse_proxy","upstreams":[{"dial":"a:1"},{"dial":"{env.B}"}]}]}]}]}]`
	if got := Dials([]byte(routes)); !slices.Equal(got, []string{"a:1", "{env.B}"}) {
		t.Error(got)
	}
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte(`{"handler":"vars","a":{"dial":"x"},"b":["{http.vars.c}"]}`))
	f.Fuzz(func(t *testing.T, routes []byte) {
		if missing := Check(routes); missing != nil && !json.Valid(routes) {
			t.Errorf("found %v in what is no JSON", missing)
		}
	})
}
