package harness

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
)

// EndpointRoute is the route of an endpoint that is chosen by a header.
func EndpointRoute(name string, x ProviderWebhook, app *Application) map[string]any {
	handler := map[string]any{
		"handler": "webhooks", "provider": name, "name": name, "dedupe_ttl": "24h",
		"forward": []any{map[string]any{"name": "app", "upstreams": []string{app.Address}}},
	}
	for setting, values := range map[string]any{"secrets": x.Secrets, "public_keys": x.PublicKeys, "options": x.Settings} {
		handler[setting] = values
	}
	return map[string]any{
		"match":  []any{map[string]any{"header": map[string][]string{"X-Test-Endpoint": {name}}}},
		"handle": []any{handler},
	}
}

// GitHubSite is a site with one GitHub endpoint at /github.
func GitHubSite(app *Application, more string) string {
	return fmt.Sprintf(`webhooks /github github {
		secret "%s"
		require_https off
		%s
		forward %s {
			name app
			retry { 
				initial 20ms
				max_delay 50ms
			}
		}
	}`, GitHubSecret, more, app.Address)
}

// DeadSite is a site whose application refuses everything for good.
func DeadSite(t *testing.T, dead int) (*Caddy, *Application) {
	t.Helper()
	app := StartApplication(t)
	app.AnswerStatus(410)
	c := Start(t, GitHubSite(app, ""), "")
	for n := range dead {
		CheckAnswer(t, c.Do(c.GitHubRequest("/github", fmt.Sprintf("dead-%02d", n), "{}")), 202, "accepted")
		app.Next(t)
	}
	Eventually(t, "all are dead letters", func() bool {
		var stats api.Stats
		c.AdminCall(http.MethodGet, "/webhooks/stats", "", &stats)
		return len(stats.Destinations) == 1 && stats.Destinations[0].Dead == dead
	})
	return c, app
}

// GuardSite verifies and deduplicates in front of a plain reverse_proxy.
func GuardSite(app *Application, next string) string {
	return fmt.Sprintf(`route /github {
		webhooks github {
			secret "%s"
			require_https off
		}
		%s
	}`, GitHubSecret, strings.ReplaceAll(next, "APP", app.Address))
}

// OnRedis is a running Caddy whose store is that Redis.
func OnRedis(t *testing.T, store, directives string) *Caddy {
	t.Helper()
	c := newOn(t, store, "")
	Begin(t, c, directives)
	return c
}

// Hooked takes the endpoint's matcher, its secret and further lines.
const Hooked = `webhooks %s github {
	secret "%s"
	require_https off
	%s
}`

const ContractSecret = "0123456789abcdef0123456789abcdef"

// HookSite is a GitHub endpoint of that name at that path, with these lines.
func HookSite(name, lines string) string {
	return fmt.Sprintf("webhooks /%[1]s github {\nname %[1]s\nsecret %[2]q\nrequire_https off\n%[3]s\n}\n", name, GitHubSecret, lines)
}

// DestinationSite is a HookSite with a destination named app that has these lines.
func DestinationSite(name, upstream, lines string) string {
	return HookSite(name, fmt.Sprintf("forward %s {\nname app\n%s\n}", upstream, lines))
}

// AnswersSite is a HookSite whose destination answers by itself.
func AnswersSite(name, respond string) string {
	return DestinationSite(name, "", "handle {\nrespond "+respond+"\n}")
}

// HandledSite is a GitHub endpoint that delivers through these directives.
func HandledSite(lines, handle string) string {
	return fmt.Sprintf("webhooks /github github {\nsecret \"%s\"\nrequire_https off\nforward {\nname app\n%s\nhandle {\n%s\n}\n}\n}",
		GitHubSecret, lines, handle)
}

// Filled returns a template in which value stands for every marker. It panics if there is no marker: a test would try
// something else than it says.
func Filled(template, marker, value string) string {
	if !strings.Contains(template, marker) {
		panic(fmt.Sprintf("harness: there is no %s in the template:\n%s", marker, template))
	}
	return strings.ReplaceAll(template, marker, value)
}

// Edited returns a config in which now has replaced was. It panics unless was stands there exactly once: a
// test would go on with the config that it had.
func Edited(config, was, now string) string {
	if n := strings.Count(config, was); n != 1 {
		panic(fmt.Sprintf("harness: %q stands %d times in the config, want once:\n%s", was, n, config))
	}
	return strings.Replace(config, was, now, 1)
}
