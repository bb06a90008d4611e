package caddywebhooks

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/vectors"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// providerWebhook is a webhook of a provider, from package verify's vectors.
type providerWebhook struct{ vectors.Vector }

func webhooksOf(t *testing.T, provider string) []providerWebhook {
	t.Helper()
	var all []providerWebhook
	for _, v := range vectors.Of(t, provider).Vectors {
		all = append(all, providerWebhook{v})
	}
	return all
}

func (x *providerWebhook) hasHeader(name string) bool {
	for header := range x.Headers {
		if strings.EqualFold(header, name) {
			return true
		}
	}
	return false
}

// request is the webhook on its way to the site, through a proxy that says how
// the provider called it.
func (x *providerWebhook) request(t *testing.T, site, endpoint string) *http.Request {
	t.Helper()
	sent := x.Request(t)
	r, err := http.NewRequestWithContext(t.Context(), sent.Method, site, bytes.NewReader(sent.Body))
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque = sent.URI // not normalised
	if !strings.HasPrefix(sent.URI, "/") {
		r.URL.Opaque = "/" + sent.URI
	}
	r.Host, r.Header = sent.Host, sent.Header
	r.Header.Set("X-Forwarded-Proto", sent.Scheme)
	r.Header.Set("X-Test-Endpoint", endpoint)
	return r
}

// forge spoils what proves the webhook: the signature or token, wherever it is.
func (x *providerWebhook) forge(t *testing.T, p *verify.Provider) providerWebhook {
	forged := *x
	forged.Headers = maps.Clone(x.Headers)
	spoilt := false
	for _, s := range p.Schemes {
		from := s.Signature // of several, all are spoilt
		if from.IsZero() {
			from = verify.Source{From: verify.FromHeader, Name: "Authorization"}
		}
		for name, raw := range x.Headers {
			var value string
			if from.From == verify.FromHeader && strings.EqualFold(name, from.Name) && json.Unmarshal(raw, &value) == nil {
				forged.Headers[name], _ = json.Marshal(spoil(value))
				spoilt = true
			}
		}
		if value, ok := from.Extract(x.signed(t)); ok && from.From != verify.FromHeader {
			for _, written := range []string{value, url.QueryEscape(value)} {
				forged.Body = strings.ReplaceAll(forged.Body, written, spoil(written))
				forged.URL = strings.ReplaceAll(forged.URL, written, spoil(written))
			}
			spoilt = true
		}
	}
	if !spoilt {
		forged.Body += " "
	}
	return forged
}

// spoil changes a letter or digit near the end of each item.
func spoil(value string) string {
	b := []byte(strings.TrimRight(value, "="))
	for i := range b { // of several signatures in a list every one
		if last := i+5 == len(b) || i+6 < len(b) && b[i+6] == ','; last {
			b[i] = map[bool]byte{true: '1', false: '0'}[b[i] == '0']
		}
	}
	return string(b) + value[len(b):]
}

// signed is what the provider signed, for looking things up in it.
func (x *providerWebhook) signed(t *testing.T) *verify.Request {
	r := x.request(t, "http://localhost", "")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &verify.Request{Method: r.Method, Scheme: "https", Host: r.Host, URI: r.URL.RequestURI(), Header: r.Header, Body: body}
}

// isTold reports whether the webhook has what its row tells events apart by.
func (x *providerWebhook) isTold(t *testing.T, p *verify.Provider) bool {
	r := x.signed(t)
	has := func(s verify.Source) bool { _, ok := s.Extract(r); return ok }
	lacks := func(s verify.Source) bool { return !has(s) }
	switch {
	case len(p.Identity) > 0 && !slices.ContainsFunc(p.Identity, lacks), len(p.Identity) == 0 && slices.ContainsFunc(p.EventID, has):
		return true
	case len(p.UniqueTypes) > 0 && p.Unique != "":
		return true // by its type, or its signed time
	}
	return p.Unique != "" || !p.Repeats && (p.Traits().SignsTimestamp || len(p.Identity)+len(p.EventID) == 0)
}

// startProviders starts a Caddy with an endpoint for each of the providers. It takes the time from
// now, and keys from a server that has what the providers' first webhooks, which are returned, need.
func startProviders(t *testing.T, providers []*verify.Provider) (c *running, app *application, now *atomic.Int64, webhooks map[string]providerWebhook) {
	t.Helper()
	now = new(atomic.Int64)
	ownKeys(t)
	process.Clock = func() time.Time { return time.Unix(now.Load(), 0) }
	t.Cleanup(func() { process.Clock = nil })
	app = startApplication(t)
	c = startCaddy(t, "respond 404", "")
	published := make(map[string]string)
	process.KeyTransport = serveKeys(t, published)
	t.Cleanup(func() { process.KeyTransport = nil })
	webhooks = make(map[string]providerWebhook)
	var routes []any
	for _, p := range providers {
		x := webhooksOf(t, p.Name)[0]
		if len(p.ContentTypes) > 0 && !x.hasHeader("Content-Type") { // as printed in documentation, without
			x.Headers["Content-Type"], _ = json.Marshal(p.ContentTypes[0])
		}
		webhooks[p.Name] = x
		maps.Copy(published, x.Fetched)
		routes = append(routes, endpointRoute(p.Name, x, app))
	}
	c.loadRoutes(routes)
	return c, app, now, webhooks
}

// TestEveryProvider takes a webhook of every provider through a whole Caddy:
// accepted, a duplicate, forged, and stale where the time is signed.
func TestEveryProvider(t *testing.T) {
	c, app, now, chosen := startProviders(t, verify.Providers())
	tried := 0
	for _, p := range verify.Providers() {
		tried++
		t.Run(p.Name, func(t *testing.T) {
			c.t = t
			x := chosen[p.Name]
			now.Store(x.Now)
			v, err := p.NewVerifier(verify.Options{
				Secrets: x.Secrets, PublicKeys: x.PublicKeys, Settings: x.Settings, Now: process.Clock, Transport: process.KeyTransport,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			send := func(x providerWebhook, want string) reply {
				t.Helper()
				got := c.do(x.request(t, c.site, p.Name))
				if status := got.header.Get("Webhook-Status"); status != want {
					t.Errorf("%q was answered %d %s (%s), want %s", x.Name, got.code, status, got.body, want)
				}
				return got
			}
			if got := send(x, "accepted"); p.Accepted.Status != 0 && (got.code != p.Accepted.Status || got.body != p.Accepted.Body) {
				t.Errorf("accepted with %d %q, want the provider's own %d %q", got.code, got.body, p.Accepted.Status, p.Accepted.Body)
			} else if p.Accepted.Status == 0 && got.code != p.Success.Status() {
				t.Errorf("accepted with %d, want %d", got.code, p.Success.Status())
			}
			delivered := app.next(t)
			if delivered.header.Get("Webhook-Provider") != p.Name {
				t.Errorf("delivered as %s", delivered.header.Get("Webhook-Provider"))
			}
			again := "duplicate"
			if !x.isTold(t, p) {
				again = "accepted"
			}
			if got := send(x, again); got.code != http.StatusOK && got.code != p.Accepted.Status && got.code != p.Success.Status() {
				t.Errorf("a duplicate is answered %d", got.code)
			}
			if again == "accepted" {
				app.next(t)
			}
			if got := send(x.forge(t, p), string(verify.InvalidSignature)); got.code != http.StatusUnauthorized {
				t.Errorf("a forged one is answered %d", got.code)
			}
			if v.SignedTimestamp() {
				now.Store(x.Now + int64(time.Hour/time.Second))
				if got := send(x, string(verify.TimestampExpired)); got.code != http.StatusBadRequest {
					t.Errorf("a stale one is answered %d", got.code)
				}
			}
		})
	}
	if tried < 120 {
		t.Errorf("the table has %d providers, want at least 120", tried)
	}
}

// serveKeys returns a transport to a server that stands in for those on which
// providers publish their keys. It has a certificate of its own.
func serveKeys(t *testing.T, published map[string]string) http.RoundTripper {
	t.Helper()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := published["https://"+r.Host+r.URL.Path]
		if !ok {
			http.NotFound(w, r)
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // as the certificate says
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	return transport
}

// endpointRoute is the route of an endpoint that is chosen by a header.
func endpointRoute(name string, x providerWebhook, app *application) map[string]any {
	handler := map[string]any{
		"handler": "webhooks", "provider": name, "name": name, "dedupe_ttl": "24h",
		"forward": []any{map[string]any{"name": "app", "upstreams": []string{app.address}}},
	}
	for setting, values := range map[string]any{"secrets": x.Secrets, "public_keys": x.PublicKeys, "options": x.Settings} {
		handler[setting] = values
	}
	return map[string]any{
		"match":  []any{map[string]any{"header": map[string][]string{"X-Test-Endpoint": {name}}}},
		"handle": []any{handler},
	}
}

// loadRoutes replaces the site's routes, and has it trust a proxy on this machine.
func (c *running) loadRoutes(routes []any) { c.loadServer(routes, nil) }

// loadServer is loadRoutes with further settings of the server.
func (c *running) loadServer(routes []any, settings map[string]any) {
	c.t.Helper()
	adapted, err := adapt("{\n" + c.options + "\n}\nhttp://:" + c.port + " {\nbind 127.0.0.1\nrespond 404\n}\n")
	if err != nil {
		c.t.Fatal(err)
	}
	var config map[string]any
	if err := json.Unmarshal(adapted, &config); err != nil {
		c.t.Fatal(err)
	}
	server := config["apps"].(map[string]any)["http"].(map[string]any)["servers"].(map[string]any)["srv0"].(map[string]any)
	maps.Copy(server, settings)
	server["routes"] = routes
	server["trusted_proxies"] = map[string]any{"source": "static", "ranges": []string{"127.0.0.1/32"}}
	text, err := json.Marshal(config)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := caddy.Load(text, true); err != nil {
		c.t.Fatal(err)
	}
	if err := c.awaitOldConfig(); err != nil {
		c.t.Fatal(err)
	}
}
