package routes

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

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/ipsource"
)

// accessSite has one GitHub endpoint for each name, with the lines that it maps to.
func accessSite(app *harness.Application, lines map[string]string) string {
	var b strings.Builder
	for name, line := range lines {
		fmt.Fprintf(&b, `webhooks /%[1]s github {
			name %[1]s
			secret "%[2]s"
			require_https off
			%[3]s
			forward %[4]s {
				name app
			}
		}
		`, name, harness.GitHubSecret, line, app.Address)
	}
	return b.String()
}

// withoutFetching leaves GitHub's snapshot in use, however long the test takes.
func withoutFetching(t *testing.T) {
	t.Helper()
	unpin, err := ipsource.Pin("github")
	if err != nil {
		t.Fatalf("an earlier test left its list: %v", err)
	}
	t.Cleanup(func() {
		if err := unpin(); err != nil {
			t.Error(err)
		}
	})
}

// accessTest is one webhook, as a client sends it.
type accessTest struct {
	name      string
	endpoint  string
	forwarded []string // X-Forwarded-For, one header each
	word      string   // the answer
}

func checkAccess(c *harness.Caddy, t *testing.T, tests []accessTest) {
	t.Helper()
	for i, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := c.GitHubRequest("/"+test.endpoint, fmt.Sprintf("%s-%d", t.Name(), i), "{}")
			for _, value := range test.forwarded {
				r.Header.Add("X-Forwarded-For", value)
			}
			code := http.StatusForbidden
			if test.word == "accepted" {
				code = http.StatusAccepted
			}
			harness.CheckAnswer(t, c.Do(r), code, test.word)
		})
	}
}

// TestAccessOfPeers: without trusted proxies only the peer's address counts,
// whatever it says of itself.
func TestAccessOfPeers(t *testing.T) {
	withoutFetching(t)
	app := harness.StartApplication(t)
	c := harness.Start(t, accessSite(app, map[string]string{
		"blocked":        "block_ips 127.0.0.0/8",
		"blocked-others": "block_ips 203.0.113.0/24 2001:db8::/32",
		"allowed":        "allow_ips 127.0.0.1",
		"allowed-mapped": "allow_ips ::ffff:127.0.0.0/104",
		"allowed-others": "allow_ips 203.0.113.0/24",
		"both":           "allow_ips 127.0.0.1\nblock_ips 127.0.0.0/8",
		"static":         "allow_ips static 127.0.0.0/8",
		"static-others":  "allow_ips static 203.0.113.0/24",
		"several":        "allow_ips 203.0.113.0/24 provider\nallow_ips static private_ranges 127.0.0.0/8",
		"provider":       "allow_ips provider",
	}), "")
	inside, outside := []string{"203.0.113.9"}, []string{"198.51.100.9"}
	checkAccess(c, t, []accessTest{
		{"blocked", "blocked", nil, "ip_blocked"},
		{"others are blocked", "blocked-others", nil, "accepted"},
		{"allowed", "allowed", nil, "accepted"},
		{"allowed as IPv4-mapped IPv6", "allowed-mapped", nil, "accepted"},
		{"others are allowed", "allowed-others", nil, "ip_not_allowed"},
		{"blocked wins over allowed", "both", nil, "ip_blocked"},
		{"allowed by a module", "static", nil, "accepted"},
		{"others are allowed by a module", "static-others", nil, "ip_not_allowed"},
		{"one of several lists", "several", nil, "accepted"},
		{"not the provider", "provider", nil, "ip_not_allowed"},

		{"spoofed out of the blocked", "blocked", outside, "ip_blocked"},
		{"spoofed into the blocked", "blocked-others", inside, "accepted"},
		{"spoofed into the allowed", "allowed-others", inside, "ip_not_allowed"},
		{"spoofed out of the allowed", "allowed", outside, "accepted"},
		{"spoofed into the provider", "provider", []string{"140.82.112.9"}, "ip_not_allowed"},
		{"spoofed into a module", "static-others", inside, "ip_not_allowed"},
	})

	t.Run("before all else", func(t *testing.T) {
		r := c.GitHubRequest("/blocked", "unsigned", "{}")
		r.Method = http.MethodPut
		r.Header.Del("X-Hub-Signature-256")
		got := c.Do(r)
		harness.CheckAnswer(t, got, http.StatusForbidden, "ip_blocked")
		if got.JSON(t)["message"] != "this address is blocked" || got.JSON(t)["correlation_id"] == "" {
			t.Errorf("answered %s", got.Body)
		}
		for _, secret := range []string{"127.0.0", "block_ips"} {
			if strings.Contains(got.Body, secret) {
				t.Errorf("the answer tells %q: %s", secret, got.Body)
			}
		}
	})
}

// TestAccessBehindProxy: a proxy that the server trusts says who the client is.
func TestAccessBehindProxy(t *testing.T) {
	withoutFetching(t)
	app := harness.StartApplication(t)
	lines := map[string]string{
		"provider": "allow_ips provider",
		"blocked":  "block_ips 203.0.113.0/24 2001:db8::/32",
		"both":     "allow_ips provider\nblock_ips 140.82.112.0/24",
	}
	const github, stranger = "140.82.113.9", "203.0.113.9"
	c := harness.Start(t, accessSite(app, lines), "servers {\ntrusted_proxies static 127.0.0.1/32\n}")
	checkAccess(c, t, []accessTest{
		{"provider", "provider", []string{github}, "accepted"},
		{"provider, newest range", "provider", []string{"9.234.106.63"}, "accepted"},
		{"next to a range", "provider", []string{"9.234.106.64"}, "ip_not_allowed"},
		{"provider by IPv6", "provider", []string{"2a0a:a447::1"}, "accepted"},
		{"provider by IPv4-mapped IPv6", "provider", []string{"::ffff:" + github}, "accepted"},
		{"provider with a port", "provider", []string{github + ":443"}, "accepted"},
		{"stranger", "provider", []string{stranger}, "ip_not_allowed"},
		{"stranger by IPv4-mapped IPv6", "provider", []string{"::ffff:" + stranger}, "ip_not_allowed"},
		{"the proxy itself", "provider", nil, "ip_not_allowed"},
		{"nonsense", "provider", []string{"unknown"}, "ip_not_allowed"},
		{"blocked", "blocked", []string{"203.0.113.0"}, "ip_blocked"},
		{"blocked by IPv4-mapped IPv6", "blocked", []string{"::ffff:203.0.113.255"}, "ip_blocked"},
		{"blocked by IPv6", "blocked", []string{"2001:db8::1"}, "ip_blocked"},
		{"not blocked", "blocked", []string{github}, "accepted"},
		{"blocked wins over the provider", "both", []string{"140.82.112.9"}, "ip_blocked"},
		{"the provider's other addresses", "both", []string{github}, "accepted"},
		// Caddy's default: the left-most address, which the client may have made up.
		{"left-most", "provider", []string{github + ", " + stranger}, "accepted"},
	})
}

// TestAccessStrict: with trusted_proxies_strict the right-most address that is
// no trusted proxy counts, which a client cannot make up.
func TestAccessStrict(t *testing.T) {
	withoutFetching(t)
	app := harness.StartApplication(t)
	const github, stranger = "140.82.113.9", "203.0.113.9"
	c := harness.Start(t, accessSite(app, map[string]string{"provider": "allow_ips provider"}),
		"servers {\ntrusted_proxies static 127.0.0.1/32 192.0.2.0/24\ntrusted_proxies_strict\n}")
	checkAccess(c, t, []accessTest{
		{"made up by a stranger", "provider", []string{github + ", " + stranger}, "ip_not_allowed"},
		{"made up in a header of its own", "provider", []string{github, stranger}, "ip_not_allowed"},
		{"provider", "provider", []string{stranger + ", " + github}, "accepted"},
		{"provider through two proxies", "provider", []string{stranger + ", " + github + ", 192.0.2.7"}, "accepted"},
	})
}

// TestAccessRefreshed: an endpoint follows the provider's list, and a reload of
// the config does not forget it.
func TestAccessRefreshed(t *testing.T) {
	mirror := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"hooks":["203.0.113.0/24"]}`)
	}))
	t.Cleanup(mirror.Close)
	app := harness.StartApplication(t)
	site := func(more string) string {
		return accessSite(app, map[string]string{"mirror": fmt.Sprintf(`allow_ips webhook_provider github {
			interval 1h
			url %s
			timeout 5s
		}
		%s`, mirror.URL, more)})
	}
	const old, new = "140.82.113.9", "203.0.113.9"
	c := harness.Start(t, site("max_body 1KiB"), "servers {\ntrusted_proxies static 127.0.0.1/32\n}")
	sent := 0
	send := func(client string) string {
		sent++
		r := c.GitHubRequest("/mirror", fmt.Sprintf("event-%d", sent), "{}")
		r.Header.Set("X-Forwarded-For", client)
		return c.Do(r).Header.Get("Webhook-Status")
	}
	if got := send(old); got != "accepted" {
		t.Fatalf("before the first fetch: %s", got)
	}
	harness.Eventually(t, "the list is fetched", func() bool { return send(new) != "ip_not_allowed" })
	if got := send(old); got != "ip_not_allowed" {
		t.Errorf("the snapshot is still in use: %s", got)
	}
	for range 3 {
		if err := c.Load(site("block_ips 198.51.100.1")); err != nil {
			t.Fatal(err)
		}
		if got := send(new); got != "accepted" {
			t.Errorf("after a reload: %s", got)
		}
		if err := c.Load(site("max_body 2KiB")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAccessErrors checks that mistakes in the lines are refused, naming the line.
func TestAccessErrors(t *testing.T) {
	for _, test := range []struct{ provider, line, want string }{
		{"github", "block_ips", "block_ips wants one or more values"},
		{"github", "block_ips 10.0.0.0/8 10.0.0", `block_ips: "10.0.0" is neither an address nor a CIDR`},
		{"github", "block_ips provider", `"provider" is neither an address nor a CIDR`},
		{"github", "allow_ips", "allow_ips wants addresses, `provider`, or the name of an IP source module"},
		{"github", "allow_ips 10.0.0.0/33", `"10.0.0.0/33" is not an address or an address range`},
		{"github", "allow_ips fe80::1%eth0", `"fe80::1%eth0" is not an address or an address range`},
		{"github", "allow_ips provider 10.0.0", `"10.0.0" is not an address or an address range`},
		{"github", "allow_ips 10.0.0.1 static 10.0.0.2", "a module goes on a line of its own"},
		{"github", "allow_ips webhook_provider", "webhook_provider wants one value"},
		{"github", "allow_ips webhook_provider github {\ninterval 1s\n}", `interval is "1s"`},
		{"twilio", "allow_ips provider", "allow_ips provider: provider twilio publishes no addresses"},
		{"slack", "allow_ips 10.0.0.1 provider", "name addresses, CIDRs or an IP source module instead"},
		{"custom", "allow_ips provider", "provider custom publishes no addresses"},
	} {
		t.Run(test.line, func(t *testing.T) {
			_, err := harness.Adapt("example.com {\nwebhooks /hook " + test.provider + " {\n" + test.line + "\nforward app:3000\n}\n}")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v: want one with %q", err, test.want)
			}
			if !strings.Contains(err.Error(), "Caddyfile:") {
				t.Errorf("error names no line: %v", err)
			}
		})
	}
}

// fetching counts the goroutines that follow lists.
func fetching() int {
	stacks := make([]byte, 1<<20)
	return bytes.Count(stacks[:runtime.Stack(stacks, true)], []byte("ipsource.(*listFetcher).run("))
}

// TestAccessFollowsLists: `caddy validate` leaves no goroutine and asks
// nobody; a running config follows the list until it is stopped.
func TestAccessFollowsLists(t *testing.T) {
	var asked atomic.Int32
	mirror := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(mirror.Close)
	app := harness.StartApplication(t)
	site := accessSite(app, map[string]string{"mirror": "allow_ips webhook_provider stripe {\nurl " + mirror.URL + "\n}"})

	adapted, err := harness.Adapt("{\nadmin off\nlog {\noutput discard\n}\nservers {\ntrusted_proxies webhook_provider svix {\nurl " +
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

	c := harness.Start(t, site, "")
	for range 3 {
		if n := fetching(); n != 1 {
			t.Fatalf("%d goroutines follow the list: want 1", n)
		}
		if err := c.Load(site); err != nil {
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
