// Package dedupe answers "have we seen it?": it builds the keys that events are
// remembered by and says how long remembering is needed. The store keeps the keys.
package dedupe

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// What a key is made of. The tag is part of the hash, so that an id can never
// equal a content hash.
const (
	tagValues  = 'v'
	tagTied    = 't'
	tagContent = 'c'

	tagSubscribed = 's' // content, with the values that name the subscription
	tagSecret     = 'k' // goes before one of the others
)

// Keyer builds the event keys of one endpoint. Keys of two endpoints never
// meet. A Keyer is safe for concurrent use.
type Keyer struct {
	scope []byte // the endpoint's name with its length in front
}

// NewKeyer returns the Keyer of the endpoint of that name.
func NewKeyer(endpoint string) *Keyer {
	return &Keyer{scope: appendPart(nil, endpoint)}
}

// For returns the Keyer for webhooks that are verified with that secret or public key. If two
// subscriptions of an endpoint have their own secrets, both may send the same id for one
// happening.
func (k *Keyer) For(secret string) *Keyer {
	sum := sha256.Sum256([]byte(secret))
	return &Keyer{scope: append(append(slices.Clip(k.scope), tagSecret), sum[:]...)}
}

// Values returns the key of an event that the given values identify together,
// in their order. Each goes in with its length, so ("a","bc") and ("ab","c") differ.
// No value should be empty: absent values make unrelated events look alike; use Content then.
func (k *Keyer) Values(values ...string) retrystore.Key {
	buf := make([]byte, 0, 128)
	buf = append(append(buf, k.scope...), tagValues)
	for _, v := range values {
		buf = appendPart(buf, v)
	}
	return truncate(sha256.Sum256(buf))
}

// Signed is the part of a webhook that its signature covers.
type Signed struct {
	Timestamp time.Time // zero where the scheme signs none
	URI       string    // path and query; empty where anybody could change them
	Body      []byte
}

// Tied returns the key of an event with values that the signature does not cover, such as an
// id in a header: they identify it together with the signed part. So an attacker cannot give the id
// of another event to a webhook that they have seen, and have the other event taken for a
// repetition. The time is left out, because it differs when the provider sends the event again.
func (k *Keyer) Tied(s Signed, values ...string) retrystore.Key {
	buf := make([]byte, 0, 256)
	buf = append(append(buf, k.scope...), tagTied)
	buf = binary.AppendUvarint(buf, uint64(len(values)))
	for _, v := range values {
		buf = appendPart(buf, v)
	}
	return digest(appendPart(buf, s.URI), s.Body)
}

// Content returns the key of an event without any id: a hash of the signed part, of the
// event's type, which some providers send in an unsigned header, and of the values that name
// the subscription.
func (k *Keyer) Content(s Signed, eventType string, subscription ...string) retrystore.Key {
	stamp := int64(0)
	if !s.Timestamp.IsZero() {
		stamp = s.Timestamp.UnixMilli()
	}
	buf := make([]byte, 0, 256)
	buf = append(append(buf, k.scope...), tagContent)
	buf = binary.BigEndian.AppendUint64(buf, uint64(stamp))
	buf = appendPart(buf, eventType)
	if len(subscription) > 0 {
		buf[len(k.scope)] = tagSubscribed
		buf = binary.AppendUvarint(buf, uint64(len(subscription)))
		for _, part := range subscription {
			buf = appendPart(buf, part)
		}
	}
	return digest(appendPart(buf, s.URI), s.Body)
}

func digest(head, body []byte) retrystore.Key {
	h := sha256.New()
	h.Write(head)
	h.Write(body)
	return truncate([sha256.Size]byte(h.Sum(nil)))
}

// MinTTL is the shortest time for which keys must be remembered so that no
// signed webhook can be replayed: a timestamp up to tolerance in the future is
// accepted and stays valid until tolerance after it.
func MinTTL(tolerance time.Duration) time.Duration { return 2 * tolerance }

func appendPart(buf []byte, part string) []byte {
	return append(binary.AppendUvarint(buf, uint64(len(part))), part...)
}

func truncate(sum [sha256.Size]byte) retrystore.Key {
	return retrystore.Key(sum[:len(retrystore.Key{})])
}
