package e2e

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const githubSecret = "e2e-secret"

// githubSignature signs as GitHub documents it, with the standard library only.
func githubSignature(body []byte) string {
	mac := hmac.New(sha256.New, []byte(githubSecret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// provider sends events over many connections and, as a provider does, sends
// one again until it is answered 2xx.
type provider struct {
	url         string
	connections int
	pace        time.Duration // pause of each connection between events
	run         string        // keeps the ids of runs apart

	sequence   atomic.Int64
	mu         sync.Mutex
	acked      map[string]string // event id to the answer's word
	unexpected []string
	resent     map[string]int // why events were sent again, and how often
}

func newProvider(url, run string, connections int, pace time.Duration) *provider {
	return &provider{url: url, run: run, connections: connections, pace: pace, acked: make(map[string]string), resent: make(map[string]int)}
}

// sendUntil sends events until stop is closed, and returns when the last one was answered.
func (p *provider) sendUntil(t *testing.T, stop <-chan struct{}) {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: p.connections}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var group sync.WaitGroup
	for range p.connections {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-ctx.Done():
					return
				case <-time.After(p.pace):
					p.sendOne(ctx, client)
				}
			}
		})
	}
	group.Wait()
}

var padding = strings.Repeat("x", 900)

func (p *provider) sendOne(ctx context.Context, client *http.Client) {
	id := fmt.Sprintf("%s-%07d", p.run, p.sequence.Add(1))
	body := fmt.Appendf(nil, `{"action":"opened","id":%q,"padding":%q}`, id, padding)
	for ctx.Err() == nil {
		code, word, err := p.post(ctx, client, id, body)
		switch {
		case err == nil && (code == http.StatusAccepted || code == http.StatusOK):
			p.mu.Lock()
			p.acked[id] = word
			p.mu.Unlock()
			return
		case err == nil && code != http.StatusServiceUnavailable:
			p.mu.Lock()
			p.unexpected = append(p.unexpected, fmt.Sprintf("%s: %d %s", id, code, word))
			p.mu.Unlock()
			return
		}
		p.countResend(code, word, err)
		select { // a provider's own backoff, in small
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (p *provider) countResend(code int, word string, err error) {
	why := fmt.Sprint(code, " ", word)
	if err != nil {
		why = "no answer"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resent[why]++
}

func (p *provider) post(ctx context.Context, client *http.Client, id string, body []byte) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, strings.NewReader(string(body)))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Delivery", id)
	r.Header.Set("X-GitHub-Event", "issues")
	r.Header.Set("X-Hub-Signature-256", githubSignature(body))
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	var answer struct{ Status, Error string }
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, "", err // the status came, but not the whole answer: not believed
	}
	if err := json.Unmarshal(content, &answer); err != nil {
		return 0, "", fmt.Errorf("answer %q: %w", content, err)
	}
	return response.StatusCode, answer.Status + answer.Error, nil
}

// answers counts the acknowledged events by the word they were answered with.
func (p *provider) answers() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := make(map[string]int)
	for _, word := range p.acked {
		counts[word]++
	}
	return counts
}
