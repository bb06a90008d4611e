package monitoring

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/cli"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
)

// TestDoctorWell finds nothing about an endpoint that is as it should be, and the
// command ends well.
func TestDoctorWell(t *testing.T) {
	harness.ForgetTraffic(t)
	app := harness.StartApplication(t)
	good := rand.Text()
	c := harness.Start(t, harness.DoctorSite("well", good, "", app.Address, ""), "")
	harness.SendTo(c, "well", good)
	app.Next(t)
	var checks []api.Check
	harness.Eventually(t, "it is delivered, and counted", func() bool {
		checks = c.Doctor()
		return harness.Found(checks, api.LevelOK, "destination", "well/app", "nothing is overdue")
	})
	accepted := regexp.MustCompile(`\Athe last webhook was accepted [0-9]+s ago\z`) // none was refused or ignored
	if !slices.ContainsFunc(checks, func(c api.Check) bool {
		return c.Name == "traffic" && c.Subject == "well" && c.Level == api.LevelOK && accepted.MatchString(c.Message)
	}) {
		t.Errorf("traffic: %+v", checks)
	}
	for _, check := range checks {
		if check.Level != api.LevelOK && check.Name != "disk" { // the disk of whoever tests may be full
			t.Errorf("found %+v", check)
		}
	}
	out, err := harness.RunCommand(harness.Command("doctor"), "--address="+c.AdminAddress())
	if err != nil || !strings.Contains(out, "checks passed\n") || strings.Contains(out, good) {
		t.Errorf("doctor: %v\n%s", err, out)
	}
}

// TestDoctorSettings finds what is risky in settings.
func TestDoctorSettings(t *testing.T) {
	harness.ForgetTraffic(t)
	app := harness.StartApplication(t)
	secrets := map[string]string{"weak": "my-test-key-0123456789", "short": "kX8qPz2vN", "wide": rand.Text()}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(rand.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	good := rand.Text()
	c := harness.Start(t, harness.DoctorSite("weak", secrets["weak"], "", app.Address, "")+
		harness.DoctorSite("short", good+`" "`+secrets["short"], "", app.Address, "")+
		harness.DoctorSite("repeats", good, "dedupe off", app.Address, "")+
		harness.DoctorSite("filed", "{file."+file+"}", "", app.Address, "")+
		harness.DoctorSite("timeless", good, "tolerance 1m", app.Address, "")+
		fmt.Sprintf("webhooks /wide stripe {\nname wide\nsecret whsec_%s\ntolerance 1h\nforward %s\n}", secrets["wide"], app.Address), "")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	checks := c.Doctor()
	for _, want := range []api.Check{
		{Name: "secret", Level: api.LevelWarn, Subject: "weak", Message: "secret 1 looks like one of an example"},
		{Name: "secret", Level: api.LevelWarn, Subject: "short", Message: "secret 2 has less than 16 bytes"},
		{Name: "dedupe", Level: api.LevelWarn, Subject: "repeats", Message: "dedupe is off"},
		{Name: "tolerance", Level: api.LevelWarn, Subject: "wide", Message: "tolerance is 1h0m0s"},
		{Name: "tolerance", Level: api.LevelWarn, Subject: "timeless", Message: "tolerance has no effect: GitHub signs no time", Fix: "Remove the line"},
		{Name: "secret", Level: api.LevelError, Subject: "filed", Message: "the next reload or start will fail"},
		{Name: "traffic", Level: api.LevelWarn, Subject: "weak", Message: "no webhook has come in"},
	} {
		if !harness.Found(checks, want.Level, want.Name, want.Subject, want.Message) {
			t.Errorf("not found: %+v", want)
		}
	}
	for _, check := range checks {
		if check.Name == "https" || check.Name == "secret" && (check.Subject == "repeats" || check.Subject == "wide" || check.Subject == "timeless") || check.Name == "rotation" {
			t.Errorf("found %+v", check)
		}
		for _, secret := range secrets {
			if strings.Contains(fmt.Sprint(check), secret) {
				t.Errorf("%+v shows a secret", check)
			}
		}
	}
}

// TestDoctorTraffic finds who is refused, and why.
func TestDoctorTraffic(t *testing.T) {
	harness.ForgetTraffic(t)
	app := harness.StartApplication(t)
	good := rand.Text()
	c := harness.Start(t, harness.DoctorSite("forged", good, "", app.Address, "")+harness.DoctorSite("unsigned", good, "", app.Address, "")+
		harness.DoctorSite("proxied", good, "rate_limit ip 50 5/s\nblock_ips 192.0.2.0/24", app.Address, "")+
		harness.DoctorSite("rested", good, "", app.Address, ""), "")
	harness.SendTo(c, "forged", "another", "--count=3")
	unsigned := c.GitHubRequest("/unsigned", "unsigned", "{}")
	unsigned.Header.Del("X-Hub-Signature-256")
	harness.CheckAnswer(t, c.Do(unsigned), 401, "missing_signature")
	harness.SendTo(c, "proxied", good, "--header=X-Forwarded-For: 203.0.113.7")
	harness.SendTo(c, "rested", good)
	process.Traffic.Watch("rested", nil, time.Now()).Report(&intake.Report{Outcome: "accepted", OK: true, ReceivedAt: time.Now().Add(-3 * time.Hour)})
	harness.SendTo(c, "rested", "another", "--count=2")

	checks := c.Doctor()
	for _, want := range []api.Check{
		{Name: "traffic", Level: api.LevelError, Subject: "forged", Message: "none was accepted: 3 webhooks refused, the last 0s ago: invalid_signature (no_matching_signature)"},
		{Name: "traffic", Level: api.LevelWarn, Subject: "unsigned", Message: "1 webhook refused, the last 0s ago: missing_signature"},
		{Name: "traffic", Level: api.LevelOK, Subject: "proxied", Message: "accepted"},
		{Name: "proxy", Level: api.LevelError, Subject: "proxied", Message: "so to block_ips and rate_limit ip all senders look like one"},
		{Name: "traffic", Level: api.LevelError, Subject: "rested", Message: "none was accepted since 3h ago; 2 webhooks refused since then"},
	} {
		want.Message = strings.Split(want.Message, "the last 0s")[0] // it may be 1s on a slow machine
		if !harness.Found(checks, want.Level, want.Name, want.Subject, want.Message) {
			t.Errorf("not found: %+v in %+v", want, checks)
		}
	}
	out, err := harness.RunCommand(harness.Command("doctor"), "--address="+c.AdminAddress())
	if err == nil || cli.ExitCode(err) != cli.ExitNo || err.Error() != "3 errors" || !strings.Contains(out, "3 errors\n") || !strings.Contains(out, "caddy webhooks verify github") {
		t.Errorf("doctor: %v\n%s", err, out)
	}

	// A reload forgets nothing.
	if err := c.Load(harness.DoctorSite("forged", good, "max_body 2KiB", app.Address, "")); err != nil {
		t.Fatal(err)
	}
	if !harness.Found(c.Doctor(), api.LevelError, "traffic", "forged", "3 webhooks refused") {
		t.Error("a reload forgets what was refused")
	}
}

// TestDoctorDestinations finds those that are down, and what nobody delivers.
func TestDoctorDestinations(t *testing.T) {
	harness.ForgetTraffic(t)
	down, wrong, gone := harness.StartApplication(t), harness.StartApplication(t), harness.StartApplication(t)
	down.AnswerStatus(500)
	wrong.AnswerStatus(404)
	gone.AnswerStatus(410)
	good := rand.Text()
	later := "retry {\ninitial 1h\n}\n"
	site := harness.DoctorSite("down", good, "", down.Address, later+"breaker 2 1h 1") + harness.DoctorSite("wrong", good, "", wrong.Address, later) +
		harness.DoctorSite("gone", good, "", gone.Address, "")
	// Not by a reload: the old config's listener may take a webhook or two yet.
	c := harness.New(t, filepath.Join(t.TempDir(), "deliveries.db")+"\nmax_pending 5", "")
	harness.Begin(t, c, site)
	harness.SendTo(c, "down", good, "--count=4")
	harness.SendTo(c, "wrong", good)
	harness.SendTo(c, "gone", good)
	for _, want := range []api.Check{
		{Name: "destination", Level: api.LevelError, Subject: "down/app", Message: "2 attempts in a row failed, so its breaker is open; it is tried again in 5"},
		{Name: "destination", Level: api.LevelError, Subject: "wrong/app", Message: "no attempt has succeeded since Caddy was started; 1 failed"},
		{Name: "dead letters", Level: api.LevelWarn, Subject: "gone/app", Message: "1 dead letter will not be tried again"},
		{Name: "queue", Level: api.LevelWarn, Subject: "down/app", Message: "4 deliveries are waiting, 80% of max_pending (5)"},
	} {
		harness.Eventually(t, fmt.Sprintf("found %+v", want), func() bool { return harness.Found(c.Doctor(), want.Level, want.Name, want.Subject, want.Message) })
	}
	harness.SendTo(c, "down", good)
	harness.Eventually(t, "the queue is full", func() bool {
		return harness.Found(c.Doctor(), api.LevelError, "queue", "down/app", "else answered 503")
	})
	if err := c.Load(harness.DoctorSite("gone", good, "", gone.Address, "")); err != nil {
		t.Fatal(err)
	}
	checks := c.Doctor()
	if !harness.Found(checks, api.LevelWarn, "orphans", "down/app", "5 deliveries are stored for it") || !harness.Found(checks, api.LevelWarn, "orphans", "wrong/app", "1 delivery is stored for it") {
		t.Errorf("orphans: %+v", checks)
	}
}

// TestDoctorPublic finds plain HTTP that others may read.
func TestDoctorPublic(t *testing.T) {
	harness.ForgetTraffic(t)
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.DoctorSite("private", rand.Text(), "", app.Address, "")+
		fmt.Sprintf("}\nhttp://:%s {\nbind 0.0.0.0\n", harness.FreePort(t))+harness.DoctorSite("public", rand.Text(), "", app.Address, ""), "")
	checks := c.Doctor()
	if !harness.Found(checks, api.LevelWarn, "https", "public", "require_https is off") || harness.Found(checks, api.LevelWarn, "https", "private", "") {
		t.Errorf("%+v", checks)
	}
	for listen, want := range map[string]bool{
		":80": true, "[::]:80": true, "203.0.113.7:80": true, "example.com:80": true,
		"127.0.0.1:80": false, "[::1]:80": false, "10.1.2.3:80": false, "100.64.0.1:80": false, "localhost:80": false, "unix//run/x.sock": false,
	} {
		if got := reach.ListensPublicly(&caddyhttp.Server{Listen: []string{listen}}); got != want {
			t.Errorf("%s is public: %v, want %v", listen, got, want)
		}
	}
}
