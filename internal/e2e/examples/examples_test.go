package examples

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/credentials"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// exampleRuns do with each example what the comment on top of it says.
var exampleRuns = map[string]func(*testing.T){
	"quickstart":    runQuickstart,
	"guard":         runGuard,
	"routing":       runRouting,
	"slack":         runSlack,
	"load-balancer": runLoadBalancer,
	"php":           runPHP,
	"redis":         runRedis,
	"sentinel":      runSentinel,
	"cluster":       runCluster,
}

// TestExamples adapts, provisions and runs every example.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("examples/*/Caddyfile")
	if err != nil || len(files) != len(exampleRuns) {
		t.Fatalf("%d examples, %v: want %d", len(files), err, len(exampleRuns))
	}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		t.Run(name, func(t *testing.T) {
			if exampleRuns[name] == nil {
				t.Fatal("nothing runs it")
			}
			exampleRuns[name](t)
		})
	}
}

// example is an example at work.
type example struct {
	*harness.Caddy
	address string
}

// startExample loads an example as it is, with ports and files of the test's own.
func startExample(t *testing.T, name string, env ...string) *example {
	t.Helper()
	before := process.Limits // outlive configs, and so would outlive this test
	process.Limits = limiter.NewLocal(limiter.LocalOptions{})
	t.Cleanup(func() { process.Limits = before })
	port, adminPort := harness.FreePort(t), harness.FreePort(t)
	env = append(env, "PORT="+port, "ADMIN_PORT="+adminPort, "STORE="+filepath.Join(t.TempDir(), "store.db"))
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		t.Setenv(name, value)
	}
	file := filepath.Join("examples", name, "Caddyfile")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "# ") {
		t.Error("it does not say what it is for")
	}
	raw, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": file})
	if err != nil {
		t.Fatal(err)
	}
	for _, warning := range warnings { // such as bad formatting
		t.Error(warning)
	}
	quiet := make(map[string]any)
	if err := json.Unmarshal(raw, &quiet); err != nil {
		t.Fatal(err)
	}
	quiet["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{"writer": map[string]any{"output": "discard"}}}}
	quiet["admin"].(map[string]any)["config"] = map[string]any{"persist": false}
	if raw, err = json.Marshal(quiet); err != nil {
		t.Fatal(err)
	}
	var config caddy.Config
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Validate(&config); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(raw, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
		process.Draining.Wait()
	})
	c := &harness.Caddy{T: t, Site: "http://localhost:" + port, Admin: "http://localhost:" + adminPort}
	checkExampleSecrets(c)
	return &example{c, "localhost:" + port}
}

// checkExampleSecrets: those of an example have the form of the provider's, so that
// no warning greets who tries it out; and the doctor takes none of them for a real one.
func checkExampleSecrets(c *harness.Caddy) {
	c.T.Helper()
	var config any
	c.AdminCall(http.MethodGet, "/config/", "", &config)
	checks, found := c.Doctor(), 0
	for _, h := range endpointsIn(config) {
		var secrets []string
		name, _ := h["name"].(string)
		provider, _ := h["provider"].(string)
		configured, _ := h["secrets"].([]any)
		for _, secret := range configured {
			secrets = append(secrets, caddy.NewReplacer().ReplaceAll(secret.(string), ""))
		}
		p, ok := verify.Lookup(provider)
		if !ok || len(secrets) == 0 {
			continue
		}
		found++
		if doubts, err := credentials.CheckForms(p, secrets); err != nil || len(doubts) > 0 {
			c.T.Errorf("endpoint %s: %v %v", name, doubts, err)
		}
		if !slices.ContainsFunc(checks, func(c api.Check) bool { return c.Name == "secret" && c.Subject == cmp.Or(name, provider) }) {
			c.T.Errorf("endpoint %s: the doctor takes the secret for a real one", name)
		}
	}
	if found == 0 {
		c.T.Error("found no secret: this test shows nothing")
	}
}

// endpointsIn finds the webhooks handlers in a config.
func endpointsIn(config any) (all []map[string]any) {
	switch config := config.(type) {
	case map[string]any:
		if config["handler"] == "webhooks" {
			all = append(all, config)
		}
		for _, below := range config {
			all = append(all, endpointsIn(below)...)
		}
	case []any:
		for _, below := range config {
			all = append(all, endpointsIn(below)...)
		}
	}
	return all
}

// signs is how a provider signs with the secret that the example has by default.
func signs(provider, secret string) *harness.Signing {
	for _, s := range harness.Signings() {
		if s.Provider == provider {
			s.Secret = secret
			return s
		}
	}
	panic("no such provider: " + provider)
}

// send posts a signed webhook. change may be nil.
func (e *example) send(t *testing.T, s *harness.Signing, path, body string, change func(m harness.Message) harness.Message) harness.Reply {
	t.Helper()
	m := s.Message(e.address)
	m.Target, m.Body = path, body
	if change != nil {
		m = change(m)
	}
	m = s.Sign(m, time.Now())
	r, err := http.NewRequestWithContext(t.Context(), m.Method, e.Site+m.Target, strings.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range m.Header {
		r.Header.Set(field[0], field[1])
	}
	return e.Do(r)
}

func runQuickstart(t *testing.T) {
	app := harness.StartApplication(t)
	e := startExample(t, "quickstart", "APP_PORT="+portOf(app))
	harness.CheckAnswer(t, e.send(t, signs("stripe", "whsec_demo"), "/stripe", harness.SomeJSON, nil), 202, "accepted")
	if got := app.Next(t); got.Body != harness.SomeJSON || got.Header.Get("Webhook-Event-Type") != "invoice.paid" {
		t.Errorf("arrived: %+v", got)
	}
}

func runGuard(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerWith(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") })
	e := startExample(t, "guard", "APP_PORT="+portOf(app))
	s := signs("github", "github-demo")
	if got := e.send(t, s, "/hooks/github", harness.SomeJSON, nil); got.Code != 200 || got.Body != "done" {
		t.Errorf("answered %d %q", got.Code, got.Body)
	}
	if got := app.Next(t); got.Body != harness.SomeJSON {
		t.Errorf("arrived: %+v", got)
	}
	harness.CheckAnswer(t, e.send(t, s, "/hooks/github", harness.SomeJSON, nil), 200, "duplicate")
	harness.CheckAnswer(t, e.send(t, signs("github", "wrong"), "/hooks/github", harness.SomeJSON, nil), 401, "invalid_signature")
	if len(app.Got) != 0 {
		t.Error("the application was called for a duplicate or a forgery")
	}
	for _, similar := range []string{"/hooks/github/", "/hooks/github;x", "/hooks;x/github", "/hooks/github%2f", "/hooks/github%00", "/hooks/github.json", "/HOOKS/GITHUB/", "//hooks/github/", "/x/../hooks/github/",
		"/;x/hooks/github", "/x/..;/hooks/github", "/.;/hooks/github", "/index.php/hooks/github", "/%5chooks/github", "/%20hooks/github", "/%00hooks/github", "/%252e/hooks/github"} {
		if got := e.send(t, signs("github", "wrong"), similar, harness.SomeJSON, nil); got.Code != 404 && got.Code != 401 {
			t.Errorf("a forged webhook to %s was answered %d %q", similar, got.Code, got.Body)
		}
	}
	if len(app.Got) != 0 {
		t.Error("a forged webhook came to the application by a similar path")
	}
	if got := e.send(t, s, "/other", "", nil); got.Body != "done" {
		t.Errorf("the rest of the application answered %d %q", got.Code, got.Body)
	}
}

func runRouting(t *testing.T) {
	billing, crm, audit, ci := harness.StartApplication(t), harness.StartApplication(t), harness.StartApplication(t), harness.StartApplication(t)
	e := startExample(t, "routing", "BILLING_PORT="+portOf(billing), "CRM_PORT="+portOf(crm), "AUDIT_PORT="+portOf(audit), "CI_PORT="+portOf(ci))
	stripe, github := signs("stripe", "whsec_demo"), signs("github", "github-demo")
	for eventType, wanted := range map[string]*harness.Application{"invoice.paid": billing, "customer.created": crm} {
		body := fmt.Sprintf(`{"id":"evt_%s","type":"%[1]s"}`, eventType)
		harness.CheckAnswer(t, e.send(t, stripe, "/stripe", body, nil), 202, "accepted")
		for _, app := range []*harness.Application{wanted, audit} {
			if got := app.Next(t); got.Body != body {
				t.Errorf("%s: %q arrived", eventType, got.Body)
			}
		}
	}
	harness.CheckAnswer(t, e.send(t, github, "/github", harness.SomeJSON, nil), 202, "accepted")
	ci.Next(t)
	star := func(m harness.Message) harness.Message {
		return m.Set("X-GitHub-Event", "star").Set("X-GitHub-Delivery", "star")
	}
	harness.CheckAnswer(t, e.send(t, github, "/github", harness.SomeJSON, star), 200, "ignored")
	harness.Eventually(t, "nothing is left", func() bool { return e.OpenDeliveries() == 0 })
	if left := len(billing.Got) + len(crm.Got) + len(audit.Got) + len(ci.Got); left != 0 {
		t.Errorf("%d more deliveries arrived", left)
	}
}

func runSlack(t *testing.T) {
	app := harness.StartApplication(t)
	app.AnswerWith(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "On its way.") })
	e := startExample(t, "slack", "APP_PORT="+portOf(app))
	s := signs("slack", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	form := func(m harness.Message) harness.Message { return m.Set("Content-Type", harness.MediaForm) }
	if got := e.send(t, s, "/slack/commands", "command=%2Fdeploy&text=now&trigger_id=1.2.abc", form); got.Code != 200 || got.Body != "On its way." {
		t.Errorf("the command was answered %d %q", got.Code, got.Body)
	}
	if got := app.Next(t); got.Header.Get("Webhook-Event-Type") != "/deploy" {
		t.Errorf("arrived: %+v", got)
	}
	harness.CheckAnswerWord(t, e.send(t, s, "/slack/events", harness.SomeJSON, nil), 200, "accepted")
	app.Next(t)
	if got := e.send(t, s, "/slack/events", `{"type":"url_verification","challenge":"c"}`, nil); got.Code != 200 || got.Body != "c" {
		t.Errorf("url_verification was answered %d %q", got.Code, got.Body)
	}
	if len(app.Got) != 0 {
		t.Error("the application got the handshake")
	}
}

func runLoadBalancer(t *testing.T) {
	app := harness.StartApplication(t)
	e := startExample(t, "load-balancer", "APP_PORT="+portOf(app), "ALLOW_IPS=203.0.113.0/24", "PROVIDER_LIMIT=1 1/h")
	s := signs("stripe", "whsec_demo")
	from := func(proto, address string) func(harness.Message) harness.Message {
		return func(m harness.Message) harness.Message {
			return m.With("X-Forwarded-Proto", proto).With("X-Forwarded-For", address)
		}
	}
	harness.CheckAnswer(t, e.send(t, s, "/stripe", harness.SomeJSON, nil), 400, "https_required")
	harness.CheckAnswer(t, e.send(t, s, "/stripe", harness.SomeJSON, from("http", "203.0.113.7")), 400, "https_required")
	harness.CheckAnswer(t, e.send(t, s, "/stripe", harness.SomeJSON, from("https", "198.51.100.1")), 403, "ip_not_allowed")
	harness.CheckAnswer(t, e.send(t, s, "/stripe", harness.SomeJSON, from("https", "203.0.113.7, 198.51.100.1")), 403, "ip_not_allowed")
	harness.CheckAnswer(t, e.send(t, s, "/stripe", harness.SomeJSON, from("https", "203.0.113.7")), 202, "accepted")
	app.Next(t)
	harness.WantLimited(t, e.send(t, s, "/stripe", `{"id":"evt_2"}`, from("https", "203.0.113.7")), "provider", `"provider";q=1`)
}

func runPHP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	type call struct{ script, uri, id, eventType, body string }
	calls := make(chan call, 10)
	stopped := make(chan struct{})
	go func() { // in the place of PHP
		defer close(stopped)
		_ = fcgi.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			calls <- call{fcgi.ProcessEnv(r)["SCRIPT_FILENAME"], r.URL.RequestURI(), r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Event-Type"), string(body)}
			w.WriteHeader(http.StatusNoContent)
		}))
	}()
	t.Cleanup(func() { _ = listener.Close(); <-stopped })
	e := startExample(t, "php", "PHP_ADDRESS="+listener.Addr().String())
	harness.CheckAnswer(t, e.send(t, signs("stripe", "whsec_demo"), "/stripe?a=b", harness.SomeJSON, nil), 202, "accepted")
	select {
	case got := <-calls:
		if !strings.HasSuffix(got.script, "examples/php/public/index.php") || !filepath.IsAbs(got.script) ||
			got.uri != "/stripe?a=b" || got.id == "" || got.eventType != "invoice.paid" || got.body != harness.SomeJSON {
			t.Errorf("called with %+v", got)
		}
	case <-time.After(harness.Patience):
		t.Fatal("the script was not called")
	}
	harness.Eventually(t, "its answer counts", func() bool { return e.OpenDeliveries() == 0 })
}

func runRedis(t *testing.T) {
	server := redistest.Start(t, redistest.AOF...)
	runOnRedis(t, "redis", "REDIS_URL="+server.URL())
}

func runSentinel(t *testing.T) {
	s := redistest.StartSentinel(t, redistest.AOF...)
	runOnRedis(t, "sentinel", "SENTINELS="+strings.Join(s.Addrs(), " "), "MASTER="+s.Master())
}

func runCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3, 3, redistest.AOF...)
	runOnRedis(t, "cluster", "CLUSTER="+strings.Join(c.Addrs(), " "))
}

func runOnRedis(t *testing.T, name string, env string, more ...string) {
	app := harness.StartApplication(t)
	e := startExample(t, name, append(more, env, "APP="+app.Address, "APP_PORT="+portOf(app))...)
	s := signs("stripe", "whsec_demo")
	for i := range 20 { // in several shards
		body := fmt.Sprintf(`{"id":"evt_%d","type":"invoice.paid"}`, i)
		got := e.sendUntilKept(t, s, body)
		if got.Code != http.StatusAccepted && got.Code != http.StatusOK { // it is there since a try that was answered 503
			t.Errorf("answered %d %q", got.Code, got.Body)
		}
		for app.Next(t).Body != body { // or one before it again, if there was a failover
		}
		harness.CheckAnswer(t, e.sendUntilKept(t, s, body), 200, "duplicate")
	}
	harness.Eventually(t, "nothing is left", func() bool { return e.OpenDeliveries() == 0 })
}

// sendUntilKept sends as a provider does: again after a 503. On a busy machine
// a replica can be late, and a failover can come from that.
func (e *example) sendUntilKept(t *testing.T, s *harness.Signing, body string) (got harness.Reply) {
	t.Helper()
	harness.Eventually(t, "the event is kept", func() bool {
		got = e.send(t, s, "/stripe", body, nil)
		return got.Code != http.StatusServiceUnavailable
	})
	return got
}

func portOf(app *harness.Application) string {
	_, port, _ := net.SplitHostPort(app.Address)
	return port
}
