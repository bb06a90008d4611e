package grammar

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// secretKinds are values as people have them: generated ones, and those made of words.
var secretKinds = []string{
	"0123456789abcdef0123456789abcdef", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "correct-horse-battery-staple",
	"Tr0ub4dor&3", "hunter2hunter2", "T0xQ9zR4mVbWq",
}

func TestNotMeant(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	for _, good := range []string{secret, "abc=def\"", "a=b", "$ecret", "x'y", "-----BEGIN PRIVATE KEY-----\nx"} {
		if what := notMeant(good); what != "" {
			t.Errorf("%q: %s", good, what)
		}
	}
	for bad, want := range map[string]string{
		secret + "\nx": "more than one line", "\ufeff" + secret: "byte order mark", "0\x001\x00": "NUL", `"` + secret + `"`: "in quotes",
		"export A_SECRET=x": "NAME=value", "${A_SECRET}": "name of a variable",
	} {
		if what := notMeant(bad); !strings.Contains(what, want) || strings.Contains(what, secret[:8]) {
			t.Errorf("%q: %q, want one with %q", bad, what, want)
		}
	}
}

// TestHideKeys takes keys out of an error and leaves an error without one as it is.
func TestHideKeys(t *testing.T) {
	at := func(text string) caddyfile.Dispenser { return *caddyfile.NewTestDispenser(text) }
	plain := errors.New("b")
	if HideKeys(at("a b"), nil) != nil || HideKeys(at("a b"), plain) != plain {
		t.Error("an error without a key was changed")
	}
	const key = "T0xQ9zR4mVbWqL7k"
	if err := HideKeys(at("secret "+key), errors.New("near "+key)); err.Error() != "near …" {
		t.Errorf("the error is %q", err)
	}
	if err := HideKeys(at("tolerance hunter2hunter2"), errors.New(`bad "hunter2hunter2"`)); err.Error() != "bad a value of 14 letters" {
		t.Errorf("the error is %q", err)
	}
}

// TestShown shows what is a word of a configuration, and never a secret.
func TestShown(t *testing.T) {
	for _, value := range []string{"5m", "10MiB", "on", "50/s", "10.0.0.0/8", "2001:db8::/32", ""} {
		if got := ShownValue(value); got != `"`+value+`"` {
			t.Errorf("%q is shown as %s", value, got)
		}
	}
	for _, address := range []string{"app:3000", "hooks.example.com", ":3000", "[::1]:3000"} {
		if got := ShownAddress(address); got != `"`+address+`"` {
			t.Errorf("%q is shown as %s", address, got)
		}
	}
	for _, secret := range secretKinds {
		for _, shown := range []string{ShownValue(secret), ShownValues([]string{"5", secret}), ShownWord(secret, []string{"secret"}), ShownRange(secret), UnknownProvider(secret).Error()} {
			if strings.Contains(shown, secret) {
				t.Errorf("%q is shown: %s", secret, shown)
			}
		}
	}
}

// TestArgs reads each kind of argument, and refuses what is none.
func TestArgs(t *testing.T) {
	type reader func(d *caddyfile.Dispenser) error
	var (
		one      string
		some     []string
		on       *bool
		length   caddy.Duration
		bytes    int64
		count    int
		share    float64
		codes    []int
		multiple float64
	)
	for name, test := range map[string]struct {
		read      reader
		good, bad []string
	}{
		"OneArg":   {func(d *caddyfile.Dispenser) error { return OneArg(d, &one) }, []string{"x a"}, []string{"x", "x a b", `x ""`}},
		"SomeArgs": {func(d *caddyfile.Dispenser) error { return SomeArgs(d, &some) }, []string{"x a", "x a b"}, []string{"x", `x a ""`}},
		"OneOf":    {func(d *caddyfile.Dispenser) error { return OneOf(d, &one, "a", "b") }, []string{"x a", "x b"}, []string{"x", "x c"}},
		"OnOff":    {func(d *caddyfile.Dispenser) error { return OnOff(d, &on) }, []string{"x on", "x off"}, []string{"x", "x yes"}},
		"Duration": {func(d *caddyfile.Dispenser) error { return Duration(d, &length) }, []string{"x 5m", "x 3d"}, []string{"x 0s", "x -1s", "x 5"}},
		"Size":     {func(d *caddyfile.Dispenser) error { return Size(d, &bytes, 1<<20) }, []string{"x 1", "x 1MiB"}, []string{"x 0", "x 2MiB", "x much"}},
		"Number":   {func(d *caddyfile.Dispenser) error { return Number(d, &count, 1) }, []string{"x 1"}, []string{"x 0", "x 1.5"}},
		"Fraction": {func(d *caddyfile.Dispenser) error { return Fraction(d, &share) }, []string{"x 0", "x 0.1", "x 100%"}, []string{"x 101%", "x NaN"}},
		"Statuses": {func(d *caddyfile.Dispenser) error { return Statuses(d, &codes) }, []string{"x 404 410"}, []string{"x", "x gone"}},
		"Factor":   {func(d *caddyfile.Dispenser) error { return Factor(d, &multiple) }, []string{"x 1", "x 2.5"}, []string{"x 0.5", "x 101", "x NaN"}},
		"NoArgs":   {NoArgs, []string{"x"}, []string{"x a"}},
	} {
		try := func(line string) error {
			d := caddyfile.NewTestDispenser(line)
			d.Next()
			return test.read(d)
		}
		for _, line := range test.good {
			if err := try(line); err != nil {
				t.Errorf("%s: %q: %v", name, line, err)
			}
		}
		for _, line := range test.bad {
			if err := try(line); err == nil || !strings.Contains(err.Error(), "Testfile:1") {
				t.Errorf("%s: %q: error is %v: want one with the line", name, line, err)
			}
		}
	}
}

// TestLines has each line of a block read once, and finds forgotten braces and line breaks.
func TestLines(t *testing.T) {
	before := maps.Clone(elsewhere)
	t.Cleanup(func() { elsewhere = before })
	Declare("the block of retry", "max_attempts", "name")
	Declare("another block", "name")
	read := func(text string) (got []string, err error) {
		d := caddyfile.NewTestDispenser(text)
		d.Next()
		lines := Lines{
			"tolerance": func(d *caddyfile.Dispenser) error { return SomeArgs(d, &got) },
			"secret":    func(d *caddyfile.Dispenser) error { return SomeArgs(d, &got) },
		}
		if err := errors.Join(lines.CheckOpening(d, "webhooks", 0), CheckBrace(d)); err != nil {
			return nil, err
		}
		return got, lines.Parse(d, "secret")
	}
	if got, err := read("webhooks {\nsecret a\ntolerance 5m\nsecret b\n}"); err != nil || len(got) != 3 {
		t.Errorf("read %q, error %v", got, err)
	}
	for text, want := range map[string]string{
		"webhooks {\ntolerance 5m\ntolerance 6m\n}":  `subdirective "tolerance" is repeated`,
		"webhooks {\nsecret a tolerance 5m\n}":       `"tolerance" begins a line of its own`,
		"webhooks secret a":                          `"secret" is a line of its block`,
		"webhooks {\nsecret a{\n}\n}":                "a space is missing before the brace",
		"webhooks {\nsecrets a\n}":                   "did you mean secret?",
		"webhooks {\nsecret=T0xQ9zR4mVbWq\n}":        "did you mean secret? A line has its name, a space",
		"webhooks {\nT0xQ9zR4mVbWq\n}":               "an unknown word of 13 letters",
		"webhooks {\nredis://:T0xQ9zR4mVbWq@host\n}": "a line begins with a URL",
		"webhooks {\nmax_attempts 5\n}":              "it goes into the block of retry",
		"webhooks {\nname x\n}":                      `unrecognized subdirective "name": want one of`, // several blocks have one
	} {
		_, err := read(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "T0xQ9zR4mVbWq") {
			t.Errorf("%q: error is %v: want one with %q", text, err, want)
		}
	}
}

// TestExpand resolves placeholders, and never shows what they or their surroundings are.
func TestExpand(t *testing.T) {
	t.Setenv("GRAMMAR_TEST", "value")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("from a file\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Expand("secret", []string{"plain", "{env.GRAMMAR_TEST}", "{file." + file + "}", `a\{b}`})
	if want := "plain,value,from a file,a{b}"; err != nil || strings.Join(got, ",") != want {
		t.Errorf("expanded to %q, error %v: want %q", got, err, want)
	}
	for value, want := range map[string]string{
		"x{env.GRAMMAR_UNSET}":    "secret: {env.GRAMMAR_UNSET} is not set",
		"{env.GRAMMAR_UNSET}":     "secret: {env.GRAMMAR_UNSET} is not set",
		"{file./grammar/nowhere}": "secret: {file./grammar/nowhere} is not there",
		"abc{ghi}def":             "secret: the value has something in braces",
		"{env.GRAMMAR TEST":       "has no closing brace",
	} {
		_, err := Expand("secret", []string{value})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "ghi") {
			t.Errorf("%q: error is %v: want one with %q", value, err, want)
		}
	}
}

// TestOrigins adds the line of a placeholder to an error about it, of the one who has it there.
func TestOrigins(t *testing.T) {
	d := *caddyfile.NewTestDispenser("webhooks {\nsecret {env.ORIGINS_TEST}\n}")
	RememberOrigins("mine", d)
	unset := errors.New("{env.ORIGINS_TEST} is not set")
	if err := AtOrigin("mine", unset); err.Error() != unset.Error()+", at Testfile:2" || !errors.Is(err, unset) {
		t.Errorf("the error is %v", err)
	}
	if err := AtOrigin("another", unset); err != unset {
		t.Errorf("the error is %v", err)
	}
	if AtOrigin("mine", nil) != nil {
		t.Error("no error became one")
	}
}
