package explain

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// signed returns a webhook of the provider, signed with secret.
func signed(t *testing.T, provider, secret, contentType, body string, at time.Time) *verify.Request {
	t.Helper()
	r := &verify.Request{
		Method: http.MethodPost, Scheme: "https", Host: "hooks.example.com", URI: "/in",
		Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body),
	}
	v, err := row(t, provider).NewVerifier(verify.Options{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Sign(r, at); err != nil {
		t.Fatal(err)
	}
	return r
}

func row(t *testing.T, provider string) *verify.Provider {
	t.Helper()
	p, ok := verify.Lookup(provider)
	if !ok {
		t.Fatal("no provider " + provider)
	}
	return p
}

const (
	media  = "application/json"
	body   = `{"id":"evt_1","text":"für 日本 🎉","url":"https://example.com/a"}`
	whsec  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secret = "0123456789abcdef0123456789abcdef"
)

// TestFindings makes one mistake at a time and wants it named.
func TestFindings(t *testing.T) {
	for _, x := range []struct {
		name, provider, signedWith, checkedWith string
		change                                  func(r *verify.Request)
		want                                    string
	}{
		{"trailing line break", "github", secret, secret, func(r *verify.Request) { r.Body = append(r.Body, '\n') }, "without the line break at its end"},
		{"line break lost", "github", secret, secret, func(r *verify.Request) {
			signed := signed(t, "github", secret, media, body+"\n", now)
			r.Header = signed.Header
		}, "with a line break at its end"},
		{"pretty-printed", "github", secret, secret, func(r *verify.Request) {
			r.Body = []byte(strings.ReplaceAll(body, ",", ",\n  "))
		}, "as compact JSON"},
		{"escaped", "github", secret, secret, func(r *verify.Request) {
			r.Body = []byte(strings.NewReplacer("ü", `\u00fc`, "日本", `\u65e5\u672c`, "🎉", `\ud83c\udf89`).Replace(body))
		}, `with its \u escapes as characters`},
		{"slashes escaped", "github", secret, secret, func(r *verify.Request) {
			r.Body = []byte(strings.ReplaceAll(body, "/", `\/`))
		}, `with \/ written as /`},
		{"byte order mark", "github", secret, secret, func(r *verify.Request) { r.Body = append([]byte("\xef\xbb\xbf"), r.Body...) }, "byte order mark"},
		{"quoted secret", "github", secret, `"` + secret + `"`, nil, "without the quotes"},
		{"secret decoded by the sender", "github", "\x01\x23\x45\x67", "01234567", nil, "taken as hex"},
		{"header renamed", "github", secret, secret, func(r *verify.Request) {
			r.Header["Hub-Signature-256"] = r.Header["X-Hub-Signature-256"]
			r.Header.Del("X-Hub-Signature-256")
		}, "Hub-Signature-256 is there"},
		{"header missing", "github", secret, secret, func(r *verify.Request) { r.Header.Del("X-Hub-Signature-256") }, "X-Hub-Signature-256 is missing"},
		{"a webhook of another provider", "github", secret, secret, func(r *verify.Request) {
			r.Header = signed(t, "slack", secret, media, body, now).Header
		}, "`webhooks slack`"},
		{"behind a proxy", "twilio", secret, secret, func(r *verify.Request) {
			r.Header = signed(t, "twilio", secret, "application/x-www-form-urlencoded", "", now).Header
			r.Body, r.URI, r.Scheme = nil, "/in", "http"
		}, "X-Forwarded-Proto"},
		{"another path", "twilio", secret, secret, func(r *verify.Request) {
			r.Header = signed(t, "twilio", secret, "application/x-www-form-urlencoded", "", now).Header
			r.Body, r.URI = nil, "/in/"
		}, "no slash at the end"},
		{"stale", "stripe", whsec, whsec, func(r *verify.Request) {
			r.Header = signed(t, "stripe", whsec, media, body, now.Add(-2*time.Hour)).Header
		}, "2h0m0s ago"},
		{"clock behind", "stripe", whsec, whsec, func(r *verify.Request) {
			r.Header = signed(t, "stripe", whsec, media, body, now.Add(time.Hour)).Header
		}, "1h0m0s in the future"},
		{"secret of the wrong shape", "stripe", whsec, "sk_live_123", nil, "begin with whsec_"},
		{"no body given", "github", secret, secret, func(r *verify.Request) { r.Body = nil }, "with --body"},
		{"signature cut off", "github", secret, secret, func(r *verify.Request) {
			r.Header.Set("X-Hub-Signature-256", "sha256=…cut")
		}, "Of X-Hub-Signature-256 one is not as GitHub writes it"},
		{"nothing usual", "github", secret, "entirely another secret", nil, "None of the usual mistakes"},
	} {
		t.Run(x.name, func(t *testing.T) {
			r := signed(t, x.provider, x.signedWith, media, body, now)
			if x.change != nil {
				x.change(r)
			}
			e, err := Explain(row(t, x.provider), verify.Options{Secrets: []string{x.checkedWith}, Now: func() time.Time { return now }}, r)
			if err != nil {
				t.Fatal(err)
			}
			all := strings.Join(e.Findings, "\n")
			if e.OK || !strings.Contains(all, x.want) {
				t.Errorf("ok %t, findings:\n%s\nwant one with %q", e.OK, all, x.want)
			}
			for _, part := range []string{x.signedWith, x.checkedWith} {
				if strings.Contains(all+e.Detail, part) {
					t.Errorf("a secret is in what is said: %s %s", all, e.Detail)
				}
			}
		})
	}
}

func TestOtherAlgorithm(t *testing.T) {
	sha1, err := verify.Custom(verify.Scheme{
		Algorithm: "hmac-sha1", Signature: verify.Source{From: verify.FromHeader, Name: "X-Hub-Signature-256"}, Format: "sha256={hex}",
	})
	if err != nil {
		t.Fatal(err)
	}
	o := verify.Options{Secrets: []string{secret}, Now: func() time.Time { return now }}
	v, err := sha1.NewVerifier(o)
	if err != nil {
		t.Fatal(err)
	}
	r := signed(t, "github", secret, media, body, now)
	if err := v.Sign(r, now); err != nil {
		t.Fatal(err)
	}
	e, err := Explain(row(t, "github"), o, r)
	if err != nil || !strings.Contains(strings.Join(e.Findings, " "), "hmac-sha1") {
		t.Errorf("%+v, %v: want hmac-sha1 named", e, err)
	}
}

func TestRight(t *testing.T) {
	e, err := Explain(row(t, "github"), verify.Options{Secrets: []string{"other", secret}}, signed(t, "github", secret, media, body, now))
	if err != nil || !e.OK || e.Result.SecretIndex != 1 || len(e.Findings) > 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestUnusableSecret(t *testing.T) {
	_, err := Explain(row(t, "svix"), verify.Options{Secrets: []string{"not base64!"}}, signed(t, "github", secret, media, body, now))
	if err == nil || !strings.Contains(err.Error(), "begin with whsec_") {
		t.Errorf("error %v: want a word on the secret's shape", err)
	}
}

// TestNotTheSecret does not blame a secret that was never compared.
func TestNotTheSecret(t *testing.T) {
	down := roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("no route") })
	r := &verify.Request{Method: http.MethodPost, Scheme: "https", Host: "hooks.example.com", URI: "/in", Body: []byte(body), Header: http.Header{
		"Content-Type": {media}, "Webhook-Id": {"evt_1"}, "Webhook-Timestamp": {"1767323045"}, "Webhook-Signature": {"v1a,AAAA"},
	}}
	for _, p := range verify.Providers() {
		traits := p.Traits()
		if !traits.FetchedKeys || traits.SharedSecret || traits.KeyPair {
			continue
		}
		e, err := Explain(p, verify.Options{Now: func() time.Time { return now }, Transport: down}, r)
		if err != nil {
			continue // it needs an option
		}
		if all := strings.Join(e.Findings, "\n"); e.OK || strings.Contains(all, "the secret is another") {
			t.Errorf("%s, %s: %s", p.Name, e.Detail, all)
		}
	}
	c := &check{provider: row(t, "stripe")}
	c.explainKey(verify.DetailKeyNotFetched)
	c.explainKey(verify.DetailUnknownKey)
	c.explainKey(verify.DetailForeignKeyAddress)
	for i, want := range []string{"could not be fetched", "does not publish", "not from Stripe"} {
		if !strings.Contains(c.findings[i], want) || strings.Contains(c.findings[i], "secret") {
			t.Errorf("%q: want %q", c.findings[i], want)
		}
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
