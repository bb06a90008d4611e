package process

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// setup is a proxy process in front of an application.
type setup struct {
	*caddyproc.Process
	dir      string
	admin    string // URL of the admin API
	hook     string // URL that takes webhooks
	upstream string
	store    string // as in the config
	globals  string // further global options
}

// newSetup writes the config of a proxy that retries quickly, and starts it.
// store is what follows `store` in it; empty stands for a file in the test's directory.
func newSetup(t *testing.T, app *oracle.Application, store string) *setup {
	t.Helper()
	return newSetupWith(t, app, store, "")
}

func newSetupWith(t *testing.T, app *oracle.Application, store, globals string) *setup {
	t.Helper()
	port, adminPort := caddyproc.PortFor(t), caddyproc.PortFor(t)
	s := &setup{
		store:    store,
		globals:  globals,
		dir:      t.TempDir(),
		admin:    "http://127.0.0.1:" + adminPort,
		hook:     "http://127.0.0.1:" + port + "/github",
		upstream: app.Address,
	}
	if store == "" {
		s.store = "file " + filepath.Join(s.dir, "deliveries.db")
	}
	s.Process = &caddyproc.Process{
		Binary:  caddyBinary,
		Config:  filepath.Join(s.dir, "Caddyfile"),
		Address: "127.0.0.1:" + port,
		Env:     []string{"XDG_DATA_HOME=" + s.dir, "XDG_CONFIG_HOME=" + s.dir},
	}
	config := s.caddyfile(port, adminPort, 0)
	if err := os.WriteFile(s.Config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		if t.Failed() {
			t.Log(s.LastWords())
		}
	})
	return s
}

// caddyfile differs in a header that nobody looks at from revision to revision,
// so that Caddy takes each for a new config.
func (s *setup) caddyfile(port, adminPort string, revision int) string {
	return fmt.Sprintf(`
{
	admin 127.0.0.1:%s
	persist_config off
	log {
		level WARN
	}
	webhooks {
		store %s
	}
	%s
}
http://127.0.0.1:%s {
	header X-Revision %d
	webhooks /github github {
		secret %s
		require_https off
		forward %s {
			name app
			timeout 2s
			max_in_flight 64
			breaker off
			retry linear {
				initial 50ms
				max_delay 200ms
				max_attempts 1000
			}
		}
	}
}
`, adminPort, s.store, s.globals, port, revision, oracle.Secret, s.upstream)
}

// adminStats is what the admin API says of the store.
type adminStats struct {
	Destinations []struct {
		Destination           string
		Pending, Leased, Dead int
	}
	EventKeys int `json:"event_keys"`
}

func (s *setup) stats(t *testing.T) adminStats {
	t.Helper()
	response, err := http.Get(s.admin + "/webhooks/stats")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var stats adminStats
	if err := json.NewDecoder(response.Body).Decode(&stats); err != nil {
		t.Fatal(err)
	}
	return stats
}

// waitUntilEmpty waits until the store holds nothing that is still to be delivered.
func (s *setup) waitUntilEmpty(t *testing.T, limit time.Duration) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		open := 0
		stats := s.stats(t)
		for _, d := range stats.Destinations {
			open += d.Pending + d.Leased
		}
		if open == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d deliveries are still open after %s: %+v", open, limit, stats)
		}
		time.Sleep(50 * time.Millisecond) // another process: nothing here can signal it
	}
}
