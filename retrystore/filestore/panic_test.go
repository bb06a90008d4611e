package filestore

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// TestPanickingWriter has the writer panic: the store refuses new events, still delivers the
// stored ones, and the process goes on.
func TestPanickingWriter(t *testing.T) {
	boom := false
	s, err := Open(filepath.Join(t.TempDir(), "deliveries.db"), Options{afterCommit: func(err error) error {
		if boom {
			panic("boom")
		}
		return err
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	lane := retrystore.Lane{Endpoint: "e", Destination: "d"}
	submission := &retrystore.Submission{
		Event: &retrystore.Event{Endpoint: "e", ReceivedAt: time.Now()}, Targets: []retrystore.Target{{Destination: "d"}},
	}
	if _, err := s.Accept(t.Context(), submission); err != nil {
		t.Fatal(err)
	}
	boom = true
	for range 3 {
		if _, err := s.Accept(t.Context(), submission); !errors.Is(err, retrystore.ErrUnavailable) {
			t.Fatalf("Accept after a panic of the writer: %v", err)
		}
	}
	claim, err := s.Claim(t.Context(), retrystore.ClaimRequest{Lane: lane, Max: 9, Lease: time.Minute})
	if err != nil || len(claim.Deliveries) != 1 {
		t.Fatalf("Claim: %d deliveries, %v", len(claim.Deliveries), err)
	}
	if err := s.Settle(t.Context(), claim.Deliveries[0], retrystore.Settlement{State: retrystore.Delivered}); err != nil {
		t.Error(err)
	}
	if err := s.Replay(t.Context(), claim.Deliveries[0].ID); err == nil {
		t.Error("a replay that cannot be made durable was taken")
	}
}

// TestPanickingWaker has a receiver of wake panic: others hear all the same.
func TestPanickingWaker(t *testing.T) {
	s, err := Open(filepath.Join(t.TempDir(), "deliveries.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	defer s.Notify(func(retrystore.Lane) { panic("boom") })()
	heard := make(chan retrystore.Lane, 1)
	defer s.Notify(func(l retrystore.Lane) { heard <- l })()
	_, err = s.Accept(t.Context(), &retrystore.Submission{
		Event: &retrystore.Event{Endpoint: "e"}, Targets: []retrystore.Target{{Destination: "d"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	<-heard
}
