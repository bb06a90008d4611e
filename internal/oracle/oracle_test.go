package oracle

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// relay is the smallest proxy that keeps its promises, unless a test has it break one.
type relay struct {
	t        *testing.T
	upstream string
	change   func(r *http.Request) // before it is delivered; nil: nothing
	answer   func(w http.ResponseWriter)
	times    int // each event is delivered
	seen     map[string]bool
}

func (p *relay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	id := r.Header.Get("X-GitHub-Delivery")
	if GitHub.verify(r, body, time.Now()) != nil && p.change == nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	status, word := http.StatusAccepted, "accepted"
	if p.seen[id] {
		status, word = http.StatusOK, "duplicate"
	}
	p.seen[id] = true
	if p.answer != nil {
		p.answer(w)
	} else {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"status": word})
	}
	if word == "duplicate" {
		return
	}
	for n := range p.times {
		p.deliver(r, id, body, n+1)
	}
}

func (p *relay) deliver(r *http.Request, id string, body []byte, attempt int) {
	out, err := http.NewRequest(http.MethodPost, p.upstream+r.RequestURI, bytes.NewReader(body))
	if err != nil {
		p.t.Error(err)
		return
	}
	out.Header = r.Header.Clone()
	for name, value := range map[string]string{
		"Webhook-Event-Id": id, "Webhook-Event-Type": r.Header.Get("X-GitHub-Event"), "Webhook-Provider": "github",
		"Webhook-Id": "d-" + id, "Idempotency-Key": "d-" + id, "Webhook-Attempt": string(rune('0' + attempt)),
		"Webhook-Received-At": time.Now().Format(time.RFC3339Nano),
	} {
		out.Header.Set(name, value)
	}
	if p.change != nil {
		p.change(out)
	}
	if response, err := http.DefaultTransport.RoundTrip(out); err == nil {
		_ = response.Body.Close()
	}
}

// TestFindings has a proxy break one promise after the other: each is found out.
func TestFindings(t *testing.T) {
	accepted := func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"status":"accepted"}`)
	}
	for name, c := range map[string]struct {
		relay relay
		send  func(p *Provider, ctx context.Context)
		want  string // "" : nothing is found
	}{
		"honest":  {relay{times: 1}, (*Provider).SendOne, ""},
		"forgery": {relay{times: 1}, (*Provider).Forge, ""},
		"lost":    {relay{times: 0}, (*Provider).SendOne, "lost"},
		"twice":   {relay{times: 2}, (*Provider).SendOne, "no fault explains it"},
		"body":    {relay{times: 1, change: func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{}")); r.ContentLength = 2 }}, (*Provider).SendOne, "another body"},
		"header":  {relay{times: 1, change: func(r *http.Request) { r.Header.Del("X-Sent-As") }}, (*Provider).SendOne, "X-Sent-As"},
		"signature": {relay{times: 1, change: func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256=00") }},
			(*Provider).SendOne, "X-Hub-Signature-256"},
		"forged": {relay{times: 1, change: func(*http.Request) {}}, (*Provider).Forge, "forged"},
		"attempt": {relay{times: 1, change: func(r *http.Request) { r.Header.Set("Webhook-Attempt", "0") }},
			(*Provider).SendOne, `attempt "0"`},
		"other id": {relay{times: 2, change: func(r *http.Request) {
			r.Header.Set("Webhook-Id", r.Header.Get("Webhook-Id")+r.Header.Get("Webhook-Attempt"))
			r.Header.Set("Idempotency-Key", r.Header.Get("Webhook-Id"))
		}}, (*Provider).SendOne, "and before as"},
		"invented": {relay{times: 1, change: func(r *http.Request) { r.Header.Set("Webhook-Event-Id", "x") }},
			(*Provider).SendOne, "nobody sent"},
		"accepted twice": {relay{times: 0, answer: accepted},
			func(p *Provider, ctx context.Context) { p.Post(ctx, "a"); p.Post(ctx, "a") }, "accepted twice"},
		"duplicate of nothing": {relay{times: 0, answer: func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"status":"duplicate"}`) }},
			(*Provider).SendOne, "sent only once"},
		"refused": {relay{times: 0, answer: func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadRequest) }},
			(*Provider).SendOne, "answered 400"},
	} {
		t.Run(name, func(t *testing.T) {
			books := NewBooks()
			app, err := StartApplication(books, "app", 1)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(app.Down)
			c.relay.t, c.relay.upstream, c.relay.seen = t, "http://"+app.Address, make(map[string]bool)
			proxy := httptest.NewServer(&c.relay)
			defer proxy.Close()
			p := &Provider{Books: books, URLs: []string{proxy.URL + "/hook?a=%2F"}, Run: "run"}
			defer p.Close()
			c.send(p, t.Context())

			records := books.Records()
			found := books.Problems()
			found = append(found, FindRepeats(records, "app", nil).Unexplained...)
			found = append(found, BadAttempts(records, "app", nil)...)
			found = append(found, ChangedIDs(records, "app", nil)...)
			for _, id := range FindLost(records, "app", nil) {
				found = append(found, "lost "+id)
			}
			if all := strings.Join(found, "\n"); c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("found %q, want %q", all, c.want)
			}
		})
	}
}

// TestExplain has a fault explain what happened near it, and nothing else.
func TestExplain(t *testing.T) {
	at := func(seconds float64) time.Time {
		return time.Unix(1e9, 0).Add(time.Duration(seconds * float64(time.Second)))
	}
	faults := []Fault{
		{Name: "kill", From: at(10), To: at(11), Before: 500 * time.Millisecond},
		{Name: "down", From: at(20), To: at(21), After: time.Second, Destination: "app"},
	}
	for _, c := range []struct {
		at          float64
		destination string
		want        string
	}{
		{9.4, "app", ""}, {9.6, "app", "kill"}, {11, "other", "kill"}, {11.1, "app", ""},
		{19.9, "app", ""}, {21.9, "app", "down"}, {20.5, "other", ""},
	} {
		if got, _ := Explain(faults, at(c.at), c.destination); got != c.want {
			t.Errorf("at %g for %s: %q, want %q", c.at, c.destination, got, c.want)
		}
	}
	if got := Between(faults, at(9), at(9.4), "app"); got != "" {
		t.Errorf("between 9 and 9.4: %s", got)
	}
	if got := Between(faults, at(9), at(12), "app"); got != "kill" {
		t.Errorf("between 9 and 12: %q, want the kill", got)
	}
}

// noted is the arrival once it is done after ctx has ended, as one is whose answer
// goes on until then: its success may be written down only at its end.
func noted(books *Books, ctx context.Context) (arrival Arrival) {
	end, _ := ctx.Deadline()
	for limit := time.Now().Add(30 * time.Second); arrival.Done.Before(end) && time.Now().Before(limit); time.Sleep(time.Millisecond) {
		arrival = books.Records()[0].Arrivals["app"][0]
	}
	if arrival.Done.Before(end) {
		arrival.Took = false
	}
	return arrival
}

// TestManners asks an application in each of its manners.
func TestManners(t *testing.T) {
	for kind := Take; kind <= Early; kind++ {
		m := Manner{Kind: kind}
		if kind == Status {
			m.Status = 503
		}
		books := NewBooks()
		app, err := StartApplication(books, "app", 1)
		if err != nil {
			t.Fatal(err)
		}
		app.Behave(m)
		p := &Provider{Books: books, URLs: []string{"http://" + app.Address + "/"}, Run: "m"}
		e := p.event("e")
		books.begin(e, "")
		patience := 30 * time.Second
		if kind == Hang || kind == Endless || kind == Trickle {
			patience = 200 * time.Millisecond
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URLs[0], bytes.NewReader(e.Body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = e.Header.Clone()
		r.Header.Set("Webhook-Event-Id", "e")
		status := 0
		if response, err := http.DefaultTransport.RoundTrip(r); err == nil {
			status = response.StatusCode
			_, err = io.Copy(io.Discard, response.Body)
			if whole := kind == Take || kind == Status || kind == Huge || kind == Early; whole != (err == nil) {
				t.Errorf("%s: the body ended with %v", m, err)
			}
			_ = response.Body.Close()
		}
		cancel()
		app.Down()
		arrival := books.Records()[0].Arrivals["app"][0]
		if kind == Trickle {
			arrival = noted(books, ctx)
		}
		took := status == 200 || kind == TakeAndHangUp
		if arrival.Took != took || arrival.Said != (status == 200) {
			t.Errorf("%s answered %d: noted %+v", m, status, arrival)
		}
	}
}
