package harness

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Application is a backend that records its requests and answers as told.
type Application struct {
	Address string
	Got     chan *Received

	mu     sync.Mutex
	answer http.HandlerFunc
}

// Received is a request as it came to an application.
type Received struct {
	Method, Host, URI string
	Header            http.Header
	Body              string
}

// StartApplication starts one that answers 200, until the test ends.
func StartApplication(t *testing.T) *Application {
	t.Helper()
	a := &Application{Got: make(chan *Received, 1000)}
	server := httptest.NewServer(a)
	a.Address = strings.TrimPrefix(server.URL, "http://")
	t.Cleanup(server.Close)
	return a
}

// AnswerWith makes the application answer in this way from now on; nil means 200.
func (a *Application) AnswerWith(answer http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = answer
}

func (a *Application) AnswerStatus(code int) {
	a.AnswerWith(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
}

func (a *Application) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	a.mu.Lock()
	answer := a.answer
	a.mu.Unlock()
	a.Got <- &Received{r.Method, r.Host, r.RequestURI, r.Header.Clone(), string(body)}
	if answer != nil {
		answer(w, r)
	}
}

// Next waits for the next request at the application.
func (a *Application) Next(t *testing.T) *Received {
	t.Helper()
	select {
	case got := <-a.Got:
		return got
	case <-time.After(Patience):
		t.Fatal("nothing arrived at the application")
		return nil
	}
}
