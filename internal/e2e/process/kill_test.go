package process

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

const (
	wantKills  = 20
	wantEvents = 20_000
	// settleWindow is how long before a kill a success may have been and yet be
	// forgotten: a settlement rides in a commit at most 20 ms later, plus that
	// commit's own time and the scheduling of a loaded machine.
	settleWindow = 500 * time.Millisecond
)

// TestKill kills the proxy again and again under load, with an application that
// fails at random.
func TestKill(t *testing.T) {
	const seed = 7
	books := oracle.NewBooks()
	app := startApplication(t, books, seed)
	app.Behave(failing(0.15, 0.05)...)
	s := newSetup(t, app, "")
	stop := send(t, &oracle.Provider{Books: books, URLs: []string{s.hook}, Run: "kill", Connections: 48, Pace: 15 * time.Millisecond})

	random := rand.New(rand.NewPCG(seed, 2))
	var kills []oracle.Fault
	for len(kills) < wantKills || books.Acknowledged() < wantEvents {
		if len(kills) > 20*wantKills {
			t.Fatalf("%d kills, but only %v answers", len(kills), books.Answers())
		}
		time.Sleep(time.Duration(300+random.IntN(700)) * time.Millisecond) // lets it work for a while
		s.Kill()
		kill := oracle.Fault{Name: "kill", From: time.Now(), Before: settleWindow}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		kill.To = time.Now()
		kills = append(kills, kill)
	}
	stop()
	app.Behave()
	s.waitUntilEmpty(t, time.Minute)
	judge(t, books, kills)
	t.Logf("kills: %d", len(kills))
}
