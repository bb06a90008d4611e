package caddywebhooks

import (
	"bytes"
	"encoding/json"
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
	app := startApplication(t)
	site := accessSite(app, map[string]string{"mirror": "allow_ips webhook_provider stripe {\nurl " + mirror.URL + "\n}"})

	adapted, err := adapt("{\nadmin off\nlog {\noutput discard\n}\nservers {\ntrusted_proxies webhook_provider svix {\nurl " +
		mirror.URL + "\n}\n}\n}\nhttp://:8080 {\n" + site + "}\n")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		var config caddy.Config
		if err := json.Unmarshal(adapted, &config); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(&config); err != nil {
			t.Fatal(err)
		}
		if n := fetching(); n != 0 {
			t.Fatalf("%d goroutines are left", n)
		}
	}
	if asked.Load() != 0 {
		t.Error("validating fetched the list")
	}
	publishedLists.Range(func(key, _ any) bool {
		t.Errorf("list %v is left", key)
		return true
	})

	c := startCaddy(t, site, "")
	for range 3 {
		if n := fetching(); n != 1 {
			t.Fatalf("%d goroutines follow the list: want 1", n)
		}
		if err := c.load(site); err != nil {
			t.Fatal(err)
		}
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if n := fetching(); n != 0 {
		t.Errorf("%d goroutines are left after the end", n)
	}
}

func TestProviderIPRangeSettings(t *testing.T) {
	t.Setenv("MIRROR", "http://127.0.0.1:1/list")
	for _, test := range []struct {
		name   string
		source ProviderIPRange
		err    string
	}{
		{"defaults", ProviderIPRange{Provider: "stripe"}, ""},
		{"snapshot only", ProviderIPRange{Provider: "github", Interval: -1}, ""},
		{"mirror", ProviderIPRange{Provider: "svix", URL: "{env.MIRROR}", Interval: caddy.Duration(time.Minute)}, ""},
		{"no provider", ProviderIPRange{}, "unknown provider"},
		{"unknown provider", ProviderIPRange{Provider: "strip"}, `unknown provider "strip"`},
		{"none published", ProviderIPRange{Provider: "twilio"}, "provider twilio publishes no addresses"},
		{"custom", ProviderIPRange{Provider: "custom"}, "provider custom publishes no addresses"},
		{"too often", ProviderIPRange{Provider: "stripe", Interval: caddy.Duration(time.Second)}, "want at least 1m0s"},
		{"negative timeout", ProviderIPRange{Provider: "stripe", Timeout: -1}, "timeout is -1ns"},
		{"no URL", ProviderIPRange{Provider: "stripe", URL: "mirror"}, "begins with https:// or http://"},
		{"other scheme", ProviderIPRange{Provider: "stripe", URL: "file:///etc/hosts"}, "begins with https:// or http://"},
		{"unset placeholder", ProviderIPRange{Provider: "stripe", URL: "{env.UNSET_MIRROR}"}, "url"},
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

func TestProviderIPRangeCaddyfile(t *testing.T) {
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
			var s ProviderIPRange
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
