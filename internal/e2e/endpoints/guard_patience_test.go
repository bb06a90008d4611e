package endpoints

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// TestGuardOutlastsProvider: the provider gives up waiting while the application works. Its repeat
// must not start the work again: it is told to wait, and in the end that it is a duplicate.
func TestGuardOutlastsProvider(t *testing.T) {
	app := harness.StartApplication(t)
	working, finish := make(chan struct{}, 2), make(chan struct{})
	app.AnswerWith(func(_ http.ResponseWriter, r *http.Request) {
		working <- struct{}{}
		select {
		case <-finish:
		case <-r.Context().Done():
			t.Error("the work was ended")
		}
	})
	c := harness.Start(t, harness.GuardSite(app, "reverse_proxy APP"), "")
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		response, err := http.DefaultClient.Do(c.GitHubRequest("/github", "slow", "{}").WithContext(ctx))
		if err == nil {
			_ = response.Body.Close()
		}
		gone <- err
	}()
	<-working
	hangUp()
	if err := <-gone; err == nil {
		t.Fatal("the provider got an answer")
	}
	for range 20 { // as long as Caddy takes to see that the provider is gone
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", "slow", "{}")), 409, "in_progress")
		time.Sleep(10 * time.Millisecond)
	}
	close(finish)
	harness.Eventually(t, "the repeat is a duplicate", func() bool {
		got := c.Do(c.GitHubRequest("/github", "slow", "{}"))
		return got.Code == 200 && got.Header.Get("Webhook-Status") == "duplicate"
	})
	if len(working) != 0 {
		t.Error("the application was called again")
	}
}

// TestGuardPatienceEnds: an application that never answers does not keep the event for ever.
func TestGuardPatienceEnds(t *testing.T) {
	before := process.GuardPatience
	process.GuardPatience = 50 * time.Millisecond
	t.Cleanup(func() { process.GuardPatience = before })
	app := harness.StartApplication(t)
	calls := make(chan struct{}, 10)
	app.AnswerWith(func(_ http.ResponseWriter, r *http.Request) {
		calls <- struct{}{}
		<-r.Context().Done()
	})
	c := harness.Start(t, harness.GuardSite(app, "reverse_proxy APP"), "")
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if response, err := http.DefaultClient.Do(c.GitHubRequest("/github", "never", "{}").WithContext(ctx)); err == nil {
			_ = response.Body.Close()
		}
	}()
	<-calls
	hangUp()
	<-gone
	app.AnswerStatus(200)
	harness.Eventually(t, "the repeat is let through", func() bool {
		return c.Do(c.GitHubRequest("/github", "never", "{}")).Code == 200
	})
}
