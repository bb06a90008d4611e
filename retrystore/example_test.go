package retrystore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/dedupe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/filestore"
)

// An event is stored once, claimed by a worker, tried, and settled. Package forward does
// what comes after Accept.
func Example() {
	folder, err := os.MkdirTemp("", "store")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	var store retrystore.Store
	if store, err = filestore.Open(filepath.Join(folder, "deliveries.db"), filestore.Options{}); err != nil {
		panic(err)
	}
	defer store.Close()

	ctx := context.Background()
	submission := &retrystore.Submission{
		Key: dedupe.NewKeyer("shop").Values("evt_1"), KeyTTL: 24 * time.Hour,
		Event: &retrystore.Event{
			Endpoint: "shop", EventID: "evt_1", EventType: "order.paid", ReceivedAt: time.Now(),
			Method: "POST", URI: "/hooks", Body: []byte(`{"order":7}`),
		},
		Targets: []retrystore.Target{{Destination: "app"}},
	}
	for range 2 {
		receipt, err := store.Accept(ctx, submission)
		if err != nil {
			panic(err)
		}
		fmt.Println("duplicate:", receipt.Duplicate, "new deliveries:", len(receipt.Deliveries))
	}

	lane := retrystore.Lane{Endpoint: "shop", Destination: "app"}
	claim, err := store.Claim(ctx, retrystore.ClaimRequest{Lane: lane, Max: 10, MaxRetries: 5, Lease: time.Minute})
	if err != nil {
		panic(err)
	}
	for _, delivery := range claim.Deliveries {
		fmt.Println(delivery.Lane, delivery.State, string(delivery.Event.Body))
		err := store.Settle(ctx, delivery, retrystore.Settlement{
			State: retrystore.Delivered, Attempt: retrystore.Attempt{At: time.Now(), Status: 200},
		})
		if err != nil {
			panic(err)
		}
		_, err = store.Get(ctx, delivery.ID)
		fmt.Println("forgotten:", errors.Is(err, retrystore.ErrNotFound))
	}
	// Output:
	// duplicate: false new deliveries: 1
	// duplicate: true new deliveries: 0
	// shop/app leased {"order":7}
	// forgotten: true
}
