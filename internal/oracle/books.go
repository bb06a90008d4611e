// Package oracle tells whether the promises of DESIGN section 3 were kept: it
// plays the providers and the applications around a proxy, keeps books of what
// the providers were told and what the applications took, and judges by these
// books alone. It knows the proxy only from outside.
package oracle

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Event is one webhook as its provider signed it. Every try sends the same bytes.
type Event struct {
	ID, Type string
	Scheme   *Scheme
	URI      string // path and query
	Header   http.Header
	Body     []byte // not kept in the books, which have its hash
	// Bad says why no application may ever see it, such as "forged"; empty for
	// a genuine event.
	Bad string

	sum [sha256.Size]byte // of Body
}

// Try is one request of a provider.
type Try struct {
	Sent, Answered time.Time
	Status         int    // 0: no whole answer came
	Word           string // status or error of the answer
	To             string // host that it was sent to
}

// Arrival is one request that reached an application.
type Arrival struct {
	At         time.Time // when it had been read
	Attempt    int       // as the proxy counts
	DeliveryID string
	Answer     string    // what the application did
	Done       time.Time // when it did so; zero while it has not
	Took       bool      // the application has done the event's work
	Said       bool      // and answered 2xx, in time to be heard
}

// Record is what is known of an event.
type Record struct {
	Event    Event
	Tries    []Try
	Acked    time.Time // first 2xx; zero: none
	Word     string    // of the first 2xx
	Arrivals map[string][]Arrival
}

// Took says whether a destination has taken the event.
func (r *Record) Took(destination string) bool {
	return slices.ContainsFunc(r.Arrivals[destination], func(a Arrival) bool { return a.Took })
}

// Books are what providers and applications have written down. They are safe for concurrent use.
type Books struct {
	mu       sync.Mutex
	records  map[string]*Record
	problems []string
	more     int // problems beyond maxProblems
	resent   map[string]int
}

// maxProblems is how many problems are kept in words; the others are counted.
const maxProblems = 100

// NewBooks returns empty books.
func NewBooks() *Books {
	return &Books{records: make(map[string]*Record), resent: make(map[string]int)}
}

// Problem notes something that must not happen, whoever saw it.
func (b *Books) Problem(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.problem(format, args...)
}

func (b *Books) problem(format string, args ...any) {
	if len(b.problems) == maxProblems {
		b.more++
		return
	}
	b.problems = append(b.problems, fmt.Sprintf(format, args...))
}

// Problems returns what was noted; nil is as it should be.
func (b *Books) Problems() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := slices.Clone(b.problems)
	if b.more > 0 {
		all = append(all, fmt.Sprintf("and %d more", b.more))
	}
	return all
}

// Records copies the books, in the order of event ids.
func (b *Books) Records() []Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Record, 0, len(b.records))
	for _, id := range slices.Sorted(maps.Keys(b.records)) {
		r := *b.records[id]
		r.Tries = slices.Clone(r.Tries)
		r.Arrivals = make(map[string][]Arrival, len(r.Arrivals))
		for destination, arrivals := range b.records[id].Arrivals {
			r.Arrivals[destination] = slices.Clone(arrivals)
		}
		all = append(all, r)
	}
	return all
}

// Acknowledged counts the events that were answered 2xx.
func (b *Books) Acknowledged() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		if !r.Acked.IsZero() {
			n++
		}
	}
	return n
}

// Answers counts the acknowledged events by the word that acknowledged them.
func (b *Books) Answers() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := make(map[string]int)
	for _, r := range b.records {
		if !r.Acked.IsZero() {
			counts[r.Word]++
		}
	}
	return counts
}

// Resent counts why genuine events had to be sent again.
func (b *Books) Resent() map[string]int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.resent)
}

// Taken counts the events that a destination has taken.
func (b *Books) Taken(destination string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.records {
		if r.Took(destination) {
			n++
		}
	}
	return n
}

// begin notes that the event is being sent, and returns the try's number.
func (b *Books) begin(e *Event, to string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[e.ID]
	if r == nil {
		r = &Record{Event: *e, Arrivals: make(map[string][]Arrival)}
		r.Event.sum, r.Event.Body = sha256.Sum256(e.Body), nil
		b.records[e.ID] = r
	}
	r.Tries = append(r.Tries, Try{Sent: time.Now(), To: to})
	return len(r.Tries) - 1
}

// end notes the result of a try of a genuine event, and reports whether the event is acknowledged now.
func (b *Books) end(id string, try, status int, word string) (acknowledged bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[id]
	t := &r.Tries[try]
	t.Answered, t.Status, t.Word = time.Now(), status, word
	switch {
	case status == http.StatusAccepted && word == "accepted":
		for i, other := range r.Tries {
			if i != try && other.Word == word {
				b.problem("event %s was accepted twice: try %d and try %d", id, i+1, try+1)
			}
		}
	case status == http.StatusOK && word == "duplicate":
		if len(r.Tries) == 1 {
			b.problem("event %s is a duplicate, yet it was sent only once", id)
		}
	case status == http.StatusServiceUnavailable && word == "unavailable", status == 0:
		b.resent[cmp.Or(word, "no answer")]++
		return false
	default:
		b.problem("event %s was answered %d %s", id, status, word)
		return true // there is no use in sending it again
	}
	if r.Acked.IsZero() {
		r.Acked, r.Word = t.Answered, word
	}
	return true
}

// endBad notes the answer to an event that must not be accepted; want are the
// statuses that refuse it.
func (b *Books) endBad(id string, try, status int, word string, want []int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.records[id]
	t := &r.Tries[try]
	t.Answered, t.Status, t.Word = time.Now(), status, word
	if status != 0 && !slices.Contains(want, status) {
		b.problem("%s event %s was answered %d %s: want one of %v", r.Event.Bad, id, status, word, want)
	}
}

// arrive notes a request to an application, checks it, and returns a function that notes what the
// application did with it. That function may be called several times.
func (b *Books) arrive(destination string, r *http.Request, body []byte) (answered func(Arrival)) {
	id := r.Header.Get("Webhook-Event-Id")
	attempt, _ := strconv.Atoi(r.Header.Get("Webhook-Attempt"))
	arrival := Arrival{At: time.Now(), Attempt: attempt, DeliveryID: r.Header.Get("Webhook-Id")}
	b.mu.Lock()
	defer b.mu.Unlock()
	record := b.records[id]
	if record == nil {
		b.problem("%s got event %q, which nobody sent", destination, id)
		return func(Arrival) {}
	}
	if err := check(&record.Event, r, body); err != nil {
		b.problem("%s got event %s %s", destination, id, err)
	}
	place := len(record.Arrivals[destination])
	record.Arrivals[destination] = append(record.Arrivals[destination], arrival)
	return func(a Arrival) {
		b.mu.Lock()
		defer b.mu.Unlock()
		noted := &record.Arrivals[destination][place]
		noted.Answer, noted.Took, noted.Said, noted.Done = a.Answer, a.Took, a.Said, time.Now()
	}
}

// check compares a delivery with what the provider sent.
func check(e *Event, r *http.Request, body []byte) error {
	if e.Bad != "" {
		return fmt.Errorf("although it is %s", e.Bad)
	}
	if r.Method != http.MethodPost || r.RequestURI != e.URI {
		return fmt.Errorf("as %s %s: it was sent as POST %s", r.Method, r.RequestURI, e.URI)
	}
	if sha256.Sum256(body) != e.sum {
		return fmt.Errorf("with another body, of %d bytes", len(body))
	}
	attempt, err := strconv.Atoi(r.Header.Get("Webhook-Attempt"))
	if err != nil || attempt < 1 {
		return fmt.Errorf("as attempt %q", r.Header.Get("Webhook-Attempt"))
	}
	for name, values := range e.Header {
		if e.Scheme.Resigned == name {
			continue
		}
		if got := r.Header.Values(name); !slices.Equal(got, values) {
			return fmt.Errorf("with %s %q: it was sent with %q", name, got, values)
		}
	}
	for name, want := range map[string]string{"Webhook-Event-Type": e.Type, "Webhook-Provider": e.Scheme.Name} {
		if got := r.Header.Get(name); got != want {
			return fmt.Errorf("with %s %q: want %q", name, got, want)
		}
	}
	if id := r.Header.Get("Webhook-Id"); id == "" || r.Header.Get("Idempotency-Key") != id {
		return fmt.Errorf("without its delivery id")
	}
	if _, err := time.Parse(time.RFC3339Nano, r.Header.Get("Webhook-Received-At")); err != nil {
		return fmt.Errorf("with a bad time of reception: %w", err)
	}
	return e.Scheme.check(e, r, body)
}

// Story tells what the books know of an event, a line each.
func (r *Record) Story() string {
	var lines strings.Builder
	clock := func(t time.Time) string { return t.Format("15:04:05.000") }
	fmt.Fprintf(&lines, "event %s, type %s %s\n", r.Event.ID, r.Event.Type, r.Event.Bad)
	for i, t := range r.Tries {
		fmt.Fprintf(&lines, "  %s try %d to %s: ", clock(t.Sent), i+1, t.To)
		if t.Answered.IsZero() {
			fmt.Fprintln(&lines, "not answered yet")
			continue
		}
		fmt.Fprintf(&lines, "%d %s at %s\n", t.Status, t.Word, clock(t.Answered))
	}
	for _, destination := range slices.Sorted(maps.Keys(r.Arrivals)) {
		for _, a := range r.Arrivals[destination] {
			fmt.Fprintf(&lines, "  %s %s got attempt %d of %s: %s (took %t, said so %t, done %s)\n",
				clock(a.At), destination, a.Attempt, a.DeliveryID, a.Answer, a.Took, a.Said, clock(a.Done))
		}
	}
	return lines.String()
}
