package eventtypes

import (
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/vectors"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// shop is a provider whose types are known; open is one whose are not.
var (
	shop = &verify.Provider{Name: "shop", EventType: []verify.Source{{From: verify.FromJSON, Name: "/type"}},
		Types: []string{"invoice.paid", "invoice.payment_failed", "customer.created", "customer.subscription.deleted", "database.*.created"}}
	open   = &verify.Provider{Name: "open", EventType: shop.EventType}
	spaced = &verify.Provider{Name: "spaced", EventType: shop.EventType, Types: []string{"Push Hook", "Tag Push Hook"}}
	silent = &verify.Provider{Name: "silent"}
	parts  = &verify.Provider{Name: "parts", EventType: shop.EventType, Types: []string{"v2.account[identity].updated", "v2.account.closed", "invoice.paid"}}
)

func TestGlobsThatCanMatchNothing(t *testing.T) {
	for _, c := range []struct {
		provider   *verify.Provider
		glob, want string
	}{
		{shop, "", "empty"},
		{shop, "/invoice.*/", "write invoice.*"},
		{shop, `/^invoice\..*$/i`, "write invoice.*"},
		{open, "/.*/", "regular expression"},
		{shop, ".*", "* alone"},
		{open, ".*paid", "* alone"},
		{shop, "invoice.[", "only * is special"},
		{shop, "invoice.[a-z]*", "only * is special"},
		{open, "invoice.?", "only * is special"},
		{shop, "^invoice", "no regular expression"},
		{shop, "invoice.*$", "no regular expression"},
		{shop, "invoice|customer", "no regular expression"},
		{shop, `invoice\.paid`, "no regular expression"},
		{open, "(invoice|customer).*", "no regular expression"},
		{shop, "{env.EVENTS}", "placeholders are not expanded"},
		{shop, `"invoice.paid"`, "without quotes"},
		{shop, "invoice.paid,customer.created", "invoice.paid customer.created"},
		{shop, "invoice.paid customer.created", "invoice.paid customer.created"},
		{open, " invoice.paid", "spaces around"},
		{open, "invoice\x00", "control characters"},
		{shop, "!invoice.paid", "no type has"},
		{shop, "Invoice.Paid", "letter case matters, as in invoice.paid"},
		{shop, "INVOICE.*", "letter case matters"},
		{spaced, "push hook", "letter case matters, as in Push Hook"},
		{silent, "invoice.*", "provider silent has no event type"},
		{parts, "invoice.[", "only * is special"},
		{parts, "v2.[a-z]*", "only * is special"},
	} {
		if doubt, err := Check(c.provider, c.glob); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s of %s: %q, %v, want an error with %q", c.glob, c.provider.Name, doubt, err, c.want)
		}
	}
}

func TestGlobsThatMatchNoKnownType(t *testing.T) {
	for glob, want := range map[string]string{
		"invoices.*":      "no type of shop matches invoices.*: did you mean invoice.*?",
		"invoice.payed":   "no type of shop matches invoice.payed: did you mean invoice.paid?",
		"customer/*":      "no type of shop matches customer/*: did you mean customer.*?",
		"invoice":         "no type of shop matches invoice: did you mean invoice.*?",
		"invoice.":        "no type of shop matches invoice.: did you mean invoice.*?",
		"invoice.paid.at": "no type of shop matches invoice.paid.at: did you mean invoice.paid?",
		"database.x.gone": "no type of shop matches database.x.gone: its types are such as invoice.paid, invoice.payment_failed, customer.created",
	} {
		if doubt, err := Check(shop, glob); err != nil || doubt != want {
			t.Errorf("%s: %q, %v, want %q", glob, doubt, err, want)
		}
	}
}

// TestTypesThatAreNew: a type that is not known is no error, whatever is in it that
// types of its kind have.
func TestTypesThatAreNew(t *testing.T) {
	for glob, p := range map[string]*verify.Provider{
		"invoice.frozen": shop, "!help": open, "/restapi/v1.0/account/~": open, "refund.created": shop, "v2.account[new].updated": parts, "Nudge Hook": spaced,
	} {
		if doubt, err := Check(p, glob); doubt == "" || err != nil {
			t.Errorf("%s of %s: %q, %v, want a doubt", glob, p.Name, doubt, err)
		}
	}
}

func TestGlobsThatAreFine(t *testing.T) {
	for _, c := range []struct {
		provider *verify.Provider
		globs    string // separated by |
	}{
		{shop, "*|**|invoice.*|invoice.paid|*.created|customer.**|*payment*|database.users.created|database.*|database.u*.created"},
		{open, "Microsoft.Storage/blobCreated|orders/create|/deploy|/a/b|a:b|x_y-z@1|tasks/#"},
		{spaced, "Push Hook|*Hook|Tag *"},
		{silent, "*"},
		{parts, "v2.account[identity].updated|v2.account[*|v2.*[identity]*"},
	} {
		for glob := range strings.SplitSeq(c.globs, "|") {
			if doubt, err := Check(c.provider, glob); doubt != "" || err != nil {
				t.Errorf("%s of %s: %q, %v, want neither doubt nor error", glob, c.provider.Name, doubt, err)
			}
		}
	}
}

// TestTypesThatComeAreNoErrors: what a recorded webhook has as its type may be asked for.
func TestTypesThatComeAreNoErrors(t *testing.T) {
	for _, name := range vectors.Names(t) {
		p, ok := verify.Lookup(name)
		for _, x := range vectors.Of(t, name).Vectors {
			if !ok || x.EventType == "" {
				continue
			}
			if _, err := Check(p, x.EventType); err != nil {
				t.Errorf("%s, %s: %v", p.Name, x.Name, err)
			}
		}
	}
}

// FuzzOverlap compares overlap with what a type that is made of one glob says of the other.
func FuzzOverlap(f *testing.F) {
	f.Add("a*b", "*ab", "x")
	f.Fuzz(func(t *testing.T, a, b, fill string) {
		if len(a)+len(b)+len(fill) > 100 || strings.Contains(fill, "*") {
			return
		}
		if overlap(a, b) != overlap(b, a) {
			t.Fatalf("%q and %q: it matters which is first", a, b)
		}
		if sample := strings.ReplaceAll(a, "*", fill); overlap(sample, b) && !overlap(a, b) {
			t.Fatalf("%q matches both %q and %q, which do not overlap", sample, a, b)
		}
	})
}
