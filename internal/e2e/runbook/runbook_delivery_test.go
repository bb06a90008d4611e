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

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// situations are what the chapters of docs/runbook.md are for, by anchor. Each
// brings it about, types the chapter, and does in between what only people can do.
var situations = map[string]func(*operator){
	"dead-letters":                       (*operator).deadLetters,
	"the-queue-grows":                    (*operator).queueGrows,
	"an-endpoint-is-full":                (*operator).endpointFull,
	"a-breaker-is-open":                  (*operator).breakerOpen,
	"duplicates":                         (*operator).duplicates,
	"answers-are-slow":                   (*operator).answersSlow,
	"certificates-fail":                  (*operator).certificatesFail,
	"signatures-fail":                    (*operator).signaturesFail,
	"webhooks-are-refused":               (*operator).webhooksRefused,
	"webhooks-are-ignored":               (*operator).webhooksIgnored,
	"webhooks-are-limited":               (*operator).webhooksLimited,
	"the-clock-is-off":                   (*operator).clockOff,
	"the-provider-disabled-our-endpoint": (*operator).providerDisabled,
	"a-secret-leaked":                    (*operator).secretLeaked,
	"a-reload-failed":                    (*operator).reloadFailed,
	"the-store-is-down":                  (*operator).storeDown,
	"redis-is-full":                      (*operator).redisFull,
	"deliveries-are-left-behind":         (*operator).leftBehind,
	"the-store-was-emptied":              (*operator).storeEmptied,
	"redis-must-not-be-used":             (*operator).redisRefused,
	"records-are-damaged":                (*operator).recordsDamaged,
	"something-panicked":                 (*operator).panicked,
	"the-disk-is-full":                   (*operator).diskFull,
	"a-node-is-lost":                     (*operator).nodeLost,
}

// send posts signed webhooks to the endpoint and wants this answer to each.
func (o *operator) send(count, code int, word string) {
	o.Helper()
	for n := range count {
		harness.CheckAnswer(o.T, o.c.Do(o.c.GitHubRequest("/"+o.fill["endpoint"], fmt.Sprintf("%s-%d", o.fill["endpoint"], n), "{}")), code, word)
	}
}

// stands waits until the destination has so many deliveries open, and dead.
func (o *operator) stands(open, dead int) {
	o.Helper()
	var lane api.Lane
	harness.Eventually(o.T, fmt.Sprintf("%d deliveries are open and %d dead", open, dead), func() bool {
		var stats api.Stats
		o.c.AdminCall("GET", "/webhooks/stats", "", &stats)
		for _, lane = range stats.Destinations {
			if lane.Endpoint == o.fill["endpoint"] && lane.Pending+lane.Leased == open && lane.Dead == dead {
				return true
			}
		}
		return false
	})
}

func (o *operator) deadLetters() {
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
	o.starts(harness.Start(o.T, harness.DestinationSite("dead-shop", app.Address, "breaker off\nretry linear {\ninitial 1ms\nmax_attempts 3\n}"), ""), "dead-shop")
	o.send(5, 202, "accepted")
	harness.CheckAnswer(o.T, o.c.Do(o.c.GitHubRequest("/dead-shop", "poison", "{}")), 202, "accepted")
	o.stands(0, 6)
	o.fill["id"] = o.c.Delivery("event_id=dead-shop-0").ID
	o.fill["poison id"] = o.c.Delivery("event_id=poison").ID
	o.types()
	close(mended)
	o.types()
	o.stands(0, 1) // the one that cannot be helped
	o.types()
	o.types()
}

func (o *operator) queueGrows() {
	app := harness.StartApplication(o.T)
	app.AnswerStatus(500)
	site := harness.DestinationSite("slow-shop", app.Address, "breaker 100 1h\nretry {\ninitial 1h\n}")
	o.starts(harness.Start(o.T, site, ""), "slow-shop")
	o.send(5, 202, "accepted")
	o.stands(5, 0)
	for range 5 {
		app.Next(o.T)
	}
	o.fill["id"] = o.c.Delivery("event_id=slow-shop-0").ID
	harness.Eventually(o.T, "the first attempt is settled", func() bool {
		return o.c.Delivery("event_id=slow-shop-0").Attempts == 1
	})
	o.types()
	app.AnswerStatus(200)
	o.types()
	o.stands(0, 0)
	o.c.Options = strings.Replace(o.c.Options, "webhooks {", "webhooks {\nmax_pending 200000", 1)
	o.edits(site)
	o.types()
	o.types()
	if got := o.c.Metrics()["webhook_max_pending"]; got != 200000 {
		o.Errorf("max_pending is %v after the reload", got)
	}
}

func (o *operator) endpointFull() {
	app := harness.StartApplication(o.T)
	app.AnswerStatus(410)
	site := harness.DestinationSite("full-shop", app.Address, "")
	c := harness.New(o.T, filepath.Join(o.T.TempDir(), "deliveries.db")+"\nmax_stored 4KiB", "")
	harness.Begin(o.T, c, site)
	o.starts(c, "full-shop")
	body := fmt.Sprintf("{%q: %q}", "text", strings.Repeat("x", 2000))
	for n := range 2 {
		harness.CheckAnswer(o.T, c.Do(c.GitHubRequest("/full-shop", fmt.Sprint("large-", n), body)), 202, "accepted")
	}
	o.stands(0, 2)
	harness.CheckAnswer(o.T, c.Do(c.GitHubRequest("/full-shop", "one more", "{}")), 503, "unavailable")
	o.types()
	app.AnswerStatus(200)
	o.types()
	o.stands(0, 0)
	o.types()
	c.Options = strings.Replace(c.Options, "max_stored 4KiB", "max_stored 1GiB", 1)
	o.edits(site)
	o.types()
	if got := c.Metrics()["webhook_max_stored_bytes"]; got != 1<<30 {
		o.Errorf("max_stored is %v after the reload", got)
	}
	o.types()
}

func (o *operator) breakerOpen() {
	app := harness.StartApplication(o.T)
	app.AnswerStatus(503)
	o.starts(harness.Start(o.T, harness.DestinationSite("open-shop", app.Address, "breaker 2 8s 1\nretry linear {\ninitial 1ms\nmax_attempts 1000\n}"), ""), "open-shop")
	o.send(3, 202, "accepted")
	harness.Eventually(o.T, "the breaker opens", func() bool {
		return o.c.Metrics()[`webhook_breaker_state{destination="app",endpoint="open-shop"}`] == 2
	})
	o.types()
	o.types()
	app.AnswerStatus(200)
	o.stands(0, 0)
	o.types()
}

func (o *operator) duplicates() {
	app := harness.StartApplication(o.T)
	app.AnswerStatus(500)
	o.starts(harness.Start(o.T, harness.DestinationSite("twice-shop", app.Address, "retry linear {\ninitial 1s\n}"), ""), "twice-shop")
	o.fill["event id"] = "twice-shop-0"
	o.send(1, 202, "accepted")
	first := app.Next(o.T)
	app.AnswerStatus(200)
	again := app.Next(o.T)
	if id := first.Header.Get("Webhook-Id"); id == "" || id != again.Header.Get("Webhook-Id") {
		o.Errorf("the application cannot tell the repeat: %q, %q", id, again.Header.Get("Webhook-Id"))
	}
	o.stands(0, 0)
	o.send(1, 200, "duplicate")
	o.types()
	o.types()
	o.types()
}

func (o *operator) answersSlow() {
	app := harness.StartApplication(o.T)
	app.AnswerWith(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(1100 * time.Millisecond): // the pace of this application
		case <-r.Context().Done():
		}
	})
	site := harness.HookSite("late-shop", "respond upstream 20s\nforward "+app.Address+" {\nname app\n}")
	o.starts(harness.Start(o.T, site, ""), "late-shop")
	if got := o.c.Do(o.c.GitHubRequest("/late-shop", "slow", "{}")); got.Header.Get("Webhook-Status") != "delivered" {
		o.Errorf("answered %d %s", got.Code, got.Body)
	}
	o.types()
	o.edits(strings.Replace(site, "respond upstream 20s", "respond accepted", 1))
	o.types()
	app.AnswerWith(nil)
	o.types()
}

// certificatesFail has a site with a certificate that nobody trusts, and an application too.
func (o *operator) certificatesFail() {
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
	o.starts(c, "tls-shop")
	o.fill["url"] = "https://localhost:" + port + "/secure-shop"
	o.send(1, 202, "accepted")
	harness.Eventually(o.T, "an attempt fails", func() bool { return o.c.Delivery("endpoint=tls-shop").LastError != "" })
	harness.Eventually(o.T, "the site has a certificate", func() bool {
		found, _ := filepath.Glob(filepath.Join(storage, "certificates", "*", "*", "*.crt"))
		return len(found) > 0
	})
	o.types()
	o.types()
	o.writes("ca", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw})))
	o.edits(sites(fmt.Sprintf("forward {\nname app\n%s\nhandle {\nreverse_proxy %s {\ntransport http {\ntls_trust_pool file %s\n}\n}\n}\n}", retry, secure.URL, o.fill["ca"])))
	o.types()
	o.env = append(o.env, "CURL_CA_BUNDLE="+filepath.Join(storage, "pki", "authorities", "local", "root.crt")) // as if it were a known one
	o.stands(0, 0)
	o.types()
}

func (o *operator) signaturesFail() {
	site := strings.Replace(harness.AnswersSite("forged-shop", "200"), harness.GitHubSecret, "It was a Secret to Everybody", 1)
	o.starts(harness.Start(o.T, site, ""), "forged-shop")
	o.send(3, 401, "invalid_signature")
	o.fill["wrong secret"] = "It was a Secret to Everybody"
	o.writes("body", "{}")
	o.fill["header"] = "X-Hub-Signature-256: " + harness.GitHubSignature("{}")
	o.types()
	o.types()
	o.edits(strings.Replace(site, "secret ", fmt.Sprintf("secret %q ", harness.GitHubSecret), 1))
	o.types()
	o.send(1, 202, "accepted")
	o.types()
}

func (o *operator) webhooksRefused() {
	site := strings.Replace(harness.AnswersSite("fat-shop", "200"), "require_https", "max_body 10\nrequire_https", 1)
	o.starts(harness.Start(o.T, site, ""), "fat-shop")
	o.writes("body", `{"hello": "world"}`)
	harness.CheckAnswer(o.T, o.c.Do(o.c.GitHubRequest("/fat-shop", "fat", `{"hello": "world"}`)), 413, "payload_too_large")
	o.types()
	o.edits(strings.Replace(site, "max_body 10", "max_body 10KiB", 1))
	o.types()
	o.types()
}

func (o *operator) webhooksIgnored() {
	app := harness.StartApplication(o.T)
	site := harness.DestinationSite("deaf-shop", app.Address, "events pull_request")
	o.starts(harness.Start(o.T, site, ""), "deaf-shop")
	o.send(3, 200, "ignored")
	o.fill["type"] = "push"
	o.types()
	o.edits(strings.Replace(site, "pull_request", "push", 1))
	o.types()
	o.types()
}

func (o *operator) webhooksLimited() {
	site := strings.Replace(harness.AnswersSite("busy-shop", "200"), "require_https", "rate_limit provider 1 1/h\nrequire_https", 1)
	o.starts(harness.Start(o.T, site, ""), "busy-shop")
	o.send(1, 202, "accepted")
	for range 3 {
		harness.WantLimited(o.T, o.c.Do(o.c.GitHubRequest("/busy-shop", "more", "{}")), "provider", `"provider";q=1`)
	}
	o.types()
	o.edits(strings.Replace(site, "provider 1 1/h", "provider 100 10/s", 1))
	o.types()
	o.types()
}
