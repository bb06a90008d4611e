package filestore

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// dump is everything in the index that must survive a restart.
type dump struct {
	Deliveries map[string]string
	Keys       map[retrystore.Key]rememberedKey
	Open       map[string]int
	Lanes      map[retrystore.Lane][5]int
	Seq        uint64
}

func (s *Store) dump(now instant) dump {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := dump{map[string]string{}, map[retrystore.Key]rememberedKey{}, map[string]int{}, map[retrystore.Lane][5]int{}, s.seq}
	for _, slot := range s.index.slots {
		if slot.event == nil {
			continue
		}
		for i := range slot.event.deliveries {
			x := &slot.event.deliveries[i]
			when := x.when
			if x.state != pending || when <= now.wall {
				when = 0 // due is due; how long is of this process
			}
			d.Deliveries[x.id()] = fmt.Sprint(x.lane.name, x.state, x.attempts, x.budgetAttempts, x.budgetSince, when, x.priority, slot.event.received, slot.event.expiry)
		}
	}
	for k, v := range s.index.keys.all() {
		if !v.expired(now) {
			d.Keys[k] = v
		}
	}
	for name, l := range s.index.lanes {
		if n := [5]int{l.pending(), l.leased(), l.dead, l.settled, l.retrying}; n != [5]int{} {
			d.Lanes[name] = n
			d.Open[name.Endpoint] += l.open()
		}
	}
	return d
}

// TestRebuild does everything a store can do, in random order, and compares the
// index with what opening the file again makes of it.
func TestRebuild(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testRebuild(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func testRebuild(t *testing.T, random *rand.Rand) {
	f := newFixture(t)
	s := f.open(t)
	ctx := context.Background()
	var held []*retrystore.Delivery
	// pick takes one out of held.
	pick := func() *retrystore.Delivery {
		if len(held) == 0 {
			return nil
		}
		i := random.IntN(len(held))
		d := held[i]
		held[i] = held[len(held)-1]
		held = held[:len(held)-1]
		return d
	}
	destinations := []string{"app", "audit", "crm"}
	step := func() error {
		switch random.IntN(12) {
		case 0, 1, 2:
			e := benchEvent()
			e.Endpoint, e.ReceivedAt = []string{"shop", "git"}[random.IntN(2)], f.clock.Now()
			sub := &retrystore.Submission{Event: e, MaxPending: 100}
			if random.IntN(4) > 0 {
				sub.Key, sub.KeyTTL = retrystore.Key{byte(random.IntN(100)), 1}, time.Duration(1+random.IntN(48))*time.Hour
			}
			for _, name := range destinations[:1+random.IntN(3)] {
				sub.Targets = append(sub.Targets, retrystore.Target{Destination: name, Priority: random.IntN(11), Lease: time.Duration(random.IntN(3)) * time.Hour})
			}
			r, err := s.Accept(ctx, sub)
			for _, d := range r.Deliveries {
				if d.State == retrystore.Leased {
					held = append(held, d)
				}
			}
			return err
		case 3, 4:
			c, err := s.Claim(ctx, retrystore.ClaimRequest{
				Lane: retrystore.Lane{Endpoint: "shop", Destination: destinations[random.IntN(3)]},
				Max:  random.IntN(5), MaxRetries: random.IntN(5), Lease: time.Duration(random.IntN(120)) * time.Minute,
			})
			held = append(held, c.Deliveries...)
			return err
		case 5, 6, 7:
			if d := pick(); d != nil {
				return s.Settle(ctx, d, retrystore.Settlement{
					State:         []retrystore.State{retrystore.Pending, retrystore.Delivered, retrystore.Dead}[random.IntN(3)],
					NextAttemptAt: f.clock.Now().Add(time.Duration(random.IntN(600)) * time.Minute),
					Reason:        "r", Attempt: retrystore.Attempt{At: f.clock.Now(), Status: 500},
				})
			}
		case 8:
			if d := pick(); d != nil {
				return s.Release(ctx, d)
			}
		case 9:
			f.clock.Move(time.Duration(random.IntN(60)) * time.Minute)
		case 10:
			p, err := s.List(ctx, retrystore.Filter{States: []retrystore.State{retrystore.Dead, retrystore.Pending}}, "", 1000)
			if err != nil || len(p.Deliveries) == 0 {
				return err
			}
			id := p.Deliveries[random.IntN(len(p.Deliveries))].ID
			if random.IntN(2) == 0 {
				return s.Replay(ctx, id)
			}
			return s.Delete(ctx, id)
		case 11:
			s.purgeSome()
		}
		return nil
	}
	for i := range 600 {
		err := step()
		if err != nil && !errors.Is(err, retrystore.ErrLeaseLost) && !errors.Is(err, retrystore.ErrFull) && !errors.Is(err, retrystore.ErrState) {
			t.Fatal(err)
		}
		if i%100 != 99 {
			continue
		}
		for _, d := range held { // leases do not survive
			if err := s.Release(ctx, d); err != nil && !errors.Is(err, retrystore.ErrLeaseLost) {
				t.Fatal(err)
			}
		}
		held = nil
		if _, err := s.Stats(ctx); err != nil { // moves what became due
			t.Fatal(err)
		}
		f.clock.Move(3 * time.Hour) // leases that somebody lost lapse
		if _, err := s.Stats(ctx); err != nil {
			t.Fatal(err)
		}
		live := s.dump(s.instant())
		if random.IntN(2) == 0 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		} else {
			if err := s.flush(ctx); err != nil {
				t.Fatal(err)
			}
			f.crash(t, s)
		}
		s = f.open(t)
		if again := s.dump(s.instant()); !reflect.DeepEqual(again, live) {
			diff(t, live.Deliveries, again.Deliveries)
			diff(t, live.Keys, again.Keys)
			diff(t, live.Lanes, again.Lanes)
			diff(t, live.Open, again.Open)
			t.Fatalf("step %d: the index was rebuilt differently; seq %d, was %d", i, again.Seq, live.Seq)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func diff[K, V comparable](t *testing.T, live, rebuilt map[K]V) {
	t.Helper()
	for k, v := range live {
		if r, ok := rebuilt[k]; !ok || r != v {
			t.Errorf("%v was %v, is now %v (%v)", k, v, r, ok)
		}
	}
	for k, r := range rebuilt {
		if _, ok := live[k]; !ok {
			t.Errorf("%v was not there, is now %v", k, r)
		}
	}
}
