package runbook

import (
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// situations are what the chapters of docs/runbook.md are for, by anchor. Each
// brings it about, types the chapter, and does in between what only people can do.
var situations = map[string]func(*situation){
	"dead-letters":                       (*situation).deadLetters,
	"the-queue-grows":                    (*situation).queueGrows,
	"an-endpoint-is-full":                (*situation).endpointFull,
	"a-breaker-is-open":                  (*situation).breakerOpen,
	"duplicates":                         (*situation).duplicates,
	"answers-are-slow":                   (*situation).answersSlow,
	"certificates-fail":                  (*situation).certificatesFail,
	"signatures-fail":                    (*situation).signaturesFail,
	"webhooks-are-refused":               (*situation).webhooksRefused,
	"webhooks-are-ignored":               (*situation).webhooksIgnored,
	"webhooks-are-limited":               (*situation).webhooksLimited,
	"the-clock-is-off":                   (*situation).clockOff,
	"the-provider-disabled-our-endpoint": (*situation).providerDisabled,
	"a-secret-leaked":                    (*situation).secretLeaked,
	"a-reload-failed":                    (*situation).reloadFailed,
	"the-store-is-down":                  (*situation).storeDown,
	"redis-is-full":                      (*situation).redisFull,
	"deliveries-are-left-behind":         (*situation).leftBehind,
	"the-store-was-emptied":              (*situation).storeEmptied,
	"redis-must-not-be-used":             (*situation).redisRefused,
	"records-are-damaged":                (*situation).recordsDamaged,
	"something-panicked":                 (*situation).panicked,
	"the-disk-is-full":                   (*situation).diskFull,
	"a-node-is-lost":                     (*situation).nodeLost,
}

// send posts signed webhooks to the endpoint and wants this answer to each.
func (o *situation) send(count, code int, word string) {
	o.Helper()
	for n := range count {
		harness.CheckAnswer(o.T, o.Caddy.Do(o.Caddy.GitHubRequest("/"+o.Fill["endpoint"], fmt.Sprintf("%s-%d", o.Fill["endpoint"], n), "{}")), code, word)
	}
}

func (o *situation) deadLetters() {
	app := harness.StartApplication(o.T)
	mended := make(chan struct{})
	app.AnswerWith(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-mended:
			if r.Header.Get("Webhook-Event-Id") != "poison" {
				return
			}
		default:
		}
		w.WriteHeader(500)
	})
	o.Starts(harness.Start(o.T, harness.DestinationSite("dead-shop", app.Address, "breaker off\nretry linear {\ninitial 1ms\nmax_attempts 3\n}"), ""), "dead-shop")
	o.send(5, 202, "accepted")
	harness.CheckAnswer(o.T, o.Caddy.Do(o.Caddy.GitHubRequest("/dead-shop", "poison", "{}")), 202, "accepted")
	o.Stands(0, 6)
	o.Fill["id"] = o.Caddy.Delivery("event_id=dead-shop-0").ID
	o.Fill["poison id"] = o.Caddy.Delivery("event_id=poison").ID
	o.Types()
	close(mended)
	o.Types()
	o.Stands(0, 1) // the one that cannot be helped
	o.Types()
	o.Types()
}

func (o *situation) queueGrows() {
	app := harness.StartApplication(o.T)
	app.AnswerStatus(500)
	site := harness.DestinationSite("slow-shop", app.Address, "breaker 100 1h\nretry {\ninitial 1h\n}")
	o.Starts(harness.Start(o.T, site, ""), "slow-shop")
	o.send(5, 202, "accepted")
	o.Stands(5, 0)
	for range 5 {
		app.Next(o.T)
	}
	o.Fill["id"] = o.Caddy.Delivery("event_id=slow-shop-0").ID
	harness.Eventually(o.T, "the first attempt is settled", func() bool {
		return o.Caddy.Delivery("event_id=slow-shop-0").Attempts == 1
	})
	o.Types()
	app.AnswerStatus(200)
	o.Types()
	o.Stands(0, 0)
	o.Caddy.Options = harness.Edited(o.Caddy.Options, "webhooks {", "webhooks {\nmax_pending 200000")
	o.Edits(site)
	o.Types()
	o.Types()
	if got := o.Caddy.Metrics()["webhook_max_pending"]; got != 200000 {
		o.Errorf("max_pending is %v after the reload", got)
	}
}

func (o *situation) endpointFull() {
	app := harness.StartApplication(o.T)
	app.AnswerStatus(410)
	site := harness.DestinationSite("full-shop", app.Address, "")
	c := harness.New(o.T, filepath.Join(o.T.TempDir(), "deliveries.db")+"\nmax_stored 4KiB", "")
	harness.Begin(o.T, c, site)
	o.Starts(c, "full-shop")
	body := fmt.Sprintf("{%q: %q}", "text", strings.Repeat("x", 2000))
	for n := range 2 {
		harness.CheckAnswer(o.T, c.Do(c.GitHubRequest("/full-shop", fmt.Sprint("large-", n), body)), 202, "accepted")
	}
	o.Stands(0, 2)
	harness.CheckAnswer(o.T, c.Do(c.GitHubRequest("/full-shop", "one more", "{}")), 503, "unavailable")
	o.Types()
	app.AnswerStatus(200)
	o.Types()
	o.Stands(0, 0)
	o.Types()
	c.Options = harness.Edited(c.Options, "max_stored 4KiB", "max_stored 1GiB")
	o.Edits(site)
	o.Types()
	if got := c.Metrics()["webhook_max_stored_bytes"]; got != 1<<30 {
		o.Errorf("max_stored is %v after the reload", got)
	}
	o.Types()
}

func (o *situation) breakerOpen() {
	app := harness.StartApplication(o.T)
	app.AnswerStatus(503)
	o.Starts(harness.Start(o.T, harness.DestinationSite("open-shop", app.Address, "breaker 2 8s 1\nretry linear {\ninitial 1ms\nmax_attempts 1000\n}"), ""), "open-shop")
	o.send(3, 202, "accepted")
	harness.Eventually(o.T, "the breaker opens", func() bool {
		return o.Caddy.Metrics()[`webhook_breaker_state{destination="app",endpoint="open-shop"}`] == 2
	})
	o.Types()
	o.Types()
	app.AnswerStatus(200)
	o.Stands(0, 0)
	o.Types()
}

func (o *situation) duplicates() {
	app := harness.StartApplication(o.T)
	app.AnswerStatus(500)
	o.Starts(harness.Start(o.T, harness.DestinationSite("twice-shop", app.Address, "retry linear {\ninitial 1s\n}"), ""), "twice-shop")
	o.Fill["event id"] = "twice-shop-0"
	o.send(1, 202, "accepted")
	first := app.Next(o.T)
	app.AnswerStatus(200)
	again := app.Next(o.T)
	if id := first.Header.Get("Webhook-Id"); id == "" || id != again.Header.Get("Webhook-Id") {
		o.Errorf("the application cannot tell the repeat: %q, %q", id, again.Header.Get("Webhook-Id"))
	}
	o.Stands(0, 0)
	o.send(1, 200, "duplicate")
	o.Types()
	o.Types()
	o.Types()
}

func (o *situation) answersSlow() {
	app := harness.StartApplication(o.T)
	app.AnswerWith(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(1100 * time.Millisecond): // the pace of this application
		case <-r.Context().Done():
		}
	})
	site := harness.HookSite("late-shop", "respond upstream 20s\nforward "+app.Address+" {\nname app\n}")
	o.Starts(harness.Start(o.T, site, ""), "late-shop")
	if got := o.Caddy.Do(o.Caddy.GitHubRequest("/late-shop", "slow", "{}")); got.Header.Get("Webhook-Status") != "delivered" {
		o.Errorf("answered %d %s", got.Code, got.Body)
	}
	o.Types()
	o.Edits(harness.Edited(site, "respond upstream 20s", "respond accepted"))
	o.Types()
	app.AnswerWith(nil)
	o.Types()
}

// certificatesFail has a site with a certificate that nobody trusts, and an application too.
func (o *situation) certificatesFail() {
	app := harness.StartApplication(o.T)
	secure := httptest.NewUnstartedServer(app)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of each attempt
	secure.StartTLS()
	o.Cleanup(secure.Close)
	storage, port := o.TempDir(), harness.FreePort(o.T)
	sites := func(forward string) string {
		// One by HTTP, where events come in, and behind it one by HTTPS.
		return harness.HookSite("tls-shop", forward) + "}\nhttps://localhost:" + port + " {\nbind 127.0.0.1\ntls internal\n" + harness.AnswersSite("secure-shop", "200")
	}
	retry := "retry linear {\ninitial 500ms\nmax_delay 500ms\nmax_attempts 10000\n}\nbreaker off"
	c := harness.New(o.T, filepath.Join(o.TempDir(), "deliveries.db"), "skip_install_trust\nauto_https disable_redirects\nstorage file_system "+storage)
	harness.Begin(o.T, c, sites("forward "+secure.URL+" {\nname app\n"+retry+"\n}"))
	o.Starts(c, "tls-shop")
	o.Fill["url"] = "https://localhost:" + port + "/secure-shop"
	o.send(1, 202, "accepted")
	harness.Eventually(o.T, "an attempt fails", func() bool { return o.Caddy.Delivery("endpoint=tls-shop").LastError != "" })
	harness.Eventually(o.T, "the site has a certificate", func() bool {
		found, _ := filepath.Glob(filepath.Join(storage, "certificates", "*", "*", "*.crt"))
		return len(found) > 0
	})
	o.Types()
	o.Types()
	o.Writes("ca", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	o.Edits(sites(fmt.Sprintf("forward {\nname app\n%s\nhandle {\nreverse_proxy %s {\ntransport http {\ntls_trust_pool file %s\n}\n}\n}\n}", retry, secure.URL, o.Fill["ca"])))
	o.Types()
	o.Env = append(o.Env, "CURL_CA_BUNDLE="+filepath.Join(storage, "pki", "authorities", "local", "root.crt")) // as if it were a known one
	o.Stands(0, 0)
	o.Types()
}

func (o *situation) signaturesFail() {
	site := harness.Edited(harness.AnswersSite("forged-shop", "200"), harness.GitHubSecret, "It was a Secret to Everybody")
	o.Starts(harness.Start(o.T, site, ""), "forged-shop")
	o.send(3, 401, "invalid_signature")
	o.Fill["wrong secret"] = "It was a Secret to Everybody"
	o.Writes("body", "{}")
	o.Fill["header"] = "X-Hub-Signature-256: " + harness.GitHubSignature("{}")
	o.Types()
	o.Types()
	o.Edits(harness.Edited(site, "secret ", fmt.Sprintf("secret %q ", harness.GitHubSecret)))
	o.Types()
	o.send(1, 202, "accepted")
	o.Types()
}

func (o *situation) webhooksRefused() {
	site := harness.Edited(harness.AnswersSite("fat-shop", "200"), "require_https", "max_body 10\nrequire_https")
	o.Starts(harness.Start(o.T, site, ""), "fat-shop")
	o.Writes("body", `{"hello": "world"}`)
	harness.CheckAnswer(o.T, o.Caddy.Do(o.Caddy.GitHubRequest("/fat-shop", "fat", `{"hello": "world"}`)), 413, "payload_too_large")
	o.Types()
	o.Edits(harness.Edited(site, "max_body 10", "max_body 10KiB"))
	o.Types()
	o.Types()
}

func (o *situation) webhooksIgnored() {
	app := harness.StartApplication(o.T)
	site := harness.DestinationSite("deaf-shop", app.Address, "events pull_request")
	o.Starts(harness.Start(o.T, site, ""), "deaf-shop")
	o.send(3, 200, "ignored")
	o.Fill["type"] = "push"
	o.Types()
	o.Edits(harness.Edited(site, "pull_request", "push"))
	o.Types()
	o.Types()
}

func (o *situation) webhooksLimited() {
	site := harness.Edited(harness.AnswersSite("busy-shop", "200"), "require_https", "rate_limit provider 1 1/h\nrequire_https")
	o.Starts(harness.Start(o.T, site, ""), "busy-shop")
	o.send(1, 202, "accepted")
	for range 3 {
		harness.WantLimited(o.T, o.Caddy.Do(o.Caddy.GitHubRequest("/busy-shop", "more", "{}")), "provider", `"provider";q=1`)
	}
	o.Types()
	o.Edits(harness.Edited(site, "provider 1 1/h", "provider 100 10/s"))
	o.Types()
	o.Types()
}
