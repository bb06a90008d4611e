package e2e

import (
	"math/rand/v2"
	"testing"
	"time"
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
	app := startApplication(t, seed)
	app.failAtRandom(0.15, 0.05)
	s := newSetup(t, app, "")
	sender := newProvider(s.hook, "kill", 48, 15*time.Millisecond)

	stop, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); sender.sendUntil(t, stop) }()

	random := rand.New(rand.NewPCG(seed, 2))
	var kills []outage
	for len(kills) < wantKills || len(sender.answersCopy()) < wantEvents {
		if len(kills) > 20*wantKills {
			t.Fatalf("%d kills, but only %v answers", len(kills), sender.answers())
		}
		time.Sleep(time.Duration(300+random.IntN(700)) * time.Millisecond) // lets it work for a while
		s.Kill()
		kill := outage{from: time.Now()}
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		kill.to = time.Now()
		kills = append(kills, kill)
	}
	close(stop)
	<-done
	app.failAtRandom(0, 0)
	s.waitUntilEmpty(t, time.Minute)

	verdict := judge(t, sender, app)
	furthest := verdict.explainRepeats(t, kills)
	t.Logf("kills %d; acknowledged %d %v, sent again %v; delivered %d, repeated %d (earliest success forgotten %s before a kill), lost %d",
		len(kills), len(sender.acked), sender.answers(), sender.resent,
		verdict.delivered, len(verdict.repeats), furthest.Round(time.Millisecond), len(verdict.lost))
}
