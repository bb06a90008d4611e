package caddywebhooks

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
		checkAnswer(o.T, o.c.do(o.c.githubRequest("/"+o.fill["endpoint"], fmt.Sprintf("%s-%d", o.fill["endpoint"], n), "{}")), code, word)
	}
}

// stands waits until the destination has so many deliveries open, and dead.
func (o *operator) stands(open, dead int) {
	o.Helper()
	var lane api.Lane
	eventually(o.T, fmt.Sprintf("%d deliveries are open and %d dead", open, dead), func() bool {
		var stats api.Stats
		o.c.adminCall("GET", "/webhooks/stats", "", &stats)
		for _, lane = range stats.Destinations {
			if lane.Endpoint == o.fill["endpoint"] && lane.Pending+lane.Leased == open && lane.Dead == dead {
				return true
			}
		}
		return false
	})
}

func (o *operator) deadLetters() {
	app := startApplication(o.T)
	mended := make(chan struct{})
	app.answerWith(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-mended:
			if r.Header.Get("Webhook-Event-Id") != "poison" {
				return
			}
		default:
		}
		w.WriteHeader(500)
	})
	o.starts(startCaddy(o.T, destinationSite("dead-shop", app.address, "breaker off\nretry linear {\ninitial 1ms\nmax_attempts 3\n}"), ""), "dead-shop")
	o.send(5, 202, "accepted")
	checkAnswer(o.T, o.c.do(o.c.githubRequest("/dead-shop", "poison", "{}")), 202, "accepted")
	o.stands(0, 6)
	o.fill["id"] = o.c.delivery("event_id=dead-shop-0").ID
	o.fill["poison id"] = o.c.delivery("event_id=poison").ID
	o.types()
	close(mended)
	o.types()
	o.stands(0, 1) // the one that cannot be helped
	o.types()
	o.types()
}

func (o *operator) queueGrows() {
	app := startApplication(o.T)
	app.answerStatus(500)
	site := destinationSite("slow-shop", app.address, "breaker 100 1h\nretry {\ninitial 1h\n}")
	o.starts(startCaddy(o.T, site, ""), "slow-shop")
	o.send(5, 202, "accepted")
	o.stands(5, 0)
	for range 5 {
		app.next(o.T)
	}
	o.fill["id"] = o.c.delivery("event_id=slow-shop-0").ID
	eventually(o.T, "the first attempt is settled", func() bool {
		return o.c.delivery("event_id=slow-shop-0").Attempts == 1
	})
	o.types()
	app.answerStatus(200)
	o.types()
	o.stands(0, 0)
	o.c.options = strings.Replace(o.c.options, "webhooks {", "webhooks {\nmax_pending 200000", 1)
	o.edits(site)
	o.types()
	o.types()
	if got := o.c.metrics()["webhook_max_pending"]; got != 200000 {
		o.Errorf("max_pending is %v after the reload", got)
	}
}

func (o *operator) endpointFull() {
	app := startApplication(o.T)
	app.answerStatus(410)
	site := destinationSite("full-shop", app.address, "")
	c := newRunning(o.T, filepath.Join(o.T.TempDir(), "deliveries.db")+"\nmax_stored 4KiB", "")
	startRunning(o.T, c, site)
	o.starts(c, "full-shop")
	body := fmt.Sprintf("{%q: %q}", "text", strings.Repeat("x", 2000))
	for n := range 2 {
		checkAnswer(o.T, c.do(c.githubRequest("/full-shop", fmt.Sprint("large-", n), body)), 202, "accepted")
	}
	o.stands(0, 2)
	checkAnswer(o.T, c.do(c.githubRequest("/full-shop", "one more", "{}")), 503, "unavailable")
	o.types()
	app.answerStatus(200)
	o.types()
	o.stands(0, 0)
	o.types()
	c.options = strings.Replace(c.options, "max_stored 4KiB", "max_stored 1GiB", 1)
	o.edits(site)
	o.types()
	if got := c.metrics()["webhook_max_stored_bytes"]; got != 1<<30 {
		o.Errorf("max_stored is %v after the reload", got)
	}
	o.types()
}

func (o *operator) breakerOpen() {
	app := startApplication(o.T)
	app.answerStatus(503)
	o.starts(startCaddy(o.T, destinationSite("open-shop", app.address, "breaker 2 8s 1\nretry linear {\ninitial 1ms\nmax_attempts 1000\n}"), ""), "open-shop")
	o.send(3, 202, "accepted")
	eventually(o.T, "the breaker opens", func() bool {
		return o.c.metrics()[`webhook_breaker_state{destination="app",endpoint="open-shop"}`] == 2
	})
	o.types()
	o.types()
	app.answerStatus(200)
	o.stands(0, 0)
	o.types()
}

func (o *operator) duplicates() {
	app := startApplication(o.T)
	app.answerStatus(500)
	o.starts(startCaddy(o.T, destinationSite("twice-shop", app.address, "retry linear {\ninitial 1s\n}"), ""), "twice-shop")
	o.fill["event id"] = "twice-shop-0"
	o.send(1, 202, "accepted")
	first := app.next(o.T)
	app.answerStatus(200)
	again := app.next(o.T)
	if id := first.header.Get("Webhook-Id"); id == "" || id != again.header.Get("Webhook-Id") {
		o.Errorf("the application cannot tell the repeat: %q, %q", id, again.header.Get("Webhook-Id"))
	}
	o.stands(0, 0)
	o.send(1, 200, "duplicate")
	o.types()
	o.types()
	o.types()
}

func (o *operator) answersSlow() {
	app := startApplication(o.T)
	app.answerWith(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(1100 * time.Millisecond): // the pace of this application
		case <-r.Context().Done():
		}
	})
	site := hookSite("late-shop", "respond upstream 20s\nforward "+app.address+" {\nname app\n}")
	o.starts(startCaddy(o.T, site, ""), "late-shop")
	if got := o.c.do(o.c.githubRequest("/late-shop", "slow", "{}")); got.header.Get("Webhook-Status") != "delivered" {
		o.Errorf("answered %d %s", got.code, got.body)
	}
	o.types()
	o.edits(strings.Replace(site, "respond upstream 20s", "respond accepted", 1))
	o.types()
	app.answerWith(nil)
	o.types()
}

// certificatesFail has a site with a certificate that nobody trusts, and an application too.
func (o *operator) certificatesFail() {
	app := startApplication(o.T)
	secure := httptest.NewUnstartedServer(app)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it would tell of each attempt
	secure.StartTLS()
	o.Cleanup(secure.Close)
	storage, port := o.TempDir(), freePort(o.T)
	sites := func(forward string) string {
		// One by HTTP, where events come in, and behind it one by HTTPS.
		return hookSite("tls-shop", forward) + "}\nhttps://localhost:" + port + " {\nbind 127.0.0.1\ntls internal\n" + answersSite("secure-shop", "200")
	}
	retry := "retry linear {\ninitial 500ms\nmax_delay 500ms\nmax_attempts 10000\n}\nbreaker off"
	c := newRunning(o.T, filepath.Join(o.TempDir(), "deliveries.db"), "skip_install_trust\nauto_https disable_redirects\nstorage file_system "+storage)
	startRunning(o.T, c, sites("forward "+secure.URL+" {\nname app\n"+retry+"\n}"))
	o.starts(c, "tls-shop")
	o.fill["url"] = "https://localhost:" + port + "/secure-shop"
	o.send(1, 202, "accepted")
	eventually(o.T, "an attempt fails", func() bool { return o.c.delivery("endpoint=tls-shop").LastError != "" })
	eventually(o.T, "the site has a certificate", func() bool {
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
	site := strings.Replace(answersSite("forged-shop", "200"), githubSecret, "It was a Secret to Everybody", 1)
	o.starts(startCaddy(o.T, site, ""), "forged-shop")
	o.send(3, 401, "invalid_signature")
	o.fill["wrong secret"] = "It was a Secret to Everybody"
	o.writes("body", "{}")
	o.fill["header"] = "X-Hub-Signature-256: " + githubSignature("{}")
	o.types()
	o.types()
	o.edits(strings.Replace(site, "secret ", fmt.Sprintf("secret %q ", githubSecret), 1))
	o.types()
	o.send(1, 202, "accepted")
	o.types()
}

func (o *operator) webhooksRefused() {
	site := strings.Replace(answersSite("fat-shop", "200"), "require_https", "max_body 10\nrequire_https", 1)
	o.starts(startCaddy(o.T, site, ""), "fat-shop")
	o.writes("body", `{"hello": "world"}`)
	checkAnswer(o.T, o.c.do(o.c.githubRequest("/fat-shop", "fat", `{"hello": "world"}`)), 413, "payload_too_large")
	o.types()
	o.edits(strings.Replace(site, "max_body 10", "max_body 10KiB", 1))
	o.types()
	o.types()
}

func (o *operator) webhooksIgnored() {
	app := startApplication(o.T)
	site := destinationSite("deaf-shop", app.address, "events pull_request")
	o.starts(startCaddy(o.T, site, ""), "deaf-shop")
	o.send(3, 200, "ignored")
	o.fill["type"] = "push"
	o.types()
	o.edits(strings.Replace(site, "pull_request", "push", 1))
	o.types()
	o.types()
}

func (o *operator) webhooksLimited() {
	site := strings.Replace(answersSite("busy-shop", "200"), "require_https", "rate_limit provider 1 1/h\nrequire_https", 1)
	o.starts(startCaddy(o.T, site, ""), "busy-shop")
	o.send(1, 202, "accepted")
	for range 3 {
		wantLimited(o.T, o.c.do(o.c.githubRequest("/busy-shop", "more", "{}")), "provider", `"provider";q=1`)
	}
	o.types()
	o.edits(strings.Replace(site, "provider 1 1/h", "provider 100 10/s", 1))
	o.types()
	o.types()
}
