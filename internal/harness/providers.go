package harness

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
	"path/filepath"
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

// ProviderWebhook is a webhook of a provider, from package verify's vectors.
type ProviderWebhook struct{ vectors.Vector }

func WebhooksOf(t *testing.T, provider string) []ProviderWebhook {
	t.Helper()
	var all []ProviderWebhook
	for _, v := range vectors.Of(t, provider).Vectors {
		all = append(all, ProviderWebhook{v})
	}
	return all
}

func (x *ProviderWebhook) HasHeader(name string) bool {
	for header := range x.Headers {
		if strings.EqualFold(header, name) {
			return true
		}
	}
	return false
}

// RequestTo is the webhook on its way to the site, through a proxy that says how
// the provider called it.
func (x *ProviderWebhook) RequestTo(t *testing.T, site, endpoint string) *http.Request {
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

// Forge spoils what proves the webhook: the signature or token, wherever it is.
func (x *ProviderWebhook) Forge(t *testing.T, p *verify.Provider) ProviderWebhook {
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
		if value, ok := from.Extract(x.Signed(t)); ok && from.From != verify.FromHeader {
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

// Signed is what the provider signed, for looking things up in it.
func (x *ProviderWebhook) Signed(t *testing.T) *verify.Request {
	r := x.RequestTo(t, "http://localhost", "")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &verify.Request{Method: r.Method, Scheme: "https", Host: r.Host, URI: r.URL.RequestURI(), Header: r.Header, Body: body}
}

// IsTold reports whether the webhook has what its row tells events apart by.
func (x *ProviderWebhook) IsTold(t *testing.T, p *verify.Provider) bool {
	r := x.Signed(t)
	has := func(s verify.Source) bool { _, ok := s.Extract(r); return ok }
	lacks := func(s verify.Source) bool { return !has(s) }
	switch {
	case len(p.Identity) > 0 && !slices.ContainsFunc(p.Identity, lacks), len(p.Identity) == 0 && slices.ContainsFunc(p.EventID, has):
		return true
	case len(p.UniqueTypes) > 0 && p.Unique != "":
		return true // by its type, or its signed time
	case slices.ContainsFunc(p.UniqueWith, lacks):
		return p.Traits().SignsTimestamp
	}
	return p.Unique != "" || !p.Repeats && (p.Traits().SignsTimestamp || len(p.Identity)+len(p.EventID) == 0)
}

// StartProviders starts a Caddy with an endpoint for each of the providers. It takes the time from
// now, and keys from a server that has what the providers' first webhooks, which are returned, need.
func StartProviders(t *testing.T, providers []*verify.Provider) (c *Caddy, app *Application, now *atomic.Int64, webhooks map[string]ProviderWebhook) {
	t.Helper()
	now = new(atomic.Int64)
	OwnKeys(t)
	process.Clock = func() time.Time { return time.Unix(now.Load(), 0) }
	t.Cleanup(func() { process.Clock = nil })
	app = StartApplication(t)
	c = Start(t, "respond 404", "")
	published := make(map[string]string)
	process.KeyTransport = ServeKeys(t, published)
	t.Cleanup(func() { process.KeyTransport = nil })
	webhooks = make(map[string]ProviderWebhook)
	var routes []any
	for _, p := range providers {
		x := WebhooksOf(t, p.Name)[0]
		if len(p.ContentTypes) > 0 && !x.HasHeader("Content-Type") { // as printed in documentation, without
			x.Headers["Content-Type"], _ = json.Marshal(p.ContentTypes[0])
		}
		webhooks[p.Name] = x
		maps.Copy(published, x.Fetched)
		routes = append(routes, EndpointRoute(p.Name, x, app))
	}
	c.LoadRoutes(routes)
	return c, app, now, webhooks
}

// ServeKeys returns a transport to a server that stands in for those on which
// providers publish their keys. It has a certificate of its own.
func ServeKeys(t *testing.T, published map[string]string) http.RoundTripper {
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

// OwnKeys gives the test fetched keys of its own, and a directory for them.
func OwnKeys(t *testing.T) (dir string) {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	process.Keys = process.NewKeys()
	t.Cleanup(func() { process.Keys = process.NewKeys() })
	return filepath.Join(caddy.AppDataDir(), "webhooks", "keys")
}
