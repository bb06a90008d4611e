package e2e

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// application is the oracle's side of the application: it fails as told and
// remembers every event that it took.
type application struct {
	address string

	mu      sync.Mutex
	random  *rand.Rand
	fail500 float64 // share of requests that it answers with 500
	hangUp  float64 // share of requests on which it closes the connection
	delay   time.Duration
	hanging chan struct{} // closed when requests that wait for it may go on; nil: none do
	waiting int           // requests that hang
	taken   map[string][]taking
	wrong   []string // what no application should ever see
}

// taking is one success: the application answered 200 at that time.
type taking struct {
	at      time.Time
	attempt string
}

func startApplication(t *testing.T, seed uint64) *application {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	a := &application{
		address: listener.Addr().String(),
		random:  rand.New(rand.NewPCG(seed, 1)),
		taken:   make(map[string][]taking),
	}
	server := &http.Server{Handler: a}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-served })
	return a
}

func (a *application) failAtRandom(fail500, hangUp float64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fail500, a.hangUp = fail500, hangUp
}

// slow has each answer take that long.
func (a *application) slow(delay time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.delay = delay
}

// hang lets requests wait until stopHanging.
func (a *application) hang() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hanging = make(chan struct{})
}

// stopHanging lets new requests through. Those that wait are given up on: who
// sent them has been killed.
func (a *application) stopHanging() {
	a.mu.Lock()
	defer a.mu.Unlock()
	close(a.hanging)
	a.hanging = nil
}

func (a *application) waitUntilHanging(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		a.mu.Lock()
		waiting := a.waiting
		a.mu.Unlock()
		if waiting >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d requests hang, want %d", waiting, n)
		}
	}
}

// wait is a request's time before its answer.
func (a *application) wait(r *http.Request) {
	a.mu.Lock()
	delay, hanging := a.delay, a.hanging
	if hanging != nil {
		a.waiting++
	}
	a.mu.Unlock()
	if hanging != nil {
		select {
		case <-hanging:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler) // who sent it has been killed
	}
	time.Sleep(delay) // what a slow application does
}

// ServeHTTP takes one webhook, or fails as told. The event must be as the
// provider signed it.
func (a *application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the proxy was killed in the middle
	}
	a.wait(r)
	a.mu.Lock()
	dice := a.random.Float64()
	fail500, hangUp := dice < a.fail500, dice >= a.fail500 && dice < a.fail500+a.hangUp
	a.mu.Unlock()
	switch {
	case fail500:
		http.Error(w, "as told", http.StatusInternalServerError)
		return
	case hangUp:
		panic(http.ErrAbortHandler)
	}
	id := r.Header.Get("Webhook-Event-Id")
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := checkEvent(r, body, id); err != nil {
		a.wrong = append(a.wrong, err.Error())
	}
	a.taken[id] = append(a.taken[id], taking{at: time.Now(), attempt: r.Header.Get("Webhook-Attempt")})
}

func checkEvent(r *http.Request, body []byte, id string) error {
	if got, want := r.Header.Get("X-Hub-Signature-256"), githubSignature(body); got != want {
		return fmt.Errorf("event %s arrived with signature %q: want %q", id, got, want)
	}
	if r.Header.Get("X-GitHub-Delivery") != id {
		return fmt.Errorf("event %s arrived with id %q", r.Header.Get("X-GitHub-Delivery"), id)
	}
	if r.Header.Get("Webhook-Id") == "" || r.Header.Get("Idempotency-Key") != r.Header.Get("Webhook-Id") {
		return fmt.Errorf("event %s arrived without its delivery id", id)
	}
	return nil
}

func (a *application) takenCount() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.taken)
}

// snapshot copies what was taken.
func (a *application) snapshot() (taken map[string][]taking, wrong []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	taken = make(map[string][]taking, len(a.taken))
	for id, times := range a.taken {
		taken[id] = append([]taking(nil), times...)
	}
	return taken, append([]string(nil), a.wrong...)
}
