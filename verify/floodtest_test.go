package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
)

// answers is a transport without a network: it answers with what is published, or 404.
type answers struct {
	mu        sync.Mutex
	published map[string]string
	asked     atomic.Int64
	wait      chan struct{} // if not nil, answers come when it is closed
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	a.asked.Add(1)
	if a.wait != nil {
		select {
		case <-a.wait:
		case <-r.Context().Done():
			return nil, context.Cause(r.Context())
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	text, found := a.published[r.URL.String()]
	status := http.StatusOK
	if !found {
		status = http.StatusNotFound
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(text)), Header: http.Header{}}, nil
}

const keyHost = "https://keys.example.com/"

// namedKey is a fetch of a key that webhooks name.
func namedKey(name string) *fetch {
	return &fetch{name: keyHost + name, url: keyHost + name, one: true, parse: parseJWKS}
}

// floodTest is a source of named keys, a flood of forged webhooks and now and then a genuine one.
type floodTest struct {
	*keySource
	answers *answers
	clock   *faketime.Clock
	key     string // of the genuine webhooks
	names   int    // that were made up
}

func newFloodTest(t *testing.T) *floodTest {
	t.Helper()
	f := &floodTest{answers: &answers{published: map[string]string{}}, clock: faketime.At(testTime)}
	pool := NewKeyPool(KeyPoolOptions{Transport: f.answers, Now: f.clock.Now})
	f.keySource = pool.acquire(sourceID{"test", "test"})
	t.Cleanup(func() { pool.release(f.keySource) })
	f.publish(t, "genuine-0")
	return f
}

// publish has the provider sign with a key of that name from now on.
func (f *floodTest) publish(t testing.TB, name string) {
	f.answers.mu.Lock()
	defer f.answers.mu.Unlock()
	f.key = name
	f.answers.published[keyHost+name] = jsonKeys(t)
}

var jsonKeys = func() func(testing.TB) string {
	var once sync.Once
	var text string
	return func(t testing.TB) string { once.Do(func() { text = jwksOf(t, "a") }); return text }
}()

// genuine sends a genuine webhook, and reports why it was refused.
func (f *floodTest) genuine(t testing.TB, from string) error {
	t.Helper()
	address := netip.MustParseAddr(from)
	_, err := f.keySource.key(t.Context(), namedKey(f.key), "a", address, noDoubt)
	if err == nil {
		f.trust(address)
	}
	return err
}

// forged sends a webhook with a new key name. Its answer is never success.
func (f *floodTest) forged(t testing.TB, from netip.Addr) {
	t.Helper()
	f.names++
	f.ask(t, fmt.Sprintf("forged-%d", f.names), from)
}

func (f *floodTest) ask(t testing.TB, name string, from netip.Addr) {
	t.Helper()
	_, err := f.keySource.key(t.Context(), namedKey(name), "a", from, noDoubt)
	if !errors.Is(err, errUnknownKey) && !errors.Is(err, errTooManyFetches) {
		t.Fatal(err)
	}
}

// address is the i-th of the senders of forged webhooks.
func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, byte(18 + i>>16), byte(i >> 8), byte(i)})
}
