package verify

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds on what is fetched, and on how often.
const (
	fetchTime      = 5 * time.Second
	maxFetched     = 256 << 10        // bytes of one answer
	maxFetches     = 4                // under way at once
	maxSources     = 64               // addresses that are remembered
	maxCredit      = 20               // fetches in a burst
	creditPause    = 3 * time.Second  // until there may be one more
	minKeyAge      = 5 * time.Minute  // a key is not fetched again before, whatever Cache-Control says
	maxKeyAge      = 24 * time.Hour   // nor later
	usualKeyAge    = time.Hour        // where Cache-Control says nothing
	maxStaleness   = 24 * time.Hour   // how long a key that cannot be fetched again stays good
	refetchPause   = time.Minute      // between fetches for the sake of an unknown key id
	failurePause   = 10 * time.Second // after a fetch that failed
	errClosedFetch = "the endpoint is being closed"
)

var errTooManyFetches = errors.New("too many keys are being fetched")

// errUnknownKey says that the source has keys, but not that one.
var errUnknownKey = errors.New("the provider has no key of that id")

// fetch is where keys come from, and how they are read. Addresses are made by
// the rows of the table, never taken from a request unchecked.
type fetch struct {
	url    string
	header http.Header // of the request
	body   string      // if not empty, it is a POST
	one    bool        // the address names one key, so "not found" says that there is none
	token  *fetch      // gets an OAuth 2.0 access token for it; nil: none is needed
	parse  func(text []byte, now time.Time) (keySet, error)
}

// keySource fetches public keys and remembers them. There is one for a
// Verifier. It is safe for concurrent use; no lock is held while something is fetched.
type keySource struct {
	client *http.Client
	now    func() time.Time
	ctx    context.Context // ends what is under way
	cancel context.CancelFunc
	group  sync.WaitGroup
	slots  chan struct{}

	mu      sync.Mutex
	credit  int                  // fetches that may start at once
	counted time.Time            // when credit was last added to
	entries map[string]*keyEntry // by address and body
	closed  bool
}

// keyEntry is what is known of one address.
type keyEntry struct {
	keys    keySet
	expires time.Time // of keys
	tried   time.Time // when the last fetch ended
	failure error     // of the last fetch; nil if it went well
	flight  chan struct{}
}

// newKeySource returns a keySource that must be closed. transport nil means
// net/http's default.
func newKeySource(transport http.RoundTripper, now func() time.Time) *keySource {
	if transport == nil {
		transport = http.DefaultTransport
	}
	k := &keySource{now: now, slots: make(chan struct{}, maxFetches), credit: maxCredit, counted: now(), entries: make(map[string]*keyEntry)}
	k.client = &http.Client{
		Transport: transport,
		Timeout:   fetchTime,
		// A redirect could lead anywhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	return k
}

// close ends what is under way and waits for it.
func (k *keySource) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.cancel()
	k.group.Wait()
}

// key returns the key of that id. It waits for a fetch only if it has no key to
// answer with, and not longer than ctx or fetchTime. errUnknownKey is
// final; any other error may pass.
func (k *keySource) key(ctx context.Context, f *fetch, id string) (crypto.PublicKey, error) {
	for waited := false; ; waited = true {
		key, flight, err := k.look(f, id, waited)
		if flight == nil {
			return key, err
		}
		select {
		case <-flight:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// look returns what is known, or a fetch to wait for.
func (k *keySource) look(f *fetch, id string, waited bool) (crypto.PublicKey, chan struct{}, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	e := k.entry(f.url + "\n" + f.body)
	key, known := e.keys[id]
	fresh := now.Before(e.expires)
	switch {
	case known && fresh:
		return key, nil, nil
	case e.mayFetch(now, fresh) && !waited:
		k.start(f, e)
	}
	stale := known && now.Before(e.expires.Add(maxStaleness))
	switch {
	case stale:
		return key, nil, nil // the fetch goes on without us
	case e.flight != nil:
		return nil, e.flight, nil
	case e.failure != nil:
		return nil, nil, e.failure
	case known:
		return nil, nil, errors.New("the key has expired")
	}
	return nil, nil, errUnknownKey
}

// mayFetch reports whether it is time to fetch again: soon after a failure, once
// a minute for the sake of an unknown id.
func (e *keyEntry) mayFetch(now time.Time, fresh bool) bool {
	switch {
	case e.flight != nil:
		return false
	case e.tried.IsZero():
		return true
	case e.failure != nil:
		return now.Sub(e.tried) >= failurePause
	case fresh:
		return now.Sub(e.tried) >= refetchPause
	}
	return true
}

// entry returns the entry of that address. When there are too many, the one that
// was not tried for longest goes: which addresses are asked for, senders decide.
func (k *keySource) entry(address string) *keyEntry {
	if e := k.entries[address]; e != nil {
		return e
	}
	if len(k.entries) >= maxSources {
		oldest := ""
		for address, e := range k.entries {
			if e.flight == nil && (oldest == "" || e.worth().Before(k.entries[oldest].worth())) {
				oldest = address
			}
		}
		delete(k.entries, oldest)
	}
	e := &keyEntry{}
	k.entries[address] = e
	return e
}

// worth orders entries by how long they are of use: those that have keys live
// longer than those that have none.
func (e *keyEntry) worth() time.Time {
	if len(e.keys) > 0 {
		return e.expires.Add(maxStaleness)
	}
	return e.tried
}

// start fetches in the background. The caller holds the lock.
func (k *keySource) start(f *fetch, e *keyEntry) {
	if k.closed {
		e.failure = errors.New(errClosedFetch)
		return
	}
	if !k.takeCredit() {
		e.failure = errTooManyFetches
		return
	}
	select {
	case k.slots <- struct{}{}:
	default:
		e.failure = errTooManyFetches
		return
	}
	flight := make(chan struct{})
	e.flight = flight
	k.group.Go(func() {
		keys, age, err := k.fetch(f)
		k.mu.Lock()
		defer k.mu.Unlock()
		now := k.now()
		if e.tried, e.failure = now, err; err == nil {
			e.keys, e.expires = keys, now.Add(age)
		}
		e.flight = nil
		<-k.slots
		close(flight)
	})
}

// takeCredit slows down what senders can make us fetch by asking for ever other keys.
func (k *keySource) takeCredit() bool {
	now := k.now()
	if elapsed := now.Sub(k.counted); elapsed >= creditPause || k.counted.IsZero() {
		k.credit = min(maxCredit, k.credit+int(min(elapsed/creditPause, maxCredit)))
		k.counted = now
	}
	if k.credit == 0 {
		return false
	}
	k.credit--
	return true
}

// fetch gets and reads keys, and says how long they are good.
func (k *keySource) fetch(f *fetch) (keySet, time.Duration, error) {
	if f.token != nil {
		text, _, err := k.get(f.token)
		if err != nil {
			return nil, 0, err
		}
		f = &fetch{url: f.url, body: f.body, one: f.one, parse: f.parse, header: http.Header{
			"Authorization": {"Bearer " + child(parseJSON(text), "access_token").Str},
		}}
	}
	text, header, err := k.get(f)
	if err != nil {
		return nil, 0, err
	}
	keys, err := f.parse(text, k.now())
	if err != nil {
		return nil, 0, fmt.Errorf("fetching %s: %w", f.url, err)
	}
	return keys, keyAge(header.Get("Cache-Control")), nil
}

// visit gets an address for what that does, and does not mind what comes back.
func (k *keySource) visit(ctx context.Context, address string) error {
	done := make(chan error, 1)
	k.mu.Lock()
	if k.closed {
		k.mu.Unlock()
		return errors.New(errClosedFetch)
	}
	k.group.Go(func() {
		_, _, err := k.get(&fetch{url: address})
		done <- err
	})
	k.mu.Unlock()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (k *keySource) get(f *fetch) ([]byte, http.Header, error) {
	method := http.MethodGet
	if f.body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(k.ctx, method, f.url, strings.NewReader(f.body))
	if err != nil {
		return nil, nil, err
	}
	if request.URL.Scheme != "https" || request.URL.User != nil {
		return nil, nil, fmt.Errorf("fetching %s: only plain https addresses are fetched", f.url)
	}
	for name, values := range f.header {
		request.Header[name] = values
	}
	response, err := k.client.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("fetching keys: %w", err)
	}
	defer response.Body.Close()
	if missing := response.StatusCode == http.StatusNotFound || response.StatusCode == http.StatusBadRequest; missing && f.one {
		return nil, nil, errUnknownKey
	}
	if response.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("fetching %s: answered %d", f.url, response.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxFetched+1))
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("fetching %s: %w", f.url, err)
	case len(text) > maxFetched:
		return nil, nil, fmt.Errorf("fetching %s: more than %d bytes", f.url, maxFetched)
	}
	return text, response.Header, nil
}

// keyAge reads max-age of a Cache-Control header, within bounds.
func keyAge(control string) time.Duration {
	age := usualKeyAge
	for directive := range strings.SplitSeq(control, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-cache", "no-store":
			return minKeyAge
		case "max-age":
			if n, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil {
				age = time.Duration(n) * time.Second
			}
		}
	}
	return min(max(age, minKeyAge), maxKeyAge)
}
