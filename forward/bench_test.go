package forward

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// nothingQueue is a store that costs nothing and holds nothing. It answers every
// submission with the same deliveries.
type nothingQueue struct {
	settled    atomic.Int64
	deliveries []*retrystore.Delivery
}

func (q *nothingQueue) Accept(context.Context, *retrystore.Submission) (retrystore.Receipt, error) {
	return retrystore.Receipt{Deliveries: q.deliveries}, nil
}
func (*nothingQueue) Claim(context.Context, retrystore.ClaimRequest) (retrystore.Claim, error) {
	return retrystore.Claim{}, nil
}
func (q *nothingQueue) Settle(context.Context, *retrystore.Delivery, retrystore.Settlement) error {
	q.settled.Add(1)
	return nil
}
func (*nothingQueue) Release(context.Context, *retrystore.Delivery) error { return nil }
func (*nothingQueue) Notify(func(retrystore.Lane)) func()                 { return func() {} }

// BenchmarkSlot is what the dispatcher adds to a delivery that goes the short
// way: slot, goroutine, attempt with its deadline, classification, settling.
func BenchmarkSlot(b *testing.B) {
	b.Run("serial", func(b *testing.B) {
		d, delivery, sent := benchSetup(b)
		for b.Loop() {
			slot, ok := d.reserve(laneA)
			for !ok {
				slot, ok = d.reserve(laneA)
			}
			slot.run(delivery, nil)
			<-sent
		}
	})
	b.Run("parallel", func(b *testing.B) {
		d, delivery, sent := benchSetup(b)
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				slot, ok := d.reserve(laneA)
				for !ok {
					slot, ok = d.reserve(laneA)
				}
				slot.run(delivery, nil)
				<-sent // somebody's: as many as were run
			}
		})
	})
}

func benchSetup(b *testing.B) (*Dispatcher, *retrystore.Delivery, chan struct{}) {
	b.ReportAllocs()
	sent := make(chan struct{})
	d := start(b, &nothingQueue{}, Options{}, Destination{Lane: laneA, MaxInFlight: 256, Sender: senderFunc(
		func(context.Context, *retrystore.Delivery) (Answer, error) {
			sent <- struct{}{}
			return Answer{Status: 200}, nil
		})})
	return d, &retrystore.Delivery{ID: "d", Lane: laneA, Event: &retrystore.Event{}, Budget: retrystore.Budget{Since: time.Now()}}, sent
}

// BenchmarkAccept is BenchmarkSlot with Accept around it, as webhooks come in.
func BenchmarkAccept(b *testing.B) {
	d, delivery, sent := benchSetup(b)
	d.queue.(*nothingQueue).deliveries = []*retrystore.Delivery{delivery}
	s := &retrystore.Submission{Event: &retrystore.Event{Endpoint: laneA.Endpoint}, Targets: []retrystore.Target{{Destination: laneA.Destination}}}
	for b.Loop() {
		if _, err := d.Accept(b.Context(), s, nil); err != nil {
			b.Fatal(err)
		}
		<-sent
	}
}

// BenchmarkGoroutine is the floor under BenchmarkSlot.
func BenchmarkGoroutine(b *testing.B) {
	b.ReportAllocs()
	sent := make(chan struct{})
	for b.Loop() {
		go func() { sent <- struct{}{} }()
		<-sent
	}
}

// BenchmarkGoroutineAndTimer is that floor with the attempt's deadline.
func BenchmarkGoroutineAndTimer(b *testing.B) {
	b.ReportAllocs()
	sent := make(chan struct{})
	parent, cancel := context.WithCancel(context.Background())
	defer cancel()
	for b.Loop() {
		go func() {
			_, cancel := context.WithTimeout(parent, time.Minute)
			defer cancel()
			sent <- struct{}{}
		}()
		<-sent
	}
}

func BenchmarkMatchType(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		MatchType("customer.*.created", "customer.subscription.created")
	}
}
