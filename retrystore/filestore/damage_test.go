package filestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// damages calls f with every beginning of b, and with b after each of its bits was
// flipped and after each byte became 0 and 255.
func damages(b []byte, f func(damaged []byte)) {
	for n := range b {
		f(bytes.Clone(b[:n]))
		for change := range 10 {
			c := bytes.Clone(b)
			switch change {
			case 8:
				c[n] = 0
			case 9:
				c[n] = 255
			default:
				c[n] ^= 1 << change
			}
			if !bytes.Equal(c, b) {
				f(c)
			}
		}
	}
}

func smallEvent() *retrystore.Event {
	return &retrystore.Event{Endpoint: "shop", EventID: "1", ReceivedAt: time.UnixMilli(1_900_000_000_000), Method: "POST",
		URI: "/x", Header: http.Header{"X-A": {"b", "c"}}, Body: []byte("{}")}
}

// TestDamagedRecords: of each kind, whatever became of its bytes, it is corrupt. With a
// checksum that is right all the same (a mistake in a program that wrote it, not the
// disk's) it is corrupt, or one like others, which can be shown.
func TestDamagedRecords(t *testing.T) {
	at := time.UnixMilli(1_900_000_000_123)
	attempt := retrystore.Attempt{At: at, Duration: time.Second, Status: 200, Error: "e", Answer: []byte("x")}
	saved := row{state: dead, attempts: 700, budgetAttempts: 3, budgetSince: at.UnixMilli(), due: at.UnixMilli(), lastStatus: 503, lastError: "no", reason: "max_age"}
	for name, kind := range map[string]struct {
		good   []byte
		decode func(b []byte) (times []int64, err error)
	}{
		"event": {appendRecord(nil, sampleRecord(), smallEvent()), func(b []byte) ([]int64, error) {
			head, encoded, err := decodeRecord(b)
			if err == nil && len(head.targets) == 0 {
				return nil, errors.New("it goes nowhere")
			}
			if encoded != nil { // damaged ones are shown, too
				_, _ = retrystore.DecodeEvent(encoded)
				if summary, err := retrystore.DecodeEventSummary(encoded); err == nil {
					return []int64{head.accepted, summary.ReceivedAt.UnixMilli()}, nil
				}
			}
			return []int64{head.accepted}, err
		}},
		"row": {saved.encode(), func(b []byte) ([]int64, error) {
			r, err := decodeRow(b)
			return []int64{r.due, r.budgetSince}, err
		}},
		"attempt": {encodeAttempt(&attempt), func(b []byte) ([]int64, error) {
			a, err := decodeAttempt(b)
			if err != nil {
				return nil, err
			}
			return []int64{a.At.UnixMilli()}, nil
		}},
		"keys": {seal(appendSettledKey(appendSettledKey(nil, retrystore.Key{1}, 2), retrystore.Key{3}, 4)), func(b []byte) ([]int64, error) {
			return nil, eachSettledKey(b, func(retrystore.Key, uint32) {})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := kind.decode(kind.good); err != nil {
				t.Fatal(err)
			}
			check := func(b []byte) error {
				times, err := kind.decode(b)
				if err != nil && !errors.Is(err, retrystore.ErrCorrupt) {
					t.Fatalf("%x: %v", b, err)
				}
				for _, ms := range times {
					if _, err := json.Marshal(time.UnixMilli(ms).UTC()); err != nil {
						t.Fatalf("%x: %v", b, err)
					}
				}
				return err
			}
			damages(kind.good, func(b []byte) {
				if _, ok := unseal(b); ok {
					t.Fatalf("%x passes for whole", b)
				}
				if err := check(b); err == nil && name != "event" {
					t.Fatalf("%x is no error", b)
				}
			})
			damages(kind.good[:len(kind.good)-4], func(b []byte) { _ = check(seal(b)) })
		})
	}
}

// TestDamagedRecordsInAFile opens a file with each kind of damage to its one event. It
// opens, and the event is delivered as it was or is a dead letter: corrupt_record.
func TestDamagedRecordsInAFile(t *testing.T) {
	good := appendRecord(nil, sampleRecord(), smallEvent())
	var all [][]byte
	damages(good, func(b []byte) { all = append(all, b) })
	path := filepath.Join(t.TempDir(), "deliveries.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, path, func(tx *bbolt.Tx) error {
		events := tx.Bucket(bucketEvents)
		for i, b := range all {
			if err := events.Put(eventKey(uint64(i+1)), b); err != nil {
				return err
			}
		}
		return events.Put(eventKey(uint64(len(all)+1)), good)
	})
	if s, err = Open(path, Options{}); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	dead, page := 0, retrystore.Page{}
	for cursor := ""; ; cursor = page.Next {
		if page, err = s.List(t.Context(), retrystore.Filter{}, cursor, 500); err != nil {
			t.Fatal(err)
		}
		if _, err := json.Marshal(page); err != nil {
			t.Fatalf("a page cannot be shown: %v", err)
		}
		for _, d := range page.Deliveries {
			if d.State == retrystore.Dead && d.Reason == reasonCorrupt {
				dead++
			}
		}
		if page.Next == "" {
			break
		}
	}
	if dead < len(all) {
		t.Errorf("%d of %d are dead letters with the reason %s", dead, len(all), reasonCorrupt)
	}
}
