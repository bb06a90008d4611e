package ipsource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// fetching counts the goroutines that follow lists.
func fetching() int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte(".(*listFetcher).run("))
}

// TestValidateFetchesNothing: `caddy validate` leaves no goroutine and asks
// nobody; a running config follows the list until it is stopped.
func TestValidateFetchesNothing(t *testing.T) {
	var asked atomic.Int32
	mirror := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(mirror.Close)
	config := func(marker int) []byte {
		return fmt.Appendf(nil, `{"admin":{"disabled":true,"config":{"persist":false}},"logging":{"logs":{"default":{"writer":{"output":"discard"}}}},"apps":{"http":{"servers":{"x":{
			"listen":["127.0.0.1:0"],"trusted_proxies":{"source":"webhook_provider","provider":"svix","url":%q},
			"routes":[{"handle":[{"handler":"static_response","status_code":%d}]}]}}}}}`, mirror.URL, 200+marker)
	}
	for range 3 {
		var c caddy.Config
		if err := json.Unmarshal(config(0), &c); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&c); err != nil {
			t.Fatal(err)
		}
		if n := fetching(); n != 0 {
			t.Fatalf("%d goroutines are left", n)
		}
	}
	if asked.Load() != 0 {
		t.Error("validating fetched the list")
	}
	noneLeft := func() {
		t.Helper()
		publishedLists.Range(func(key, _ any) bool {
			t.Errorf("list %v is left", key)
			return true
		})
	}
	noneLeft()

	t.Cleanup(func() { _ = caddy.Stop() })
	for i := range 3 {
		if err := caddy.Load(config(i), true); err != nil {
			t.Fatal(err)
		}
		// Caddy stops the old config in the background.
		for deadline := time.Now().Add(10 * time.Second); fetching() != 1; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%d goroutines follow the list: want 1", fetching())
			}
		}
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := fetching(); n != 0 {
		t.Errorf("%d goroutines are left after the end", n)
	}
	noneLeft()
}

// TestPin keeps a provider's snapshot, once.
func TestPin(t *testing.T) {
	unpin, err := Pin("github")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pin("github"); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("pinned twice: %v", err)
	}
	if err := unpin(); err != nil {
		t.Error(err)
	}
	if _, err := Pin("slack"); err == nil {
		t.Error("pinned what nobody publishes")
	}
}

func TestSourceSettings(t *testing.T) {
	t.Setenv("MIRROR", "http://127.0.0.1:1/list")
	for _, test := range []struct {
		name   string
		source Source
		err    string
	}{
		{"defaults", Source{Provider: "stripe"}, ""},
		{"snapshot only", Source{Provider: "github", Interval: -1}, ""},
		{"mirror", Source{Provider: "svix", URL: "{env.MIRROR}", Interval: caddy.Duration(time.Minute)}, ""},
		{"no provider", Source{}, "unknown provider"},
		{"unknown provider", Source{Provider: "strip"}, `unknown provider "strip"`},
		{"none published", Source{Provider: "twilio"}, "provider twilio publishes no addresses"},
		{"custom", Source{Provider: "custom"}, "provider custom publishes no addresses"},
		{"too often", Source{Provider: "stripe", Interval: caddy.Duration(time.Second)}, "want at least 1m0s"},
		{"negative timeout", Source{Provider: "stripe", Timeout: -1}, "timeout is -1ns"},
		{"no URL", Source{Provider: "stripe", URL: "mirror"}, "begins with https:// or http://"},
		{"other scheme", Source{Provider: "stripe", URL: "file:///etc/hosts"}, "begins with https:// or http://"},
		{"unset placeholder", Source{Provider: "stripe", URL: "{env.UNSET_MIRROR}"}, "url"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
			defer cancel()
			s := test.source
			err := s.Provision(ctx)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error is %v: want one with %q", err, test.err)
				}
			} else if err != nil || len(s.GetIPRanges(nil)) == 0 {
				t.Fatalf("%v", err)
			}
			for range 2 {
				if err := s.Cleanup(); err != nil {
					t.Fatal(err)
				}
			}
			if n := fetching(); n != 0 {
				t.Errorf("%d goroutines are left", n)
			}
		})
	}
}

func TestSourceCaddyfile(t *testing.T) {
	for _, test := range []struct{ name, input, want, err string }{
		{"short", "webhook_provider stripe", `{"provider":"stripe"}`, ""},
		{"off", "webhook_provider stripe {\ninterval off\n}", `{"provider":"stripe","interval":-1}`, ""},
		{"all", "webhook_provider github {\ninterval 1d\nurl https://mirror/meta\ntimeout 5s\n}",
			`{"provider":"github","interval":86400000000000,"url":"https://mirror/meta","timeout":5000000000}`, ""},
		{"no provider", "webhook_provider", "", "wants one value"},
		{"two", "webhook_provider stripe github", "", "wants one value"},
		{"unknown", "webhook_provider strip", "", `unknown provider "strip"`},
		{"none published", "webhook_provider slack", "", "provider slack publishes no addresses"},
		{"custom", "webhook_provider custom", "", "provider custom publishes no addresses"},
		{"bad interval", "webhook_provider stripe {\ninterval daily\n}", "", `interval is "daily": want a duration of at least 1m0s, or off`},
		{"short interval", "webhook_provider stripe {\ninterval 59s\n}", "", `interval is "59s"`},
		{"two intervals", "webhook_provider stripe {\ninterval 1h off\n}", "", "interval wants one value"},
		{"repeated", "webhook_provider stripe {\ninterval 1h\ninterval 2h\n}", "", `subdirective "interval" is repeated`},
		{"bad timeout", "webhook_provider stripe {\ntimeout 0s\n}", "", "want a duration above zero"},
		{"unknown line", "webhook_provider stripe {\nevery 1h\n}", "", `unrecognized subdirective "every"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var s Source
			err := s.UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.input))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error is %v: want one with %q", err, test.err)
				}
				return
			}
			if got, _ := json.Marshal(&s); err != nil || string(got) != test.want {
				t.Fatalf("%s, %v: want %s", got, err, test.want)
			}
		})
	}
}
