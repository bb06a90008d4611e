package providers

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/sample"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// sdkSecrets are those of the providers that sign a timestamp.
var sdkSecrets = map[string]string{
	"stripe":            "whsec_stripe",
	"slack":             "slack-secret",
	"svix":              "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"standard-webhooks": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
}

// sdkApplication is a Node application that checks webhooks with the providers'
// own libraries, unmodified.
type sdkApplication struct {
	address string
	reports chan sdkReport
}

type sdkReport struct {
	Port                              int
	Provider, Event, Attempt, Verdict string
}

func startSDKApplication(t *testing.T) *sdkApplication {
	t.Helper()
	const dir = "verify/testdata/vectors"
	if _, err := os.Stat(dir + "/node_modules"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the providers' libraries are not installed: run .ci/deps: %v", err)
		}
		t.Skip("the providers' libraries are not installed: run make deps")
	}
	secrets, err := json.Marshal(sdkSecrets)
	if err != nil {
		t.Fatal(err)
	}
	node := exec.Command("node", "app.mjs")
	node.Dir = dir
	node.Env = append(os.Environ(), "SECRETS="+string(secrets))
	node.Stderr = os.Stderr
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	app := &sdkApplication{reports: make(chan sdkReport, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var report sdkReport
			if err := json.Unmarshal(lines.Bytes(), &report); err == nil {
				app.reports <- report
			}
		}
	}()
	t.Cleanup(func() {
		_ = node.Process.Kill()
		<-done
		_ = node.Wait()
	})
	app.address = fmt.Sprintf("127.0.0.1:%d", app.next(t).Port)
	return app
}

func (a *sdkApplication) next(t *testing.T) sdkReport {
	t.Helper()
	select {
	case report := <-a.reports:
		return report
	case <-time.After(harness.Patience):
		t.Fatal("the application reports nothing")
		return sdkReport{}
	}
}

// TestResigning sends webhooks whose timestamp is an hour old to applications
// that use the providers' own libraries. The first attempt carries the
// provider's signature, which they refuse as too old; with re-signing they take the next.
func TestResigning(t *testing.T) {
	app := startSDKApplication(t)
	var site strings.Builder
	for provider, secret := range sdkSecrets {
		for _, resign := range []string{"on", "off"} {
			fmt.Fprintf(&site, `@%[1]s-%[3]s header X-Test %[1]s-%[3]s
			webhooks @%[1]s-%[3]s %[1]s {
				name %[1]s-%[3]s
				secret %[2]s
				tolerance 2h
				require_https off
				forward %[4]s {
					name sdk
					resign %[3]s
					retry linear {
						initial 10ms
						max_delay 10ms
						max_attempts 3
					}
				}
			}
			`, provider, secret, resign, app.address)
		}
	}
	c := harness.Start(t, site.String(), "")
	for provider := range sdkSecrets {
		t.Run(provider, func(t *testing.T) {
			sendOld(c, t, provider, "on")
			if first := app.next(t); first.Attempt != "1" || first.Verdict == "ok" {
				t.Fatalf("first attempt: %+v: want it refused as too old", first)
			}
			if second := app.next(t); second.Attempt != "2" || second.Verdict != "ok" {
				t.Errorf("second attempt: %+v: want it accepted", second)
			}
			sendOld(c, t, provider, "off")
			for n := range 3 {
				if report := app.next(t); report.Verdict == "ok" {
					t.Errorf("attempt %d without re-signing was accepted: %+v", n+1, report)
				}
			}
		})
	}
}

// sendOld posts a webhook that was signed an hour ago.
func sendOld(c *harness.Caddy, t *testing.T, provider, resign string) {
	t.Helper()
	row, _ := verify.Lookup(provider)
	verifier, err := row.NewVerifier(verify.Options{Secrets: []string{sdkSecrets[provider]}})
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(c.Site + "/" + provider)
	if err != nil {
		t.Fatal(err)
	}
	signed := sample.New(row, target, sample.Webhook{EventID: "evt_" + resign, EventType: "test"})
	if err := verifier.Sign(signed, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target.String(), bytes.NewReader(signed.Body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = signed.Header
	r.Header.Set("X-Test", provider+"-"+resign)
	if got := c.Do(r); got.Code/100 != 2 || got.Header.Get("Webhook-Status") != "accepted" {
		t.Fatalf("answered %d %s", got.Code, got.Body)
	}
}
