package caddywebhooks

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// TestGuardOutlastsProvider: the provider gives up waiting while the application works. Its repeat
// must not start the work again: it is told to wait, and in the end that it is a duplicate.
func TestGuardOutlastsProvider(t *testing.T) {
	app := startApplication(t)
	working, finish := make(chan struct{}, 2), make(chan struct{})
	app.answerWith(func(_ http.ResponseWriter, r *http.Request) {
		working <- struct{}{}
		select {
		case <-finish:
		case <-r.Context().Done():
			t.Error("the work was ended")
		}
	})
	c := startCaddy(t, guardSite(app, "reverse_proxy APP"), "")
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		response, err := http.DefaultClient.Do(c.githubRequest("/github", "slow", "{}").WithContext(ctx))
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
		checkAnswer(t, c.do(c.githubRequest("/github", "slow", "{}")), 409, "in_progress")
		time.Sleep(10 * time.Millisecond)
	}
	close(finish)
	eventually(t, "the repeat is a duplicate", func() bool {
		got := c.do(c.githubRequest("/github", "slow", "{}"))
		return got.code == 200 && got.header.Get("Webhook-Status") == "duplicate"
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
	app := startApplication(t)
	calls := make(chan struct{}, 10)
	app.answerWith(func(_ http.ResponseWriter, r *http.Request) {
		calls <- struct{}{}
		<-r.Context().Done()
	})
	c := startCaddy(t, guardSite(app, "reverse_proxy APP"), "")
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		if response, err := http.DefaultClient.Do(c.githubRequest("/github", "never", "{}").WithContext(ctx)); err == nil {
			_ = response.Body.Close()
		}
	}()
	<-calls
	hangUp()
	<-gone
	app.answerStatus(200)
	eventually(t, "the repeat is let through", func() bool {
		return c.do(c.githubRequest("/github", "never", "{}")).code == 200
	})
}
