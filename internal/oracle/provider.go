package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Provider sends events over many connections and, as a provider does, sends
// one again until it is answered 2xx. Its fields are set before it is used; it
// is safe for concurrent use.
type Provider struct {
	Books *Books
	// URLs take its webhooks: one of them, by chance, each try.
	URLs []string
	// Run begins the ids of its events, and keeps them apart from others'.
	Run         string
	Connections int           // of connections that Send uses
	Pace        time.Duration // pause of each connection between events
	Scheme      *Scheme       // nil: GitHub
	// Types are dealt to its events by chance; empty: "issues". One that is
	// named several times is sent so much more often.
	Types []string
	// Duplicates is the share of acknowledged events that it sends once more, up
	// to a second later.
	Duplicates float64
	// Backoff is how long it waits before it sends an event again: so long on the
	// average, with chance. 0: 20ms. Real ones wait for minutes.
	Backoff time.Duration

	sequence atomic.Int64
	once     sync.Once
	client   *http.Client
}

// clientTime bounds a try. It is longer than the proxy takes to decide.
const clientTime = 20 * time.Second

func (p *Provider) http() *http.Client {
	p.once.Do(func() {
		transport := &http.Transport{MaxIdleConnsPerHost: max(p.Connections, 1)}
		p.client = &http.Client{Transport: transport, Timeout: clientTime}
	})
	return p.client
}

// Close closes its idle connections.
func (p *Provider) Close() { p.http().CloseIdleConnections() }

// Send sends events until stop is closed, and returns when the last one was
// acknowledged or ctx has ended.
func (p *Provider) Send(ctx context.Context, stop <-chan struct{}) {
	defer p.Close()
	var group sync.WaitGroup
	for range p.Connections {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-ctx.Done():
					return
				case <-time.After(p.Pace):
					p.SendOne(ctx)
				}
			}
		})
	}
	group.Wait()
}

// SendOne sends a new event until it is acknowledged or ctx ends.
func (p *Provider) SendOne(ctx context.Context) {
	e := p.event(fmt.Sprintf("%s-%07d", p.Run, p.sequence.Add(1)))
	for ctx.Err() == nil {
		if _, _, done := p.try(ctx, e); done {
			break
		}
		p.pause(ctx)
	}
	if rand.Float64() < p.Duplicates && sleep(ctx, rand.N(time.Second)) {
		p.try(ctx, e)
	}
}

// Post tries to send an event with that id, once.
func (p *Provider) Post(ctx context.Context, id string) (status int, word string) {
	status, word, _ = p.try(ctx, p.event(id))
	return status, word
}

func (p *Provider) pause(ctx context.Context) {
	backoff := p.Backoff
	if backoff == 0 {
		backoff = 20 * time.Millisecond
	}
	sleep(ctx, backoff/2+rand.N(backoff))
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// event makes and signs an event.
func (p *Provider) event(id string) *Event {
	e := &Event{ID: id, Type: "issues", Scheme: p.Scheme, Header: http.Header{}}
	if e.Scheme == nil {
		e.Scheme = GitHub
	}
	if len(p.Types) > 0 {
		e.Type = p.Types[rand.IntN(len(p.Types))]
	}
	if target, err := url.Parse(p.URLs[0]); err == nil {
		e.URI = target.RequestURI()
	}
	e.Body = fmt.Appendf(nil, `{"action":"opened","id":%q,"type":%q,"padding":%q}`, id, e.Type, padding(id))
	e.Header.Set("Content-Type", "application/json")
	e.Header.Set("X-Sent-As", "a b  c, "+id) // that nobody knows
	e.Scheme.sign(e, time.Now())
	return e
}

// padding has most bodies about 1 KiB long, some empty of it and some long
// enough to be stored compressed in several pages.
func padding(id string) string {
	switch sum := hash(id); {
	case sum%23 == 0:
		return strings.Repeat("länger ", 6000)
	case sum%11 == 0:
		return ""
	}
	return strings.Repeat("x", 900)
}

// try sends the event once. done says that it needs not be sent again.
func (p *Provider) try(ctx context.Context, e *Event) (status int, word string, done bool) {
	number, status, word := p.exchange(ctx, e, bytes.NewReader(e.Body))
	return status, word, p.Books.end(e.ID, number, status, word)
}

// exchange sends the event with that body. Without a whole answer the status is 0.
func (p *Provider) exchange(ctx context.Context, e *Event, body io.Reader) (number, status int, word string) {
	target := p.URLs[rand.IntN(len(p.URLs))]
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target, body)
	if err != nil {
		panic(err) // the URL of a test is wrong
	}
	r.Header = e.Header.Clone()
	number = p.Books.begin(e, r.URL.Host)
	response, err := p.http().Do(r)
	if err != nil {
		return number, 0, ""
	}
	defer response.Body.Close()
	var answer struct{ Status, Error string }
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return number, 0, "" // the status came, but not the whole answer: not believed
	}
	if err := json.Unmarshal(content, &answer); err != nil {
		return number, response.StatusCode, fmt.Sprintf("%.80q", content)
	}
	return number, response.StatusCode, answer.Status + answer.Error
}

func hash(id string) (sum uint32) {
	for _, c := range []byte(id) {
		sum = (sum ^ uint32(c)) * 16777619 // FNV-1a, without its offset
	}
	return sum >> 4
}
