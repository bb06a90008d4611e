package verify

import (
	"strings"
	"testing"
)

// TestCheckSecret tells secrets from credentials, and says nothing of them.
func TestCheckSecret(t *testing.T) {
	const digits = "0123456789abcdef0123456789abcdef"
	for _, test := range []struct{ provider, secret, doubt, err string }{
		{"stripe", "whsec_" + digits, "", ""},
		{"stripe", digits, "does not look like the webhook secret of Stripe", ""},
		{"stripe", "sk_live_" + digits, "", "is an API key"},
		{"stripe", "pk_test_" + digits, "", "is an API key"},
		{"stripe", "lf-whsec_" + digits, "", "is one of Langfuse"},
		{"paystack", "sk_live_" + digits, "", ""},
		{"clerk", "sk_live_" + digits, "", "is an API key"},
		{"slack", digits, "", ""},
		{"slack", strings.ToUpper(digits), "", ""},
		{"slack", "xapp-1-" + digits, "", "is a Slack token"},
		{"slack", "short", "does not look like", ""},
		{"twilio", digits, "", ""},
		{"twilio", "AC" + digits, "", "is a Twilio SID"},
		{"shopify", "shpss_" + digits, "", ""},
		{"shopify", digits + digits, "", ""},
		{"shopify", "shpca_" + digits, "", "is a Shopify access token"},
		{"supabase-auth-hooks", "whsec_" + digits, "does not look like", ""},
		{"github", "any text that people choose", "", ""},
		{"github", "<your secret>", "is a word from an example", ""},
		{"github", "changeme", "is a word from an example", ""},
		{"github", "“" + digits + "”", "", "has typographic quotes"},
		{"github", digits + "”", "", ""},
		{"github", "ghp_" + digits, "looks like a GitHub token", ""},
		{"gitlab-token", "glpat-" + digits, "looks like a GitLab token", ""},
	} {
		p, ok := Lookup(test.provider)
		if !ok {
			t.Fatalf("no provider %s", test.provider)
		}
		doubt, err := p.CheckSecret(test.secret)
		text := ""
		if err != nil {
			text = err.Error()
		}
		if (doubt == "") != (test.doubt == "") || !strings.Contains(doubt, test.doubt) || (text == "") != (test.err == "") || !strings.Contains(text, test.err) {
			t.Errorf("%s: %q, %q: want %q, %q", test.provider, doubt, text, test.doubt, test.err)
		}
		if strings.Contains(doubt+text, digits) {
			t.Errorf("%s: the secret is shown: %s%s", test.provider, doubt, text)
		}
	}
	// What begins as the provider's do is never doubted.
	for _, p := range Providers() {
		if p.SecretPrefix == "" {
			continue
		}
		if doubt, err := p.CheckSecret(p.SecretPrefix + digits); doubt != "" || err != nil {
			t.Errorf("%s: %s %v", p.Name, doubt, err)
		}
	}
}
