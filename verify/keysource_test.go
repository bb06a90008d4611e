package verify

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
)

// TestMain finds goroutines that were not ended.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testJWKS = "https://keys.example.com/jwks.json"

// jwksOf is a key set with the tests' EC key under each id.
func jwksOf(t testing.TB, ids ...string) string {
	t.Helper()
	var keys []string
	for _, id := range ids {
		keys = append(keys, fmt.Sprintf(`{"kty":"EC","crv":"P-256","kid":%q,"use":"sig","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`, id))
	}
	return `{"keys":[` + strings.Join(keys, ",") + `]}`
}

// sourceTest is a keySource, the server that it asks and the clock of both.
type sourceTest struct {
	*keySource
	server *keyServer
	clock  *faketime.Clock
	fetch  *fetch
}

func newSourceTest(t *testing.T, answer string) *sourceTest {
	t.Helper()
	s := &sourceTest{server: newKeyServer(t, map[string]string{testJWKS: answer}), clock: faketime.At(testTime)}
	pool := NewKeyPool(KeyPoolOptions{Transport: s.server.transport, Now: s.clock.Now})
	s.keySource = pool.acquire(sourceID{"test", "test"})
	t.Cleanup(s.close)
	s.fetch = keySetAt(testJWKS)
	return s
}

// close gives the source back, if it was not given back yet.
func (s *sourceTest) close() {
	if s.users > 0 {
		s.pool.release(s.keySource)
	}
}

func noDoubt() *Error { return nil }

// want asks for a key: err is part of the error, "" means that the key is there;
// asked is how often the server was asked so far.
func (s *sourceTest) want(t *testing.T, id, err string, asked int) {
	t.Helper()
	key, got := s.key(t.Context(), s.fetch, id, netip.Addr{}, noDoubt)
	switch {
	case err == "" && (got != nil || key == nil):
		t.Errorf("key %s: %v", id, got)
	case err != "" && (got == nil || !strings.Contains(got.Error(), err)):
		t.Errorf("key %s: %v, want %q", id, got, err)
	}
	s.settled(t)
	if n := s.server.asked(); n != asked {
		t.Errorf("key %s: the server was asked %d times, want %d", id, n, asked)
	}
}

// settled waits for what is fetched in the background.
func (s *sourceTest) settled(t *testing.T) {
	t.Helper()
	s.mu.Lock()
	var flights []chan struct{}
	for _, e := range s.entries {
		if e.flight != nil {
			flights = append(flights, e.flight)
		}
	}
	s.mu.Unlock()
	for _, flight := range flights {
		<-flight
	}
}

func TestKeysAreRemembered(t *testing.T) {
	s := newSourceTest(t, jwksOf(t, "a", "b"))
	s.want(t, "a", "", 1)
	s.want(t, "b", "", 1)
	s.clock.Move(usualKeyAge - time.Second)
	s.want(t, "a", "", 1)
	s.clock.Move(2 * time.Second)
	s.want(t, "a", "", 2) // at once, with the old key
	s.want(t, "b", "", 2)
}

// TestUnknownKeyIDsAreAskedForSeldom: an id that was not there a moment ago is certainly
// unknown only after the keys were fetched again.
func TestUnknownKeyIDsAreAskedForSeldom(t *testing.T) {
	s := newSourceTest(t, jwksOf(t, "a"))
	s.want(t, "a", "", 1)
	for range 5 {
		s.want(t, "new", errKeyNotYet.Error(), 1)
	}
	s.clock.Move(refetchPause)
	s.want(t, "new", errUnknownKey.Error(), 2)
	s.server.set(testJWKS, jwksOf(t, "new"))
	s.want(t, "new", errKeyNotYet.Error(), 2)
	s.clock.Move(refetchPause)
	s.want(t, "new", "", 3)
	s.want(t, "a", errKeyNotYet.Error(), 3) // withdrawn
	s.clock.Move(refetchPause)
	s.want(t, "a", errUnknownKey.Error(), 4)
}

func TestKeysOutliveTheirSource(t *testing.T) {
	s := newSourceTest(t, jwksOf(t, "a"))
	s.want(t, "a", "", 1)
	s.server.set(testJWKS, "{}")
	s.clock.Move(usualKeyAge)
	s.want(t, "a", "", 2)
	s.want(t, "a", "", 2) // not asked again so soon
	s.clock.Move(failurePause)
	s.want(t, "a", "", 3)
	s.want(t, "b", "no key that can be used", 3) // nothing is known of it
	s.clock.Move(maxStaleness)
	s.want(t, "a", "no key that can be used", 4)
	s.server.set(testJWKS, jwksOf(t, "a"))
	s.want(t, "a", "no key that can be used", 4)
	s.clock.Move(failurePause)
	s.want(t, "a", "", 5)
}

func TestFetchFailures(t *testing.T) {
	for what, c := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"an error": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusInternalServerError) }, "answered 500"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://keys.example.com/other", http.StatusFound)
		}, "answered 302"},
		"too long": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(jwksOf(t, "a") + strings.Repeat(" ", maxFetched)))
		}, "more than"},
		"cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(jwksOf(t, "a")[:20]))
		}, "EOF"},
		"nothing": {func(http.ResponseWriter, *http.Request) {}, "no key"},
		"another use": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Replace(jwksOf(t, "a"), "sig", "enc", 1)))
		}, "no key"},
		"no point of the curve": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Replace(jwksOf(t, "a"), "x_FEz", "x_FEa", 1)))
		}, "no key"},
	} {
		t.Run(what, func(t *testing.T) {
			s := newSourceTest(t, "")
			s.server.handle(c.handler)
			s.want(t, "a", c.want, 1)
			s.want(t, "a", c.want, 1)
			s.server.handle(nil)
			s.server.set(testJWKS, jwksOf(t, "a"))
			s.clock.Move(failurePause)
			s.want(t, "a", "", 2)
		})
	}
}

func TestFetchTrustsNobodyElse(t *testing.T) {
	s := newSourceTest(t, jwksOf(t, "a"))
	for _, address := range []string{
		"http://keys.example.com/jwks.json", "https://user@keys.example.com/jwks.json", "file:///etc/passwd",
		"https://other.example.com/jwks.json", // the certificate is of another name
	} {
		if key, err := s.key(t.Context(), keySetAt(address), "a", netip.Addr{}, noDoubt); err == nil {
			t.Errorf("%s: %v", address, key)
		}
	}
	strangers := NewKeyPool(KeyPoolOptions{Transport: &http.Transport{DialContext: s.server.transport.DialContext}}) // does not know our authority
	strange := strangers.acquire(sourceID{"test", "test"})
	defer strangers.release(strange)
	if _, err := strange.key(t.Context(), s.fetch, "a", netip.Addr{}, noDoubt); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a certificate of nobody: %v", err)
	}
	if s.server.asked() != 0 {
		t.Errorf("asked %v", s.server.requests)
	}
}

func TestOneFetchAtATime(t *testing.T) {
	s := newSourceTest(t, jwksOf(t, "a"))
	release := make(chan struct{})
	s.server.handle(func(w http.ResponseWriter, _ *http.Request) {
		<-release
		_, _ = w.Write([]byte(jwksOf(t, "a")))
	})
	var group sync.WaitGroup
	var waiting atomic.Int32
	for range 20 {
		group.Go(func() {
			waiting.Add(1)
			if _, err := s.key(t.Context(), s.fetch, "a", netip.Addr{}, noDoubt); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, func() bool { return waiting.Load() == 20 && s.server.asked() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.key(ctx, s.fetch, "a", netip.Addr{}, noDoubt); !errors.Is(err, context.Canceled) {
		t.Errorf("who does not want to wait: %v", err)
	}
	if s.mu.TryLock() { // nobody holds it while something is fetched
		s.mu.Unlock()
	} else {
		eventually(t, func() bool {
			free := s.mu.TryLock()
			if free {
				s.mu.Unlock()
			}
			return free
		})
	}
	close(release)
	group.Wait()
	if s.server.asked() != 1 {
		t.Errorf("asked %d times", s.server.asked())
	}
}

func TestCloseEndsFetches(t *testing.T) {
	s := newSourceTest(t, "")
	entered := make(chan struct{})
	s.server.handle(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	failed := make(chan error)
	go func() {
		_, err := s.key(t.Context(), s.fetch, "a", netip.Addr{}, noDoubt)
		failed <- err
	}()
	<-entered
	s.close()
	s.close()
	if err := <-failed; err == nil {
		t.Error("a key from nowhere")
	}
	s.clock.Move(time.Hour)
	if _, err := s.key(t.Context(), s.fetch, "a", netip.Addr{}, noDoubt); !errors.Is(err, errClosedFetch) {
		t.Errorf("after close: %v", err)
	}
	if err := s.visit(t.Context(), testJWKS); err == nil {
		t.Error("visits after close")
	}
}

func TestKeyAge(t *testing.T) {
	for control, want := range map[string]time.Duration{
		"":                                       usualKeyAge,
		"public, max-age=19204, must-revalidate": 19204 * time.Second,
		"MAX-AGE=\"600\"":                        10 * time.Minute,
		"max-age=0":                              minKeyAge,
		"max-age=-1":                             minKeyAge,
		"max-age=x":                              usualKeyAge,
		"max-age=31536000":                       maxKeyAge,
		"max-age=99999999999999999999":           usualKeyAge,
		"no-store, max-age=3600":                 minKeyAge,
		"private":                                usualKeyAge,
	} {
		if got := keyAge(control); got != want {
			t.Errorf("%q: %s, want %s", control, got, want)
		}
	}
}

func TestJWKs(t *testing.T) {
	k := &sharedTestKeys
	testOptions(t, &Provider{Schemes: []Scheme{hmacScheme(nil)}, Methods: post})
	for text, ok := range map[string]bool{
		strings.TrimSuffix(strings.TrimPrefix(jwksOf(t, "a"), `{"keys":[`), `]}`):      true,
		`{"kty":"EC","crv":"P-384","x":"AAAA","y":"AAAA"}`:                             false,
		`{"kty":"EC","crv":"P-256","x":"` + strings.Repeat("A", 100) + `","y":"AAAA"}`: false,
		`{"kty":"oct","k":"AAAA"}`:                                                                   false,
		`{"kty":"RSA","n":"AQAB","e":"AQAB"}`:                                                        false, // short
		`{"kty":"RSA","n":"` + strings.Repeat("_", 342) + `","e":"AQAB"}`:                            true,
		`{"kty":"RSA","n":"` + strings.Repeat("_", 342) + `","e":"AQ"}`:                              false, // e = 1
		`{"kty":"RSA","n":"` + strings.Repeat("_", 342) + `","e":"` + strings.Repeat("_", 20) + `"}`: false,
		`{"kty":"RSA","n":"!","e":"AQAB"}`:                                                           false,
		`[]`:                                                                                         false, `{`: false, ``: false,
	} {
		key, err := parseJWK(parseJSON([]byte(text)))
		if (err == nil) != ok || (key == crypto.PublicKey(nil)) == ok {
			t.Errorf("%.60s: %v", text, err)
		}
	}
	if _, err := publicKeyFromPEM(unfoldPEM(strings.ReplaceAll(k.ec, "\n", ""))); err != nil {
		t.Errorf("PEM in one line: %v", err)
	}
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not come to pass")
		}
		runtime.Gosched()
	}
}
