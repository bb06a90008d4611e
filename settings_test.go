package caddywebhooks

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/doctor"
	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	filestore "github.com/caddywebhooks/caddy-webhooks/retrystore/filestore/module"
)

// TestSecretsNotMeant refuses what no secret is, with the setting, the remedy and the line, and
// without any part of the secret.
func TestSecretsNotMeant(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	file := filepath.Join(t.TempDir(), "secret")
	for name, content := range map[string]struct{ text, want string }{
		"two lines":  {secret + "\nother\n", "has more than one line"},
		"BOM":        {"\ufeff" + secret, "byte order mark"},
		"UTF-16":     {"0\x001\x002\x003\x00", "NUL"},
		"quotes":     {`"` + secret + `"`, "is in quotes"},
		"one quotes": {"'" + secret + "'\n", "is in quotes"},
		"assignment": {"GITHUB_SECRET=" + secret + "\n", "NAME=value"},
		"export":     {"export GITHUB_SECRET=" + secret, "NAME=value"},
		"variable":   {"${REAL_" + strings.ToUpper(secret) + "}", "name of a variable"},
	} {
		if err := os.WriteFile(file, []byte(content.text), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("SECRET_NOT_MEANT", strings.ReplaceAll(strings.TrimRight(content.text, "\n"), "\x00", ""))
		for _, placeholder := range []string{"{file." + file + "}", "{env.SECRET_NOT_MEANT}"} {
			if name == "UTF-16" && strings.HasPrefix(placeholder, "{env") {
				continue // an environment has no NUL
			}
			err := validate(t, "example.com {\nwebhooks /x github {\nforward a:1\nsecret "+placeholder+"\n}\n}")
			if err == nil || !strings.Contains(err.Error(), content.want) || !strings.Contains(err.Error(), "secret: what "+placeholder) || !strings.HasSuffix(err.Error(), "Caddyfile:4") {
				t.Errorf("%s of %s: error is %v", name, placeholder, err)
			}
			if err != nil && strings.Contains(strings.ToLower(err.Error()), secret[:8]) {
				t.Errorf("%s: the error shows a part of it: %v", name, err)
			}
		}
	}
}

// TestMistakesBehindPlaceholders: a secret of the environment hides no other mistake's line.
func TestMistakesBehindPlaceholders(t *testing.T) {
	for _, test := range []struct {
		provider, block string
		line            int
		want            string
	}{
		{"github", "secret ${env.SEC}\nforward a:1", 3, "has a dollar sign before the placeholder"},
		{"github", "secret 0123456789, abcdefgh\nforward a:1", 3, "value 1 ends in a comma"},
		{"stripe", "secret \"whsec_abc def\"\nforward a:1", 3, "secret 1 has white space in it"},
		{"github", "secret {env.X}\nforward a:1\noption team x", 5, "no such option"},
		{"paypal", "forward a:1\nwebhooks_id x", 4, "unknown word"},
		{"github", "secret {env.X}\nforward a:1\npublic_key x", 5, "public_key"},
		{"github", "secret {env.X}\ncontent_type */*\nforward a:1", 4, "wildcards"},
		{"github", "secret {env.X}\ncontent_type application/*\nforward a:1", 4, "wildcards"},
		{"twilio", "secret {env.X}\nforward a:1 {\nresign on\n}", 4, "resign is on, but"},
		{"github", "secret x\nforward * localhost:3000", 4, "forward takes no matcher"},
		{"github", "secret x\nforward @x localhost:3000", 4, "forward takes no"},
		{"github", "secret x\nforward unix:///tmp/x.sock", 4, "unix//run/app.sock"},
		{"github", "secret x\nforward /tmp/x.sock", 4, "unix//run/app.sock"},
		{"github", "secret x\nforward a:1 {\ntimeout 5s\ndead_on 410 200\n}", 6, "dead_on 200: want statuses"},
		{"github", "secret x\nforward a:1 {\ntimeout 5s\npriority 11\n}", 6, "priority is 11: want 0 to 10"},
		{"github", "secret x\nforward a:1 {\ntimeout 5s\nbreaker 5 0s\n}", 6, "want `off`, or failures"},
		{"github", "secret x\nforward a:1 {\ntimeout 5s\nbreaker 5 60s 0\n}", 6, "want `off`, or failures"},
		{"github", "secret x\nforward a:1 {\ntimeout 1ns\n}", 5, "want at least 1ms"},
		{"github", "secret x\nforward a:1 {\npriority 1\npriority 9 push\n}", 6, "the one before is for all types"},
		{"github", "secret x\nforward a:1 {\nname \"a b\"\n}", 4, "name has a space in it"},
		{"github", "secret x\nforward a:1 {\nname ..\n}", 4, "name has something else in it"},
		{"github", "secret x\nforward a:1 {\nname {env.SEC}\n}", 4, "name has a brace in it"},
		{"github", "secret x\nforward {\nname x\nhandle {\nrespond {event_type}\n}\n}", 7, "write {http.webhooks.event_type}"},
		{"github", "secret x\nforward {\nname x\nhandle {\nrespond {webhooks.event_type}\n}\n}", 7, "write {http.webhooks.event_type}"},
		{"github", "secret x\nforward {\nname x\nhandle {\nrespond {http.request.body.action}\n}\n}", 7, "Caddy has no such placeholder"},
		{"github", "secret x\nforward {\nname x\nhandle {\nrespond {http.request.nope}\n}\n}", 7, "Caddy has no such placeholder"},
		{"github", "secret x\nforward /hook", 4, "a path is no address"},
	} {
		_, err := harness.Adapt("example.com {\nwebhooks /hook " + test.provider + " {\n" + test.block + "\n}\n}")
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasSuffix(err.Error(), fmt.Sprintf("Caddyfile:%d", test.line)) {
			t.Errorf("%s %q: error is %v: want one with %q at line %d", test.provider, test.block, err, test.want, test.line)
		}
	}
	for block, want := range map[string]string{
		"store file x {\nmax_size 1MB\n}":                         "Caddyfile:4",
		"store file ~/x":                                          "home directory",
		"store redis redis://h {\ntls_ca /x\n}":                   "write rediss://",
		"store redis redis://h {\npassword {env.X}\ntls_ca /x\n}": "write rediss://",
		"store redis redis://h {\nshards 257\n}":                  "want 1 to 256",
		"store redis redis://h {\nshards 100000\n}":               "want 1 to 256",
		"store redis {env.REDIS} {\nshards 500\n}":                "want 1 to 256",
		"store redis redis://h {\nprefix \"a b\"\n}":              "prefix: want 1 to 64",
		"store redis redis://h {\nprefix \" \"\n}":                "prefix: want 1 to 64",
	} {
		_, err := harness.Adapt("{\nwebhooks {\n" + block + "\n}\n}")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "Caddyfile:") {
			t.Errorf("%q: error is %v: want one with %q and a line", block, err, want)
		}
	}
	if _, err := harness.Adapt("example.com {\nwebhooks paypal {\nforward a:1\n}\n}"); err == nil || !strings.Contains(err.Error(), "option webhook_id is missing") {
		t.Errorf("paypal without webhook_id: %v", err)
	}
	// What only a running Caddy can tell is left to it, of every provider.
	for _, p := range grammar.ProviderNames() {
		h := &Handler{Provider: p, Secrets: []string{"{env.X}"}, PublicKeys: []string{"{env.Y}"}}
		row, err := h.lookUpProvider()
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range row.Settings {
			if s.Required {
				h.Options = map[string][]string{s.Name: {"{env.Z}"}}
			}
		}
		if err := h.credentials(row).CheckPartly(h.checkDestinations); err != nil && !strings.Contains(err.Error(), "is missing") {
			t.Errorf("%s: %v", p, err)
		}
		h.PublicKeys = nil
		if err := h.credentials(row).CheckPartly(h.checkDestinations); err != nil && !strings.Contains(err.Error(), "is missing") && !strings.Contains(err.Error(), "is not ") {
			t.Errorf("%s with a secret: %v", p, err)
		}
	}
}

// TestMaxStoredWithoutUnit: ten bytes are a slip.
func TestMaxStoredWithoutUnit(t *testing.T) {
	if err := (&App{MaxStored: 10}).setBounds(); err == nil || !strings.Contains(err.Error(), "max_stored is 10 bytes") {
		t.Errorf("max_stored 10: %v", err)
	}
}

// TestDefaultMaxStored leaves room for others in a store that is itself bounded.
func TestDefaultMaxStored(t *testing.T) {
	for _, test := range []struct{ given, size, want int64 }{
		{0, 0, defaultMaxStored}, {0, 16 << 20, 8 << 20}, {0, 1 << 40, defaultMaxStored}, {5 << 20, 16 << 20, 5 << 20},
	} {
		a := &App{MaxStored: test.given, opener: &filestore.Store{MaxSize: test.size}}
		if a.setMaxStored(); a.MaxStored != test.want {
			t.Errorf("max_stored %d and max_size %d: %d, want %d", test.given, test.size, a.MaxStored, test.want)
		}
	}
}

// TestDoctorRotatedFile: a secret's file has a new value, and the config was loaded without --force.
func TestDoctorRotatedFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("qX7fJ2mN9vTz4LkR8sYw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &Handler{Name: "in", Provider: "github", Secrets: []string{"{file." + file + "}"}, logger: caddy.Log()}
	var err error
	if h.provider, err = h.lookUpProvider(); err != nil {
		t.Fatal(err)
	}
	if h.verifier, err = h.newVerifier(); err != nil {
		t.Fatal(err)
	}
	var e doctor.Endpoint
	if h.secretFacts(&e); len(e.Secrets) != 1 || len(e.Outdated) > 0 {
		t.Fatalf("nothing has changed: %+v", e)
	}
	if err := os.WriteFile(file, []byte("bD6hP1cG5uEo3WiA0qXt\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if h.secretFacts(&e); len(e.Outdated) != 1 || e.Outdated[0] != (doctor.Outdated{Index: 1, Placeholder: "{file." + file + "}"}) {
		t.Errorf("the doctor is told %+v", e.Outdated)
	}
}
