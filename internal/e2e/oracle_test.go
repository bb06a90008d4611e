package e2e

import (
	"testing"
	"time"
)

// verdict is what the oracle found.
type verdict struct {
	delivered int
	lost      []string            // acknowledged, never taken by the application
	repeats   map[string][]taking // taken more than once
}

// judge compares what the provider was told with what the application took, and
// fails the test for anything lost or wrong. Repeats are the caller's to judge.
func judge(t *testing.T, p *provider, a *application) verdict {
	t.Helper()
	taken, wrong := a.snapshot()
	v := verdict{delivered: len(taken), repeats: make(map[string][]taking)}
	for id := range p.answersCopy() {
		if len(taken[id]) == 0 {
			v.lost = append(v.lost, id)
		}
	}
	for id, times := range taken {
		if len(times) > 1 {
			v.repeats[id] = times
		}
	}
	if len(v.lost) > 0 {
		t.Errorf("%d acknowledged events were lost, such as %s (answered %q)", len(v.lost), v.lost[0], p.acked[v.lost[0]])
	}
	if len(wrong) > 0 {
		t.Errorf("%d events arrived changed: %s", len(wrong), wrong[0])
	}
	if len(p.unexpected) > 0 {
		t.Errorf("%d unexpected answers: %s", len(p.unexpected), p.unexpected[0])
	}
	return v
}

// explainRepeats checks that a kill shortly after it made the proxy forget each
// earlier success. It returns the longest time between the two.
func (v verdict) explainRepeats(t *testing.T, kills []outage) (furthest time.Duration) {
	t.Helper()
	for id, times := range v.repeats {
		for _, forgotten := range times[:len(times)-1] {
			gap, ok := timeToNextKill(forgotten.at, kills)
			if !ok || gap > settleWindow {
				t.Errorf("event %s was taken at %s and again, and no kill within %s explains it: %+v", id, forgotten.at, settleWindow, times)
				continue
			}
			furthest = max(furthest, gap)
		}
	}
	return furthest
}

// outage is one kill of the proxy, until it was up again. A request that was on
// its way may be taken by the application while the proxy is already dead.
type outage struct{ from, to time.Time }

func timeToNextKill(at time.Time, kills []outage) (time.Duration, bool) {
	for _, kill := range kills {
		if at.Before(kill.to) {
			return max(0, kill.from.Sub(at)), true
		}
	}
	return 0, false
}

// answersCopy copies the acknowledged events.
func (p *provider) answersCopy() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	copied := make(map[string]string, len(p.acked))
	for id, word := range p.acked {
		copied[id] = word
	}
	return copied
}
