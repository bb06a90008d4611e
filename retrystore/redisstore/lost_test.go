package redisstore

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// An event whose record is gone, or of another type, is taken anew when the provider
// sends it again, by guards too; before it is known to be lost its repeat is a duplicate, as
// is the repeat of what was delivered.
func TestLostEventIsTakenAnew(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		damage func(t *testing.T, w *watched, d *retrystore.Delivery)
		line   string
	}{
		"gone": {func(t *testing.T, w *watched, d *retrystore.Delivery) {
			w.client.Del(t.Context(), eventKeyOf(w.Store, d))
		}, "the record of an event is gone"},
		"gone, and out of the queue": {func(t *testing.T, w *watched, d *retrystore.Delivery) {
			w.client.Del(t.Context(), eventKeyOf(w.Store, d), w.parts.Load().lanes.get(testLane).keys[0].queue)
			w.suspect()
		}, "the record of an event is gone"},
		"of another type": {func(t *testing.T, w *watched, d *retrystore.Delivery) {
			w.client.Del(t.Context(), eventKeyOf(w.Store, d))
			w.client.LPush(t.Context(), eventKeyOf(w.Store, d), "x")
		}, "it is a dead letter now"},
		"unreadable": {func(t *testing.T, w *watched, d *retrystore.Delivery) {
			w.client.Set(t.Context(), eventKeyOf(w.Store, d), "garbage", 0)
		}, "event record is unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := watch(t, alone(redistest.Start(t)), Options{})
			d := accept(t, w.Store, "lost", 0)
			if err := w.Settle(t.Context(), accept(t, w.Store, "delivered", time.Minute), delivered); err != nil {
				t.Fatal(err)
			}
			test.damage(t, w, d)
			if name == "gone" || name == "unreadable" { // which only a claim finds
				if r, err := w.Accept(t.Context(), submission("lost", 0)); err != nil || !r.Duplicate {
					t.Errorf("before anybody knows: %+v, %v", r, err)
				}
			}
			eventually(t, 20*time.Second, func() error {
				if got := claim(t, w.Store, 1); len(got) != 0 {
					t.Errorf("claimed %+v", got[0])
				}
				if w.logs.FilterMessageSnippet(test.line).Len() != 1 {
					return fmt.Errorf("the log does not say %q: %v", test.line, w.logs.All())
				}
				return nil
			})
			if fields := fmt.Sprint(w.logs.FilterMessageSnippet(test.line).All()[0].ContextMap()); !strings.Contains(fields, d.ID) {
				t.Errorf("the line does not name delivery %s: %s", d.ID, fields)
			}
			if h, err := w.HoldKey(t.Context(), testKey("lost"), 50*time.Millisecond); err != nil || h.State != retrystore.HoldGranted {
				t.Errorf("held: %+v, %v", h, err)
			} else if err := w.ReleaseKey(t.Context(), h); err != nil {
				t.Error(err)
			}
			accept(t, w.Store, "lost", 0)
			for _, event := range []string{"lost", "delivered"} {
				if r, err := w.Accept(t.Context(), submission(event, 0)); err != nil || !r.Duplicate {
					t.Errorf("the repeat of %s: %+v, %v", event, r, err)
				}
			}
			if got := claim(t, w.Store, 1); len(got) != 1 {
				t.Errorf("claimed %d, want the event that was sent again", len(got))
			}
		})
	}
}

// eventKeyOf is the key of a delivery's event.
func eventKeyOf(s *Store, d *retrystore.Delivery) string {
	id, _ := parseID(d.ID)
	return s.parts.Load().shards[id.event().shard()].event(id.event())
}
