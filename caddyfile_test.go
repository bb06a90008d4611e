package caddywebhooks

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
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
			config, err := adapt(string(input))
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
		{"bad respond", "respond later", "respond wants one of: accepted"},
		{"second forward without upstream", "forward {\nevents a\n}", "a destination without upstreams needs a `name`"},
		{"forward to nothing", "forward {\nname x\n}", "give at least one upstream, or `handle`"},
		{"forward to both", "forward a:1 {\nhandle {\nrespond 200\n}\n}", "not both"},
		{"unknown in forward", "forward a:1 {\nretries 3\n}", `unrecognized subdirective "retries"`},
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
		{"bad initial", "forward a:1 {\nretry {\ninitial x\n}\n}", "initial is \"x\""},
		{"bad multiplier", "forward a:1 {\nretry {\nmultiplier 0.5\n}\n}", "multiplier is \"0.5\""},
		{"bad max_attempts", "forward a:1 {\nretry {\nmax_attempts 0\n}\n}", "max_attempts is \"0\""},
		{"bad jitter", "forward a:1 {\nretry {\njitter 200%\n}\n}", "jitter is \"200%\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := adapt("example.com {\nwebhooks /hook github {\n" + test.block + "\n" + forward + "\n}\n}")
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
		{"unknown option", "{\nwebhooks {\nstores file\n}\n}", `unrecognized subdirective "stores"`},
		{"unknown store", "{\nwebhooks {\nstore tape\n}\n}", "webhooks.stores.tape"},
		{"store without backend", "{\nwebhooks {\nstore\n}\n}", "wrong argument count"},
		{"two paths", "{\nwebhooks {\nstore file a b\n}\n}", `unexpected argument "b"`},
		{"bad max_keys", "{\nwebhooks {\nstore file x {\nmax_keys few\n}\n}\n}", "max_keys is \"few\""},
		{"unknown in store", "{\nwebhooks {\nstore file x {\nkeys 1\n}\n}\n}", `unrecognized subdirective "keys"`},
		{"bad max_pending", "{\nwebhooks {\nmax_pending 0\n}\n}", "max_pending is \"0\""},
		{"option twice", "{\nwebhooks {\n}\nwebhooks {\n}\n}", "repeated"},
		{"option with argument", "{\nwebhooks on {\n}\n}", `unexpected argument "on"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := adapt(test.caddyfile); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("error is %v: want one with %q", err, test.want)
			}
		})
	}
}
