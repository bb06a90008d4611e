package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"testing"
	"time"
)

// TestReload gives the proxy a new config every 200 ms under load: nothing is
// lost, and nothing is repeated.
func TestReload(t *testing.T) {
	const reloads = 75
	app := startApplication(t, 11)
	app.failAtRandom(0.10, 0)
	s := newSetup(t, app, "")
	sender := newProvider(s.hook, "reload", 32, 10*time.Millisecond)

	stop, done := make(chan struct{}), make(chan struct{})
	go func() { defer close(done); sender.sendUntil(t, stop) }()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for revision := 1; revision <= reloads; revision++ {
		<-ticker.C
		if err := s.reload(revision); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	<-done
	app.failAtRandom(0, 0)
	s.waitUntilEmpty(t, time.Minute)

	verdict := judge(t, sender, app)
	if len(verdict.repeats) > 0 {
		t.Errorf("%d events were repeated: %v", len(verdict.repeats), verdict.repeats)
	}
	t.Logf("reloads %d; acknowledged %d %v, sent again %v; delivered %d, repeated %d, lost %d",
		reloads, len(sender.acked), sender.answers(), sender.resent,
		verdict.delivered, len(verdict.repeats), len(verdict.lost))
}

// reload loads the config of that revision through the admin API.
func (s *setup) reload(revision int) error {
	hook, err := url.Parse(s.hook)
	if err != nil {
		return err
	}
	admin, err := url.Parse(s.admin)
	if err != nil {
		return err
	}
	config := s.caddyfile(hook.Port(), admin.Port(), filepath.Join(s.dir, "deliveries.db"), revision)
	response, err := http.Post(s.admin+"/load", "text/caddyfile", bytes.NewReader([]byte(config)))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		return fmt.Errorf("revision %d was refused: %d %s", revision, response.StatusCode, body)
	}
	return nil
}
