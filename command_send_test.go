package caddywebhooks

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/catalog"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func TestSend(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, ""), "")
	out, err := runCommand(sendCommand(), "github", c.site+"/github", "--secret", githubSecret, "--count=20", "--concurrency=4")
	if err != nil || !strings.Contains(out, "202 accepted     20  100.0%") || !strings.Contains(out, "20 sent in ") {
		t.Errorf("send: %q, %v", out, err)
	}
	for range 20 {
		app.next(t)
	}
	out, err = runCommand(sendCommand(), "github", c.site+"/github", "--secret", "wrong")
	if err == nil || !strings.Contains(out, "401 invalid_signature") || !strings.Contains(err.Error(), "--secret is not the endpoint's") {
		t.Errorf("send with a wrong secret: %q, %v", out, err)
	}
	if _, err = runCommand(sendCommand(), "github", "http://127.0.0.1:1/", "--secret", "x"); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("send to nobody: %v", err)
	}
	if c.dead() != 0 {
		t.Errorf("%d dead letters", c.dead())
	}
	if _, err = runCommand(sendCommand(), "github", c.site+"/github", "--secret=x", "--rate=fast"); err == nil || !strings.Contains(err.Error(), "--rate: ") {
		t.Errorf("send --rate=fast: %v", err)
	}
}

// TestSendJSON sums up a mixture of answers for programs.
func TestSendJSON(t *testing.T) {
	var n atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	t.Cleanup(elsewhere.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		switch n.Add(1) {
		case 1:
			panic(http.ErrAbortHandler)
		case 2, 3:
			w.Header().Set("Webhook-Status", "rate_limit_exceeded")
			w.WriteHeader(http.StatusTooManyRequests)
		case 4:
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		case 5: // somebody else's success
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Webhook-Status", "accepted")
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	t.Cleanup(server.Close)
	out, _, err := runUntil(t.Context(), sendCommand(), "github", server.URL, "--secret=x", "--count=10", "--json")
	var sum sendSummary
	if jsonErr := json.Unmarshal([]byte(out), &sum); jsonErr != nil {
		t.Fatalf("%v: %s", jsonErr, out)
	}
	if err == nil || exitCode(err) != exitNo || sum.Sent != 10 || sum.Unanswered != 1 || sum.Accepted != 5 || sum.Answers["204"] != 1 ||
		sum.Answers["429 rate_limit_exceeded"] != 2 || sum.Answers["307"] != 1 || len(sum.Latency) != 5 || sum.PerSecond <= 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestSendRate begins no more than the rate allows: 10 more at 50/s, after what
// may go at once, take 200 ms at least.
func TestSendRate(t *testing.T) {
	app := startApplication(t)
	c := startCaddy(t, githubSite(app, ""), "")
	began := time.Now()
	out, err := runCommand(sendCommand(), "github", c.site+"/github", "--secret", githubSecret, "--count=15", "--concurrency=15", "--rate=50/s")
	if took := time.Since(began); err != nil || took < 200*time.Millisecond {
		t.Errorf("it took %s: %s, %v", took, out, err)
	}
}

func TestQuantiles(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for part, want := range map[float64]time.Duration{.5: 50, .9: 90, .99: 99, .995: 100, 1: 100, 0: 1} {
		if got := quantile(hundred, part); got != want {
			t.Errorf("quantile %v of 1 to 100 is %d, want %d", part, got, want)
		}
	}
	if got := quantile(hundred[:1], .5); got != 1 {
		t.Errorf("the median of one is %d", got)
	}
}

func TestSign(t *testing.T) {
	body := `{"a":1}`
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := runCommand(signCommand(), "github", "--secret", githubSecret, "--body", file)
	if err != nil || !strings.Contains(out, "X-Hub-Signature-256: "+githubSignature(body)+"\n") {
		t.Errorf("sign: %q, %v", out, err)
	}
	if strings.Contains(out, "\r") {
		t.Error("output has carriage returns")
	}
}

// TestProvidersCommand lists all, and shows each.
func TestProvidersCommand(t *testing.T) {
	out, err := runCommand(providersCommand())
	if err != nil || strings.Count(out, "\n") != len(verify.Providers())+2 {
		t.Errorf("providers: %v\n%s", err, out)
	}
	for _, p := range verify.Providers() {
		out, err := runCommand(providersCommand(), p.Name)
		if err != nil || !strings.HasPrefix(out, p.Title) || !strings.Contains(out, p.Docs) {
			t.Errorf("providers %s: %v\n%s", p.Name, err, out)
		}
	}
	out, err = runCommand(providersCommand(), "stripe", "--json")
	var view catalog.Description
	if err != nil || json.Unmarshal([]byte(out), &view) != nil || view.Title != "Stripe" {
		t.Errorf("providers stripe --json: %s, %v", out, err)
	}
	if _, err := runCommand(providersCommand(), "nobody"); err == nil || exitCode(err) != exitWrong {
		t.Errorf("providers nobody: %v", err)
	}
}

// TestSamples makes a webhook of every provider as `send` does, and has it verified.
func TestSamples(t *testing.T) {
	made := 0
	for _, p := range verify.Providers() {
		x := webhooksOf(t, p.Name)[0]
		options := verify.Options{Secrets: x.Secrets, PublicKeys: x.PublicKeys, Settings: x.Settings}
		v, err := p.NewVerifier(options)
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		if len(x.Secrets) == 0 {
			v.Close()
			continue // only the provider can sign
		}
		s := signer{provider: p.Name, secret: x.Secrets[0], eventType: "test"}
		for name, values := range x.Settings {
			for _, value := range values {
				s.options = append(s.options, name+"="+value)
			}
		}
		next, err := s.webhooks(&url.URL{Scheme: "https", Host: "hooks.example.com", Path: "/in"})
		if err != nil {
			t.Fatalf("%s: %v", p.Name, err)
		}
		r, err := next()
		if err != nil {
			if !unmakeable[p.Name] {
				t.Errorf("%s: %v", p.Name, err)
			}
			continue
		}
		made++
		if _, err := v.Verify(r); err != nil {
			t.Errorf("%s: what send makes is refused: %v", p.Name, err)
		}
		v.Close()
	}
	if made < 190 {
		t.Errorf("%d providers' webhooks can be made, want 190 at least", made)
	}
}

// unmakeable are the providers whose signature is inside the body, or is a body
// of its own, which nobody but the provider writes.
var unmakeable = map[string]bool{
	"adyen-payments": true, "braintree": true, "dialpad": true, "dropbox-sign": true, "mailgun": true, "opennode": true, "ms-graph": true,
}
