package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// refusals are what Redis may refuse for a while, with the commands that make it so and
// end it.
func refusals() map[string][2][]any {
	all := map[string][2][]any{"READONLY": {{"REPLICAOF", "127.0.0.1", "1"}, {"REPLICAOF", "NO", "ONE"}}}
	for _, command := range []string{"get", "getrange", "set", "del", "hset", "hmget", "hincrby", "hdel", "zadd", "zrem"} {
		all["-"+command] = [2][]any{{"ACL", "SETUSER", "default", "-" + command}, {"ACL", "SETUSER", "default", "+" + command}}
	}
	return all
}

func do(t *testing.T, c *redis.Client, command []any) {
	t.Helper()
	if err := c.Do(context.Background(), command...).Err(); err != nil {
		t.Fatal(err)
	}
}

// leftovers are the keys of the store that have something about events.
func leftovers(t *testing.T, c *redis.Client, prefix string) (all []string) {
	t.Helper()
	keys := c.Scan(t.Context(), 0, "{"+prefix+":*", 1000).Iterator()
	for keys.Next(t.Context()) {
		_, name, _ := strings.Cut(keys.Val(), "}:")
		if kind, _, _ := strings.Cut(name, ":"); strings.Contains("e o q l x z y s g", kind) {
			all = append(all, fmt.Sprintf("%q", keys.Val()))
		}
	}
	return all
}

// drain delivers all there is, dead letters too, and returns which events there were.
func drain(ctx context.Context, s *Store, seen map[string]bool) error {
	page, err := s.List(ctx, retrystore.Filter{}, "", 100)
	if err != nil {
		return err
	}
	for _, d := range page.Deliveries {
		if d.State == retrystore.Dead {
			if err := s.Replay(ctx, d.ID); err != nil {
				return err
			}
		}
	}
	for _, destination := range []string{"app", "audit"} {
		claim, err := s.Claim(ctx, retrystore.ClaimRequest{Lane: retrystore.Lane{Endpoint: testLane.Endpoint, Destination: destination}, Max: 100, MaxRetries: 100, Lease: time.Second})
		if err != nil {
			return err
		}
		for _, d := range claim.Deliveries {
			if err := s.Settle(ctx, d, delivered); err != nil {
				return err
			}
			seen[d.Event.EventID+" "+destination] = true
		}
	}
	if len(page.Deliveries) > 0 {
		return fmt.Errorf("%d deliveries are left, such as %+v", len(page.Deliveries), page.Deliveries[0])
	}
	return nil
}

// A state that passes is no damage: what is retried all the time while Redis refuses
// now and then stays, and nothing becomes dead.
func TestRefusalsAreNoDamage(t *testing.T) {
	t.Parallel()
	for name, commands := range refusals() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			s := newStore(t, server, Options{Timeout: 2 * time.Second})
			probe := server.Client()
			const events = 20
			for i := range events {
				accept(t, s, fmt.Sprint(i), 0)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan int)
			go func() { // an application that answers 500
				refused := 0
				for ctx.Err() == nil {
					claim, err := s.Claim(context.Background(), retrystore.ClaimRequest{Lane: testLane, Max: 5, MaxRetries: 5, Lease: 300 * time.Millisecond})
					if err != nil {
						if refused++; !errors.Is(err, retrystore.ErrUnavailable) {
							t.Errorf("claimed: %v", err)
						}
						sleep(ctx, 5*time.Millisecond) // as a dispatcher waits before it asks again
					}
					for _, d := range claim.Deliveries {
						_ = s.Settle(context.Background(), d, retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: time.Now(), Attempt: retrystore.Attempt{At: time.Now(), Status: 500}})
					}
				}
				ended <- refused
			}()
			for range 4 {
				do(t, probe, commands[0])
				sleep(t.Context(), 100*time.Millisecond)
				do(t, probe, commands[1])
				sleep(t.Context(), 100*time.Millisecond)
			}
			stop()
			refused := <-ended
			if name == "-zadd" && refused == 0 {
				t.Error("this test shows nothing: no claim was refused")
			}
			eventually(t, 20*time.Second, func() error { _, err := s.Accept(t.Context(), submission("afterwards", 0)); return err })
			stats, err := s.Stats(t.Context())
			if err != nil || len(stats.Lanes) != 1 || stats.Lanes[0].Dead != 0 || stats.Lanes[0].Pending+stats.Lanes[0].Leased < events || s.Broken() != 0 {
				t.Errorf("afterwards: %+v, %d broken, %v", stats.Lanes, s.Broken(), err)
			}
			seen := make(map[string]bool)
			eventually(t, 60*time.Second, func() error { return drain(t.Context(), s, seen) })
			for i := range events {
				if !seen[fmt.Sprint(i, " app")] {
					t.Errorf("event %d was lost", i)
				}
			}
		})
	}
}

// interrupted are the operations that write, each on a new event. They return what is
// to be done while Redis refuses; the events are named by the operation.
var interrupted = map[string]func(t *testing.T, s *Store) func() error{
	"accept": func(t *testing.T, s *Store) func() error {
		return func() error { _, err := s.Accept(t.Context(), submission("accept", 0)); return err }
	},
	"accept two": func(t *testing.T, s *Store) func() error {
		return func() error { _, err := s.Accept(t.Context(), pair("accept two", 0)); return err }
	},
	"accept dead": func(t *testing.T, s *Store) func() error {
		sub := pair("accept dead", 0)
		sub.Targets[1].Dead = "why"
		return func() error { _, err := s.Accept(t.Context(), sub); return err }
	},
	"claim": func(t *testing.T, s *Store) func() error {
		accept(t, s, "claim", 0)
		return func() error {
			_, err := s.Claim(t.Context(), retrystore.ClaimRequest{Lane: testLane, Max: 5, MaxRetries: 5, Lease: 300 * time.Millisecond})
			return err
		}
	},
	"retry":   settling("retry", submission, retrystore.Settlement{State: retrystore.Pending}),
	"dead":    settling("dead", submission, retrystore.Settlement{State: retrystore.Dead, Reason: "x"}),
	"deliver": settling("deliver", submission, delivered),
	"sibling": settling("sibling", pair, delivered),
	"release": func(t *testing.T, s *Store) func() error {
		d := accept(t, s, "release", 300*time.Millisecond)
		return func() error { return s.Release(t.Context(), d) }
	},
	"renew": func(t *testing.T, s *Store) func() error {
		d := accept(t, s, "renew", 300*time.Millisecond)
		return func() error { return s.Renew(t.Context(), d, 300*time.Millisecond) }
	},
	"replay": func(t *testing.T, s *Store) func() error {
		d := accept(t, s, "replay", 300*time.Millisecond)
		if err := s.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Dead}); err != nil {
			t.Fatal(err)
		}
		return func() error { return s.Replay(t.Context(), d.ID) }
	},
	"delete sibling": func(t *testing.T, s *Store) func() error {
		r, err := s.Accept(t.Context(), pair("delete sibling", 0))
		if err != nil {
			t.Fatal(err)
		}
		return func() error { return s.Delete(t.Context(), r.Deliveries[1].ID) }
	},
}

// pair is a submission of two destinations.
func pair(id string, lease time.Duration) *retrystore.Submission {
	sub := submission(id, lease)
	sub.MaxPending = 1000
	sub.Targets = append(sub.Targets, retrystore.Target{Destination: "audit", Lease: lease})
	return sub
}

func settling(id string, of func(string, time.Duration) *retrystore.Submission, how retrystore.Settlement) func(t *testing.T, s *Store) func() error {
	return func(t *testing.T, s *Store) func() error {
		r, err := s.Accept(t.Context(), of(id, 500*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		return func() error { return s.Settle(t.Context(), r.Deliveries[0], how) }
	}
}

// A script that is refused in its middle, since permissions changed, leaves nothing lost:
// what it was about is still there, or is done when it is tried again.
func TestScriptsAreRefusedWhole(t *testing.T) {
	t.Parallel()
	for name, commands := range refusals() {
		if name == "READONLY" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t)
			probe := server.Client()
			number := 0
			for op, prepare := range interrupted {
				for _, keep := range []int{0, 100} {
					if keep > 0 && !strings.Contains("deliver sibling delete sibling", op) {
						continue
					}
					number++
					prefix := fmt.Sprint("r", number)
					s := newStore(t, server, Options{Prefix: prefix})
					s.Retain(retrystore.Retention{Count: keep, Bodies: true})
					run := prepare(t, s)
					do(t, probe, commands[0])
					refused := run()
					do(t, probe, commands[1])
					again := run()
					if refused != nil && again != nil && !errors.Is(again, retrystore.ErrLeaseLost) && !isGone(again) {
						t.Errorf("%s: %v, then %v", op, refused, again)
					}
					seen := make(map[string]bool)
					s.Retain(retrystore.Retention{})
					eventually(t, 30*time.Second, func() error { return drain(t.Context(), s, seen) })
					done := op == "deliver" || op == "sibling"
					if !seen[op+" app"] && !done {
						t.Errorf("%s: refused with %v, then %v, and lost", op, refused, again)
					}
					if (op == "accept two" || op == "accept dead" || op == "sibling") && !seen[op+" audit"] {
						t.Errorf("%s: refused with %v, then %v, and the sibling is lost", op, refused, again)
					}
					if s.Broken() != 0 {
						t.Errorf("%s: %d found damaged", op, s.Broken())
					}
					if name != "-del" {
						eventually(t, 20*time.Second, func() error {
							if left := leftovers(t, probe, prefix); len(left) > 0 {
								return fmt.Errorf("%s: refused with %v, then %v: left behind %s", op, refused, again, left)
							}
							return nil
						})
					}
					_ = s.Close()
				}
			}
		})
	}
}
