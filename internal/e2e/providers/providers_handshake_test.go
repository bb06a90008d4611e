package providers

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/vectors"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestEveryHandshake has each provider try out its endpoint as its row says.
func TestEveryHandshake(t *testing.T) {
	var now atomic.Int64
	process.Clock = func() time.Time { return time.Unix(now.Load(), 0) }
	t.Cleanup(func() { process.Clock = nil })
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // for secrets that are handed over
	app := harness.StartApplication(t)
	c := harness.Start(t, "respond 404", "")
	var routes []any
	var rows []*verify.Provider
	for _, p := range verify.Providers() {
		if len(p.Handshakes) == 0 {
			continue
		}
		x := harness.WebhooksOf(t, p.Name)[0]
		x.Settings = maps.Clone(x.Settings)
		for _, h := range p.Handshakes {
			if h.TokenSetting != "" && len(x.Settings[h.TokenSetting]) == 0 {
				if x.Settings == nil {
					x.Settings = make(map[string][]string)
				}
				x.Settings[h.TokenSetting] = []string{"my-token"}
			}
		}
		rows, routes = append(rows, p), append(routes, harness.EndpointRoute(p.Name, x, app))
	}
	c.LoadRoutes(routes)
	tried := 0
	for _, p := range rows {
		x := harness.WebhooksOf(t, p.Name)[0]
		now.Store(x.Now)
		for i, h := range p.Handshakes {
			attempt, ok := handshakeOf(t, p, &h, x)
			if !ok {
				continue // only the provider can sign it
			}
			tried++
			got := c.Do(attempt.RequestTo(t, c.Site, p.Name))
			if status := got.Header.Get("Webhook-Status"); status != "handshake" || got.Code != h.Answer.Status {
				t.Errorf("%s, handshake %d: answered %d %s %q, want %d", p.Name, i, got.Code, status, got.Body, h.Answer.Status)
			}
			if !h.Echo.IsZero() && !strings.Contains(got.Body+got.Header.Get(h.Answer.HeaderName), challenge) {
				t.Errorf("%s, handshake %d: %q does not repeat the challenge", p.Name, i, got.Body)
			}
		}
	}
	if tried < 24 {
		t.Errorf("%d handshakes were tried, want 24 at least", tried)
	}
	if len(app.Got) > 0 {
		t.Error("a handshake was delivered")
	}
}

// challenge is what providers of whom nothing else is known send; it is hex, for those who want that.
const challenge = "0123456789abcdef01234567"

// handshakeOf makes the handshake, signed with the secret of x if it is to be. It
// is not ok if we have no key to sign with.
func handshakeOf(t *testing.T, p *verify.Provider, h *verify.Handshake, x harness.ProviderWebhook) (harness.ProviderWebhook, bool) {
	t.Helper()
	r := &verify.Request{Method: h.Method, Scheme: "https", Host: "hooks.example.com", URI: "/in", Header: make(http.Header)}
	if r.Method == "" {
		r.Method = p.Methods[0]
	}
	document, fields, query := make(map[string]any), make(url.Values), make(url.Values)
	put := func(s verify.Source, value string) {
		switch s.From {
		case verify.FromHeader:
			r.Header.Set(s.Name, value)
		case verify.FromQuery:
			query.Set(s.Name, value)
		case verify.FromForm:
			fields.Set(s.Name, value)
		case verify.FromJSON:
			inner, names := document, strings.Split(s.Name[1:], "/")
			for _, name := range names[:len(names)-1] {
				if inner[name] == nil {
					inner[name] = make(map[string]any)
				}
				inner = inner[name].(map[string]any)
			}
			inner[names[len(names)-1]] = value
		}
	}
	for _, s := range []verify.Source{h.Echo, h.Secret, h.When} {
		put(s, challenge)
	}
	if h.Equals != "" {
		put(h.When, h.Equals)
	}
	if values := append(x.Settings[h.TokenSetting], "my-token"); h.TokenSetting != "" {
		put(h.Token, values[0])
	}
	if len(query) > 0 {
		r.URI += "?" + query.Encode()
	}
	if len(fields) > 0 {
		r.Body = []byte(fields.Encode())
		r.Header.Set("Content-Type", harness.MediaForm)
	} else if r.Method == http.MethodPost {
		if r.Body, _ = json.Marshal(document); h.Body != "" {
			r.Body = []byte(h.Body)
		}
		r.Header.Set("Content-Type", harness.MediaJSON)
	}
	if h.Signed {
		v, err := p.NewVerifier(verify.Options{Secrets: x.Secrets, PublicKeys: x.PublicKeys, Settings: x.Settings})
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		if !v.CanSign() || v.Sign(r, time.Unix(x.Now, 0)) != nil {
			return x, false
		}
	}
	made := harness.ProviderWebhook{Vector: vectors.Vector{Method: r.Method, URL: r.URL(), Body: string(r.Body), Headers: make(map[string]json.RawMessage)}}
	for name := range r.Header {
		made.Headers[name], _ = json.Marshal(r.Header.Get(name))
	}
	return made, true
}
