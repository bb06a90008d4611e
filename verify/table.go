package verify

import (
	"net/http"
	"slices"
	"strings"
)

// The media types that providers send.
const (
	mediaJSON = "application/json"
	mediaForm = "application/x-www-form-urlencoded"
)

// table is all that is known of the providers, sorted by name. A new one is a
// new row, and a file of vectors in testdata.
var table = sorted(
	&Provider{
		Name:  "github",
		Title: "GitHub",
		Docs:  "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Hub-Signature-256"),
			Format:    "sha256={hex}",
		}},
		EventID:      []Source{header("X-GitHub-Delivery")},
		EventType:    []Source{header("X-GitHub-Event")},
		ContentTypes: []string{mediaJSON, mediaForm},
		Methods:      post,
		Ranges:       githubRanges,
	},
	&Provider{
		Name:  "shopify",
		Title: "Shopify",
		Docs:  "https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
		Schemes: []Scheme{
			{Algorithm: "hmac-sha256", Signature: header("X-Shopify-Hmac-Sha256"), Format: "{base64}"},
			{Algorithm: "hmac-sha256", Signature: header("Shopify-Hmac-Sha256"), Format: "{base64}"},
		},
		// Which of the two ids tells duplicates depends on the set of headers:
		// https://shopify.dev/docs/apps/build/webhooks/ignore-duplicates and
		// https://shopify.dev/docs/apps/build/events/verify-deliveries
		EventID: []Source{
			header("X-Shopify-Event-Id"), header("X-Shopify-Webhook-Id"),
			header("Shopify-Webhook-Id"), header("Shopify-Event-Id"),
		},
		EventType:    []Source{header("X-Shopify-Topic"), header("Shopify-Topic")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// Events API (JSON), slash commands (form), interactivity (JSON in a form field).
	&Provider{
		Name:  "slack",
		Title: "Slack",
		Docs:  "https://docs.slack.dev/authentication/verifying-requests-from-slack",
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Slack-Signature"),
			Format:    "v0={hex}",
			Content:   "v0:{timestamp}:{body}",
			Timestamp: Timestamp{Source: header("X-Slack-Request-Timestamp")},
		}},
		EventID:      []Source{jsonAt("/event_id"), {FromFormJSON, "payload /trigger_id"}, form("trigger_id")},
		EventType:    []Source{jsonAt("/event/type"), jsonAt("/type"), {FromFormJSON, "payload /type"}, form("command")},
		ContentTypes: []string{mediaJSON, mediaForm},
		Methods:      post,
		Handshakes: []Handshake{
			{Signed: true, When: jsonAt("/type"), Equals: "url_verification",
				Answer: Answer{Status: http.StatusOK, ContentType: "text/plain"}, Echo: jsonAt("/challenge")},
			{When: form("ssl_check"), Equals: "1", Answer: Answer{Status: http.StatusOK}},
		},
	},
	&Provider{
		Name:         "standard-webhooks",
		Title:        "Standard Webhooks",
		Docs:         "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
		Schemes:      standardWebhooks("Webhook-"),
		EventID:      []Source{header("Webhook-Id")},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// The whole secret is the key, with its "whsec_", and is not base64.
	&Provider{
		Name:  "stripe",
		Title: "Stripe",
		Docs:  "https://docs.stripe.com/webhooks/signature",
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Stripe-Signature"),
			Format:    "t={timestamp},v1={hex}",
			Content:   "{timestamp}.{body}",
		}},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
		Ranges:       stripeRanges,
	},
	&Provider{
		Name:         "svix",
		Title:        "Svix",
		Docs:         "https://docs.svix.com/receiving/verifying-payloads/how-manual",
		Schemes:      slices.Concat(standardWebhooks("Svix-"), standardWebhooks("Webhook-")),
		EventID:      []Source{header("Svix-Id"), header("Webhook-Id")},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
		Ranges:       svixRanges,
	},
	// The message's own id is no event id: each change of its status has the same.
	&Provider{
		Name:  "twilio",
		Title: "Twilio",
		Docs:  "https://www.twilio.com/docs/usage/webhooks/webhooks-security",
		Schemes: []Scheme{{
			Algorithm:    "hmac-sha1",
			Signature:    header("X-Twilio-Signature"),
			Format:       "{base64}",
			Content:      "{url}{form_sorted}",
			Alternatives: []string{"{url_without_port}{form_sorted}", "{url_with_port}{form_sorted}"},
			BodyDigest:   query("bodySHA256"), // where the body is no form
		}},
		EventID: []Source{header("I-Twilio-Idempotency-Token")},
		EventType: []Source{
			form("MessageStatus"), form("SmsStatus"), form("CallStatus"), form("EventType"),
			query("MessageStatus"), query("SmsStatus"), query("CallStatus"), query("EventType"),
		},
		ContentTypes: []string{mediaForm, mediaJSON},
		Methods:      []string{http.MethodGet, http.MethodPost},
		Accepted:     Answer{Status: http.StatusOK, ContentType: "text/xml", Body: "<Response/>"},
	},
)

// standardWebhooks are the two schemes of the Standard Webhooks specification:
// v1 with a shared secret, v1a with a key pair.
func standardWebhooks(headerPrefix string) []Scheme {
	symmetric := Scheme{
		Algorithm: "hmac-sha256",
		Signature: header(headerPrefix + "Signature"),
		Format:    "v1,{base64} ...",
		Content:   "{id}.{timestamp}.{body}",
		Key:       keyBase64,
		KeyPrefix: "whsec_",
		Timestamp: Timestamp{Source: header(headerPrefix + "Timestamp")},
		ID:        header(headerPrefix + "Id"),
	}
	asymmetric := symmetric
	asymmetric.Algorithm = algorithmEd25519
	asymmetric.Format = "v1a,{base64} ..."
	asymmetric.Key = ""
	asymmetric.KeyPrefix = "whpk_"
	asymmetric.PrivateKeyPrefix = "whsk_"
	return []Scheme{symmetric, asymmetric}
}

var post = []string{http.MethodPost}

func header(name string) Source    { return Source{FromHeader, name} }
func jsonAt(pointer string) Source { return Source{FromJSON, pointer} }
func query(name string) Source     { return Source{FromQuery, name} }
func form(name string) Source      { return Source{FromForm, name} }

func sorted(rows ...*Provider) []*Provider {
	slices.SortFunc(rows, func(a, b *Provider) int { return strings.Compare(a.Name, b.Name) })
	return rows
}
