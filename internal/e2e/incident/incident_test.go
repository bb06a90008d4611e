package incident

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/e2e/operator"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
)

// watcher is a real Prometheus that watches a Caddy, with our alert rules.
type watcher struct {
	*testing.T
	url    string
	panels map[string][]string // the dashboard's queries by the titles of their panels
}

func startPrometheus(t *testing.T, c *harness.Caddy) *watcher {
	t.Helper()
	binary := operator.Prometheus(t, "prometheus")
	rules, err := filepath.Abs("examples/monitoring/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	config := operator.WriteYAML(t, map[string]any{
		"global":     map[string]any{"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
		"rule_files": []string{rules},
		"scrape_configs": []any{map[string]any{
			"job_name": "caddy", "static_configs": []any{map[string]any{"targets": []string{c.AdminAddress()}}},
		}},
	})
	address := "127.0.0.1:" + harness.FreePort(t)
	process := exec.CommandContext(t.Context(), binary, "--config.file="+config, "--storage.tsdb.path="+t.TempDir(),
		"--web.listen-address="+address, "--log.level=error")
	process.Stderr = os.Stderr
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Wait() }) // it ends with the test's context, which ends before
	p := &watcher{T: t, url: "http://" + address, panels: dashboardPanels(t)}
	harness.Eventually(t, "Prometheus has seen Caddy", func() bool { return p.ask("webhook_store_up")["{}"] == 1 })
	return p
}

// get asks Prometheus' API; false if it does not answer yet.
func (p *watcher) get(path string, result any) bool {
	p.Helper()
	response, err := http.Get(p.url + path)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode == http.StatusServiceUnavailable {
		return false
	}
	answer := struct{ Data any }{result}
	if err := json.Unmarshal(text, &answer); err != nil || response.StatusCode != http.StatusOK {
		p.Fatalf("%s was answered %d %s", path, response.StatusCode, text)
	}
	return true
}

// ask returns the values of a query by their labels, of which endpoint, provider and reason count.
func (p *watcher) ask(query string) map[string]float64 {
	p.Helper()
	var found struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	p.get("/api/v1/query?query="+url.QueryEscape(query), &found)
	values := make(map[string]float64)
	for _, one := range found.Result {
		var labels []string
		for _, name := range []string{"endpoint", "provider", "reason"} {
			if value, ok := one.Metric[name]; ok {
				labels = append(labels, name+"="+value)
			}
		}
		values["{"+strings.Join(labels, ",")+"}"], _ = strconv.ParseFloat(fmt.Sprint(one.Value[1]), 64)
	}
	return values
}

// panel returns what a panel of the dashboard shows.
func (p *watcher) panel(title string) map[string]float64 {
	p.Helper()
	if len(p.panels[title]) == 0 {
		p.Fatalf("the dashboard has no panel %q", title)
	}
	shown := make(map[string]float64)
	for _, query := range p.panels[title] {
		maps.Copy(shown, p.ask(query))
	}
	return shown
}

// dashboardPanels fills in what Grafana would for this Prometheus, which scrapes each second.
func dashboardPanels(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("examples/monitoring/grafana-dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	fill := strings.NewReplacer("$__rate_interval", "4s", "$provider", ".*", "$endpoint", ".*")
	panels := make(map[string][]string)
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			panels[panel.Title] = append(panels[panel.Title], fill.Replace(target.Expr))
		}
	}
	return panels
}

// alert is one that fires, or will if it stays so.
type alert struct{ name, chapter, endpoint string }

func (p *watcher) alerts() []alert {
	p.Helper()
	var found struct {
		Alerts []struct{ Labels, Annotations map[string]string }
	}
	p.get("/api/v1/alerts", &found)
	var alerts []alert
	for _, one := range found.Alerts {
		_, chapter, _ := strings.Cut(one.Annotations["runbook"], "#")
		alerts = append(alerts, alert{one.Labels["alertname"], chapter, one.Labels["endpoint"]})
	}
	slices.SortFunc(alerts, func(a, b alert) int { return strings.Compare(a.name, b.name) })
	return alerts
}

// outage is an application that can be down: nobody listens then.
type outage struct {
	*harness.Application
	t      *testing.T
	server *httptest.Server
}

func (a *outage) ends() {
	a.t.Helper()
	listener, err := net.Listen("tcp", a.Address)
	if err != nil {
		a.t.Fatal(err)
	}
	a.server = httptest.NewUnstartedServer(a.Application)
	_ = a.server.Listener.Close()
	a.server.Listener = listener
	a.server.Start()
	a.t.Cleanup(a.server.Close)
}

const newSecret = "Nobody knows it yet, and so it is good"

// incidentScript is a bad day: everything at once, and somebody who has only the
// command line, the dashboard, the alerts and the runbook.
type incidentScript struct {
	*operator.Operator
	prometheus *watcher
	chapters   map[string]operator.Chapter
	orders     *outage
	billing    *harness.Application
	repaired   chan struct{} // closed: billing understands what it did not
	acked      map[string]bool
}

// TestIncident has an application that is down for a while, two events that another one
// cannot digest, and a provider whose secret is another one, all at the same time. They are
// found and repaired with the alerts, the dashboard's queries, the command line
// and the runbook; at the end every event has arrived.
func TestIncident(t *testing.T) {
	s := newIncident(t)
	s.before()
	s.happens()
	for _, seen := range s.isSeen() {
		t.Logf("%s %s: see %s", seen.name, seen.endpoint, seen.chapter)
		step := s.turnsTo(seen)
		switch seen.name {
		case "WebhookBreakerOpen":
			s.repairsOutage(step)
		case "WebhookDeadLetters":
			s.repairsPoison(step)
		case "WebhookSignatureFailures":
			s.repairsSecret(step)
		}
		if left := len(step.Chapter.Blocks) - step.Typed; left > 0 {
			t.Errorf("%s: %d blocks of commands were not typed", seen.chapter, left)
		}
	}
	s.isOver()
}

func newIncident(t *testing.T) *incidentScript {
	s := &incidentScript{Operator: operator.New(t, operator.Chapter{}, operator.CaddyInPath(t)), billing: harness.StartApplication(t), repaired: make(chan struct{}),
		chapters: make(map[string]operator.Chapter), acked: make(map[string]bool)}
	chapters, _ := operator.ReadRunbook(t)
	for _, c := range chapters {
		s.chapters[c.Anchor] = c
	}
	s.orders = &outage{Application: &harness.Application{Address: "127.0.0.1:" + harness.FreePort(t), Got: make(chan *harness.Received, 1000)}, t: t}
	s.orders.ends()
	s.billing.AnswerWith(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("Webhook-Event-Id")
		select {
		case <-s.repaired:
			if id == "nonsense" {
				w.WriteHeader(422)
			}
		default:
			if id == "poison" || id == "nonsense" {
				w.WriteHeader(500)
			}
		}
	})
	safe.Forget() // those of tests before this one would be alerts
	s.Starts(harness.Start(t, s.site(strconv.Quote(harness.GitHubSecret)), ""), "")
	s.prometheus = startPrometheus(t, s.Caddy)
	return s
}

// site is the Caddyfile, with these secrets of the endpoint ci.
func (s *incidentScript) site(ciSecrets string) string {
	return harness.DestinationSite("orders", s.orders.Address, "breaker 5 5s 1\nretry linear {\ninitial 10ms\nmax_delay 100ms\nmax_attempts 1000\n}") +
		harness.DestinationSite("billing", s.billing.Address, "breaker off\nretry linear {\ninitial 10ms\nmax_attempts 3\n}") +
		harness.Edited(harness.AnswersSite("ci", "200"), strconv.Quote(harness.GitHubSecret), ciSecrets)
}

// signedWith signs as GitHub does.
func signedWith(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// comesIn sends a webhook, signed with the secret that the provider has now.
func (s *incidentScript) comesIn(endpoint, id, secret string, code int) {
	s.Helper()
	r := s.Caddy.GitHubRequest("/"+endpoint, id, "{}")
	r.Header.Set("X-Hub-Signature-256", signedWith(secret, "{}"))
	got := s.Caddy.Do(r)
	if got.Code != code {
		s.Errorf("%s %s was answered %d %s: want %d", endpoint, id, got.Code, got.Body, code)
	}
	if got.Code == 202 && endpoint != "ci" { // whose destination is part of Caddy
		s.acked[id] = true
	}
}

func (s *incidentScript) before() {
	for _, endpoint := range []string{"orders", "billing", "ci"} {
		s.comesIn(endpoint, endpoint+"-before", harness.GitHubSecret, 202)
	}
	harness.Eventually(s.T, "Prometheus has seen them", func() bool { return s.prometheus.ask("webhook_event_keys")["{}"] == 3 })
	if alerts := s.prometheus.alerts(); len(alerts) > 0 {
		s.Fatalf("before: %v", alerts)
	}
}

func (s *incidentScript) happens() {
	s.orders.server.Close()
	s.comesIn("ci", "refused-0", newSecret, 401) // so that the counter is there before it counts
	harness.Eventually(s.T, "the first refusal is seen", func() bool { return len(s.prometheus.ask("webhook_signature_failures_total")) > 0 })
	for n := range 20 {
		s.comesIn("orders", fmt.Sprint("order-", n), harness.GitHubSecret, 202)
		s.comesIn("billing", fmt.Sprint("bill-", n), harness.GitHubSecret, 202)
	}
	s.comesIn("billing", "poison", harness.GitHubSecret, 202)
	s.comesIn("billing", "nonsense", harness.GitHubSecret, 202)
	for n := range 60 {
		s.comesIn("ci", fmt.Sprint("refused-", n), newSecret, 401)
	}
}

// isSeen waits for the alerts, and for the dashboard to tell the same.
func (s *incidentScript) isSeen() (alerts []alert) {
	want := []alert{
		{"WebhookBreakerOpen", "a-breaker-is-open", "orders"}, {"WebhookDeadLetters", "dead-letters", "billing"},
		{"WebhookSignatureFailures", "signatures-fail", ""},
	}
	harness.Eventually(s.T, "the three alerts", func() bool {
		alerts = s.prometheus.alerts()
		return slices.Equal(alerts, want)
	})
	p := s.prometheus
	for _, x := range []struct {
		panel, labels string
		want          float64
	}{
		{"Store", "{}", 1}, {"Breakers", "{endpoint=orders}", 2}, {"Breakers", "{endpoint=ci}", 0}, {"Dead letters", "{endpoint=billing}", 2},
	} {
		harness.Eventually(s.T, fmt.Sprintf("the panel %s shows %v for %s", x.panel, x.want, x.labels), func() bool {
			got, there := p.panel(x.panel)[x.labels]
			return there && got == x.want
		})
	}
	return alerts
}

// turnsTo opens the runbook where the alert says.
func (s *incidentScript) turnsTo(seen alert) *operator.Operator {
	step := *s.Operator
	step.Chapter, step.Fill = s.chapters[seen.chapter], maps.Clone(s.Fill)
	step.Fill["endpoint"] = seen.endpoint
	return &step
}

// finds types a command that is in nobody's runbook but everybody's fingers.
func finds(o *operator.Operator, pattern, command string) string {
	o.Helper()
	out, _ := o.Bash(command)
	match := regexp.MustCompile(pattern).FindStringSubmatch(out)
	if match == nil {
		o.Fatalf("%s: nothing like %s in\n%s", command, pattern, out)
	}
	return match[1]
}

func (s *incidentScript) repairsOutage(step *operator.Operator) {
	step.Types()
	step.Types()
	s.orders.ends()
	harness.Eventually(s.T, "the breaker closes", func() bool { return s.prometheus.panel("Breakers")["{endpoint=orders}"] == 0 })
	step.Stands(0, 0)
	step.Types()
}

func (s *incidentScript) repairsPoison(step *operator.Operator) {
	const firstID = `(?m)^([0-9a-v]{26}) +dead`
	step.Fill["id"] = finds(step, firstID, "caddy webhooks list --state dead --event-id poison")
	step.Fill["poison id"] = finds(step, firstID, "caddy webhooks list --state dead --event-id nonsense")
	step.Types()
	close(s.repaired)
	step.Types()
	step.Stands(0, 1)
	step.Types()
	step.Types()
	delete(s.acked, "nonsense") // deleted, knowingly
}

func (s *incidentScript) repairsSecret(step *operator.Operator) {
	step.Fill["endpoint"] = finds(step, `(\w+), traffic: .*invalid_signature`, "caddy webhooks doctor")
	step.Fill["wrong secret"], step.Fill["secret"] = harness.GitHubSecret, newSecret
	step.Writes("body", "{}")
	step.Fill["header"] = "X-Hub-Signature-256: " + signedWith(newSecret, "{}")
	step.Types()
	step.Types()
	step.Edits(s.site(fmt.Sprintf("%q %q", newSecret, harness.GitHubSecret)))
	step.Types()
	for n := range 60 { // the provider sends again what was refused
		s.comesIn("ci", fmt.Sprint("refused-", n), newSecret, 202)
	}
	step.Types()
}
