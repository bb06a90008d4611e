// Package proxy runs the built Caddy as a separate process, in front of an application of the oracle and under load. Tests
// then do to it what happens to servers.
package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// Proxy is a Caddy process in front of an application.
type Proxy struct {
	*caddyproc.Process
	Admin    string // URL of the admin API
	Hook     string // URL that takes webhooks
	upstream string
	store    string // as in the config
	globals  string // further global options
}

// Start writes the config of a proxy and starts it until the test ends.
// store is what follows `store` in it; empty stands for a file in the test's directory. globals are further global options.
func Start(t *testing.T, app *oracle.Application, store, globals string) *Proxy {
	t.Helper()
	port, adminPort := caddyproc.PortFor(t), caddyproc.PortFor(t)
	dir := t.TempDir()
	p := &Proxy{
		store:    store,
		globals:  globals,
		Admin:    "http://127.0.0.1:" + adminPort,
		Hook:     "http://127.0.0.1:" + port + "/github",
		upstream: app.Address,
	}
	if store == "" {
		p.store = "file " + filepath.Join(dir, "deliveries.db")
	}
	p.Process = &caddyproc.Process{
		Binary:  Binary,
		Config:  filepath.Join(dir, "Caddyfile"),
		Address: "127.0.0.1:" + port,
		Env:     []string{"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir},
	}
	config := p.Caddyfile(port, adminPort, 0)
	if err := os.WriteFile(p.Config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Log(p.LastWords())
		}
	})
	return p
}

// Caddyfile is the config of a proxy that retries quickly, with this one's store. It differs in a header that nobody looks
// at from revision to revision, so that Caddy takes each for a new config.
func (p *Proxy) Caddyfile(port, adminPort string, revision int) string {
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
`, adminPort, p.store, p.globals, port, revision, oracle.Secret, p.upstream)
}

// adminStats is what the admin API says of the store.
type adminStats struct {
	Destinations []struct {
		Destination           string
		Pending, Leased, Dead int
	}
	EventKeys int `json:"event_keys"`
}

func (p *Proxy) stats(t *testing.T) adminStats {
	t.Helper()
	response, err := http.Get(p.Admin + "/webhooks/stats")
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

// WaitUntilEmpty waits until the store holds nothing that is still to be delivered.
func (p *Proxy) WaitUntilEmpty(t *testing.T, limit time.Duration) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		open := 0
		stats := p.stats(t)
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

// Reload loads the config of that revision through the admin API.
func (p *Proxy) Reload(revision int) error {
	hook, err := url.Parse(p.Hook)
	if err != nil {
		return err
	}
	admin, err := url.Parse(p.Admin)
	if err != nil {
		return err
	}
	config := p.Caddyfile(hook.Port(), admin.Port(), revision)
	response, err := http.Post(p.Admin+"/load", "text/caddyfile", strings.NewReader(config))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if body, _ := io.ReadAll(response.Body); response.StatusCode != http.StatusOK {
		return fmt.Errorf("revision %d was refused: %d %s", revision, response.StatusCode, body)
	}
	return nil
}

// Metric is the sum of a counter's series.
func (p *Proxy) Metric(t *testing.T, name string) (sum float64) {
	t.Helper()
	response, err := http.Get(p.Admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if !strings.HasPrefix(lines.Text(), name+"{") {
			continue
		}
		value, err := strconv.ParseFloat(lines.Text()[strings.LastIndexByte(lines.Text(), ' ')+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += value
	}
	return sum
}
