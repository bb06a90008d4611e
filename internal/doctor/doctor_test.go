package doctor

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func found(checks []api.Check, level, name, subject, message string) bool {
	return slices.ContainsFunc(checks, func(c api.Check) bool {
		return c.Level == level && c.Name == name && c.Subject == subject && strings.Contains(c.Message, message) &&
			(c.Level == api.LevelOK || c.Fix != "")
	})
}

// TestRotation tells a rotation that goes on from one that is over.
func TestRotation(t *testing.T) {
	day := 25 * time.Hour
	for _, test := range []struct {
		what        string
		since, last [2]time.Duration // how long ago; last 0: never
		want        string
	}{
		{"just begun", [2]time.Duration{time.Minute, 10 * day}, [2]time.Duration{0, time.Minute}, ""},
		{"never switched", [2]time.Duration{day, 10 * day}, [2]time.Duration{0, time.Minute}, "only secret 2 is in use; secret 1 has signed nothing"},
		{"over", [2]time.Duration{3 * day, 10 * day}, [2]time.Duration{time.Minute, 2 * day}, "only secret 1 is in use; secret 2 has signed nothing"},
		{"switched today", [2]time.Duration{time.Hour, 10 * day}, [2]time.Duration{time.Minute, 10 * time.Minute}, ""},
		{"both for days", [2]time.Duration{3 * day, 10 * day}, [2]time.Duration{time.Minute, time.Hour}, "secrets 1 and 2 have all signed webhooks within a day"},
		{"nothing comes in", [2]time.Duration{3 * day, 10 * day}, [2]time.Duration{2 * day, 0}, ""},
	} {
		now := time.Now()
		secrets := []string{"new", "old"}
		var seen traffic.Log
		for i, secret := range secrets {
			view := seen.Watch("rotated", []string{secret}, now.Add(-test.since[i]))
			if test.last[i] > 0 {
				view.Report(&intake.Report{Outcome: "accepted", OK: true, Verified: true, ReceivedAt: now.Add(-test.last[i])})
			}
		}
		row, ok := verify.Lookup("github")
		if !ok {
			t.Fatal("no such provider")
		}
		d := &diagnosis{Facts: Facts{Now: now}}
		d.checkRotation(&Endpoint{Name: "rotated", Row: row, Uses: seen.Watch("rotated", secrets, now).Uses()})
		if (len(d.checks) > 0) != (test.want != "") || test.want != "" && !found(d.checks, api.LevelWarn, "rotation", "rotated", test.want) {
			t.Errorf("%s: %+v, want %q", test.what, d.checks, test.want)
		}
	}
}

func TestStore(t *testing.T) {
	d := &diagnosis{Facts: Facts{Store: Store{Warnings: []string{"its clock is 3s ahead"}}}}
	d.checkStore()
	if len(d.checks) != 1 || d.checks[0].Level != api.LevelWarn || d.checks[0].Message != "its clock is 3s ahead" {
		t.Errorf("a store that warns: %+v", d.checks)
	}
	d = &diagnosis{Facts: Facts{Store: Store{Stats: retrystore.Stats{Bytes: 1 << 20}, WarningsErr: errors.New("no permission")}}}
	d.checkStore()
	if !found(d.checks, api.LevelWarn, "store", "store", "or could not be asked: no permission") {
		t.Errorf("a store that cannot tell: %+v", d.checks)
	}
	d = &diagnosis{Facts: Facts{Store: Store{Stats: retrystore.Stats{Bytes: 1 << 20}}}}
	d.checkStore()
	if !found(d.checks, api.LevelOK, "store", "store", "it answers, and holds 1.0 MiB") {
		t.Errorf("a store that is well: %+v", d.checks)
	}
	d = &diagnosis{Facts: Facts{Store: Store{Err: retrystore.ErrUnavailable}}}
	d.checkStore()
	if len(d.checks) != 1 || !found(d.checks, api.LevelError, "store", "store", "it does not answer: store is unavailable") {
		t.Errorf("a store that is away: %+v", d.checks)
	}
	for _, test := range []struct {
		free, total uint64
		want        string
	}{{500 << 30, 1000 << 30, ""}, {99 << 30, 1000 << 30, api.LevelWarn}, {60 << 20, 1 << 30, api.LevelError}, {60 << 20, 100 << 20, api.LevelError}} {
		d := &diagnosis{}
		d.judgeDisk("/x", test.free, test.total)
		if got := append(d.checks, api.Check{})[0].Level; got != test.want {
			t.Errorf("%d of %d free: %q, want %q", test.free, test.total, got, test.want)
		}
	}
}

func TestLooksLikeTest(t *testing.T) {
	for secret, want := range map[string]bool{
		"whsec_demo": true, "s3cret": true, "It's a Secret to Everybody": true, "aaaaaaaaaaaaaaaaaaaaaaaa": true, "CHANGEME-now": true,
		"ZGVtby1zZWNyZXQtb2YtMjQtYnl0ZXM=": true, "q1Yk8h0tC3uWnR5vZ2xEoA==": false, "abcd1234": false,
		"9f86d081884c7d659a2feaa0c55ad015": false, "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw": false,
	} {
		if got := looksLikeTest(secret); got != want {
			t.Errorf("%s: %v, want %v", secret, got, want)
		}
	}
}

// TestOutdated: a secret's file has a new value, and the config was loaded without --force.
func TestOutdated(t *testing.T) {
	d := new(diagnosis)
	d.checkLoaded(&Endpoint{Name: "in", Outdated: []Outdated{{1, "{file./run/secret}"}}})
	if !found(d.checks, api.LevelError, "secret", "in", "secret 1: {file./run/secret} has another value than the one that is in use") || !strings.Contains(d.checks[0].Fix, "--force") {
		t.Errorf("the doctor says %v", d.checks)
	}
}
