package process

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/e2e/proxy"
	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

const (
	wantKills  = 20
	wantEvents = 20_000
)

// TestKill kills the proxy again and again under load, with an application that
// fails at random.
func TestKill(t *testing.T) {
	const seed = 7
	books := oracle.NewBooks()
	app := proxy.StartApplication(t, books, seed)
	app.Behave(proxy.Failing(0.15, 0.05)...)
	s := proxy.Start(t, app, "", "")
	stop := proxy.Send(t, &oracle.Provider{Books: books, URLs: []string{s.Hook}, Run: "kill", Connections: 48, Pace: 15 * time.Millisecond})

	random := rand.New(rand.NewPCG(seed, 2))
	var kills []oracle.Fault
	for len(kills) < wantKills || books.Acknowledged() < wantEvents {
		if len(kills) > 20*wantKills {
			t.Fatalf("%d kills, but only %v answers", len(kills), books.Answers())
		}
		// Events are counted, not time: else a slow machine needs many more kills, each with a start.
		next := books.Acknowledged() + wantEvents/wantKills/2 + random.IntN(wantEvents/wantKills)
		proxy.WaitUntil(t, time.Minute, "more events are acknowledged", func() bool { return books.Acknowledged() >= next })
		s.Kill()
		kill := oracle.Fault{Name: "kill", From: time.Now(), Before: proxy.SettleWindow}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		kill.To = time.Now()
		kills = append(kills, kill)
	}
	stop()
	app.Behave()
	s.WaitUntilEmpty(t, time.Minute)
	proxy.Judge(t, books, kills)
	t.Logf("kills: %d", len(kills))
}
