package cli

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/catalog"
	"github.com/caddywebhooks/caddy-webhooks/internal/vectors"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func githubSignature(body string) string {
	mac := hmac.New(sha256.New, []byte(githubSecret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

const githubSecret = "It's a Secret to Everybody"

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
	if err == nil || ExitCode(err) != ExitNo || sum.Sent != 10 || sum.Unanswered != 1 || sum.Accepted != 5 || sum.Answers["204"] != 1 ||
		sum.Answers["429 rate_limit_exceeded"] != 2 || sum.Answers["307"] != 1 || len(sum.Latency) != 5 || sum.PerSecond <= 0 {
		t.Errorf("%+v, %v", sum, err)
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
	if _, err := runCommand(providersCommand(), "nobody"); err == nil || ExitCode(err) != ExitWrong {
		t.Errorf("providers nobody: %v", err)
	}
}

// unmakeable are the providers whose signature is inside the body, or is a body
// of its own, which nobody but the provider writes.
var unmakeable = map[string]bool{
	"adyen-payments": true, "braintree": true, "dialpad": true, "dropbox-sign": true, "mailgun": true, "opennode": true, "ms-graph": true,
}

// TestSamples makes a webhook of every provider as `send` does, and has it verified.
func TestSamples(t *testing.T) {
	made := 0
	for _, p := range verify.Providers() {
		x := vectors.Of(t, p.Name).Vectors[0]
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

func TestSendHints(t *testing.T) {
	for answer, want := range map[string]string{
		"404 failed":            "handler behind it",
		"500 failed":            "handler behind it",
		"302 failed":            "handler behind it",
		"409 in_progress":       "still at work",
		"404":                   "no webhooks endpoint at that URL",
		"200":                   "something else did",
		"401":                   "something else did",
		"502":                   "something else did",
		"301":                   "redirects",
		"401 invalid_signature": "--secret is not the endpoint's",
		"400 https_required":    "require_https off",
		"503 unavailable":       "no handler behind it",
		"413 payload_too_large": "",
	} {
		if got := hint(answer); (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", answer, got, want)
		}
	}
}

// TestParseHeaders: send takes the last of a name that is given again, verify takes all.
func TestParseHeaders(t *testing.T) {
	flags := []string{"x-a: 1", "X-A:2:3 ", "X-B:"}
	sent, err := parseHeaders(flags, http.Header.Set)
	if err != nil || !reflect.DeepEqual(sent, http.Header{"X-A": {"2:3"}, "X-B": {""}}) {
		t.Errorf("send: %v, %v", sent, err)
	}
	came, err := parseHeaders(flags, http.Header.Add)
	if err != nil || !reflect.DeepEqual(came, http.Header{"X-A": {"1", "2:3"}, "X-B": {""}}) {
		t.Errorf("verify: %v, %v", came, err)
	}
	if _, err := parseHeaders([]string{"X-A"}, http.Header.Add); err == nil || err.Error() != `header "X-A": want 'Name: value'` {
		t.Errorf("without a colon: %v", err)
	}
}
