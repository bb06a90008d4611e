package caddywebhooks

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// secretKinds are values as people have them: generated ones, and those made of words.
var secretKinds = []string{
	"0123456789abcdef0123456789abcdef", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "correct-horse-battery-staple",
	"Tr0ub4dor&3", "hunter2hunter2", "sommernacht", "T0xQ9zR4mVbWq",
}

// TestWordsAreHidden has no secret shown that stands where a word of the configuration should,
// whatever kind it is of.
func TestWordsAreHidden(t *testing.T) {
	in := func(block string) string { return "example.com {\nwebhooks /hook github {\n" + block + "\n}\n}" }
	verifyBlock := func(line string) string {
		return "example.com {\nwebhooks /hook custom {\nverify hmac-sha256 {\n" + line + "\n}\nsecret x\nforward a:1\n}\n}"
	}
	redis := func(line string) string { return "{\nwebhooks {\nstore redis redis://h {\n" + line + "\n}\n}\n}" }
	for _, test := range []struct{ caddyfile, want string }{
		{in("secret=VALUE\nforward a:1"), "did you mean secret? A line has its name, a space, and its value, without \"=\": `secret <value>`"},
		{in("secret:VALUE\nforward a:1"), "without \":\": `secret <value>`"},
		{in("Secret=VALUE\nforward a:1"), "did you mean secret?"},
		{in("secert=VALUE\nforward a:1"), "did you mean secret?"},
		{in("secret x\nforward a:1 {\nsecret=VALUE\n}"), "it goes into the block of the directive"},
		{in("secret x\nforward a:1 {\nsecret:VALUE\n}"), "it goes into the block of the directive"},
		{in("secret A\nVALUE\nforward a:1"), "begins with an unknown word of"},
		{in("secret A\nVALUE B\nforward a:1"), "begins with an unknown word of"},
		{in("secret A\nforward a:1\nVALUE:x"), "begins with an unknown word of"},
		{in("VALUE=secret\nforward a:1"), "begins with an unknown word of"},
		{in("secret x\nforward a:1 {\nretry {\nVALUE 1\n}\n}"), "begins with an unknown word of"},
		{in("name \"VALUE \"\nsecret x\nforward a:1"), "name has"},
		{in("secret x\nforward http://hooks.example.com/T000/B000/VALUE"), "has a path, which an upstream cannot have"},
		{in("secret x\nforward hooks.example.com/VALUE"), "has a path"},
		{in("secret x\nforward user:VALUE"), "want a port from 1 to 65535"},
		{in("secret x\nforward VALUE,"), "without commas"},
		{in("secret x\nforward a:1 VALUE:3000:1"), "in brackets"},
		{in("secret x\nforward a:1 {\nname \"VALUE x\"\n}"), "name has"},
		{in("secret x\noption VALUE x\nforward a:1"), "option: provider github has no such option"},
		{"example.com {\nwebhooks plaid {\noption client_id x\noption VALUE x\nsecret x\nforward a:1\n}\n}", "option: provider plaid has no such option"},
		{"example.com {\nwebhooks plaid {\noption client_id=VALUE x\nsecret x\nforward a:1\n}\n}", "option: provider plaid has no such option"},
		{in("secret x\ndedupe VALUE\nforward a:1"), "source: want header"},
		{in("secret x\nallow_ips VALUE\nforward a:1"), "allow_ips: "},
		{in("secret x\nallow_ips 10.0.0.1 VALUE\nforward a:1"), "allow_ips: "},
		{in("secret x\ntolerance VALUE\nforward a:1"), "want a duration"},
		{in("secret x\nmax_body VALUE\nforward a:1"), "want a size"},
		{in("secret x\nrate_limit VALUE\nforward a:1"), "want ip or provider"},
		{in("secret x\nrate_limit ip 10 VALUE\nforward a:1"), "rate_limit ip"},
		{in("secret x\nrespond upstream VALUE\nforward a:1"), "want a duration"},
		{in("secret x\ncontent_type VALUE\nforward a:1"), "want a media type"},
		{in("secret x\nforward a:1 {\nretry VALUE\n}"), "unknown strategy"},
		{in("secret x\nforward a:1 {\nbreaker VALUE\n}"), "want `off`"},
		{in("secret x\nforward a:1 {\npriority VALUE\n}"), "want 0 to 10"},
		{in("secret x\nforward a:1 {\ndead_on VALUE\n}"), "is not an HTTP status"},
		{"example.com {\nwebhooks /hook VALUE {\nsecret x\n}\n}", "unknown provider"},
		{"example.com {\nwebhooks VALUE /hook {\nsecret x\n}\n}", "unknown provider"},
		{"example.com {\nwebhooks github-VALUE {\nsecret x\n}\n}", "unknown provider: did you mean github"},
		{"example.com {\nwebhooks github /hooks/in/VALUE/for/the/provider {\nsecret x\n}\n}", "goes before the provider"},
		{"example.com {\nwebhooks /hooks/in/VALUE/for/the/provider /b github {\nsecret x\n}\n}", "second matcher"},
		{verifyBlock("secret=VALUE"), "it goes into the block of the directive"},
		{verifyBlock("secret:VALUE"), "it goes into the block of the directive"},
		{verifyBlock("key_prefix:VALUE"), "did you mean key_prefix?"},
		{verifyBlock("signature VALUE"), "source: want header"},
		{verifyBlock("signature header X\ntimestamp VALUE"), "source: want header"},
		{verifyBlock("signature header X\ntimestamp header X VALUE"), "unknown unit"},
		{verifyBlock("signature header X\nformat VALUE"), "format"},
		{verifyBlock("signature header X\ncontent VALUE"), "content"},
		{"example.com {\nwebhooks custom {\nverify VALUE {\nsignature header X\n}\nsecret x\n}\n}", "algorithm"},
		{redis("VALUE=password"), "begins with an unknown word of"},
		{redis("password=VALUE"), "did you mean password?"},
		{redis("password:VALUE"), "did you mean password?"},
		{redis("redis://u:VALUE@h"), "a line begins with a URL"},
		{redis("VALUE"), "begins with an unknown word of"},
		{redis("min_replicas 1 VALUE"), "want a duration"},
		{redis("sentinel a b VALUE d"), "sentinel wants"},
		{"{\nwebhooks {\nstore=redis://u:VALUE@h\n}\n}", "did you mean store?"},
		{"{\nwebhooks {\nstore:redis://u:VALUE@h\n}\n}", "did you mean store?"},
		{"{\nwebhooks {\nstore VALUE\n}\n}", "unknown store"},
		{"{\nwebhooks {\nstore file a VALUE\n}\n}", "unexpected argument"},
		{"{\nwebhooks VALUE {\n}\n}", "unexpected argument"},
		{"{\nwebhooks {\nretain delivered VALUE\n}\n}", "retain delivered has"},
		{"{\nwebhooks {\nrate_limit on_error VALUE\n}\n}", "on_error"},
	} {
		for _, secret := range secretKinds {
			_, err := harness.Adapt(harness.Filled(test.caddyfile, "VALUE", secret))
			switch {
			case err == nil:
				t.Errorf("%q was taken", test.caddyfile)
			case strings.Contains(err.Error(), secret):
				t.Errorf("%q: the error shows %s: %v", test.caddyfile, secret, err)
			case !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "Caddyfile:"):
				t.Errorf("%q: error is %v: want one with %q and a line", test.caddyfile, err, test.want)
			}
		}
	}
}

// TestNamesAreHiddenInJSON is the same for a config that was never a Caddyfile.
func TestNamesAreHiddenInJSON(t *testing.T) {
	const config = `{"admin":{"disabled":true},"apps":{"http":{"servers":{"x":{"listen":["127.0.0.1:0"],"routes":[{"handle":[HANDLER]}]}}}}}`
	for handler, want := range map[string]string{
		`{"handler":"webhooks","provider":"VALUE","secrets":["x"]}`:                                             "unknown provider",
		`{"handler":"webhooks","provider":"github","name":"VALUE ","secrets":["x"]}`:                            "name has",
		`{"handler":"webhooks","provider":"github","options":{"VALUE":["x"]},"secrets":["x"]}`:                  "option: provider github has no such option",
		`{"handler":"webhooks","provider":"github","secrets":["x"],"respond":"VALUE","forward":[{"name":"a"}]}`: "want accepted or upstream",
	} {
		for _, secret := range secretKinds {
			var c caddy.Config
			if err := json.Unmarshal([]byte(harness.Filled(config, "HANDLER", harness.Filled(handler, "VALUE", secret))), &c); err != nil {
				t.Fatal(err)
			}
			err := caddy.Validate(&c)
			// Caddy itself quotes the module's JSON at the beginning of some errors.
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
				t.Errorf("%s: error is %v: want one with %q, without the value", handler, err, want)
			}
		}
	}
}
