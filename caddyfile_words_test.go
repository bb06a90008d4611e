package caddywebhooks

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/deliver"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestMistakes has what people mistype in a block refused, with the line and what
// to write instead, and without any value that may be a secret.
func TestMistakes(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	for _, test := range []struct {
		provider, block string // the block begins at line 3; a secret and a forward follow if it has none
		line            int
		want            string
	}{
		// Line breaks and braces forgotten.
		{"github", "forward app:3000 name app", 3, "forward: \"name\" is a line of its block, and goes into braces: `forward <upstream>... {`"},
		{"github", "forward app:3000 events push", 3, `"events" is a line of its block`},
		{"github", "forward app:3000 tolerance 5m", 3, `forward: "tolerance" begins a line of its own`},
		{"github", "forward app:3000{\nname x\n}", 3, "forward: a space is missing before the brace"},
		{"github", "forward app:3000 {\nretry exponential initial 5s\n}", 4, `retry: "initial" is a line of its block`},
		{"github", "forward app:3000 {\nevents push timeout 5s\n}", 4, `events: "timeout" begins a line of its own`},
		{"github", "secret a b tolerance 5m", 3, `secret: "tolerance" begins a line of its own`},
		{"github", "secret tolerance 5m", 3, `secret: "tolerance" begins a line of its own`},
		{"github", "name app tolerance 5m", 3, `name: "tolerance" begins a line of its own`},
		{"github", "block_ips 10.0.0.1 max_body 5MiB", 3, `block_ips: "max_body" begins a line of its own`},
		{"custom", "verify hmac-sha256 signature header X-Sig", 3, `verify: "signature" is a line of its block`},
		// Secrets that cannot be any.
		{"discord-interactions", "secret " + secret + secret, 3, "secret 1 is not what this provider signs with: it has a key pair, so give its public key: `public_key <key>`"},
		{"kinde", "option domain a.kinde.com\nsecret " + secret, 4, "secret 1 is not needed: this provider has no shared secret, and its public keys are fetched: remove it"},
		{"github", "secret “" + secret + "”", 3, "secret 1 has typographic quotes"},
		{"github", "forward ::1:3000", 3, "an IPv6 address stands in brackets, as in [::1]:3000"},
		// In the wrong block, or mistyped.
		{"github", "Secret x", 3, "did you mean secret?"},
		{"github", "secret: x", 3, "did you mean secret?"},
		{"github", "tolerence 5m", 3, "did you mean tolerance?"},
		{"github", "timeout 5s", 3, "it goes into the block of a destination"},
		{"github", "store file x", 3, "it goes into the block of the global option"},
		{"github", "forward app:3000 {\ntolerance 5m\n}", 4, "it goes into the block of the directive"},
		{"github", "forward {\nname x\nreverse_proxy app:3000\n}", 5, "it goes into the block of handle"},
		{"github", "forward app:3000 {\nmax_attempts 5\n}", 4, "it goes into the block of retry"},
		// Addresses.
		{"github", "allow_ips 10.0.0.0/33", 3, `"10.0.0.0/33" is not an address or an address range`},
		{"github", "allow_ips 10.0.0.1 10.0.0.0/33", 3, `"10.0.0.0/33" is not an address or an address range`},
		{"github", "allow_ips 10.0.0.1-10.0.0.9", 3, "is not an address or an address range"},
		{"github", "allow_ips hooks.example.com", 3, "names of hosts are not looked up"},
		{"github", "allow_ips private_ranges", 3, "`allow_ips static private_ranges`"},
		{"github", "allow_ips static 10.0.0.0/33", 3, `"10.0.0.0/33" is not an address or an address range`},
		{"github", "allow_ips static private_ranges 10.0.0.1 hooks.example.com", 3, "names of hosts are not looked up"},
		{"github", "allow_ips static {env.RANGE}", 3, "is not an address or an address range"},
		{"github", "block_ips 10.0.0.0/33", 3, "neither an address nor a CIDR"},
		// Upstreams.
		{"github", "forward http://app:3000/api", 3, "has a path, which an upstream cannot have"},
		{"github", "forward http://app:3000/api", 3, "`rewrite * /api`, `reverse_proxy http://app:3000`"},
		{"github", "forward app:3000/api", 3, "has a path, which an upstream cannot have"},
		{"github", "forward http://app:3000/", 3, "ends in a slash: want http://app:3000"},
		{"github", "forward http://app:3000?k=" + secret, 3, "has a query or a fragment"},
		{"github", "forward https://user:" + secret + "@app", 3, "takes no user and password"},
		{"github", "forward https://user:" + secret + "@app name x", 3, "is a line of its block"},
		{"github", "forward http://app:443", 3, "conflicting scheme"},
		{"github", "forward ftp://app", 3, "unsupported URL scheme"},
		{"github", "forward app:99999", 3, "want a port from 1 to 65535"},
		{"github", "forward app: 3000", 3, "want a port from 1 to 65535"},
		{"github", "forward 3000", 3, "want localhost:3000 or :3000"},
		{"github", "forward a:1, b:2", 3, "separated by spaces, without commas"},
		{"github", "forward", 3, "give at least one upstream, such as localhost:3000"},
		{"github", "forward {\nname x\nhandle reverse_proxy app:3000\n}", 5, "handle wants a block"},
		{"github", "forward {\nname x\nhandle {\n}\n}", 5, "handle is empty"},
		// Secrets of another kind.
		{"stripe", "secret sk_live_" + secret, 3, "secret 1 is an API key, not the webhook secret of Stripe (which begins with whsec_)"},
		{"stripe", "secret whsec_x rk_test_" + secret, 3, "secret 2 is an API key"},
		{"stripe", "secret pdl_ntfset_" + secret, 3, "secret 1 is one of Paddle Billing"},
		{"paddle-billing", "secret whsec_" + secret, 3, "secret 1 is one of those that begin with whsec_"},
		{"clerk", "secret sk_test_" + secret, 3, "secret 1 is an API key"},
		{"gitlab-signing", "secret glpat-" + secret, 3, "secret 1 is a GitLab token"},
		{"slack", "secret xoxb-" + secret, 3, "secret 1 is a Slack token, not the webhook secret of Slack (32 hexadecimal digits)"},
		{"twilio", "secret SK" + secret, 3, "secret 1 is a Twilio SID"},
		{"shopify", "secret shpat_" + secret, 3, "secret 1 is a Shopify access token"},
		{"svix", "secret whsec_!!", 3, "is not base64"},
		// Placeholders, and what is taken for one.
		{"github", "secret abc{ghi}" + secret, 3, "secret: the value has something in braces"},
		{"github", "secret x {ghi}", 3, "secret: value 2 has something in braces"},
		{"github", "secret ${" + secret + "}", 3, "something in braces"},
		{"github", "secret {env.A B}", 3, "has no closing brace, or white space in it"},
		{"github", "secret env.GITHUB_SECRET", 3, "is written like a variable"},
		{"github", "secret $GITHUB_SECRET", 3, "is written like a variable"},
		{"github", "secret = x", 3, "is written like a variable"},
		{"github", "secret {$NOT_SET_ANYWHERE}", 3, "a {$VARIABLE} that was not set when the Caddyfile was read leaves nothing"},
		{"github", "name {$NOT_SET_ANYWHERE}", 3, "leaves nothing"},
		{"plaid", "option client_id {ghi}", 3, "option client_id: the value has something in braces"},
		// Values.
		{"github", "tolerance 5 m", 3, "tolerance wants one value, and has 2"},
		{"github", "content_type json", 3, `content_type "json": want a media type`},
		{"custom", "verify {\nsignature header X\n}", 3, "verify wants one value, the algorithm"},
		{"custom", "verify hmac-sha256 {\nsignature header X\nkey " + secret + "\n}", 3, "unknown key: want how the secret is written"},
	} {
		t.Run(test.provider+" "+test.block, func(t *testing.T) {
			block := test.block
			if !strings.Contains(block, "secret") {
				block += "\nsecret " + secret
			}
			if !strings.Contains(block, "forward") {
				block += "\nforward app:3000"
			}
			_, err := harness.Adapt("example.com {\nwebhooks /hook " + test.provider + " {\n" + block + "\n}\n}")
			checkMistake(t, err, secret, fmt.Sprintf("Caddyfile:%d", test.line), test.want)
		})
	}
}

// checkMistake wants an error with the place, once, and the remedy, and no secret.
func checkMistake(t *testing.T, err error, secret, place, want string) {
	t.Helper()
	if err == nil {
		t.Fatal("it was taken")
	}
	text := err.Error()
	if !strings.Contains(text, want) || !strings.HasSuffix(text, place) {
		t.Errorf("error is %q: want one with %q that ends in %s", text, want, place)
	}
	if strings.Count(text, ", at ") != 1 || strings.Contains(text, ":0") {
		t.Errorf("the place is there more than once, or not at all: %q", text)
	}
	if strings.Contains(text, secret) || strings.Contains(text, "ghi") {
		t.Errorf("the error shows a part of a secret: %q", text)
	}
}

// TestMistakesOutside is the same for the line of the directive and the global option.
func TestMistakesOutside(t *testing.T) {
	const secret = "0123456789abcdef0123456789abcdef"
	for _, test := range []struct {
		caddyfile string
		line      int
		want      string
	}{
		{"example.com {\nwebhooks stripe /stripe {\nsecret x\n}\n}", 2, "the matcher /stripe goes before the provider: webhooks /stripe stripe { … }"},
		{"example.com {\nwebhooks stripe @hooks {\nsecret x\n}\n}", 2, "the matcher @hooks goes before the provider"},
		{"example.com {\nwebhooks /a /b stripe {\nsecret x\n}\n}", 2, `"/b" is a second matcher`},
		{"example.com {\nwebhooks stripe secret " + secret + "\n}", 2, `webhooks: "secret" is a line of its block`},
		{"example.com {\nwebhooks stripe " + secret + "\n}", 2, "unexpected argument after the provider"},
		{"{\nwebhooks {\nstore sqlite a\n}\n}", 3, `unknown store "sqlite": this Caddy has file, redis`},
		{"{\nwebhooks {\n}\nwebhooks {\n}\n}", 4, "the global option webhooks is repeated"},
		{"example.com {\nwebhooks /x stripe{\nsecret x\n}\n}", 2, "a space is missing before the brace"},
		{"{\nwebhooks {\nstore redis redis://:" + secret + "@h prefix x\n}\n}", 3, "redis: \"prefix\" is a line of its block, and goes into braces: `store redis <url>... {`"},
		{"{\nwebhooks {\nstore file /tmp/x max_keys 5\n}\n}", 3, `file: "max_keys" is a line of its block`},
		{"{\nwebhooks {\nstore redis://:" + secret + "@h\n}\n}", 3, "the backend is missing"},
		{"{\nwebhooks {\nstore /tmp/x\n}\n}", 3, "the backend is missing"},
		{"{\nwebhooks {\nstore redis redis://:" + secret + "@h:x\n}\n}", 3, "address 1: it cannot be read"},
		{"{\nwebhooks {\nstore redis http://h\n}\n}", 3, "the scheme must be redis"},
		{"{\nwebhooks {\nstore redis redis://h {\npassword a{ghi}\n}\n}\n}", 3, "something in braces"},
		{"{\nwebhooks store file /tmp/x\n}", 2, `webhooks: "store" is a line of its block`},
		{"{\nwebhooks /x stripe {\nsecret x\n}\n}", 2, "the directive of a site goes into the site's block"},
		{"{\nwebhooks {\nsecret x\n}\n}", 3, "it goes into the block of the directive"},
	} {
		t.Run(test.caddyfile, func(t *testing.T) {
			_, err := harness.Adapt(test.caddyfile)
			checkMistake(t, err, secret, fmt.Sprintf("Caddyfile:%d", test.line), test.want)
		})
	}
}

// TestWordsInQuotes takes what only looks like a mistake, if it is in quotes or
// where others give the names.
func TestWordsInQuotes(t *testing.T) {
	for _, block := range []string{
		`secret "tolerance" "name"`, "dedupe header name", "dedupe json /type", "name forward",
		"forward {$NOT_SET_ANYWHERE} app:3000 {\nevents \"retry\" \"name\"\n}", "secret \"a\\{b}\"", `secret "{ab"`,
	} {
		_, err := harness.Adapt("example.com {\nwebhooks /hook github {\n" + block + "\nsecret x\nforward app:3000 {\nname other\n}\n}\n}")
		if err != nil {
			t.Errorf("%s: %v", block, err)
		}
	}
}

// validate adapts and provisions a config as `caddy validate` does.
func validate(t *testing.T, text string) error {
	t.Helper()
	raw, err := harness.Adapt(text)
	if err != nil {
		return err
	}
	var config caddy.Config
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	config.Admin = &caddy.AdminConfig{Disabled: true}
	return caddy.Validate(&config)
}

// TestUnsetPlaceholders names endpoint, setting and line of what only Provision can know.
func TestUnsetPlaceholders(t *testing.T) {
	for _, test := range []struct{ caddyfile, want string }{
		{"example.com {\nwebhooks /x github {\nname in\nforward a:1\nsecret {env.NOT_SET_ANYWHERE}\n}\n}", "endpoint in: secret: {env.NOT_SET_ANYWHERE} is not set, or empty, in the environment of Caddy's own process: set it there, and start Caddy again, at Caddyfile:5"},
		{"example.com {\nwebhooks /x github {\nforward a:1\nsecret {file./not/there}\n}\n}", "secret: {file./not/there} is not there, is empty, or the user that Caddy runs as cannot read it, at Caddyfile:4"},
		{"{\nwebhooks {\nstore redis redis://h {\npassword {env.NOT_SET_ANYWHERE}\n}\n}\n}", "store redis: password: {env.NOT_SET_ANYWHERE} is not set"},
		{"{\nwebhooks {\nstore redis redis://h {\npassword {env.NOT_SET_ANYWHERE}\n}\n}\n}", ", at Caddyfile:4"},
	} {
		err := validate(t, test.caddyfile)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("error is %v: want one with %q", err, test.want)
		}
	}
}

// TestTwins finds destinations that are nothing but further addresses.
func TestTwins(t *testing.T) {
	for lines, want := range map[string]string{
		"forward 10.0.0.1:3000\nforward 10.0.0.2:3000":                                         "10.0.0.1:3000 10.0.0.2:3000",
		"forward 10.0.0.1:3000 10.0.0.2:3000":                                                  "",
		"forward 10.0.0.1:3000 {\nname a\n}\nforward 10.0.0.2:3000 {\nname b\n}":               "",
		"forward 10.0.0.1:3000 {\nevents push\n}\nforward 10.0.0.2:3000":                       "",
		"forward b:1 {\ntimeout 5s\n}\nforward a:1 {\ntimeout 5s\n}\nforward c:1 {\nname c\n}": "b:1 a:1",
	} {
		h := new(Handler)
		d := caddyfile.NewTestDispenser("webhooks github {\nsecret x\n" + lines + "\n}")
		if err := h.UnmarshalCaddyfile(d); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(h.twins(), " "); got != want {
			t.Errorf("%q: twins are %q, want %q", lines, got, want)
		}
	}
}

// TestForwardToTLS delivers to an https upstream: it gets the provider's Host, by
// a connection to its own name.
func TestForwardToTLS(t *testing.T) {
	type seen struct{ host, name string }
	got := make(chan seen, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- seen{r.Host, r.TLS.ServerName}
	}))
	defer server.Close()
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "https://"), ":")
	f := &Forward{Upstreams: []string{"https://localhost:" + port}}
	raw, err := deliver.ReverseProxy(f.Upstreams, f.MaxInFlight)
	if err != nil {
		t.Fatal(err)
	}
	// The same config, but for the certificate, which no authority vouches for.
	proxy := harness.Edited(string(raw), `"tls":{}`, `"tls":{"insecure_skip_verify":true}`)
	c := harness.Start(t, "respond 204", "")
	config, err := harness.Adapt("{\n" + c.Options + "\n}\nhttp://:" + c.Port + " {\nbind 127.0.0.1\nroute {\nrespond 204\n}\n}")
	if err != nil {
		t.Fatal(err)
	}
	const placeholder = `{"handler":"static_response","status_code":204}`
	if err := caddy.Load([]byte(harness.Edited(string(config), placeholder, proxy)), true); err != nil {
		t.Fatal(err)
	}
	if err := c.AwaitOldConfig(); err != nil {
		t.Fatal(err)
	}
	r := c.Request(http.MethodPost, c.Site+"/hook", "{}")
	r.Host = "hooks.example.com"
	if answer := c.Do(r); answer.Code != 200 {
		t.Fatalf("answered %d", answer.Code)
	}
	if s := <-got; s != (seen{"hooks.example.com", "localhost"}) {
		t.Errorf("the upstream saw %+v", s)
	}
}
