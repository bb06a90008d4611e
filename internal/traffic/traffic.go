// Package traffic remembers for the life of the process what came to each endpoint lately: across reloads,
// so that after a reload one still sees what the webhooks before it were answered.
package traffic

import (
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
)

// maxEndpoints bounds the endpoints that are remembered. When there are more, the one that has been
// silent longest is forgotten.
const maxEndpoints = 1000

// Log is the memory of all endpoints. The zero Log is empty and ready; it is safe for concurrent use.
type Log struct {
	mu         sync.Mutex
	byEndpoint map[string]*Endpoint
}

// Watch returns a config's view of an endpoint, and begins the endpoint's memory if there is none. The
// secrets are those that may sign its webhooks, in the order of the reports' indexes; none if webhooks are
// signed in another way.
func (l *Log) Watch(endpoint string, secrets []string, now time.Time) View {
	view := View{Endpoint: l.of(endpoint, now)}
	for _, secret := range secrets {
		view.marks = append(view.marks, markOf(secret))
	}
	view.know(view.marks, now)
	return view
}

// Clear forgets everything.
func (l *Log) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.byEndpoint)
}

// of returns the memory of an endpoint.
func (l *Log) of(endpoint string, now time.Time) *Endpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.byEndpoint[endpoint]
	if ok {
		return e
	}
	if l.byEndpoint == nil {
		l.byEndpoint = make(map[string]*Endpoint)
	}
	if len(l.byEndpoint) >= maxEndpoints {
		l.forgetOne()
	}
	e = &Endpoint{now: Snapshot{Since: now}, secrets: make(map[mark]SecretUse)}
	l.byEndpoint[endpoint] = e
	return e
}

// forgetOne forgets the endpoint that has been silent longest.
func (l *Log) forgetOne() {
	var oldest string
	var silentSince time.Time
	for name, e := range l.byEndpoint {
		s := e.Snapshot()
		last := s.Since
		if s.LastReceived.After(last) {
			last = s.LastReceived
		}
		if oldest == "" || last.Before(silentSince) {
			oldest, silentSince = name, last
		}
	}
	delete(l.byEndpoint, oldest)
}

// Snapshot is what is known of an endpoint at one moment. The time of something that has not happened is
// zero.
type Snapshot struct {
	Since        time.Time // when the endpoint was first configured
	LastReceived time.Time // the latest webhook of any kind, handshakes and refused ones included
	LastAccepted time.Time // the latest one that was taken: neither refused nor ignored

	Ignored     int // how many no destination wanted, since the latest one that was taken
	EverIgnored int // how many no destination wanted, ever
	LastIgnored time.Time
	IgnoredType string // of the latest of them

	Refused     int // how many were refused since the latest one that was taken
	LastRefused time.Time
	Refusal     string // the word of the latest refusal
	Reason      string // what the log says of it besides; empty if nothing

	Proxied     time.Time // the latest one that a proxy of this network forwarded although the server does not trust it
	ProxiedUnix bool      // whether that one came by a Unix socket

	Changed Changed
}

// Changed is the latest refusal that reached the provider as a success.
type Changed struct {
	At     time.Time
	Code   int // what the endpoint answered
	Status int // what went out
}

// Endpoint is the memory of one endpoint. It is safe for concurrent use.
type Endpoint struct {
	mu      sync.Mutex
	now     Snapshot
	secrets map[mark]SecretUse
}

// Snapshot returns what is known now.
func (e *Endpoint) Snapshot() Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// SawChanged notes a refusal that went out as a success.
func (e *Endpoint) SawChanged(c Changed) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.now.Changed = c
}

// mark identifies a secret across reloads, which may change the order of secrets. It is a hash with a key
// of this process, so that nobody learns a secret from it.
type mark [16]byte

// markKey belongs to the process, as what is marked with it does.
var markKey = rand.Text()

func markOf(secret string) mark {
	sum := sha256.Sum256([]byte(markKey + secret))
	return mark(sum[:len(mark{})])
}

// SecretUse is since when a secret is configured, and when it last signed a webhook.
type SecretUse struct{ Since, Last time.Time }

// maxMarks bounds the secrets of an endpoint that are remembered.
const maxMarks = 32

// know begins the memory of new secrets.
func (e *Endpoint) know(marks []mark, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, m := range marks {
		if _, known := e.secrets[m]; !known {
			e.secrets[m] = SecretUse{Since: now}
		}
	}
	for m := range e.secrets {
		if len(e.secrets) <= maxMarks {
			break
		}
		if !slices.Contains(marks, m) {
			delete(e.secrets, m)
		}
	}
}

// View is how one config sees an endpoint.
type View struct {
	*Endpoint
	marks []mark // of the config's secrets
}

// Uses tells how the config's secrets were used, in their order.
func (v View) Uses() []SecretUse {
	v.mu.Lock()
	defer v.mu.Unlock()
	uses := make([]SecretUse, len(v.marks))
	for i, m := range v.marks {
		uses[i] = v.secrets[m]
	}
	return uses
}

// Report implements intake.Reporter.
func (v View) Report(r *intake.Report) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := &v.now
	s.LastReceived = r.ReceivedAt
	if r.Proxied {
		s.Proxied, s.ProxiedUnix = r.ReceivedAt, r.UnixSocket
	}
	if r.Verified && r.SecretIndex < len(v.marks) {
		use := v.secrets[v.marks[r.SecretIndex]]
		use.Last = r.ReceivedAt
		v.secrets[v.marks[r.SecretIndex]] = use
	}
	switch {
	case r.Outcome == intake.OutcomeHandshake:
	case !r.OK:
		s.Refused++
		s.LastRefused, s.Refusal, s.Reason = r.ReceivedAt, r.Outcome, r.Reason
	case r.Outcome == intake.OutcomeIgnored:
		s.Ignored++
		s.EverIgnored++
		s.LastIgnored, s.IgnoredType, s.Refused = r.ReceivedAt, r.EventType, 0
	default:
		s.LastAccepted, s.Refused, s.Ignored = r.ReceivedAt, 0, 0
	}
}
