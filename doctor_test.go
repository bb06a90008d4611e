package caddywebhooks

import (
	"crypto/rand"
	"fmt"
	"net/http"
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
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/process"
	"github.com/caddywebhooks/caddy-webhooks/internal/reach"
)

// doctor asks the running Caddy for its checks.
func (c *running) doctor() []api.Check {
	c.t.Helper()
	var view api.Doctor
	if code := c.adminCall(http.MethodGet, "/webhooks/doctor", "", &view); code != 200 {
		c.t.Fatalf("the doctor answered %d", code)
	}
	for i := 1; i < len(view.Checks); i++ {
		if api.LevelOrder(view.Checks[i-1].Level) > api.LevelOrder(view.Checks[i].Level) {
			c.t.Errorf("check %d is worse than the one before", i)
		}
	}
	return view.Checks
}

// found looks for a check, by what it is about and a part of its message.
func found(checks []api.Check, level, name, subject, message string) bool {
	return slices.ContainsFunc(checks, func(c api.Check) bool {
		return c.Level == level && c.Name == name && c.Subject == subject && strings.Contains(c.Message, message) &&
			(c.Level == api.LevelOK || c.Fix != "")
	})
}

// forgetTraffic makes a test independent of those before it: what came in, and
// what became of it, is remembered for the life of the process.
func forgetTraffic(t *testing.T) {
	t.Helper()
	process.Traffic.Clear()
	process.Attempts.Clear()
}

// doctorSite is an endpoint of that name with further lines.
func doctorSite(name, secret, lines, upstream, destination string) string {
	return fmt.Sprintf(`webhooks /%[1]s github {
		name %[1]s
		secret "%[2]s"
		require_https off
		%[3]s
		forward %[4]s {
			name app
			%[5]s
		}
	}
	`, name, secret, lines, upstream, destination)
}

// send sends webhooks to /name, which may all be refused.
func (c *running) send(name, secret string, more ...string) {
	c.t.Helper()
	if _, err := runCommand(command("send"), append([]string{"github", c.site + "/" + name, "--secret", secret}, more...)...); err != nil && cli.ExitCode(err) != cli.ExitNo {
		c.t.Fatal(err)
	}
}

// TestDoctorWell finds nothing about an endpoint that is as it should be, and the
// command ends well.
func TestDoctorWell(t *testing.T) {
	forgetTraffic(t)
	app := startApplication(t)
	good := rand.Text()
	c := startCaddy(t, doctorSite("well", good, "", app.address, ""), "")
	c.send("well", good)
	app.next(t)
	var checks []api.Check
	eventually(t, "it is delivered, and counted", func() bool {
		checks = c.doctor()
		return found(checks, api.LevelOK, "destination", "well/app", "nothing is overdue")
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
	out, err := runCommand(command("doctor"), "--address="+c.adminAddress())
	if err != nil || !strings.Contains(out, "checks passed\n") || strings.Contains(out, good) {
		t.Errorf("doctor: %v\n%s", err, out)
	}
}

// TestDoctorSettings finds what is risky in settings.
func TestDoctorSettings(t *testing.T) {
	forgetTraffic(t)
	app := startApplication(t)
	secrets := map[string]string{"weak": "my-test-key-0123456789", "short": "kX8qPz2vN", "wide": rand.Text()}
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(rand.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	good := rand.Text()
	c := startCaddy(t, doctorSite("weak", secrets["weak"], "", app.address, "")+
		doctorSite("short", good+`" "`+secrets["short"], "", app.address, "")+
		doctorSite("repeats", good, "dedupe off", app.address, "")+
		doctorSite("filed", "{file."+file+"}", "", app.address, "")+
		doctorSite("timeless", good, "tolerance 1m", app.address, "")+
		fmt.Sprintf("webhooks /wide stripe {\nname wide\nsecret whsec_%s\ntolerance 1h\nforward %s\n}", secrets["wide"], app.address), "")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	checks := c.doctor()
	for _, want := range []api.Check{
		{Name: "secret", Level: api.LevelWarn, Subject: "weak", Message: "secret 1 looks like one of an example"},
		{Name: "secret", Level: api.LevelWarn, Subject: "short", Message: "secret 2 has less than 16 bytes"},
		{Name: "dedupe", Level: api.LevelWarn, Subject: "repeats", Message: "dedupe is off"},
		{Name: "tolerance", Level: api.LevelWarn, Subject: "wide", Message: "tolerance is 1h0m0s"},
		{Name: "tolerance", Level: api.LevelWarn, Subject: "timeless", Message: "tolerance has no effect: GitHub signs no time", Fix: "Remove the line"},
		{Name: "secret", Level: api.LevelError, Subject: "filed", Message: "the next reload or start will fail"},
		{Name: "traffic", Level: api.LevelWarn, Subject: "weak", Message: "no webhook has come in"},
	} {
		if !found(checks, want.Level, want.Name, want.Subject, want.Message) {
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
	forgetTraffic(t)
	app := startApplication(t)
	good := rand.Text()
	c := startCaddy(t, doctorSite("forged", good, "", app.address, "")+doctorSite("unsigned", good, "", app.address, "")+
		doctorSite("proxied", good, "rate_limit ip 50 5/s\nblock_ips 192.0.2.0/24", app.address, "")+
		doctorSite("rested", good, "", app.address, ""), "")
	c.send("forged", "another", "--count=3")
	unsigned := c.githubRequest("/unsigned", "unsigned", "{}")
	unsigned.Header.Del("X-Hub-Signature-256")
	checkAnswer(t, c.do(unsigned), 401, "missing_signature")
	c.send("proxied", good, "--header=X-Forwarded-For: 203.0.113.7")
	c.send("rested", good)
	process.Traffic.Watch("rested", nil, time.Now()).Report(&intake.Report{Outcome: "accepted", OK: true, ReceivedAt: time.Now().Add(-3 * time.Hour)})
	c.send("rested", "another", "--count=2")

	checks := c.doctor()
	for _, want := range []api.Check{
		{Name: "traffic", Level: api.LevelError, Subject: "forged", Message: "none was accepted: 3 webhooks refused, the last 0s ago: invalid_signature (no_matching_signature)"},
		{Name: "traffic", Level: api.LevelWarn, Subject: "unsigned", Message: "1 webhook refused, the last 0s ago: missing_signature"},
		{Name: "traffic", Level: api.LevelOK, Subject: "proxied", Message: "accepted"},
		{Name: "proxy", Level: api.LevelError, Subject: "proxied", Message: "so to block_ips and rate_limit ip all senders look like one"},
		{Name: "traffic", Level: api.LevelError, Subject: "rested", Message: "none was accepted since 3h ago; 2 webhooks refused since then"},
	} {
		want.Message = strings.Split(want.Message, "the last 0s")[0] // it may be 1s on a slow machine
		if !found(checks, want.Level, want.Name, want.Subject, want.Message) {
			t.Errorf("not found: %+v in %+v", want, checks)
		}
	}
	out, err := runCommand(command("doctor"), "--address="+c.adminAddress())
	if err == nil || cli.ExitCode(err) != cli.ExitNo || err.Error() != "3 errors" || !strings.Contains(out, "3 errors\n") || !strings.Contains(out, "caddy webhooks verify github") {
		t.Errorf("doctor: %v\n%s", err, out)
	}

	// A reload forgets nothing.
	if err := c.load(doctorSite("forged", good, "max_body 2KiB", app.address, "")); err != nil {
		t.Fatal(err)
	}
	if !found(c.doctor(), api.LevelError, "traffic", "forged", "3 webhooks refused") {
		t.Error("a reload forgets what was refused")
	}
}

// TestDoctorDestinations finds those that are down, and what nobody delivers.
func TestDoctorDestinations(t *testing.T) {
	forgetTraffic(t)
	down, wrong, gone := startApplication(t), startApplication(t), startApplication(t)
	down.answerStatus(500)
	wrong.answerStatus(404)
	gone.answerStatus(410)
	good := rand.Text()
	later := "retry {\ninitial 1h\n}\n"
	site := doctorSite("down", good, "", down.address, later+"breaker 2 1h 1") + doctorSite("wrong", good, "", wrong.address, later) +
		doctorSite("gone", good, "", gone.address, "")
	// Not by a reload: the old config's listener may take a webhook or two yet.
	c := newRunning(t, filepath.Join(t.TempDir(), "deliveries.db")+"\nmax_pending 5", "")
	startRunning(t, c, site)
	c.send("down", good, "--count=4")
	c.send("wrong", good)
	c.send("gone", good)
	for _, want := range []api.Check{
		{Name: "destination", Level: api.LevelError, Subject: "down/app", Message: "2 attempts in a row failed, so its breaker is open; it is tried again in 5"},
		{Name: "destination", Level: api.LevelError, Subject: "wrong/app", Message: "no attempt has succeeded since Caddy was started; 1 failed"},
		{Name: "dead letters", Level: api.LevelWarn, Subject: "gone/app", Message: "1 dead letter will not be tried again"},
		{Name: "queue", Level: api.LevelWarn, Subject: "down/app", Message: "4 deliveries are waiting, 80% of max_pending (5)"},
	} {
		eventually(t, fmt.Sprintf("found %+v", want), func() bool { return found(c.doctor(), want.Level, want.Name, want.Subject, want.Message) })
	}
	c.send("down", good)
	eventually(t, "the queue is full", func() bool {
		return found(c.doctor(), api.LevelError, "queue", "down/app", "else answered 503")
	})
	if err := c.load(doctorSite("gone", good, "", gone.address, "")); err != nil {
		t.Fatal(err)
	}
	checks := c.doctor()
	if !found(checks, api.LevelWarn, "orphans", "down/app", "5 deliveries are stored for it") || !found(checks, api.LevelWarn, "orphans", "wrong/app", "1 delivery is stored for it") {
		t.Errorf("orphans: %+v", checks)
	}
}

// TestDoctorPublic finds plain HTTP that others may read.
func TestDoctorPublic(t *testing.T) {
	forgetTraffic(t)
	app := startApplication(t)
	c := startCaddy(t, doctorSite("private", rand.Text(), "", app.address, "")+
		fmt.Sprintf("}\nhttp://:%s {\nbind 0.0.0.0\n", freePort(t))+doctorSite("public", rand.Text(), "", app.address, ""), "")
	checks := c.doctor()
	if !found(checks, api.LevelWarn, "https", "public", "require_https is off") || found(checks, api.LevelWarn, "https", "private", "") {
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

// TestDoctorSecretUse follows secrets through webhooks and a reload that changes their order.
func TestDoctorSecretUse(t *testing.T) {
	forgetTraffic(t)
	app := startApplication(t)
	older, newer := rand.Text(), rand.Text()
	c := startCaddy(t, doctorSite("used", older, "", app.address, ""), "")
	c.send("used", older)
	if err := c.load(doctorSite("used", newer+`" "`+older, "", app.address, "")); err != nil {
		t.Fatal(err)
	}
	running, err := runningApp()
	if err != nil {
		t.Fatal(err)
	}
	uses := running.endpoints["used"].traffic.Uses()
	if len(uses) != 2 || !uses[0].Last.IsZero() || uses[1].Last.IsZero() || !uses[0].Since.After(uses[1].Since) {
		t.Errorf("after a reload: %+v", uses)
	}
	// The old config's listener may take a webhook or two yet.
	eventually(t, "the new one is used", func() bool {
		c.send("used", newer)
		return !running.endpoints["used"].traffic.Uses()[0].Last.IsZero()
	})
}
