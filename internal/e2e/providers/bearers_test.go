package providers

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/vectors"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// bearer is an endpoint whose webhooks carry a secret.
type bearer struct {
	provider *verify.Provider
	webhook  harness.ProviderWebhook
	secrets  []string // what must not be read anywhere, in every spelling
}

// bearers are the rows of the table whose webhooks carry a secret, each with a webhook of its vectors for each
// place of the secret, and schemes of one's own with the secret in every place.
func bearers(t *testing.T) map[string]bearer {
	t.Helper()
	all := make(map[string]bearer)
	for _, p := range verify.Providers() {
		for i, x := range harness.WebhooksOf(t, p.Name) {
			v, err := p.NewVerifier(verify.Options{Secrets: x.Secrets, PublicKeys: x.PublicKeys, Settings: x.Settings})
			if err != nil {
				t.Fatal(err)
			}
			v.Close()
			carried := slices.ContainsFunc(v.Credentials(), func(s verify.Source) bool {
				value, ok := s.Extract(x.Signed(t))
				return ok && value != "" || strings.Contains(s.Name, "*")
			})
			if carried && len(x.Secrets[0]) >= 8 { // a shorter one is also found by chance
				if len(p.ContentTypes) > 0 && !x.HasHeader("Content-Type") {
					x.Headers["Content-Type"], _ = json.Marshal(p.ContentTypes[0])
				}
				all[fmt.Sprint(p.Name, i)] = bearer{p, x, spellingsOf(x.Secrets)}
			}
		}
	}
	const secret = "hush hush+Ünd/still"
	for name, scheme := range map[string]struct {
		verify.Scheme
		url, contentType, body string
	}{
		"header":  {Scheme: verify.Scheme{Algorithm: "token", Signature: verify.Source{From: "header", Name: "X-Own"}}, body: "{}"},
		"query":   {Scheme: verify.Scheme{Algorithm: "token", Signature: verify.Source{From: "query", Name: "k"}}, url: "?a=1&k=" + url.QueryEscape(secret), body: "{}"},
		"spelled": {Scheme: verify.Scheme{Algorithm: "token", Signature: verify.Source{From: "query", Name: "k+k"}}, url: "?%6b%2Bk=" + strings.ReplaceAll(url.QueryEscape(secret), "+", "%20"), body: "{}"},
		"json":    {Scheme: verify.Scheme{Algorithm: "token", Signature: verify.Source{From: "json", Name: "/a/0/to~1ken"}}, body: `{"a":[{"to\u002fken" : "` + secret + `"}],"b":1}`},
		"form":    {Scheme: verify.Scheme{Algorithm: "token", Signature: verify.Source{From: "form", Name: "own"}}, contentType: harness.MediaForm, body: "x=y&%6fwn=" + url.QueryEscape(secret)},
		"nested": {Scheme: verify.Scheme{Algorithm: "token", Signature: verify.Source{From: "form_json", Name: "payload /own"}},
			contentType: harness.MediaForm, body: "payload=" + url.QueryEscape(`{"own":"`+secret+`"}`)},
		"multipart": {Scheme: verify.Scheme{Algorithm: "token", Signature: verify.Source{From: "form", Name: "own"}},
			contentType: "multipart/form-data; boundary=b", body: "--b\r\nContent-Disposition: form-data; name=\"own\"\r\n\r\n" + secret + "\r\n--b--\r\n"},
	} {
		p, err := verify.Custom(scheme.Scheme)
		if err != nil {
			t.Fatal(err)
		}
		x := harness.ProviderWebhook{Vector: vectors.Vector{URL: "https://hooks.example.com/in" + scheme.url, Body: scheme.body, Secrets: []string{secret}, Headers: map[string]json.RawMessage{}}}
		x.Headers["Content-Type"], _ = json.Marshal(firstNonEmpty(scheme.contentType, harness.MediaJSON))
		if name == "header" {
			x.Headers["X-Own"], _ = json.Marshal(secret)
		}
		all["own-"+name] = bearer{p, x, spellingsOf(x.Secrets)}
	}
	return all
}

func firstNonEmpty(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// spellingsOf are the forms in which secrets can be read.
func spellingsOf(secrets []string) (all []string) {
	for _, s := range secrets {
		quoted, _ := json.Marshal(s)
		if len(s) < 8 {
			continue
		}
		all = append(all, s, strings.Trim(string(quoted), `"`), url.QueryEscape(s), url.PathEscape(s),
			strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), base64.StdEncoding.EncodeToString([]byte(s)))
	}
	return all
}

// route is the bearer's endpoint, chosen by a header; without forward it guards what next does.
func (b bearer) route(name string, app *harness.Application, guard bool) map[string]any {
	route := harness.EndpointRoute(name, b.webhook, app)
	handler := route["handle"].([]any)[0].(map[string]any)
	handler["provider"] = b.provider.Name
	if b.provider.Name == verify.CustomName {
		handler["verify"] = b.provider.Schemes[0]
	}
	if guard {
		delete(handler, "forward")
		route["handle"] = append(route["handle"].([]any), map[string]any{
			"handler": "reverse_proxy", "upstreams": []any{map[string]any{"dial": app.Address}},
		})
	}
	return route
}

// nearMisses are requests that carry the secret, or another, and are refused.
func (b bearer) nearMisses(t *testing.T, site, name string) (refused []*http.Request) {
	forged := b.webhook.Forge(t, b.provider)
	request := func(change func(r *http.Request)) {
		r := forged.RequestTo(t, site, name)
		change(r)
		refused = append(refused, r)
	}
	secret := b.webhook.Secrets[0]
	add := func(query string) func(r *http.Request) {
		return func(r *http.Request) {
			separator := "?"
			if strings.Contains(r.URL.Opaque, "?") {
				separator = "&"
			}
			r.URL.Opaque += separator + query
		}
	}
	request(func(*http.Request) {})
	request(add("%74oken=" + url.QueryEscape(secret)))
	request(add("elsewhere=" + url.QueryEscape(secret)))
	request(func(r *http.Request) { r.Header.Set("X-Elsewhere", secret) })
	request(func(r *http.Request) { r.Header.Add("Authorization", "Bearer "+secret) })
	request(func(r *http.Request) { r.Method = http.MethodDelete })
	request(func(r *http.Request) { r.Header.Set("Content-Type", "image/png") })
	return refused
}
