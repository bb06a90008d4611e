package runbook

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/internal/sample"
)

func (o *situation) clockOff() {
	site := "webhooks /stripe stripe {\nname clock-shop\nsecret " + harness.ContractSecret + "\nrequire_https off\nforward {\nname app\nhandle {\nrespond 200\n}\n}\n}"
	o.Starts(harness.Start(o.T, site, ""), "clock-shop")
	o.Fill["https url"] = "http://" + harness.StartApplication(o.T).Address
	webhook := sample.Webhook{EventID: "evt_1", EventType: "test", At: time.Now().Add(-time.Hour)}
	harness.CheckAnswer(o.T, o.Caddy.Do(harness.SampleRequest(o.Caddy, "stripe", webhook)), 400, "timestamp_expired")
	o.Types()
	webhook.At = time.Now()
	harness.CheckAnswer(o.T, o.Caddy.Do(harness.SampleRequest(o.Caddy, "stripe", webhook)), 202, "accepted")
	o.Types()
}

func (o *situation) providerDisabled() {
	o.Starts(harness.Start(o.T, harness.AnswersSite("quiet-shop", "200"), ""), "quiet-shop")
	o.send(1, 202, "accepted")
	o.Types()
	o.send(1, 200, "duplicate")
	o.Types()
}

func (o *situation) secretLeaked() {
	const old = "It was a Secret to Everybody"
	site := harness.Edited(harness.AnswersSite("leaky-shop", "200"), harness.GitHubSecret, old)
	o.Starts(harness.Start(o.T, site, ""), "leaky-shop")
	o.Fill["old secret"] = old
	o.Edits(harness.Edited(site, "secret ", fmt.Sprintf("secret %q ", harness.GitHubSecret)))
	o.Types()
	o.send(1, 202, "accepted")
	for _, secret := range []string{old, harness.GitHubSecret} {
		if out, err := harness.RunCommand(harness.Command("send"), "github", o.Fill["url"], "--secret", secret); err != nil {
			o.Errorf("signed with %q: %v, %s", secret, err, out)
		}
	}
	o.Types()
	o.Edits(harness.Edited(site, old, harness.GitHubSecret))
	o.Types()
	o.Types()
	o.Types()
}

func (o *situation) reloadFailed() {
	site := harness.AnswersSite("loaded-shop", "200")
	o.Starts(harness.Start(o.T, site, ""), "loaded-shop")
	o.Edits(harness.Edited(site, "secret ", "secret {file./no/such/secret} "))
	o.Types()
	o.send(1, 202, "accepted") // as before
	o.Edits(site)
	o.Types()
	o.Types()
}

// withRedis is a running Caddy whose store is a Redis of its own.
func (o *situation) withRedis(directives, endpoint string, more ...string) *redistest.Server {
	server := redistest.Start(o.T, append(redistest.AOF, more...)...)
	o.Starts(harness.OnRedis(o.T, "redis "+server.URL(), directives), endpoint)
	o.Fill["redis url"] = server.URL()
	return server
}

func (o *situation) storeDown() {
	server := o.withRedis(harness.AnswersSite("down-shop", "200"), "down-shop")
	o.send(1, 202, "accepted")
	server.Kill()
	harness.Eventually(o.T, "its end is noticed", func() bool {
		return o.Caddy.Do(o.Caddy.GitHubRequest("/down-shop", "lost", "{}")).Code == 503
	})
	o.Types()
	server.Restart()
	o.Types()
	harness.Eventually(o.T, "it is back", func() bool { return o.Caddy.Metrics()["webhook_store_up"] == 1 })
	o.Types()
	o.send(1, 200, "duplicate")
}

func (o *situation) redisFull() {
	server := o.withRedis(harness.AnswersSite("full-shop", "200"), "full-shop")
	o.send(1, 202, "accepted")
	o.Stands(0, 0)
	if err := server.Client().ConfigSet(o.Context(), "maxmemory", "100kb").Err(); err != nil {
		o.Fatal(err)
	}
	harness.CheckAnswer(o.T, o.Caddy.Do(o.Caddy.GitHubRequest("/full-shop", "lost", "{}")), 503, "unavailable")
	o.Types()
	o.Types()
	o.Types()
	o.Types()
}

// diskFull fills a small file system under the store.
func (o *situation) diskFull() {
	disk := o.TempDir()
	if out, err := exec.CommandContext(o.Context(), "mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk).CombinedOutput(); err != nil {
		o.Skipf("mounting a small file system needs root, and Linux: %s", out)
	}
	o.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", disk).CombinedOutput(); err != nil {
			o.Errorf("%v: %s", err, out)
		}
	})
	c := harness.New(o.T, filepath.Join(disk, "deliveries.db"), "")
	harness.Begin(o.T, c, harness.DestinationSite("disk-shop", "127.0.0.1:1", "retry {\ninitial 1h\n}"))
	o.Starts(c, "disk-shop")
	o.Fill["directory"] = disk
	filler := filepath.Join(disk, "filler")
	random := make([]byte, 50_000) // else it would be stored compressed
	_, _ = rand.Read(random)
	padding := hex.EncodeToString(random)
	fillDisk(o, filler)
	for n := 0; ; n++ { // the store's file may have free pages left: they are used up first
		if o.Caddy.Do(o.Caddy.GitHubRequest("/disk-shop", fmt.Sprint("lost-", n), padding)).Code == 503 {
			break
		}
		if n > 1000 {
			o.Fatal("the disk is full, yet events are accepted")
		}
	}
	o.Types()
	if err := os.Remove(filler); err != nil {
		o.Fatal(err)
	}
	harness.Eventually(o.T, "the store takes events again", func() bool {
		return o.Caddy.Do(o.Caddy.GitHubRequest("/disk-shop", "room", "{}")).Code < 300
	})
	o.Types()
	o.Types()
}

func fillDisk(o *situation, path string) {
	o.Helper()
	file, err := os.Create(path)
	if err != nil {
		o.Fatal(err)
	}
	defer file.Close()
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err := file.Write(chunk); errors.Is(err, syscall.ENOSPC) {
			chunk = chunk[:len(chunk)/2]
		} else if err != nil {
			o.Fatal(err)
		}
	}
}

// nodeLost kills another Caddy that shares the Redis, in the middle of a delivery.
func (o *situation) nodeLost() {
	app := harness.StartApplication(o.T)
	hang := make(chan struct{})
	defer close(hang)
	app.AnswerWith(func(http.ResponseWriter, *http.Request) { <-hang })
	site := harness.DestinationSite("lost-shop", app.Address, "timeout 5s")
	o.withRedis(site, "lost-shop")
	other := harness.New(o.T, "unused", "")
	options := harness.WithStore(other.Options, "redis "+o.Fill["redis url"]+"\n\tnode other")
	o.Writes("other", fmt.Sprintf("{\n\t%s\n}\nhttp://:%s {\nbind 127.0.0.1\n%s\n}\n", options, other.Port, site))
	self, err := os.Executable()
	if err != nil {
		o.Fatal(err)
	}
	node := &caddyproc.Process{Binary: self, Config: o.Fill["other"], Address: "127.0.0.1:" + other.Port, Env: harness.AsCaddy()}
	if err := node.Start(); err != nil {
		o.Fatal(err)
	}
	harness.CheckAnswer(o.T, other.Do(other.GitHubRequest("/lost-shop", "lost", "{}")), 202, "accepted")
	first := app.Next(o.T)
	node.Kill()
	app.AnswerWith(nil)
	o.Types()
	if again := app.Next(o.T); again.Header.Get("Webhook-Id") != first.Header.Get("Webhook-Id") {
		o.Errorf("arrived: %+v, and then %+v", first, again)
	}
	o.Stands(0, 0)
	o.Types()
}
