package proxy

import (
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// Destination is the one destination of the proxies of these tests.
const Destination = "app"

// SettleWindow is how long before a kill a success may have been and yet be
// forgotten: a settlement rides in a commit at most 20 ms later, plus that
// commit's own time and the scheduling of a loaded machine.
const SettleWindow = 500 * time.Millisecond

// StartApplication starts an application that keeps these books, until the test ends.
func StartApplication(t *testing.T, books *oracle.Books, seed uint64) *oracle.Application {
	t.Helper()
	app, err := oracle.StartApplication(books, Destination, seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(app.Down)
	return app
}

// Failing is an application that answers such a share with 500 and hangs up on another.
func Failing(fail500, hangUp float64) []oracle.Manner {
	return []oracle.Manner{
		{Kind: oracle.Status, Status: 500, Share: fail500},
		{Kind: oracle.HangUp, Share: hangUp},
	}
}

// Send has providers send until stop is called, which returns when all was answered.
func Send(t *testing.T, providers ...*oracle.Provider) (stop func()) {
	stopped, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for _, p := range providers[1:] {
			defer goSend(t, p, stopped)()
		}
		providers[0].Send(t.Context(), stopped)
	}()
	return func() { close(stopped); <-done }
}

func goSend(t *testing.T, p *oracle.Provider, stopped <-chan struct{}) (wait func()) {
	done := make(chan struct{})
	go func() { defer close(done); p.Send(t.Context(), stopped) }()
	return func() { <-done }
}

// Judge fails the test for anything lost or wrong, and for repeats that no fault
// explains. It logs the counts.
func Judge(t *testing.T, books *oracle.Books, faults []oracle.Fault) oracle.Repeats {
	t.Helper()
	records := books.Records()
	lost := oracle.FindLost(records, Destination, nil)
	if len(lost) > 0 {
		t.Errorf("%d acknowledged events were lost, such as %s", len(lost), lost[0])
	}
	if problems := books.Problems(); len(problems) > 0 {
		t.Errorf("%d problems: %s", len(problems), problems[0])
	}
	repeats := oracle.FindRepeats(records, Destination, faults)
	for _, unexplained := range repeats.Unexplained {
		t.Error(unexplained)
	}
	for _, bad := range oracle.BadAttempts(records, Destination, faults) {
		t.Error(bad)
	}
	for _, changed := range oracle.ChangedIDs(records, Destination, nil) {
		t.Error(changed)
	}
	t.Logf("acknowledged %d %v, sent again %v; delivered %d, repeated %d (earliest success forgotten %s before a fault), lost %d",
		books.Acknowledged(), books.Answers(), books.Resent(), books.Taken(Destination),
		repeats.Count(), repeats.Furthest.Round(time.Millisecond), len(lost))
	return repeats
}

// WaitUntil waits for what another process does: nothing here can signal it.
func WaitUntil(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %s", what, limit)
		}
	}
}
