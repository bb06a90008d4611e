package deliveries

import (
	"fmt"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/internal/httpserver"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestDroppedHeaders: a setting that reads a header which Caddy drops is refused, with its line where
// that is known, and the name to use instead.
func TestDroppedHeaders(t *testing.T) {
	const scheme = "verify hmac-sha256 {\n\t\t\tsignature header %s\n\t\t\t%s\n\t\t}"
	block := func(signature, more string) string { return fmt.Sprintf(scheme, signature, more) }
	app := harness.StartApplication(t)
	c := harness.Start(t, "respond 404", "")
	for _, test := range []struct{ name, block, setting, fix string }{
		{"signature", block("X_Sig", ""), "verify: signature: header X_Sig", "X-Sig"},
		{"a dot", block("X.Sig", ""), "verify: signature: header X.Sig", "X-Sig"},
		{"timestamp", block("X-Sig", "content {timestamp}{body}\n\t\t\ttimestamp header X_Time"), "verify: timestamp: header X_Time", "X-Time"},
		{"id", block("X-Sig", "id header x_event_id"), "verify: id: header x_event_id", "X-Event-Id"},
		{"type", block("X-Sig", "type header X_Type"), "verify: type: header X_Type", "X-Type"},
		{"digest", block("X-Sig", "content {header.X_Digest}\n\t\t\tbody_digest header X_Digest"), "verify: body_digest: header X_Digest", "X-Digest"},
		{"content", block("X-Sig", "content {header.X_Shop}{body}"), "verify: content: header X_shop", "X-Shop"},
		{"second content", block("X-Sig", "content {body} {header.X_Shop}{body}"), "verify: content: header X_shop", "X-Shop"},
		{"dedupe", block("X-Sig", "") + "\n\t\tdedupe json /id header X_Event_Id", "dedupe: header X_Event_Id", "X-Event-Id"},
	} {
		t.Run(test.name, func(t *testing.T) {
			endpoint := "webhooks /custom custom {\n\t\tsecret s3cret\n\t\t" + test.block + "\n\t\tforward " + app.Address + "\n\t}"
			_, err := harness.Adapt("example.com {\n" + endpoint + "\n}")
			for _, want := range []string{test.setting, "call it " + test.fix, "Caddyfile:"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("adapt: error is %v: want one with %q", err, want)
				}
			}
			// A server that expects other names is known when it is loaded.
			servers := "{\nservers {\nexpected_underscore_headers Another_*\n}\n}\n"
			if _, err := harness.Adapt(servers + "example.com {\n" + endpoint + "\n}"); err != nil {
				t.Errorf("adapt, with servers: %v", err)
			}
			if err := c.Load(endpoint); err == nil || !strings.Contains(err.Error(), test.setting) {
				t.Errorf("load: error is %v: want one with %q", err, test.setting)
			}
		})
	}
}

// TestExpectedHeaders: where the server's settings expect such a header, a webhook with it is accepted.
func TestExpectedHeaders(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, "respond 404", "servers {\n\t\texpected_underscore_headers X_Sig\n\t\texpected_dot_headers X.*\n\t}")
	site := func(more string) string {
		return "webhooks /custom custom {\n\t\tsecret s3cret\n\t\trequire_https off\n\t\tverify hmac-sha256 {\n\t\t\tsignature header X_Sig\n\t\t\t" + more + "\n\t\t}\n\t\tforward " + app.Address + "\n\t}"
	}
	if err := c.Load(site("id header X.Id")); err != nil {
		t.Fatal(err)
	}
	r := customRequest(c, `{"a":1}`, `{"a":1}`, nil)
	r.Header["X_Sig"], r.Header["X.Id"] = r.Header["X-Sig"], []string{"1"}
	r.Header.Del("X-Sig")
	if got := c.Do(r); got.Code != 202 {
		t.Errorf("answered %d %s", got.Code, got.Body)
	}
	if err := c.Load(site("id header X_Id")); err == nil || !strings.Contains(err.Error(), "verify: id: header X_Id never arrives") {
		t.Errorf("error is %v: want one about X_Id", err)
	}
}

// TestRowsReadNoDroppedHeader holds the table to what Caddy lets through.
func TestRowsReadNoDroppedHeader(t *testing.T) {
	for _, p := range verify.Providers() {
		for _, s := range p.Schemes {
			for setting, name := range s.HeaderNames() {
				if err := httpserver.CheckHeader(nil, setting, name); err != nil {
					t.Errorf("%s: %v", p.Name, err)
				}
			}
		}
		for _, sources := range [][]verify.Source{p.EventID, p.EventType, p.Identity, p.Subscription} {
			for _, s := range sources {
				if s.From != verify.FromHeader {
					continue
				}
				if err := httpserver.CheckHeader(nil, "row", s.Name); err != nil {
					t.Errorf("%s: %v", p.Name, err)
				}
			}
		}
	}
}
