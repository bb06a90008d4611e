package runbook

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/caddywebhooks/caddy-webhooks/internal/e2e/operator"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

type alertRules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			Annotations map[string]string
		}
	}
}

func readAlerts(t *testing.T) alertRules {
	t.Helper()
	text, err := os.ReadFile("examples/monitoring/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	var rules alertRules
	if err := yaml.Unmarshal(text, &rules); err != nil {
		t.Fatal(err)
	}
	return rules
}

// dashboardQueries returns the queries of all panels, with Grafana's variables filled in.
func dashboardQueries(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("examples/monitoring/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			ID      int
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "5m", "$provider", ".*", "$endpoint", ".*")
	var queries []string
	for _, panel := range dashboard.Panels {
		if !slices.Contains([]string{"row", "stat", "timeseries", "state-timeline"}, panel.Type) {
			t.Errorf("panel %d is of type %s, which Grafana has not, or not any more", panel.ID, panel.Type)
		}
		for _, target := range panel.Targets {
			queries = append(queries, fill.Replace(target.Expr))
		}
	}
	if len(queries) < 20 {
		t.Fatalf("the dashboard has only %d queries", len(queries))
	}
	return queries
}

// incident is a Caddy to which everything happened that an alert is for, but
// for a store that is down. It returns the metrics from before and after.
func incident(t *testing.T) (before, after map[string]float64) {
	t.Helper()
	app := harness.StartApplication(t)
	site := func(name, more, forward string) string {
		return fmt.Sprintf(`webhooks /%[1]s github {
			name %[1]s
			secret new "%[2]s"
			require_https off
			%[3]s
			forward %[4]s {
				name app
				%[5]s
			}
		}
		`, name, harness.GitHubSecret, more, app.Address, forward)
	}
	c := harness.Start(t, site("shop", "rate_limit provider 200 1/h", "breaker 5 1h\nretry {\ninitial 1h\n}")+
		site("dead", "", "breaker off\nretry {\nmax_attempts 1\n}")+
		site("typo", "", "events pull_request.opened")+
		site("full", "max_body 10B", "breaker off\nretry {\ninitial 1h\n}"), "")
	send := func(path string, n int, body string) {
		for i := range n {
			c.Do(c.GitHubRequest(path, fmt.Sprint(path, i), body))
		}
	}
	forged := func() {
		r := c.GitHubRequest("/shop", "forged", "{}")
		r.Header.Set("X-Hub-Signature-256", harness.GitHubSignature("[]"))
		c.Do(r)
	}
	// Every series is there before the incident.
	send("/shop", 1, "{}")
	send("/dead", 1, "{}")
	send("/typo", 1, "{}")
	send("/full", 1, "{}")
	send("/full", 1, "too large a body")
	forged()
	for range 3 {
		app.Next(t)
	}
	harness.Eventually(t, "all is delivered", func() bool { return c.OpenDeliveries() == 0 })
	before = c.Metrics()

	go func() {
		for range app.Got { // nobody counts what arrives
		}
	}()
	app.AnswerStatus(500)
	send("/shop", 300, "{}")
	send("/dead", 5, "{}")
	send("/typo", 5, "{}")
	send("/full", 50, "too large a body")
	limit := process.Bodies.Usage().Limit
	process.Bodies.Resize(0) // as if strangers held it all
	send("/full", 20, "{}")
	process.Bodies.Resize(limit)
	for range 60 {
		forged()
	}
	harness.Eventually(t, "the breaker opens and all attempts are settled", func() bool {
		after = c.Metrics()
		return after[`webhook_breaker_state{destination="app",endpoint="shop"}`] == 2 && after[`webhook_queue_size{queue_type="in_flight"}`] == 0 &&
			after[`webhook_dlq_size`] > 0
	})
	return before, after
}

var metricName = regexp.MustCompile(`webhook_[a-z_]+`)

// TestMonitoring checks rules and dashboard against a real run: every metric
// that they name is there, Prometheus takes every query, what happened is
// alerted of, and nothing is while nothing happened.
func TestMonitoring(t *testing.T) {
	rules := readAlerts(t)
	before, after := incident(t)
	known := make(map[string]bool)
	for series := range after {
		name, _, _ := strings.Cut(series, "{")
		known[name] = true
	}
	// These come into being at the first failure of a kind that this run has not.
	for _, name := range []string{"webhook_store_errors_total", "webhook_rate_limiter_errors_total", "webhook_panics_total"} {
		known[name] = true
	}

	type recording struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var recordings []recording
	queries := dashboardQueries(t)
	for i, query := range queries {
		recordings = append(recordings, recording{fmt.Sprintf("panel:%d", i), query})
	}
	var alerts []string
	for _, rule := range rules.Groups[0].Rules {
		queries, alerts = append(queries, rule.Expr), append(alerts, rule.Alert)
	}
	for _, query := range queries {
		for _, name := range metricName.FindAllString(query, -1) {
			if !known[name] {
				t.Errorf("no running Caddy has %s, which is in: %s", name, query)
			}
		}
	}

	dir := t.TempDir()
	write := func(name string, content any) string {
		text, err := yaml.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	operator.Promtool(t, "check", "rules", "examples/monitoring/alerts.yml",
		write("dashboard.yml", map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": recordings}}}))

	absolute, err := filepath.Abs("examples/monitoring/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	for series := range after { // of tests before this one
		if strings.HasPrefix(series, "webhook_panics_total") {
			delete(after, series)
			delete(before, series)
		}
	}
	// The troubles of the store, and panics, are the one thing that is made up here.
	failing := map[string]string{
		`webhook_store_up{}`: "0+0x60", `webhook_store_errors_total{op="accept",reason="unavailable"}`: "0+60x60",
		`webhook_rate_limiter_errors_total{provider="github"}`: "0+60x60", `webhook_stored_bytes{endpoint="full"}`: "9e9+0x60",
		`webhook_store_refusing{}`: "1+0x60", `webhook_store_replaced_total{}`: "1+0x60", `webhook_store_left_behind{}`: "3+0x60",
		`webhook_store_damaged_total{}`: "0+0x30 2+0x30", `webhook_panics_total{place="file store: writer"}`: "_x30 1+0x30",
	}
	quiet := map[string]string{`webhook_store_up{}`: "1+0x60"}
	operator.Promtool(t, "test", "rules", write("test.yml", map[string]any{
		"rule_files":          []string{absolute},
		"evaluation_interval": "1m",
		"tests": []any{
			ruleTest("nothing happens", "55m", project(before, before, quiet), alerts, nil),
			ruleTest("the store was damaged, and something panicked, long ago", "110m", map[string]string{
				`webhook_store_damaged_total{}`: "2+0x120", `webhook_panics_total{place="file store: writer"}`: "1+0x120",
			}, alerts, nil),
			ruleTest("everything happens", "55m", project(before, after, failing), alerts, slices.DeleteFunc(slices.Clone(alerts), func(name string) bool {
				return name == "WebhookLatencyHigh" || name == "WebhookQueueNearlyFull" || name == "WebhookOldSecretInUse"
			})),
		},
	}))
}

// project goes on for an hour with what happened: counters grow by as much in
// each minute, gauges stay, and what waits gets older and more.
func project(before, after map[string]float64, instead map[string]string) map[string]string {
	series := maps.Clone(instead)
	for name, value := range after {
		bare, labels, _ := strings.Cut(name, "{")
		key := bare + "{" + strings.TrimSuffix(labels, "}") + "}"
		if _, given := instead[key]; given || bare == "webhook_store_up" {
			continue
		}
		start, step := value, 0.0
		switch {
		case bare == "webhook_oldest_pending_seconds" && value > 0:
			step = 60
		case bare == "webhook_retry_queue_size" && value > 0:
			step = 10
		case strings.HasSuffix(bare, "_total") || strings.HasSuffix(bare, "_bucket") || strings.HasSuffix(bare, "_count") || strings.HasSuffix(bare, "_sum"):
			start, step = before[name], value-before[name]
		}
		series[key] = fmt.Sprintf("%g+%gx60", start, step)
	}
	return series
}

// ruleTest is a test for promtool in which, at that time, the alerts in firing fire, and no other.
func ruleTest(name, at string, series map[string]string, alerts, firing []string) map[string]any {
	type input struct {
		Series string `yaml:"series"`
		Values string `yaml:"values"`
	}
	var inputs []input
	for _, s := range slices.Sorted(maps.Keys(series)) {
		inputs = append(inputs, input{s, series[s]})
	}
	// promtool compares labels and texts of alerts, so whether one fires is asked as a query.
	var asked []map[string]any
	for _, alert := range alerts {
		samples := []map[string]any{}
		if slices.Contains(firing, alert) {
			samples = append(samples, map[string]any{"labels": "{}", "value": 1})
		}
		asked = append(asked, map[string]any{
			"expr":      fmt.Sprintf(`count(ALERTS{alertname=%q,alertstate="firing"}) > bool 0`, alert),
			"eval_time": at, "exp_samples": samples,
		})
	}
	return map[string]any{"name": name, "interval": "1m", "input_series": inputs, "promql_expr_test": asked}
}

// TestDashboardShowsEverything: each metric that is documented is in a panel, but for
// those that others say as well.
func TestDashboardShowsEverything(t *testing.T) {
	text, err := os.ReadFile("docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	queries := strings.Join(dashboardQueries(t), "\n")
	shown := func(name string) bool { return regexp.MustCompile(name + `(_bucket)?\b`).MatchString(queries) }
	said := []string{"webhook_queue_size", "webhook_dlq_size", "webhook_max_pending"} // by those of each destination
	for line := range strings.Lines(string(text)) {
		cell, _, _ := strings.Cut(strings.TrimPrefix(line, "|"), "|")
		if !strings.HasPrefix(line, "| `webhook_") {
			continue
		}
		for _, name := range metricName.FindAllString(cell, -1) {
			if !shown(name) && !slices.Contains(said, name) {
				t.Errorf("no panel shows %s", name)
			}
		}
	}
}
