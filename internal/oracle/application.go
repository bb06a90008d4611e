package oracle

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

// Application is a destination of the proxy: it checks its requests, takes or refuses them as told, and
// writes both into the books. It is safe for concurrent use.
type Application struct {
	Address string // host:port

	books *Books
	name  string // of the destination

	mu      sync.Mutex
	server  *http.Server
	served  chan struct{}
	random  *rand.Rand
	manners []Manner
	fate    func(eventID string) (Manner, bool)
	hanging chan struct{} // closed when requests that hang may go on
	waiting int           // requests that hang
}

// Lateness is how long after a request came the answer may be believed to have
// been heard; attempts in tests of this package's users have two seconds at least.
const Lateness = 500 * time.Millisecond

// StartApplication begins to listen, as the destination of that name, and takes everything.
func StartApplication(b *Books, name string, seed uint64) (*Application, error) {
	a := &Application{Address: "127.0.0.1:0", books: b, name: name, random: rand.New(rand.NewPCG(seed, 1)), hanging: make(chan struct{})}
	return a, a.Up()
}

// Up listens, on the same port as before.
func (a *Application) Up() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil {
		return nil
	}
	listener, err := net.Listen("tcp", a.Address)
	if err != nil {
		return fmt.Errorf("application %s: %w", a.name, err)
	}
	a.Address = listener.Addr().String()
	server, served := &http.Server{Handler: a}, make(chan struct{})
	a.server, a.served = server, served
	go func() { defer close(served); _ = server.Serve(listener) }()
	return nil
}

// Down closes all connections; new ones are refused.
func (a *Application) Down() {
	a.mu.Lock()
	server, served := a.server, a.served
	a.server = nil
	a.mu.Unlock()
	if server != nil {
		_ = server.Close()
		<-served
	}
}

// Behave replaces what it does. Of several manners one is chosen by their shares;
// what they leave is taken.
func (a *Application) Behave(manners ...Manner) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.manners = manners
}

// Fate decides about single events, before any manner does; nil: it decides about none.
func (a *Application) Fate(fate func(eventID string) (Manner, bool)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fate = fate
}

// StopHanging lets the requests that hang go: their connections are closed.
func (a *Application) StopHanging() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.hanging)
	a.hanging = make(chan struct{})
}

// Waiting counts the requests that hang.
func (a *Application) Waiting() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.waiting
}

// choose draws a manner.
func (a *Application) choose(id string) Manner {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fate != nil {
		if m, ok := a.fate(id); ok {
			return m
		}
	}
	dice := a.random.Float64()
	for _, m := range a.manners {
		if m.Share == 0 || dice < m.Share {
			return m
		}
		dice -= m.Share
	}
	return Manner{}
}

// ServeHTTP takes one webhook, or fails as told.
func (a *Application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the proxy was killed in the middle
	}
	began := time.Now()
	note := a.books.arrive(a.name, r, body)
	m := a.choose(r.Header.Get("Webhook-Event-Id"))
	if m.Delay > 0 {
		time.Sleep(m.Delay) // what a slow application does
	}
	arrival := Arrival{Answer: m.String()}
	if arrival.Took = m.takes(); arrival.Took {
		// It is noted before it is sent: a proxy that is killed in between has received nothing.
		arrival.Said = m.says() && r.Context().Err() == nil && time.Since(began) < Lateness
	}
	note(arrival)
	switch m.Kind {
	case Take:
		// An empty 200.
	case Status:
		if m.RetryAfter != "" {
			w.Header().Set("Retry-After", m.RetryAfter)
		}
		http.Error(w, "as told", m.Status)
	case Hang:
		a.wait(r)
		panic(http.ErrAbortHandler)
	case HangUp, TakeAndHangUp:
		panic(http.ErrAbortHandler)
	case Reset, Garbage:
		m.raw(w)
	default:
		// The proxy may wait for the body's end before it writes the success down.
		defer note(arrival)
		m.stream(w, r)
	}
}

// wait hangs until the client goes away or StopHanging is called.
func (a *Application) wait(r *http.Request) {
	a.mu.Lock()
	hanging := a.hanging
	a.waiting++
	a.mu.Unlock()
	select {
	case <-hanging:
	case <-r.Context().Done():
	}
	a.mu.Lock()
	a.waiting--
	a.mu.Unlock()
}

// raw answers past net/http.
func (m Manner) raw(w http.ResponseWriter) {
	connection, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer connection.Close()
	if m.Kind == Reset {
		_ = connection.(*net.TCPConn).SetLinger(0)
		return
	}
	_, _ = io.WriteString(connection, "SSH-2.0-OpenSSH_9.2\r\n")
}

// stream answers with a body that is not as it should be.
func (m Manner) stream(w http.ResponseWriter, r *http.Request) {
	status := m.Status
	if status == 0 {
		status = http.StatusOK
	}
	chunk := make([]byte, 32<<10)
	left, pause := 0, time.Duration(0)
	switch m.Kind {
	case Early:
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
	case Half:
		w.Header().Set("Content-Length", "1000")
		chunk = chunk[:10]
		left = 1
	case Huge:
		left = 8 << 20 / len(chunk)
	case Endless:
		left = -1
	case Trickle:
		chunk = chunk[:1]
		left, pause = -1, 50*time.Millisecond
	}
	w.WriteHeader(status)
	for ; left != 0; left-- {
		if _, err := w.Write(chunk); err != nil || http.NewResponseController(w).Flush() != nil {
			return
		}
		if pause > 0 && !sleep(r.Context(), pause) {
			return
		}
	}
	if m.Kind == Half {
		panic(http.ErrAbortHandler)
	}
}
