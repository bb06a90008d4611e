package hostile

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

const hostileWorkers = 8

// inParallel runs job(0) to job(n-1), each with its own source of chance, so that
// what is sent does not depend on the order.
func (a *arena) inParallel(salt uint64, n int, job func(w *harness.Wire, rng *rand.Rand, i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range hostileWorkers {
		workers.Go(func() {
			w := harness.Wire{Address: a.address}
			defer w.Close()
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				job(&w, rand.New(rand.NewPCG(*hostileSeed^salt<<32, uint64(i))), i)
			}
		})
	}
	workers.Wait()
}

// hostileSignatures sends a thousand malformed signatures to each endpoint.
func hostileSignatures(t *testing.T, a *arena) {
	const each = 1000
	now := time.Now()
	a.inParallel(1, each*len(a.signings), func(w *harness.Wire, rng *rand.Rand, i int) {
		s := a.signings[i/each]
		m := s.Sign(s.Message(a.address), now)
		name := s.Signature[rng.IntN(len(s.Signature))]
		value := malformed(rng, s, m.Get(s.Signature[0]))
		replies := a.attack(t, w, s, fmt.Sprintf("signature %d", i), m.Without(s.Signature[0]).With(name, value).String())
		if len(replies) == 0 {
			t.Errorf("%s, signature %d: no answer to %q", s.Provider, i, value)
		}
	})
}

// malformed spoils a right signature, or makes up something in its place.
func malformed(rng *rand.Rand, s *harness.Signing, right string) string {
	const hexDigits, base64Digits = "0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	digits := hexDigits
	if s.Base64 {
		digits = base64Digits
	}
	random := func(from string, n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = from[rng.IntN(len(from))]
		}
		return string(b)
	}
	printable := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(' ' + rng.IntN(95))
		}
		return string(b)
	}
	at := rng.IntN(len(right))
	switch rng.IntN(16) {
	case 0:
		return right[:at]
	case 1:
		return right[at:]
	case 2:
		return right[:at] + right[at+1:]
	case 3:
		return right[:at] + string(digits[rng.IntN(len(digits))]) + right[at+1:]
	case 4:
		return right[:at] + printable(1+rng.IntN(5)) + right[at:]
	case 5:
		return right + printable(1+rng.IntN(5))
	case 6:
		return printable(rng.IntN(200))
	case 7:
		b := make([]byte, 1+rng.IntN(100))
		for i := range b {
			b[i] = byte(0x80 + rng.IntN(0x80))
		}
		return string(b)
	case 8:
		return s.Format(fmt.Sprint(time.Now().Unix()), random(digits, rng.IntN(200)))
	case 9: // of the right length
		return s.Format(fmt.Sprint(time.Now().Unix()), random(digits, len(s.Mac(""))))
	case 10:
		return []string{"sha1=", "sha512=", "md5=", "v2,", "v1a,", "v0:", "v1=", "t=", "Bearer ", "none", "null", "undefined", "true"}[rng.IntN(13)] + random(digits, len(s.Mac("")))
	case 11: // a list, longer than any bound
		return strings.Repeat(s.Format("1", random(digits, 4))+[]string{",", " ", ", "}[rng.IntN(3)], 1+rng.IntN(700))
	case 12:
		return random(digits, 1+rng.IntN(12_000))
	case 13:
		return `"` + right + `"`
	case 14:
		return random(",;=& .", rng.IntN(100))
	default: // right, but of another content
		return s.Format(fmt.Sprint(time.Now().Unix()), s.Mac(printable(10)))
	}
}

// hostileMutations changes signed webhooks at random. Those in which nothing that
// counts was changed must be accepted, so that the test would notice if it sent
// rubbish only; all others are judged by the rules of attack.
func hostileMutations(t *testing.T, a *arena) {
	now := time.Now()
	var originals []harness.Message
	for _, s := range a.signings {
		originals = append(originals, s.Sign(s.Message(a.address), now))
	}
	var harmless, accepted, refused, closed atomic.Int64
	a.inParallel(2, 10_000, func(w *harness.Wire, rng *rand.Rand, i int) {
		s := a.signings[i%len(a.signings)]
		original := originals[i%len(a.signings)]
		raw := mutate(rng, original)
		replies := a.attack(t, w, s, fmt.Sprintf("mutation %d", i), raw)
		untouched := sameWebhook(s, original.String(), raw)
		switch {
		case len(replies) == 0:
			closed.Add(1)
		case replies[0].Code < 300:
			accepted.Add(1)
		default:
			refused.Add(1)
		}
		if untouched {
			harmless.Add(1)
			if len(replies) == 0 || replies[0].Code >= 300 {
				t.Errorf("%s, mutation %d: a harmless change was refused: %v\n%s", s.Provider, i, replies, excerpt(raw))
			}
		}
	})
	t.Logf("%d refused, %d cut off, %d accepted, %d in which nothing that counts was changed",
		refused.Load(), closed.Load(), accepted.Load(), harmless.Load())
	if harmless.Load() < 500 || refused.Load() < 5000 {
		t.Error("the mutations are too tame or too wild to show anything")
	}
}

// mutate makes one to three changes: to the parts of a request, whose framing
// stays right, or to its text as a whole.
func mutate(rng *rand.Rand, m harness.Message) string {
	changes := 1 + rng.IntN(3)
	if rng.IntN(3) == 0 {
		raw := m.String()
		for range changes {
			raw = mutateText(rng, raw)
		}
		return raw
	}
	m.Header = slices.Clone(m.Header)
	for range changes {
		at := rng.IntN(len(m.Header))
		field := &m.Header[at]
		switch rng.IntN(10) {
		case 0, 1:
			m.Body = mutateText(rng, m.Body)
		case 2:
			m.Target = mutateText(rng, m.Target)
		case 3:
			field[1] = mutateText(rng, field[1])
		case 4:
			field[0] = mutateText(rng, field[0])
		case 5:
			m.Header = slices.Delete(m.Header, at, at+1)
			if len(m.Header) == 0 {
				return m.String()
			}
		case 6:
			m.Header = append(m.Header, *field)
		case 7: // harmless
			m.Header = append(m.Header, [2]string{fmt.Sprintf("X-Unrelated-%d", rng.IntN(1000)), strings.Repeat("v", rng.IntN(50))})
		case 8: // harmless
			field[0] = []func(string) string{strings.ToUpper, strings.ToLower}[rng.IntN(2)](field[0])
		case 9: // harmless
			rng.Shuffle(len(m.Header), func(i, j int) { m.Header[i], m.Header[j] = m.Header[j], m.Header[i] })
		}
	}
	return m.String()
}

// mutateText flips, inserts, deletes, repeats or cuts off bytes.
func mutateText(rng *rand.Rand, text string) string {
	if text == "" {
		return string([]byte{byte(rng.IntN(256))})
	}
	at := rng.IntN(len(text))
	to := min(len(text), at+1+rng.IntN(8))
	switch rng.IntN(6) {
	case 0: // one bit
		return text[:at] + string([]byte{text[at] ^ 1<<rng.IntN(8)}) + text[at+1:]
	case 1:
		return text[:at] + string([]byte{byte(rng.IntN(256))}) + text[at:]
	case 2:
		return text[:at] + text[to:]
	case 3:
		return text[:to] + text[at:]
	case 4:
		return text[:at]
	default: // two bytes change places
		if to == len(text) {
			to = at
		}
		b := []byte(text)
		b[at], b[to] = b[to], b[at]
		return string(b)
	}
}

// sameWebhook reports whether raw is a single well-formed request that is the
// original in all that counts: method, target, host, type, body, and every header that the
// original has. More headers may be there, if they are plain ones.
func sameWebhook(s *harness.Signing, original, raw string) bool {
	was, _ := harness.Split(original)
	is, clean := harness.Split(raw)
	if !clean || len(is) != 1 {
		return false
	}
	a, b := was[0], is[0]
	if a.Method != b.Method || a.RequestURI != b.RequestURI || a.Host != b.Host || a.Proto != b.Proto || a.Body != b.Body {
		return false
	}
	for name, values := range a.Header {
		if !slices.Equal(values, b.Header[name]) {
			return false
		}
	}
	for name := range b.Header {
		if _, there := a.Header[name]; !there && !strings.HasPrefix(name, http.CanonicalHeaderKey("X-Unrelated-")) {
			return false
		}
	}
	return true
}
