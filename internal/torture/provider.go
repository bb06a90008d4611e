//go:build linux

package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// maxBody is max_body of the endpoints, in bytes.
const maxBody = 256 << 10

var providerKinds = []kind{
	{name: "burst of events:", weight: 4, n: [2]int{30, 200}, run: (*world).burst},
	{name: "forgeries", weight: 3, n: [2]int{5, 40}, run: (*world).forge},
	{name: "half-open connections", weight: 3, n: [2]int{3, 30}, lasts: [2]int{200, 1500}, run: (*world).vanish},
	{name: "too large bodies", weight: 1, n: [2]int{1, 5}, run: (*world).tooLarge},
}

// startProviders begins to send, to all nodes alike.
func (w *world) startProviders(ctx context.Context) (stop func()) {
	var github, stripe []string
	for _, n := range w.nodes {
		github = append(github, "http://"+n.Address+"/github?source=torture&path=%2Fa+b")
		stripe = append(stripe, "http://"+n.Address+"/stripe")
	}
	types := []string{typeHeld, typeMortal, typeMortal}
	for range 17 {
		types = append(types, typeApp)
	}
	w.github = &oracle.Provider{Books: w.books, URLs: github, Run: "gh", Connections: 8, Pace: 25 * time.Millisecond,
		Types: types, Duplicates: 0.05, Backoff: 100 * time.Millisecond}
	w.stripe = &oracle.Provider{Books: w.books, URLs: stripe, Run: "evt", Connections: 2, Pace: 50 * time.Millisecond,
		Scheme: oracle.Stripe, Types: []string{"invoice.paid", "charge.failed"}, Duplicates: 0.05, Backoff: 100 * time.Millisecond}
	stopped := make(chan struct{})
	var group sync.WaitGroup
	for _, p := range []*oracle.Provider{w.github, w.stripe} {
		w.cleanup(p.Close)
		group.Go(func() { p.Send(ctx, stopped) })
	}
	return func() { close(stopped); group.Wait() }
}

// all does something n times at once, and waits for it. Half of it is Stripe's.
func (w *world) all(n int, do func(p *oracle.Provider)) error {
	var group sync.WaitGroup
	for i := range n {
		p := w.github
		if i%2 == 1 {
			p = w.stripe
		}
		group.Go(func() { do(p) })
	}
	group.Wait()
	return nil
}

func (w *world) burst(s Step) error {
	return w.all(s.N, func(p *oracle.Provider) { p.SendOne(w.sending) })
}

func (w *world) forge(s Step) error {
	return w.all(s.N, func(p *oracle.Provider) { p.Forge(w.sending) })
}

func (w *world) vanish(s Step) error {
	return w.all(s.N, func(p *oracle.Provider) { p.Vanish(w.sending, s.For/2+rand.N(s.For/2+1)) })
}

func (w *world) tooLarge(s Step) error {
	return w.all(s.N, func(p *oracle.Provider) { p.TooLarge(w.sending, maxBody) })
}

func fnvOf(text string) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, text) // never fails
	return h.Sum64()
}
