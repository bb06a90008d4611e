package redisstore

import (
	"bytes"
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

func sampleRecord() (*head, *retrystore.Event) {
	h := &head{
		accepted: time.UnixMilli(1_700_000_000_456), key: testKey("k"), endpoint: "shop",
		targets: []target{{"app", 5}, {"", 0}, {"a/b", 10}},
	}
	e := testEvent("evt_1")
	e.Header = http.Header{"Content-Type": {"application/json"}, "X-Twice": {"a", "b"}}
	return h, e
}

func TestRecord(t *testing.T) {
	h, e := sampleRecord()
	b := appendRecord([]byte("before"), h, e)[len("before"):]
	gotHead, gotEvent, err := decodeRecord(b)
	if err != nil || !reflect.DeepEqual(gotHead, h) || !reflect.DeepEqual(gotEvent, e) {
		t.Fatalf("decoded %+v and %+v, error %v", gotHead, gotEvent, err)
	}
	// Every single damage is found.
	for i := range b {
		damaged := bytes.Clone(b)
		damaged[i] ^= 0x10
		if _, _, err := decodeRecord(damaged); !errors.Is(err, retrystore.ErrCorrupt) {
			t.Fatalf("byte %d damaged: %v, want ErrCorrupt", i, err)
		}
		if _, _, err := decodeRecord(b[:i]); !errors.Is(err, retrystore.ErrCorrupt) {
			t.Fatalf("cut to %d bytes: %v, want ErrCorrupt", i, err)
		}
	}
	// The beginning is enough for head and summary.
	gotHead, summary, err := decodeSummary(b[:len(b)-len(e.Body)-1])
	if err != nil || !reflect.DeepEqual(gotHead, h) || summary.EventID != e.EventID || summary.Body != nil {
		t.Errorf("summary %+v and %+v, error %v", gotHead, summary, err)
	}
}

func TestAttempt(t *testing.T) {
	a := retrystore.Attempt{
		At: time.UnixMilli(1_700_000_000_123).UTC(), Duration: 1234567, Status: 503,
		Error: string(bytes.Repeat([]byte("e"), 2*maxText)), Answer: bytes.Repeat([]byte("a"), 2*retrystore.MaxAnswer),
	}
	b := appendAttempt(nil, a)
	a.Error, a.Answer = a.Error[:maxText], a.Answer[:retrystore.MaxAnswer]
	if got, ok := decodeAttempt(b); !ok || !reflect.DeepEqual(got, a) {
		t.Errorf("decoded %+v", got)
	}
	if _, ok := decodeAttempt(nil); ok {
		t.Error("nothing was decoded")
	}
}

func FuzzRecord(f *testing.F) {
	h, e := sampleRecord()
	f.Add(appendRecord(nil, h, e))
	f.Add(appendAttempt(nil, retrystore.Attempt{Error: "x", Answer: []byte("y")}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for what, decode := range map[string]func([]byte) (*head, *retrystore.Event, error){"record": decodeRecord, "summary": decodeSummary} {
			h, e, err := decode(b)
			if err != nil && !errors.Is(err, retrystore.ErrCorrupt) {
				t.Fatalf("%s: error %v does not wrap ErrCorrupt", what, err)
			}
			if err != nil {
				continue
			}
			if h == nil || e == nil || len(h.targets) == 0 {
				t.Fatalf("%s: %+v, %+v without an error", what, h, e)
			}
			again, _, err := decodeRecord(appendRecord(nil, h, e))
			if err != nil || !reflect.DeepEqual(again, h) {
				t.Fatalf("%s: %+v, again %+v, error %v", what, h, again, err)
			}
		}
		decodeAttempt(b) // must not panic
	})
}
