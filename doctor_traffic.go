package caddywebhooks

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// traffics remember, for the life of the process, what came to each endpoint, so
// that the doctor knows of it across reloads.
var traffics = trafficLog{byEndpoint: make(map[string]*traffic)}

// maxTraffics bounds the endpoints that are remembered; those of configs long gone give way.
const maxTraffics = 1000

type trafficLog struct {
	mu         sync.Mutex
	byEndpoint map[string]*traffic
}

// of returns the memory of an endpoint.
func (l *trafficLog) of(endpoint string, now time.Time) *traffic {
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.byEndpoint[endpoint]
	if !ok {
		for name, other := range l.byEndpoint {
			if len(l.byEndpoint) < maxTraffics {
				break
			}
			if other.snapshot().lastReceived.IsZero() {
				delete(l.byEndpoint, name)
			}
		}
		t = &traffic{since: now, secrets: make(map[secretMark]secretUse)}
		if len(l.byEndpoint) < maxTraffics {
			l.byEndpoint[endpoint] = t
		}
	}
	return t
}

// traffic is what came to one endpoint. It is safe for concurrent use.
type traffic struct {
	mu           sync.Mutex
	since        time.Time // when the endpoint was first configured
	lastReceived time.Time // anything at all, handshakes and refused ones included
	lastAccepted time.Time // the last that was taken: neither refused nor ignored
	ignored      int       // how many no destination wanted, since then
	lastIgnored  time.Time
	ignoredType  string // of the last of them
	everIgnored  int    // how many ever
	refused      int    // how many were refused since then
	lastRefused  time.Time
	refusal      string    // the word of that answer
	reason       string    // what the log says besides; empty if nothing
	proxied      time.Time // the last that a private address forwarded whom the server does not trust
	proxiedUnix  bool      // whether that came by a Unix socket
	changed      changedAnswer
	secrets      map[secretMark]secretUse
}

// changedAnswer is the last refusal that reached the provider as a success.
type changedAnswer struct {
	at           time.Time
	code, status int
}

// sawChanged notes one.
func (v trafficView) sawChanged(at time.Time, code, status int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changed = changedAnswer{at, code, status}
}

// secretMark tells secrets apart across reloads, which change their order. It is
// a hash with a key of this process: nobody learns a secret from it.
type secretMark [16]byte

var markKey = rand.Text()

func markOf(secret string) secretMark {
	sum := sha256.Sum256([]byte(markKey + secret))
	return secretMark(sum[:len(secretMark{})])
}

// secretUse is since when a secret is configured, and when it last signed a webhook.
type secretUse struct{ since, last time.Time }

// maxMarks bounds the secrets of an endpoint that are remembered.
const maxMarks = 32

// trafficView is a handler's sight of its endpoint's traffic.
type trafficView struct {
	*traffic
	marks []secretMark // of the handler's secrets; nil if a public key may have signed
}

// watchTraffic finds the endpoint's traffic, or begins it.
func (h *Handler) watchTraffic() trafficView {
	view := trafficView{traffic: traffics.of(h.Name, h.now())}
	secrets, err := expand("secret", h.Secrets)
	if err != nil || len(h.PublicKeys) > 0 {
		return view
	}
	for _, secret := range secrets {
		view.marks = append(view.marks, markOf(secret))
	}
	view.know(view.marks, h.now())
	return view
}

// know begins the memory of new secrets.
func (t *traffic) know(marks []secretMark, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, mark := range marks {
		if _, known := t.secrets[mark]; !known {
			t.secrets[mark] = secretUse{since: now}
		}
	}
	for mark := range t.secrets {
		if len(t.secrets) <= maxMarks {
			break
		}
		if !slices.Contains(marks, mark) {
			delete(t.secrets, mark)
		}
	}
}

// saw notes a webhook that was answered with a.
func (v trafficView) saw(in *inbound, a *answer) {
	t := v.traffic
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lastReceived = in.receivedAt
	if in.proxied {
		t.proxied, t.proxiedUnix = in.receivedAt, in.byUnixSocket
	}
	if in.isVerified && in.verified.SecretIndex < len(v.marks) {
		mark := v.marks[in.verified.SecretIndex]
		use := t.secrets[mark]
		use.last = in.receivedAt
		t.secrets[mark] = use
	}
	switch {
	case in.outcome == "handshake":
	case !a.ok():
		t.refused++
		t.lastRefused, t.refusal, t.reason = in.receivedAt, in.outcome, a.reason
	case in.outcome == "ignored":
		t.ignored++
		t.everIgnored++
		t.lastIgnored, t.ignoredType, t.refused = in.receivedAt, in.eventType, 0
	default:
		t.lastAccepted, t.refused, t.ignored = in.receivedAt, 0, 0
	}
}

// trafficSnapshot is a traffic at one moment.
type trafficSnapshot struct {
	since, lastReceived, lastAccepted, lastRefused, lastIgnored, proxied time.Time
	refused, ignored, everIgnored                                        int
	refusal, reason, ignoredType                                         string

	proxiedUnix bool
	changed     changedAnswer
}

func (t *traffic) snapshot() trafficSnapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	return trafficSnapshot{
		since: t.since, lastReceived: t.lastReceived, lastAccepted: t.lastAccepted, lastRefused: t.lastRefused,
		proxied: t.proxied, proxiedUnix: t.proxiedUnix, refused: t.refused, refusal: t.refusal, reason: t.reason,
		ignored: t.ignored, everIgnored: t.everIgnored, lastIgnored: t.lastIgnored, ignoredType: t.ignoredType,
		changed: t.changed,
	}
}

// uses tells how the handler's secrets were used, in their order.
func (v trafficView) uses() []secretUse {
	v.mu.Lock()
	defer v.mu.Unlock()
	uses := make([]secretUse, len(v.marks))
	for i, mark := range v.marks {
		uses[i] = v.secrets[mark]
	}
	return uses
}

// forwardedByStranger reports whether a proxy of this network forwarded the
// request. If the server does not trust it, all clients look like that proxy.
func forwardedByStranger(r *http.Request) bool {
	if len(r.Header["X-Forwarded-For"]) == 0 {
		return false
	}
	if byUnixSocket(r) {
		return true
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return err == nil && isLocal(peer.Addr())
}

// byUnixSocket reports whether the request came by a Unix socket, whose peers
// have no addresses.
func byUnixSocket(r *http.Request) bool { return r.RemoteAddr == "@" || r.RemoteAddr == "" }

// sharedSpace are the addresses between carriers and their customers (RFC 6598),
// which clouds use within their networks too.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// isLocal reports whether the address is of this machine or of a private network.
func isLocal(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() || sharedSpace.Contains(ip)
}

// isText reports whether all is printable ASCII, as random bytes never are.
func isText(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
}

// looksLikeTest reports whether a secret looks like one of an example: by its
// words, also in base64, or because it has hardly any different characters. In a
// long one, such as a key in PEM, the letters of a word may come together by chance.
func looksLikeTest(secret string) bool {
	if decoded, err := base64.StdEncoding.DecodeString(secret); err == nil && isText(decoded) {
		secret = string(decoded)
	}
	text := strings.ToLower(secret)
	if len(text) > 100 {
		return false
	}
	for _, word := range []string{"test", "demo", "secret", "s3cret", "example", "changeme", "change_me", "password", "12345678", "todo"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	different := make(map[rune]struct{})
	for _, r := range text {
		different[r] = struct{}{}
	}
	return len(different) < 5
}
