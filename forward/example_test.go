package forward_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// memory is a queue that forgets everything when the process ends. The stores below
// retrystore keep it, and have leases that lapse; this one shows what a dispatcher needs.
type memory struct {
	mu      sync.Mutex
	count   int
	waiting []*retrystore.Delivery // in the order in which they came
}

func (m *memory) Accept(_ context.Context, s *retrystore.Submission) (receipt retrystore.Receipt, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, target := range s.Targets {
		m.count++
		delivery := &retrystore.Delivery{
			ID: fmt.Sprint(m.count), Lane: retrystore.Lane{Endpoint: s.Event.Endpoint, Destination: target.Destination},
			Event: s.Event, Budget: retrystore.Budget{Since: time.Now()},
		}
		if target.Lease > 0 {
			delivery.State = retrystore.Leased
		} else {
			m.waiting = append(m.waiting, delivery)
		}
		receipt.Deliveries = append(receipt.Deliveries, delivery)
	}
	return receipt, nil
}

func (m *memory) Claim(_ context.Context, r retrystore.ClaimRequest) (claim retrystore.Claim, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var rest []*retrystore.Delivery
	for _, delivery := range m.waiting {
		due := delivery.Lane == r.Lane && !delivery.NextAttemptAt.After(time.Now())
		if due && len(claim.Deliveries) < r.Max {
			claim.Deliveries = append(claim.Deliveries, delivery)
			continue
		}
		rest = append(rest, delivery)
		if claim.Next.IsZero() || delivery.NextAttemptAt.Before(claim.Next) {
			claim.Next = delivery.NextAttemptAt
		}
	}
	m.waiting = rest
	return claim, nil
}

func (m *memory) Settle(_ context.Context, d *retrystore.Delivery, s retrystore.Settlement) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	again := *d
	again.Attempts, again.NextAttemptAt = d.Attempts+1, s.NextAttemptAt
	if s.State == retrystore.Pending {
		m.waiting = append(m.waiting, &again)
	}
	return nil
}

func (m *memory) Release(_ context.Context, d *retrystore.Delivery) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting = append(m.waiting, d)
	return nil
}

func (m *memory) Notify(func(retrystore.Lane)) (stop func()) { return func() {} }

// flaky is an application that fails the first time.
type flaky struct{ settled chan struct{} }

func (f flaky) Send(_ context.Context, d *retrystore.Delivery) (forward.Answer, error) {
	fmt.Printf("attempt %d: %s\n", d.Attempts+1, d.Event.Body)
	if d.Attempts == 0 {
		return forward.Answer{Status: 503}, nil
	}
	defer close(f.settled)
	return forward.Answer{Status: 200}, nil
}

// An event is accepted, its first attempt fails, and its second one does not.
func Example() {
	application := flaky{settled: make(chan struct{})}
	dispatcher, err := forward.New(new(memory), []forward.Destination{{
		Lane:   retrystore.Lane{Endpoint: "shop", Destination: "app"},
		Sender: application,
		Retry:  forward.Retry{Initial: 10 * time.Millisecond},
	}}, forward.Options{})
	if err != nil {
		panic(err)
	}
	dispatcher.Start()

	ctx := context.Background()
	first := make(chan string, 1)
	_, err = dispatcher.Accept(ctx, &retrystore.Submission{
		Event:   &retrystore.Event{Endpoint: "shop", EventID: "evt_1", Body: []byte(`{"order":7}`)},
		Targets: []retrystore.Target{{Destination: "app"}},
	}, func(answer forward.Answer, settlement retrystore.Settlement, made bool) {
		first <- fmt.Sprint("first attempt: ", made, ", ", answer.Status, ", ", settlement.State)
	})
	if err != nil {
		panic(err)
	}
	outcome := <-first
	<-application.settled
	dispatcher.Stop(ctx)
	fmt.Println(outcome)
	// Output:
	// attempt 1: {"order":7}
	// attempt 2: {"order":7}
	// first attempt: true, 503, pending
}
