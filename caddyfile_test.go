package caddywebhooks

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

var update = flag.Bool("update", false, "write what adapting gives as the expected JSON")

// TestAdapt compares the JSON of each testdata/adapt/*.caddyfile with the .json beside it.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			input, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			config, err := harness.Adapt(string(input))
			if err != nil {
				t.Fatal(err)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, config, "", "\t"); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			golden := strings.TrimSuffix(file, ".caddyfile") + ".json"
			if *update {
				if err := os.WriteFile(golden, pretty.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if pretty.String() != string(want) {
				t.Errorf("adapted to:\n%s\nwant:\n%s", pretty.String(), want)
			}
		})
	}
}

// TestAdaptErrors checks that each mistake is refused, naming the line and what is wrong.
func TestAdaptErrors(t *testing.T) {
	const forward = "forward app:3000"
	for _, test := range []struct{ name, block, want string }{
		{"unknown subdirective", "secrets x", `:3`},
		{"unknown subdirective", "secrets x", `unrecognized subdirective "secrets"`},
		{"repeated", "name a\nname b", `:4`},
		{"repeated", "name a\nname b", `subdirective "name" is repeated`},
		{"name without value", "name", "name wants one value"},
		{"empty name", `name ""`, "name wants one value"},
		{"two names", "name a b", "name wants one value"},
		{"secret without value", "secret", "secret wants one or more values"},
		{"empty secret", `secret ""`, "none of them empty"},
		{"empty public key", `public_key ""`, "none of them empty"},
		{"bad tolerance", "tolerance soon", `tolerance is "soon": want a duration`},
		{"zero tolerance", "tolerance 0s", "want a duration above zero"},
		{"negative tolerance", "tolerance -5m", "want a duration above zero"},
		{"bad require_https", "require_https maybe", "require_https wants one of: on, off"},
		{"bad max_body", "max_body huge", "max_body is \"huge\": want a size"},
		{"zero max_body", "max_body 0", "want a size from 1B"},
		{"over max_body", "max_body 2GiB", "want a size from 1B to 1GiB"},
		{"no content type", "content_type", "content_type wants one or more"},
		{"no dedupe source", "dedupe", "dedupe wants `off`"},
		{"bad dedupe source", "dedupe header", "source"},
		{"unknown dedupe source", "dedupe cookie id", "cookie"},
		{"bad dedupe_ttl", "dedupe_ttl never", "dedupe_ttl is \"never\""},
		{"bad respond", "respond later", "respond wants one of: accepted, upstream [<timeout>]"},
		{"bad respond timeout", "respond upstream soon", "want a duration above zero"},
		{"respond accepted with timeout", "respond accepted 5s", "respond wants one of"},
		{"no address to block", "block_ips", "block_ips wants one or more"},
		{"bad address to block", "block_ips 300.0.0.1", "block_ips:"},
		{"no address to allow", "allow_ips", "allow_ips wants addresses"},
		{"bad address to allow", "allow_ips 10.0.0.0/8 300.0.0.1", "300.0.0.1"},
		{"unknown IP source", "allow_ips nobody", "this Caddy has no http.ip_sources of that name"},
		{"unknown tier", "rate_limit global 10 1/s", "want ip or provider"},
		{"bad rate limit", "rate_limit ip 10", "rate_limit ip"},
		{"bad rate", "rate_limit ip 10 fast", "fast"},
		{"bad algorithm", "rate_limit ip 10 1/s leaky", "leaky"},
		{"repeated tier", "rate_limit ip 10 1/s\nrate_limit ip 5 1/s", "rate_limit ip is repeated"},
		{"defaults and a tier", "rate_limit ip 10 1/s\nrate_limit", "it must be the only one"},
		{"verify for a known provider", "verify token {\nsignature header X\n}", "provider github has a scheme of its own"},
		{"second forward without upstream", "forward {\nevents a\n}", "a destination without upstreams needs a `name`"},
		{"forward to nothing", "forward {\nname x\n}", "give at least one upstream, or `handle`"},
		{"forward to both", "forward a:1 {\nhandle {\nrespond 200\n}\n}", "not both"},
		{"unknown in forward", "forward a:1 {\nretries 3\n}", "a line begins with an unknown word of 7 letters"},
		{"repeated in forward", "forward a:1 {\ntimeout 1s\ntimeout 2s\n}", `subdirective "timeout" is repeated`},
		{"upstream with a path", "forward http://a:1/hooks", ":3"},
		{"bad timeout", "forward a:1 {\ntimeout x\n}", "timeout is \"x\""},
		{"bad max_in_flight", "forward a:1 {\nmax_in_flight 0\n}", "whole number of at least 1"},
		{"bad dead_on", "forward a:1 {\ndead_on gone\n}", `"gone" is not an HTTP status`},
		{"dead_on a success", "forward a:1 {\ndead_on 200\n}", "dead_on 200"},
		{"no events", "forward a:1 {\nevents\n}", "events wants one or more"},
		{"unknown strategy", "forward a:1 {\nretry random\n}", "random"},
		{"two strategies", "forward a:1 {\nretry linear now\n}", `unexpected argument "now"`},
		{"unknown in retry", "forward a:1 {\nretry {\nmax 3\n}\n}", `unrecognized subdirective "max"`},
		{"bad priority", "forward a:1 {\npriority urgent\n}", "priority is \"urgent\""},
		{"priority out of range", "forward a:1 {\npriority 11\n}", "priority is 11: want 0 to 10"},
		{"bad rate of delivery", "forward a:1 {\nrate 5\n}", "rate is \"5\": want attempts per second"},
		{"zero rate of delivery", "forward a:1 {\nrate 0/s\n}", "want attempts per second"},
		{"bad breaker", "forward a:1 {\nbreaker on\n}", "breaker on: want `off`, or failures"},
		{"breaker of zero", "forward a:1 {\nbreaker 0\n}", "breaker 0: want"},
		{"breaker with too much", "forward a:1 {\nbreaker 5 60s 3 1\n}", "breaker 5 60s 3 1: want"},
		{"bad resign", "forward a:1 {\nresign maybe\n}", "resign wants one of: on, off"},
		{"bad initial", "forward a:1 {\nretry {\ninitial x\n}\n}", "initial is \"x\""},
		{"bad multiplier", "forward a:1 {\nretry {\nmultiplier 0.5\n}\n}", "multiplier is \"0.5\""},
		{"bad max_attempts", "forward a:1 {\nretry {\nmax_attempts 0\n}\n}", "max_attempts is \"0\""},
		{"bad jitter", "forward a:1 {\nretry {\njitter 200%\n}\n}", "jitter is \"200%\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := harness.Adapt("example.com {\nwebhooks /hook github {\n" + test.block + "\n" + forward + "\nsecret x\n}\n}")
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v: want one with %q", err, test.want)
			}
			if !strings.Contains(err.Error(), "Caddyfile:") {
				t.Errorf("error names no line: %v", err)
			}
		})
	}
	for _, test := range []struct{ name, caddyfile, want string }{
		{"no provider", "example.com {\nwebhooks\n}", "the provider is missing"},
		{"unknown provider", "example.com {\nwebhooks /x strip {\n}\n}", `unknown provider "strip"`},
		{"two providers", "example.com {\nwebhooks /x stripe github {\n}\n}", `unexpected argument "github"`},
		{"no secret", "example.com {\nwebhooks /x stripe {\nforward a:1\n}\n}", "Caddyfile:2"},
		{"no secret", "example.com {\nwebhooks /x stripe {\nforward a:1\n}\n}", "secret is missing"},
		{"two of one name", "example.com {\nwebhooks /x stripe {\nsecret x\n}\nwebhooks /y stripe {\nsecret x\n}\n}", "Caddyfile:5"},
		{"two of one name", "a.com {\nwebhooks /x stripe {\nsecret x\n}\n}\nb.com {\nwebhooks /y stripe {\nsecret x\n}\n}", "another endpoint has this name"},
		{"two destinations of one name", "example.com {\nwebhooks /x stripe {\nsecret x\nforward a:1\nforward a:1\n}\n}", "Caddyfile:5"},
		{"unknown option", "{\nwebhooks {\nstores file\n}\n}", `unrecognized subdirective "stores"`},
		{"unknown store", "{\nwebhooks {\nstore tape\n}\n}", `unknown store "tape": this Caddy has file, redis`},
		{"store without backend", "{\nwebhooks {\nstore\n}\n}", "store wants a backend"},
		{"two paths", "{\nwebhooks {\nstore file a b\n}\n}", `unexpected argument "b"`},
		{"rate limit without tier", "{\nwebhooks {\nrate_limit 10 1/s\n}\n}", "rate_limit wants: global"},
		{"bad global rate limit", "{\nwebhooks {\nrate_limit global x 1/s\n}\n}", "rate_limit global"},
		{"verify without algorithm", "example.com {\nwebhooks custom {\nverify {\n}\n}\n}", "verify wants one value"},
		{"unknown algorithm", "example.com {\nwebhooks custom {\nverify rot13 {\nsignature header X\n}\n}\n}", "unknown algorithm"},
		{"verify without signature", "example.com {\nwebhooks custom {\nverify hmac-sha256 {\n}\n}\n}", "signature is missing"},
		{"unknown in verify", "example.com {\nwebhooks custom {\nverify hmac-sha256 {\nsig header X\n}\n}\n}", `unrecognized subdirective "sig"`},
		{"bad source in verify", "example.com {\nwebhooks custom {\nverify hmac-sha256 {\nsignature X-Signature\n}\n}\n}", "source"},
		{"bad unit in verify", "example.com {\nwebhooks custom {\nverify hmac-sha256 {\nsignature header X\ntimestamp header Y weeks\n}\n}\n}", "weeks"},
		{"bad max_keys", "{\nwebhooks {\nstore file x {\nmax_keys few\n}\n}\n}", "max_keys is \"few\""},
		{"unknown in store", "{\nwebhooks {\nstore file x {\nkeys 1\n}\n}\n}", `unrecognized subdirective "keys"`},
		{"bad max_stored", "{\nwebhooks {\nmax_stored 10 GiB\n}\n}", "max_stored"},
		{"no max_stored", "{\nwebhooks {\nmax_stored 0\n}\n}", "max_stored is \"0\": want a size from 1B to 1PiB"},
		{"bad max_size", "{\nwebhooks {\nstore file x {\nmax_size much\n}\n}\n}", "max_size is \"much\""},
		{"bad max_pending", "{\nwebhooks {\nmax_pending 0\n}\n}", "max_pending is \"0\""},
		{"option twice", "{\nwebhooks {\n}\nwebhooks {\n}\n}", "repeated"},
		{"option with argument", "{\nwebhooks on {\n}\n}", `unexpected argument "on"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := harness.Adapt(test.caddyfile); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v: want one with %q", err, test.want)
			}
		})
	}
}

// TestAdaptChecks has what Provision would refuse, too, refused with the endpoint
// and the line of the setting, as far as no placeholder hides it.
func TestAdaptChecks(t *testing.T) {
	for _, test := range []struct{ name, provider, block, want string }{
		{"secret of another form", "svix", "name in\nforward a:1\nsecret whsec_!", "endpoint in: secret 1 is not base64"},
		{"secret of another form", "svix", "name in\nforward a:1\nsecret whsec_!", "Caddyfile:5"},
		{"public key", "discord-interactions", "public_key zz\nforward a:1", "Caddyfile:3"},
		{"unknown option", "stripe", "secret x\nforward a:1 {\nname option\n}\noption team 7", "endpoint stripe: option: provider stripe has no such option"},
		{"unknown option", "stripe", "secret x\nforward a:1 {\nname option\n}\noption team 7", "Caddyfile:7"},
		{"short memory", "stripe", "secret x\nforward a:1\ndedupe_ttl 1m", "dedupe_ttl is 1m0s: want at least 10m0s"},
		{"short memory", "stripe", "secret x\nforward a:1\ndedupe_ttl 1m", "Caddyfile:5"},
		{"short memory, secret of the environment", "stripe", "secret {env.X}\ndedupe_ttl 1m\nforward a:1", "Caddyfile:4"},
		{"respond without forward", "stripe", "secret {env.X}\nrespond upstream", "Caddyfile:4"},
		{"bad name", "stripe", "secret {env.X}\nforward a:1\nname \"a b\"", "Caddyfile:5"},
		{"content type with parameters", "stripe", "content_type \"text/json; charset=utf-8\"\nsecret x\nforward a:1", "Caddyfile:3"},
		{"resign where the URL is signed", "twilio", "secret x\nforward a:1 {\nresign on\n}", "endpoint twilio: forward a:1: resign is on, but"},
		{"verify is missing", "custom", "secret x\nforward a:1", "provider custom needs a `verify` block"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := harness.Adapt("example.com {\nwebhooks /hook " + test.provider + " {\n" + test.block + "\n}\n}")
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), "Caddyfile:") {
				t.Fatalf("error is %v: want one with a line and %q", err, test.want)
			}
		})
	}
	// Only a running Caddy can tell.
	for _, block := range []string{"secret {env.X}", "secret x {file./run/y}", "secret x\nname in\ndedupe_ttl 10m", "secret x {env.X}\ntolerance 1h\ndedupe_ttl 2h"} {
		if _, err := harness.Adapt("example.com {\nwebhooks stripe {\n" + block + "\nforward a:1\n}\n}"); err != nil {
			t.Errorf("%q: %v", block, err)
		}
	}
}
