package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// shortestSoak has room for a dead letter, its replay and its removal.
const shortestSoak = 10 * time.Second

// soakPlan is what happens in a soak. Everything recurs in times that are parts of the
// whole, so that a short one takes the same paths as an hour does.
type soakPlan struct {
	duration time.Duration // of sending
	rate     float64       // webhooks/s for each store
	ttl      time.Duration // how long an event is remembered: dedupe_ttl
	sample   time.Duration // between two looks at the processes
	repair   time.Duration // between the replay of all dead letters and their removal, in turn
	late     uint32        // places between an event and its late repeat; a multiple of repeatEvery
}

// newSoakPlan has keys expire after a twelfth of the time: from then on, as many
// expire as come.
func newSoakPlan(duration time.Duration, rate float64) *soakPlan {
	p := &soakPlan{
		duration: duration, rate: rate,
		ttl:    max(5*time.Second, min(5*time.Minute, duration/12)),
		sample: max(500*time.Millisecond, min(10*time.Second, duration/60)),
		repair: max(2*time.Second, min(30*time.Second, duration/60)),
	}
	p.late = max(1, uint32(rate*p.ttl.Seconds()/10)/repeatEvery) * repeatEvery
	return p
}

// Two of so many webhooks are an event that was sent before: one directly after the first, mostly
// side by side with it, and one when a tenth of the time for which it is remembered has passed.
const repeatEvery = 40

// event is which one is sent in a place of the sequence. Events are numbered by the
// place of their first webhook.
func (p *soakPlan) event(place uint32) uint32 {
	switch {
	case place%repeatEvery == repeatEvery-1:
		return place - 1
	case place%repeatEvery == repeatEvery/2-1 && place > p.late:
		return place - p.late - 1
	}
	return place
}

// soakManners is the application's argument that makes it refuse some webhooks.
const soakManners = "soak"

// fate is what the application does with an event.
type fate int

const (
	taken       fate = iota // at once
	takenSecond             // 500, then taken
	deadOnce                // 410, and taken when it is replayed
	dead                    // 410 each time
	exhausting              // 500 until there are no attempts left, each time
)

// soakAttempts is how often a delivery is tried.
const soakAttempts = 3

// fateOf decides by the number. Some of each but the last are sent again late or at once.
func fateOf(number uint32) fate {
	switch {
	case number%50 == 8: // 2 %
		return takenSecond
	case number%400 == 18:
		return deadOnce
	case number%400 == 218:
		return dead
	case number%1000 == 34:
		return exhausting
	}
	return taken
}

// dies says whether the event becomes a dead letter.
func (f fate) dies() bool { return f >= deadOnce }

// fates is the application's memory of what it has refused once. It is safe for concurrent use.
type fates struct {
	mu      sync.Mutex
	refused map[uint32]bool
}

// refuse is the status with which an event is refused this time, or 0.
func (f *fates) refuse(number uint32) int {
	switch fateOf(number) {
	case takenSecond:
		return f.once(number, 500)
	case deadOnce:
		return f.once(number, 410)
	case dead:
		return 410
	case exhausting:
		return 500
	}
	return 0
}

func (f *fates) once(number uint32, status int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refused[number] {
		return 0
	}
	if f.refused == nil {
		f.refused = make(map[uint32]bool)
	}
	f.refused[number] = true
	return status
}

// caddyfile is the config of a soak: one endpoint and one destination. The breaker
// is there, but does not open for what fate refuses.
func (p *soakPlan) caddyfile(s system, w workload, at site) string {
	store := "file " + filepath.Join(at.dir, "deliveries.db")
	if s.store == "redis" {
		store = "redis redis://" + at.redis
	}
	lines := []string{
		"{",
		"	admin " + at.admin,
		"	persist_config off",
		"	log {",
		"		level " + w.LogLevel,
		"	}",
		"	webhooks {",
		"		store " + store,
		"	}",
		"}",
		"",
		"http://" + at.address + " {",
		"	bind 127.0.0.1",
		"	webhooks " + fmt.Sprintf(livePath, 0) + " github {",
		"		name e0",
		"		secret " + secret,
		"		require_https off",
		"		dedupe_ttl " + p.ttl.String(),
		"		forward " + at.application[0] + " {",
		"			name d0",
		"			breaker 20 1s 3",
		"			retry exponential {",
		"				initial 500ms",
		fmt.Sprintf("				max_attempts %d", soakAttempts),
		"			}",
		"		}",
		"	}",
		"}",
		"",
	}
	return strings.Join(lines, "\n")
}
