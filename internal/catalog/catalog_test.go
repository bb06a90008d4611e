package catalog

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

var update = flag.Bool("update", false, "write docs/providers.md anew")

const document = "../../docs/providers.md"

// TestDocument compares docs/providers.md with the table.
func TestDocument(t *testing.T) {
	want := Markdown(verify.Providers())
	if *update {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/providers.md is not what the table says: go test ./internal/catalog -update")
	}
}

// TestDescriptions reads what is said of each provider.
func TestDescriptions(t *testing.T) {
	for _, p := range verify.Providers() {
		d := Describe(p)
		switch {
		case len(d.Signature) == 0:
			t.Errorf("%s: nothing is said of its signature", p.Name)
		case d.Renewal == string(verify.RenewalDone) && !d.SignsTime:
			t.Errorf("%s: renews a time that is not signed", p.Name)
		case d.Evidence == "" || d.Category == "":
			t.Errorf("%s: %+v", p.Name, d)
		case !strings.HasPrefix(d.Caddyfile, "webhooks /"+p.Name+" "+p.Name+" {\n"):
			t.Errorf("%s: %s", p.Name, d.Caddyfile)
		}
	}
	stripe, _ := verify.Lookup("stripe")
	d := Describe(stripe)
	if d.Signature[0] != "HMAC-SHA-256 of {timestamp}.{body}, in header Stripe-Signature" || d.Renewal != string(verify.RenewalDone) || d.FetchesKeys ||
		d.Caddyfile != "webhooks /stripe stripe {\n\tsecret {env.STRIPE_SECRET}\n\tforward localhost:3000\n}\n" {
		t.Errorf("stripe: %+v", d)
	}
}
