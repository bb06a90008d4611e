package verify

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// SecretForm is how a provider's secrets look, where it makes them itself and
// they all look alike.
type SecretForm struct {
	Words   string // "32 hexadecimal digits"
	pattern *regexp.Regexp
}

var (
	// Slack's Signing Secret.
	hex32 = &SecretForm{"32 hexadecimal digits", regexp.MustCompile(`^[0-9a-fA-F]{32}$`)}
	// Twilio's Auth Token; or the secret of a SharedKey, of which no form is documented, but that is
	// longer than a SID.
	twilioSecret = &SecretForm{"an Auth Token of 32 hexadecimal digits, or the secret of a SharedKey", regexp.MustCompile(`^[0-9a-fA-F]{32}$|^[\x21-\x7e]{35,}$`)}
	// An app's client secret, in its newer form or the older one; or what the admin shows under Notifications, Webhooks.
	shopifySecret = &SecretForm{"shpss_ and 32 hexadecimal digits, or 32 or 64 of them", regexp.MustCompile(`^(shpss_)?[0-9a-fA-F]{32}$|^[0-9a-fA-F]{64}$`)}
)

// otherKey is a credential that can be told by its beginning. It gives access to
// an account, and signs no webhooks.
type otherKey struct {
	begin *regexp.Regexp
	name  string
}

var otherKeys = []otherKey{
	{regexp.MustCompile(`^[srp]k_(live|test)_`), "an API key"}, // Stripe's, Clerk's, Paystack's and others'
	{regexp.MustCompile(`^xox[abeoprs]-|^xapp-`), "a Slack token"},
	{regexp.MustCompile(`^gh[opusr]_|^github_pat_`), "a GitHub token"},
	{regexp.MustCompile(`^gl(pat|ptt|dt|rt|cbt)-`), "a GitLab token"},
	{regexp.MustCompile(`^shp(at|ca|pa)_`), "a Shopify access token"},
	{regexp.MustCompile(`^pdl_(live|sdbx)_apikey_`), "a Paddle API key"},
	{regexp.MustCompile(`^sk-(ant|proj|svcacct)-`), "an API key"},
	{regexp.MustCompile(`^SG\.[\w-]{20}`), "a SendGrid API key"},
	{regexp.MustCompile(`^lin_api_`), "a Linear API key"},
	{regexp.MustCompile(`^(AKIA|ASIA)[0-9A-Z]{16}$`), "an AWS access key"},
	{regexp.MustCompile(`^(SK|AC)[0-9a-f]{32}$`), "a Twilio SID"},
}

// quoted is what a word processor makes of quotes, which no configuration takes for any.
var quoted = regexp.MustCompile(`^[“”„‘’«»].*[“”‘’«»]$`)

// sampleSecret is what stands for a secret in examples.
var sampleSecret = regexp.MustCompile(`(?i)^<.*>$|^\.{3}$|^…$|^(change[-_ ]?me|secret|your[-_ ].*|my[-_ ]?secret|example|placeholder|todo|x{3,}|password|test)$`)

// CheckSecret looks at the form of a secret. The error is for what cannot be one
// of the provider's, such as an API key where the provider makes the secrets
// itself; doubt is for what does not look like one, as those of a test do not. It
// says what to use instead, and nothing of the secret. Both may be empty.
func (p *Provider) CheckSecret(secret string) (doubt string, err error) {
	if quoted.MatchString(secret) {
		return "", errors.New("has typographic quotes, which are part of it then: write it without quotes, or between \"")
	}
	if sampleSecret.MatchString(secret) {
		return "is a word from an example, which anybody would try: put in " + p.secretWords(), nil
	}
	documented := p.SecretPrefix != "" || p.SecretForm != nil
	if p.SecretPrefix != "" && strings.HasPrefix(secret, p.SecretPrefix) ||
		p.SecretForm != nil && p.SecretForm.pattern.MatchString(secret) {
		return "", nil
	}
	for _, other := range otherKeys {
		if !other.begin.MatchString(secret) {
			continue
		}
		if documented {
			return "", fmt.Errorf("is %s, not %s", other.name, p.secretWords())
		}
		return fmt.Sprintf("looks like %s, which is not for webhooks: whoever reads the config can use it; use a random one of its own, or what %s shows for the webhook", other.name, p.Title), nil
	}
	if !documented {
		return "", nil
	}
	if owner := ownerOf(secret, p.SecretPrefix); owner != "" {
		return "", fmt.Errorf("is one of %s, not %s", owner, p.secretWords())
	}
	return "does not look like " + p.secretWords(), nil
}

// secretWords describes the secret that is wanted, and where it is.
func (p *Provider) secretWords() string {
	form := ""
	switch {
	case p.SecretForm != nil:
		form = " (" + p.SecretForm.Words + ")"
	case p.SecretPrefix != "":
		form = " (which begins with " + p.SecretPrefix + ")"
	}
	return fmt.Sprintf("the webhook secret of %s%s: %s", p.Title, form, p.Setup)
}

// markLength is how long a prefix must be to tell whose a secret is.
const markLength = 4

// ownerOf says whose secrets begin like that. A prefix that is part of the wanted
// one tells nothing.
func ownerOf(secret, prefix string) string {
	var owner *Provider
	several := false
	for _, p := range table {
		if len(p.SecretPrefix) < markLength || !strings.HasPrefix(secret, p.SecretPrefix) || strings.HasSuffix(prefix, p.SecretPrefix) {
			continue
		}
		switch {
		case owner == nil || len(p.SecretPrefix) > len(owner.SecretPrefix):
			owner, several = p, false
		case owner.SecretPrefix == p.SecretPrefix:
			several = true
		}
	}
	switch {
	case owner == nil:
		return ""
	case several:
		return "those that begin with " + owner.SecretPrefix + ", as other providers have them"
	}
	return owner.Title
}
