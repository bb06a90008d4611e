package verify

import (
	"net/http"
	"time"
)

var telephonyProviders = []*Provider{
	// The message's own id is no event id: each change of its status has the same.
	{
		Name:     "twilio",
		Title:    "Twilio",
		Docs:     "https://www.twilio.com/docs/usage/webhooks/webhooks-security",
		Setup:    "The account's primary Auth Token (Console, Account info). The URL must be the public one that Twilio calls.",
		Deadline: 15 * time.Second,
		Retries:  "none for most; set by connection overrides (#rc=…) in the URL",
		Evidence: FromSDK,
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
}
