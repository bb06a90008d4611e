package verify

import (
	"context"
	"crypto"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
)

// Bounds on how long keys are good, and on how often one is fetched.
const (
	maxEntries   = 1024             // keys that are remembered, those that do not exist included
	minKeyAge    = 5 * time.Minute  // a key is not fetched again before, whatever Cache-Control says
	maxKeyAge    = 24 * time.Hour   // nor later
	usualKeyAge  = time.Hour        // where Cache-Control says nothing
	maxStaleness = 24 * time.Hour   // how long a key that cannot be fetched again stays good
	refetchPause = 15 * time.Second // between fetches of a key set for the sake of an unknown key id
	failurePause = 10 * time.Second // after a fetch that failed
	missingPause = time.Minute      // after a fetch that said that there is no such key

	maxVisits  = 4    // under way at once
	maxVisited = 64   // that are remembered
	maxTrusted = 4096 // addresses that sent a verified webhook
)

var (
	// errUnknownKey says that the source has keys, but not that one.
	errUnknownKey = errors.New("the provider has no key of that id")
	// errKeyNotYet is for a key set that was fetched just before the webhook came, and so
	// is not fetched again for it: the key may have been added since.
	errKeyNotYet = errors.New("the provider's keys were fetched a moment ago and had none of that id; they are fetched again soon")
	// errTooManyFetches says that the budgets of fetchBudgets are spent.
	errTooManyFetches = errors.New("too many keys that nobody knows are asked for")
	errClosedFetch    = errors.New("the endpoint is being closed")
	errExpiredKey     = errors.New("the key has expired")
)

// keySource fetches public keys of one provider and remembers them. Endpoints that
// ask the same hosts with the same credentials share it, through a KeyPool. It is
// safe for concurrent use; no lock is held while something is fetched.
//
// Keys come in two kinds. Those of a key set are all at one address, which is fetched
// when it expires, and at most every refetchPause for the sake of unknown ids: nothing
// that strangers send changes that. Those that the webhook names (fetch.one) are
// fetched one by one, so strangers can ask for ever other ones; what that may cost is
// bounded by fetchBudgets, and a key that was fetched once is exempt from it: it is
// fetched again when it expires, whatever else goes on.
type keySource struct {
	pool     *KeyPool
	identity string
	file     string // its name in the pool's storage
	client   *http.Client
	now      func() time.Time
	saving   sync.Mutex // held while keys are saved

	mu      sync.Mutex
	entries map[string]*keyEntry // by fetch.name
	budgets fetchBudgets
	trusted map[netip.Addr]time.Time // who sent a verified webhook, and when last
	access  accessToken
	visits  int                  // under way
	visited map[string]time.Time // addresses, and when
	users   int
	idle    time.Time     // since when there are no users
	session *fetchSession // nil if there are no users
}

// fetchSession is the time during which a source has users: fetches belong to it.
type fetchSession struct {
	ctx    context.Context
	cancel context.CancelFunc
	group  safe.Group
}

// keyEntry is what is known of one address.
type keyEntry struct {
	keys    keySet
	text    []byte    // what keys were read from
	unread  bool      // text is from the storage, and keys were not read from it yet
	fetched time.Time // when text came
	expires time.Time // of keys
	tried   time.Time // when the last fetch ended
	pause   time.Duration
	failure error         // of the last fetch; nil if it went well
	flight  chan struct{} // closed when the fetch that is under way has ended
}

func (e *keyEntry) proven() bool { return e != nil && e.text != nil }

// key returns the key of that id, for a client at from. It waits for a fetch only if
// it has no key to answer with, and not longer than ctx or fetchTime. Before anything
// is fetched it calls doubt, whose error it returns. errUnknownKey is final; any
// other error of its own may pass.
func (k *keySource) key(ctx context.Context, f *fetch, id string, from netip.Addr, doubt func() *Error) (crypto.PublicKey, error) {
	if key := k.known(f, id); key != nil {
		return key, nil
	}
	if refused := doubt(); refused != nil {
		return nil, refused
	}
	for waited := false; ; waited = true {
		key, flight, err := k.look(f, id, clientKey(from), waited)
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

// known returns a key that is good, or nil. One that has expired not long ago is good
// while it is fetched again.
func (k *keySource) known(f *fetch, id string) crypto.PublicKey {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	key, e := k.usable(f, id, now)
	if key != nil && reached(now, e.expires) && e.mayFetch(now) {
		_ = k.start(f, e, netip.Addr{}) // the fetch goes on without us
	}
	return key
}

func (k *keySource) usable(f *fetch, id string, now time.Time) (crypto.PublicKey, *keyEntry) {
	e := k.entries[f.name]
	if e == nil {
		return nil, nil
	}
	if e.unread {
		e.read(f, now)
	}
	if key, found := e.keys[id]; found && !reached(now, e.expires.Add(maxStaleness)) {
		return key, e
	}
	return nil, e
}

// look returns what is known, or a fetch to wait for.
func (k *keySource) look(f *fetch, id string, from netip.Addr, waited bool) (crypto.PublicKey, chan struct{}, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	key, e := k.usable(f, id, now)
	if key != nil {
		return key, nil, nil
	}
	if !waited && e.mayFetch(now) {
		if err := k.start(f, e, from); err != nil {
			return nil, nil, err
		}
		e = k.entries[f.name]
	}
	switch {
	case e == nil:
		return nil, nil, errTooManyFetches // it was forgotten while we waited, for others
	case e.flight != nil:
		return nil, e.flight, nil
	case e.failure != nil:
		return nil, nil, e.failure
	case e.keys[id] != nil:
		return nil, nil, errExpiredKey
	case !waited:
		return nil, nil, errKeyNotYet
	}
	return nil, nil, errUnknownKey
}

// reached reports whether a time has come, by the monotonic clock or by the wall clock:
// the one stands still while the machine is suspended, the other may be put back. No key
// is good for longer because of either.
func reached(now, at time.Time) bool {
	return !now.Before(at) || !now.Round(0).Before(at.Round(0))
}

// mayFetch reports whether it is time to fetch (again).
func (e *keyEntry) mayFetch(now time.Time) bool {
	if e == nil || e.tried.IsZero() && e.flight == nil {
		return true
	}
	since := now.Sub(e.tried)
	return e.flight == nil && (since >= e.pause || since < 0)
}

// entry makes the entry of that name. When there are too many, the half that was not
// tried for longest goes: which names are asked for, senders decide. Those that have
// keys stay as long as any other can go.
func (k *keySource) entry(name string) *keyEntry {
	if len(k.entries) >= maxEntries {
		k.forgetHalf()
	}
	e := &keyEntry{}
	k.entries[name] = e
	return e
}

func (k *keySource) forgetHalf() {
	var missing, proven []string
	for name, e := range k.entries {
		switch {
		case e.flight != nil:
		case e.proven():
			proven = append(proven, name)
		default:
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		missing = proven
	}
	slices.SortFunc(missing, func(a, b string) int { return k.entries[a].tried.Compare(k.entries[b].tried) })
	for _, name := range missing[:(len(missing)+1)/2] {
		delete(k.entries, name)
	}
}

// start fetches in the background for a client at from. The caller holds the lock. e is
// nil if nothing is known of the address.
func (k *keySource) start(f *fetch, e *keyEntry, from netip.Addr) error {
	session := k.session
	if session == nil {
		return errClosedFetch
	}
	var place *budgetPlace
	if f.one && !e.proven() {
		_, trusted := k.trusted[from]
		if place = k.budgets.take(f, from, trusted, k.now()); place == nil {
			return errTooManyFetches
		}
	}
	if e == nil {
		e = k.entry(f.name)
	}
	flight := make(chan struct{})
	e.flight = flight
	session.group.Go(nil, "verify: fetch of keys", func() {
		var got fetchedKeys
		var err error
		if panicked := safe.Do(nil, "verify: fetch of keys", func() { got, err = k.fetch(session.ctx, f) }); panicked != nil {
			err = panicked
		}
		k.mu.Lock()
		if e.settle(got, err, k.now()); err != nil && session.ctx.Err() != nil {
			e.failure, e.tried = errClosedFetch, time.Time{} // says nothing about the key
		}
		place.free()
		e.flight = nil
		close(flight)
		k.mu.Unlock()
		if err == nil {
			k.save()
		}
	})
	return nil
}

// settle takes over what came of a fetch.
func (e *keyEntry) settle(got fetchedKeys, err error, now time.Time) {
	e.tried, e.failure, e.pause = now, err, failurePause
	switch {
	case err == nil:
		e.keys, e.text, e.unread = got.keys, got.text, false
		e.fetched, e.expires, e.pause = now, now.Add(got.age), refetchPause
	case errors.Is(err, errUnknownKey):
		e.pause = missingPause
	}
}

// trust notes that a webhook from that address was verified: its keys are fetched
// from a budget that strangers cannot spend.
func (k *keySource) trust(from netip.Addr) {
	from = clientKey(from)
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if last, known := k.trusted[from]; known && now.Sub(last) < time.Minute {
		return
	} else if !known && len(k.trusted) >= maxTrusted {
		oldest := from
		for address, last := range k.trusted {
			if oldest == from || last.Before(k.trusted[oldest]) {
				oldest = address
			}
		}
		delete(k.trusted, oldest)
	}
	k.trusted[from] = now
}

// visit requests an address for the effect of the request, and ignores the answer's content. It
// does not visit an address twice, because any sender may repeat a webhook.
func (k *keySource) visit(ctx context.Context, address string) error {
	done := make(chan error, 1)
	k.mu.Lock()
	session := k.session
	_, visited := k.visited[address]
	switch {
	case session == nil:
		k.mu.Unlock()
		return errClosedFetch
	case visited:
		k.mu.Unlock()
		return nil
	case k.visits >= maxVisits:
		k.mu.Unlock()
		return errTooManyFetches
	}
	k.visits++
	session.group.Go(nil, "verify: visit", func() {
		var err error
		if panicked := safe.Do(nil, "verify: visit", func() { _, _, err = k.get(session.ctx, &fetch{url: address}) }); panicked != nil {
			err = panicked
		}
		k.mu.Lock()
		k.visits--
		if err == nil {
			k.remember(address)
		}
		k.mu.Unlock()
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

// remember notes that an address was visited; the caller holds the lock.
func (k *keySource) remember(address string) {
	if len(k.visited) >= maxVisited {
		oldest := address
		for other, at := range k.visited {
			if oldest == address || at.Before(k.visited[oldest]) {
				oldest = other
			}
		}
		delete(k.visited, oldest)
	}
	k.visited[address] = k.now()
}
