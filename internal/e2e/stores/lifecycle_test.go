package stores

import (
	"io"
	"net/http"
	"net/http/httptrace"
	"path/filepath"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/filestore"
)

// TestReloadWhileReceiving gives Caddy another store while a webhook is half
// there: it is still accepted, by the config that it came to, and is in that
// config's store.
func TestReloadWhileReceiving(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerStatus(http.StatusInternalServerError) // the old config may still try once: then, too, the event stays
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	first, options := storePath(c), c.Options
	other := filepath.Join(t.TempDir(), "other.db")

	const body = `{"half":"here","half":"there"}`
	head, tail := body[:10], body[10:]
	asked, proceed := make(chan struct{}), make(chan struct{})
	reader, writer := io.Pipe()
	r := c.GitHubRequest("/github", "slow", body)
	r.Body, r.GetBody = reader, nil
	r.Header.Set("Expect", "100-continue") // answered when the handler begins to read
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got100Continue: func() { close(asked) }}))
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: harness.Patience}}
	defer client.CloseIdleConnections()
	go func() {
		_, _ = io.WriteString(writer, head)
		<-proceed
		_, _ = io.WriteString(writer, tail)
		_ = writer.Close()
	}()
	type result struct {
		response *http.Response
		err      error
	}
	done := make(chan result)
	go func() {
		response, err := client.Do(r)
		done <- result{response, err}
	}()
	<-asked

	c.Options = harness.Edited(options, first, other)
	if err := c.Load(harness.GitHubSite(app, "")); err != nil {
		t.Fatal(err)
	}
	close(proceed)
	got := <-done
	if got.err != nil {
		t.Fatal(got.err)
	}
	defer got.response.Body.Close()
	if got.response.StatusCode != http.StatusAccepted {
		text, _ := io.ReadAll(got.response.Body)
		t.Fatalf("answered %d %s", got.response.StatusCode, text)
	}
	process.Draining.Wait() // the old config, which lets go of its store
	store, err := filestore.Open(first, filestore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	stats, err := store.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(stats.Lanes) != 1 || stats.Lanes[0].Pending != 1 {
		t.Errorf("the store has %+v", stats.Lanes)
	}
}
