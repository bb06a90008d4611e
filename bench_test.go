package caddywebhooks

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/deliver"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// BenchmarkHandler takes signed 1 KiB webhooks through the whole handler, with
// the embedded store on this machine's disk. "accept" holds the deliveries;
// "deliver" also hands each to a handler that answers 200, and settles it.
func BenchmarkHandler(b *testing.B) {
	for _, bench := range []struct{ name, forward string }{
		{"accept", "name held\nmax_in_flight 1\ntimeout 1h\nhandle {\ntest_hang\n}"},
		{"deliver", "name fast\nmax_in_flight 256\nhandle {\nrespond 200\n}"},
	} {
		for _, parallel := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", bench.name, parallel), func(b *testing.B) {
				benchmarkHandler(b, bench.forward, parallel)
			})
		}
	}
}

func benchmarkHandler(b *testing.B, forward string, parallel int) {
	config, err := harness.Adapt(fmt.Sprintf(`{
	admin off
	persist_config off
	log {
		output discard
		level WARN
	}
	webhooks {
		store file %s/deliveries.db
		max_pending 100000000
	}
}
http://127.0.0.1:0 {
	webhooks github {
		secret "%s"
		require_https off
		forward {
			%s
		}
	}
}`, b.TempDir(), harness.GitHubSecret, forward))
	if err != nil {
		b.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		b.Fatal(err)
	}
	defer func() {
		close(harness.Hanging)
		if err := caddy.Stop(); err != nil {
			b.Error(err)
		}
		process.Draining.Wait()
		harness.Hanging = make(chan struct{})
	}()
	app, err := runningApp()
	if err != nil {
		b.Fatal(err)
	}
	h := app.endpoints["github"]
	body := `{"padding":"` + strings.Repeat("x", 1024-14) + `"}`
	signature := harness.GitHubSignature(body)
	var sequence atomic.Int64

	b.ReportAllocs()
	b.SetParallelism(max(1, parallel/2)) // times GOMAXPROCS, 2 on the reference machine
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			r := httptest.NewRequest(http.MethodPost, "/github", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-GitHub-Delivery", fmt.Sprint(sequence.Add(1)))
			r.Header.Set("X-GitHub-Event", "push")
			r.Header.Set("X-Hub-Signature-256", signature)
			w := httptest.NewRecorder()
			r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), w, h.Forward[0].sender.(*deliver.Sender).Server)
			if err := h.ServeHTTP(w, r, nil); err != nil || w.Code != http.StatusAccepted {
				b.Errorf("answered %d %s, %v", w.Code, w.Body, err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
