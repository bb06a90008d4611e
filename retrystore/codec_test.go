package retrystore

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"
)

func sampleEvent() *Event {
	return &Event{
		Endpoint: "shop", Provider: "stripe", EventID: "evt_1", EventType: "invoice.paid",
		CorrelationID: "c-1", ReceivedAt: time.UnixMilli(1_700_000_000_123).UTC(),
		Method: "POST", Scheme: "https", Host: "example.com", URI: "/hooks?x=1", Proto: "HTTP/2.0",
		RemoteAddr: "192.0.2.1:443",
		Header: http.Header{
			"Content-Type": {"application/json"}, "X-Many": {"a", "", "b"}, "X-None": {},
			"Stripe-Signature": {"t=1,v1=" + strings.Repeat("0", 64)},
		},
		Body: []byte(`{"id":"evt_1"}`),
	}
}

func TestEventRoundTrip(t *testing.T) {
	for name, e := range map[string]*Event{
		"full":   sampleEvent(),
		"zero":   {},
		"binary": {Body: []byte{0, 255, 128}, ReceivedAt: time.UnixMilli(-5).UTC(), URI: "/\x00\xff"},
		"large":  {Body: bytes.Repeat([]byte("x"), 1<<20), Header: http.Header{"A": {strings.Repeat("v", 1<<16)}}},
	} {
		t.Run(name, func(t *testing.T) {
			b := AppendEvent([]byte("prefix"), e)[len("prefix"):]
			got, err := DecodeEvent(b)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, e) {
				t.Errorf("decoded\n%+v, want\n%+v", got, e)
			}
			summary, err := DecodeEventSummary(b)
			if err != nil {
				t.Fatal(err)
			}
			want := *e
			want.Header, want.Body = nil, nil
			if !reflect.DeepEqual(summary, &want) {
				t.Errorf("summary\n%+v, want\n%+v", summary, &want)
			}
		})
	}
}

// TestEventSecrets: what is secret is kept with the event, in a record that a node of the
// version before reads, too. It takes the places for values of a header that it writes itself.
func TestEventSecrets(t *testing.T) {
	for name, header := range map[string]http.Header{
		"no header": nil,
		"header":    sampleEvent().Header,
		"the same":  {secretsUnder: {"3"}}, // of a scheme that signs it
	} {
		e := sampleEvent()
		e.Header, e.Secrets = header, []string{"header X-Own", "json /token"}
		b := AppendEvent(nil, e)
		got, err := DecodeEvent(b)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Errorf("%s: decoded\n%+v, want\n%+v (%v)", name, got, e, err)
		}
		without, _, err := AppendEventWithoutBody(nil, b)
		if err != nil {
			t.Fatal(err)
		}
		if got, err = DecodeEvent(without); err != nil || !reflect.DeepEqual(got.Secrets, e.Secrets) {
			t.Errorf("%s, without body: %+v (%v)", name, got, err)
		}
		if b[0] != 1 {
			t.Errorf("%s: version %d, which a node of the version before cannot read", name, b[0])
		}
		_, rest, err := decodeStrings(b)
		if err != nil {
			t.Fatal(err)
		}
		block, _, _ := cutBlock(rest)
		before, ok := decodeHeader(string(block))
		if want := len(header[secretsUnder]) + 2; !ok || len(before["Webhook-Attempt"]) != want {
			t.Errorf("%s: to the version before the header is %v", name, before)
		}
	}
	e := sampleEvent()
	for n := range 2 * MaxSecrets {
		e.Secrets = append(e.Secrets, fmt.Sprint("json /", n))
	}
	if got, err := DecodeEvent(AppendEvent(nil, e)); err != nil || len(got.Secrets) != MaxSecrets {
		t.Errorf("%d secrets, error %v", len(got.Secrets), err)
	}
}

func TestDecodedEventSharesNoMemory(t *testing.T) {
	b := AppendEvent(nil, sampleEvent())
	got, err := DecodeEvent(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if !reflect.DeepEqual(got, sampleEvent()) {
		t.Errorf("event changed with the bytes it came from: %+v", got)
	}
}

func TestDecodeEventRefusesDamage(t *testing.T) {
	good := AppendEvent(nil, sampleEvent())
	for n := range good {
		if _, err := DecodeEvent(good[:n]); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut to %d bytes: error %v, want ErrCorrupt", n, err)
		}
	}
	if _, err := DecodeEvent(append(bytes.Clone(good), 0)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("trailing byte: error %v, want ErrCorrupt", err)
	}
	newer := bytes.Clone(good)
	newer[0] = eventVersion + 1
	if _, err := DecodeEvent(newer); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("newer version: error %v", err)
	}
}

func TestEventWithoutBody(t *testing.T) {
	for name, e := range map[string]*Event{
		"full": sampleEvent(), "zero": {}, "no header": {Body: []byte("x")},
		"large": {Header: http.Header{"A": {strings.Repeat("v", 1<<16)}}, Body: bytes.Repeat([]byte("x"), 1<<20)},
	} {
		b, dropped, err := AppendEventWithoutBody([]byte("prefix"), AppendEvent(nil, e))
		if err != nil || dropped != (len(e.Body) > 0) {
			t.Fatalf("%s: dropped %v, error %v", name, dropped, err)
		}
		got, err := DecodeEvent(b[len("prefix"):])
		if err != nil {
			t.Fatal(err)
		}
		want := *e
		want.Body = nil
		if !reflect.DeepEqual(got, &want) {
			t.Errorf("%s: decoded\n%+v, want\n%+v", name, got, &want)
		}
	}
	good := AppendEvent(nil, sampleEvent())
	for n := range good {
		if b, _, err := AppendEventWithoutBody([]byte("p"), good[:n]); !errors.Is(err, ErrCorrupt) || string(b) != "p" {
			t.Fatalf("cut to %d bytes: %q, error %v, want ErrCorrupt", n, b, err)
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add(AppendEvent(nil, sampleEvent()))
	f.Add(AppendEvent(nil, &Event{}))
	f.Add([]byte{eventVersion})
	secret := sampleEvent()
	secret.Secrets = []string{"json /token"}
	f.Add(AppendEvent(nil, secret))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEvent(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("error %v does not wrap ErrCorrupt", err)
			}
			_, _ = DecodeEventSummary(b) // must not panic either
			return
		}
		again, err := DecodeEvent(AppendEvent(nil, e))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("decoded %+v, again %+v (%v)", e, again, err)
		}
	})
}

func BenchmarkAppendEvent(b *testing.B) {
	e := sampleEvent()
	e.Body = bytes.Repeat([]byte("x"), 1024)
	buf := AppendEvent(nil, e)
	for b.Loop() {
		buf = AppendEvent(buf[:0], e)
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	e := sampleEvent()
	e.Body = bytes.Repeat([]byte("x"), 1024)
	buf := AppendEvent(nil, e)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeEvent(buf); err != nil {
			b.Fatal(err)
		}
	}
}
