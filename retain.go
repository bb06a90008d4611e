package caddywebhooks

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// RetainDelivered says what is kept of webhooks once every destination has them,
// for `caddy webhooks list --state delivered` and `show`: everything but the body.
type RetainDelivered struct {
	// How many deliveries are kept, the latest of the whole store; those of one
	// event go together. Default: 100000 with age; without it, one of the two is required.
	Count int `json:"count,omitempty"`

	// For how long each is kept. Default: as long as count allows.
	Age caddy.Duration `json:"age,omitempty"`

	// Whether bodies are kept, too. They may hold personal data, and take as much
	// room in the store as they are long. Default: false.
	Bodies bool `json:"bodies,omitempty"`
}

// retention is what the store is asked for. nil keeps nothing.
func (r *RetainDelivered) retention() retrystore.Retention {
	if r == nil {
		return retrystore.Retention{}
	}
	return retrystore.Retention{Count: r.Count, Age: time.Duration(r.Age), Bodies: r.Bodies}.Normal()
}

func (r *RetainDelivered) validate() error {
	if r != nil && (r.Count < 0 || r.Age < 0 || r.Count == 0 && r.Age == 0) {
		return fmt.Errorf("retain delivered: count is %d and age is %s: want one of them above zero, and none below", r.Count, time.Duration(r.Age))
	}
	return nil
}

var errCannotRetain = errors.New("retain delivered: this store cannot keep what was delivered: leave the line out, or use another store")

// retentions tells open stores what to keep.
var retentions = retentionSet{stores: make(map[string]*retained)}

// retentionSet knows what each running config wants kept of which store. While an
// old and a new config share one, it keeps what either wants: should Caddy refuse
// the new one for some other reason, nothing has been dropped that the old keeps.
type retentionSet struct {
	mu     sync.Mutex
	stores map[string]*retained // by the key of the store
}

type retained struct {
	store retrystore.Retainer
	apps  map[*App]retrystore.Retention
}

// add begins what a wants of the store with this key.
func (s *retentionSet) add(key string, store retrystore.Store, a *App) error {
	r := a.RetainDelivered.retention()
	retainer, ok := retrystore.As[retrystore.Retainer](store)
	if !ok {
		if r.On() {
			return errCannotRetain
		}
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.stores[key]
	if of == nil {
		of = &retained{apps: make(map[*App]retrystore.Retention)}
		s.stores[key] = of
	}
	of.store = retainer
	of.apps[a] = r
	of.tell()
	return nil
}

// remove ends what a wants. When nobody else uses the store it is about to be
// closed, and keeps what it has for the next start.
func (s *retentionSet) remove(key string, a *App) {
	s.mu.Lock()
	defer s.mu.Unlock()
	of := s.stores[key]
	if of == nil {
		return
	}
	delete(of.apps, a)
	if len(of.apps) == 0 {
		delete(s.stores, key)
		return
	}
	of.tell()
}

func (of *retained) tell() {
	var all retrystore.Retention
	for _, r := range of.apps {
		all = either(all, r)
	}
	of.store.Retain(all)
}

// either keeps what a or b does. Both are normal.
func either(a, b retrystore.Retention) retrystore.Retention {
	switch {
	case !a.On():
		return b
	case !b.On():
		return a
	}
	age := max(a.Age, b.Age)
	if a.Age == 0 || b.Age == 0 {
		age = 0
	}
	return retrystore.Retention{Count: max(a.Count, b.Count), Age: age, Bodies: a.Bodies || b.Bodies}
}
