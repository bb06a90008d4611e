package retrystore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"
)

// damages calls f with every beginning of b, and with b after each of its bits was
// flipped, after each byte became 0 and 255, and with bytes behind it.
func damages(b []byte, f func(damaged []byte)) {
	for n := range b {
		f(bytes.Clone(b[:n]))
		for bit := range 8 {
			c := bytes.Clone(b)
			c[n] ^= 1 << bit
			f(c)
		}
		for _, value := range []byte{0, 255} {
			c := bytes.Clone(b)
			c[n] = value
			f(c)
		}
		f(append(bytes.Clone(b[:n]), bytes.Repeat([]byte{255}, 12)...))
	}
	f(append(bytes.Clone(b), b...))
}

// TestDamagedEvents: what cannot be read is ErrCorrupt. What can is an event like
// others: it can be stored again, and shown.
func TestDamagedEvents(t *testing.T) {
	secret := sampleEvent()
	secret.Secrets = []string{"json /token"}
	read, refused := 0, 0
	for _, e := range []*Event{sampleEvent(), secret, {}, {Body: []byte("x")}} {
		damages(AppendEvent(nil, e), func(b []byte) {
			before := bytes.Clone(b)
			got, err := DecodeEvent(b)
			summary, summaryErr := DecodeEventSummary(b)
			stripped, _, strippedErr := AppendEventWithoutBody([]byte("p"), b)
			if !bytes.Equal(b, before) {
				t.Fatalf("%x was changed", before)
			}
			for _, err := range []error{err, summaryErr, strippedErr} {
				if err != nil && !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%x: %v", b, err)
				}
			}
			if strippedErr != nil && string(stripped) != "p" {
				t.Fatalf("%x: %q was appended", b, stripped)
			}
			if summaryErr == nil {
				if _, err := json.Marshal(summary.ReceivedAt); err != nil {
					t.Fatalf("%x: %v", b, err)
				}
			} else if err == nil {
				t.Fatalf("%x: %v, though all can be read", b, summaryErr)
			}
			if err != nil {
				refused++
				return
			}
			read++
			if again, err := DecodeEvent(AppendEvent(nil, got)); err != nil || !reflect.DeepEqual(again, got) {
				t.Fatalf("%x: read %+v, again %+v, %v", b, got, again, err)
			}
		})
	}
	if read < 100 || refused < 1000 {
		t.Errorf("%d were read and %d refused: this test shows nothing", read, refused)
	}
}

// TestImpossibleTimes: a time that JSON cannot have would hide the list it is in.
func TestImpossibleTimes(t *testing.T) {
	good := AppendEvent(nil, &Event{ReceivedAt: time.UnixMilli(0)})
	for ms, valid := range map[int64]bool{
		math.MinInt64: false, firstMilli - 1: false, firstMilli: true, -1: true, lastMilli: true, lastMilli + 1: false, math.MaxInt64: false,
	} {
		b := append(binary.AppendVarint([]byte{eventVersion}, ms), good[2:]...)
		_, err := DecodeEventSummary(b)
		_, jsonErr := json.Marshal(time.UnixMilli(ms).UTC())
		if (err == nil) != valid || !valid && !errors.Is(err, ErrCorrupt) || valid && jsonErr != nil || ValidMillis(ms) != valid {
			t.Errorf("%d: %v, as JSON %v", ms, err, jsonErr)
		}
	}
}
