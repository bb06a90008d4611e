package stores

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// The name of this file comes before that of command_process_test.go, whose process
// is a Caddy with what was registered by then.
func init() {
	caddy.RegisterModule(new(stubborn))
	httpcaddyfile.RegisterHandlerDirective("test_stubborn", func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		return new(stubborn), nil
	})
	httpcaddyfile.RegisterDirectiveOrder("test_stubborn", httpcaddyfile.Before, "respond")
}

// stubborn is a handler that ignores its context. Its answer to a GET says how
// many are at work.
type stubborn struct{}

var stubbornAtWork = make(chan struct{}, 100)

func (*stubborn) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_stubborn", New: func() caddy.Module { return new(stubborn) }}
}

func (*stubborn) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if r.Method == http.MethodGet {
		_, err := fmt.Fprint(w, len(stubbornAtWork))
		return err
	}
	stubbornAtWork <- struct{}{}
	time.Sleep(10 * time.Minute)
	return nil
}

// TestExitDoesNotWaitForHandlers: Caddy ends within the grace that attempts have, and
// that passes once, though a handler does not notice that its attempt was cancelled.
func TestExitDoesNotWaitForHandlers(t *testing.T) {
	port, directory := harness.FreePort(t), t.TempDir()
	config := filepath.Join(directory, "Caddyfile")
	if err := os.WriteFile(config, fmt.Appendf(nil, `{
	admin off
	persist_config off
	log {
		output file %s
	}
	webhooks {
		store file %s
	}
}
http://127.0.0.1:%s {
	bind 127.0.0.1
	%s
	test_stubborn
}
`, filepath.Join(directory, "log"), filepath.Join(directory, "deliveries.db"), port, harness.HandledSite("", "test_stubborn")), 0o600); err != nil {
		t.Fatal(err)
	}
	process := harness.CaddyCommand(t, "run", "--config", config)
	process.Env = append(process.Env, "XDG_DATA_HOME="+directory)
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	t.Cleanup(func() { _ = process.Process.Kill() })

	c := &harness.Caddy{T: t, Site: "http://127.0.0.1:" + port}
	harness.Eventually(t, "Caddy listens", func() bool {
		response, err := http.Get(c.Site)
		if err == nil {
			response.Body.Close()
		}
		return err == nil
	})
	const attempts = 3
	for n := range attempts {
		harness.CheckAnswer(t, c.Do(c.GitHubRequest("/github", fmt.Sprint(n), "{}")), 202, "accepted")
	}
	harness.Eventually(t, "the attempts are under way", func() bool {
		return c.Do(c.Request("GET", c.Site, "")).Body == fmt.Sprint(attempts)
	})
	http.DefaultClient.CloseIdleConnections()
	began := time.Now()
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(harness.Patience):
	}
	const grace = 10 * time.Second // for attempts in flight when Caddy exits
	// Waited for once, that takes grace and a second; twice, 22 seconds.
	if took := time.Since(began); took < grace || took > 2*grace-time.Second {
		t.Errorf("Caddy ended after %s", took)
	}
}
