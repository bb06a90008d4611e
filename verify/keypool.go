package verify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Bounds on the sources that a pool keeps although no Verifier uses them.
const (
	idleTime       = 10 * time.Minute // how long a source without users is kept
	maxIdleSources = 64
)

// KeyPool holds the public keys that were fetched, for any number of Verifiers.
// Those that ask the same hosts with the same credentials share keys, and what is kept
// of others does not get into theirs: each looks up only addresses that its own
// provider's row allows, and reads them by that row's rules. Keys stay in the pool for
// ten minutes after the last Verifier that uses them was closed, so that they outlive
// a change of the configuration. It is safe for concurrent use, and needs no closing.
type KeyPool struct {
	options KeyPoolOptions

	mu      sync.Mutex
	sources map[string]*keySource // by identity
}

// KeyPoolOptions are what a KeyPool works with.
type KeyPoolOptions struct {
	// Transport fetches. It must verify certificates. nil means http.DefaultTransport.
	Transport http.RoundTripper

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// Storage keeps keys for the next start; nil: nothing does. It is read when a source of
	// keys is first used, and written in the background after a key was fetched.
	Storage KeyStorage

	// Warn is called with the error each time something could not be stored; nil: no
	// warnings.
	Warn func(error)
}

// KeyStorage keeps fetched keys. They are public, but must be safe from change: with a key
// of their own attackers could have their webhooks accepted. Names are made of lower-case letters,
// digits and hyphens. It is called by several goroutines at once.
type KeyStorage interface {
	// Load returns what was saved under that name; an error if there is nothing.
	Load(name string) ([]byte, error)
	// Save replaces it, whole or not at all.
	Save(name string, text []byte) error
}

// NewKeyPool returns an empty pool.
func NewKeyPool(o KeyPoolOptions) *KeyPool {
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	return &KeyPool{options: o, sources: make(map[string]*keySource)}
}

// acquire returns the source of that identity, to be given back with release.
func (p *KeyPool) acquire(id sourceID) *keySource {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sweep()
	k := p.sources[id.identity]
	if k == nil {
		k = newKeySource(p, id)
		k.load()
		p.sources[id.identity] = k
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.users++; k.users == 1 {
		k.session = new(fetchSession)
		k.session.ctx, k.session.cancel = context.WithCancel(context.Background())
	}
	return k
}

// release gives a source back. The last user ends what is being fetched, and waits for it.
func (p *KeyPool) release(k *keySource) {
	k.mu.Lock()
	k.users--
	session := k.session
	if last := k.users == 0; !last {
		k.mu.Unlock()
		return
	}
	k.session, k.idle = nil, k.now()
	k.mu.Unlock()
	session.cancel()
	session.group.Wait()
}

// sweep forgets the sources that were not used for a while. The caller holds the lock.
func (p *KeyPool) sweep() {
	var idle []*keySource
	for _, k := range p.sources {
		k.mu.Lock()
		if k.users == 0 {
			idle = append(idle, k)
		}
		k.mu.Unlock()
	}
	now := p.options.Now()
	slices.SortFunc(idle, func(a, b *keySource) int { return b.idle.Compare(a.idle) })
	for i, k := range idle {
		if i >= maxIdleSources || now.Sub(k.idle) > idleTime {
			delete(p.sources, k.identity)
		}
	}
}

func newKeySource(p *KeyPool, id sourceID) *keySource {
	return &keySource{
		pool: p, identity: id.identity, file: id.file, now: p.options.Now,
		client: &http.Client{
			Transport: p.options.Transport,
			Timeout:   fetchTime,
			// A redirect could lead anywhere.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		entries: make(map[string]*keyEntry),
		trusted: make(map[netip.Addr]time.Time),
		visited: make(map[string]time.Time),
	}
}

// sourceID says which endpoints share keys.
type sourceID struct {
	identity string // of the provider, its hosts, and the credentials that it is asked with
	file     string // the same without the credentials, as the name in a storage
}

// sourceID is made of the settings that say where keys are fetched, and as whom.
func (p *Provider) sourceID(schemes []*scheme) sourceID {
	whole, public := sha256.New(), sha256.New()
	for _, s := range schemes {
		for _, name := range s.locatedBy {
			line := []byte(strings.Join(append([]string{name}, s.settings[name]...), "\x00") + "\n")
			whole.Write(line)
			if secret := slices.ContainsFunc(p.Settings, func(set Setting) bool { return set.Name == name && set.Secret }); !secret {
				public.Write(line)
			}
		}
	}
	return sourceID{
		identity: p.Name + "-" + hex.EncodeToString(whole.Sum(nil)),
		file:     p.Name + "-" + hex.EncodeToString(public.Sum(nil)[:8]),
	}
}
