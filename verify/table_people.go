package verify

import (
	"net/http"
	"time"
)

var peopleProviders = []*Provider{
	{
		Name:         "ashby",
		Title:        "Ashby",
		Docs:         "https://developers.ashbyhq.com/docs/authenticating-webhooks",
		Setup:        "Admin, Ashby API, Webhooks, New: enter the endpoint as payload URL and make up a random secret token.",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("Ashby-Signature"), Format: "sha256={hex}"}},
		EventType:    []Source{jsonAt("/action")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Retries:      "10 attempts, the delay (2^n - 1) x 10 s; not after 401, 403, 404, 405, 410",
		EventID:      []Source{jsonAt("/webhookActionId")},
		Subscription: []Source{jsonAt("/action")},
		Methods:      post,
	},
	// Standard Webhooks in all but the names of the headers and the mark of the secret.
	{
		Name:     "finch",
		Title:    "Finch",
		Docs:     "https://developer.tryfinch.com/how-finch-works/webhooks",
		Setup:    "Developer Dashboard, Webhooks, Add endpoint: enter the endpoint, then copy the secret, which is shown once.",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Finch-Signature"),
			Format:    "v1,{base64} ...",
			Content:   "{id}.{timestamp}.{body}",
			Key:       keyBase64,
			Timestamp: Timestamp{Source: header("Finch-Timestamp")},
			ID:        header("Finch-Event-Id"),
		}},
		EventID:      []Source{header("Finch-Event-Id")},
		EventType:    []Source{jsonAt("/event_type")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Methods:      post,
	},
	// Whether Greenhouse-Event-ID stays the same when Greenhouse tries again, it does not say.
	{
		Name:         "greenhouse",
		Title:        "Greenhouse",
		Docs:         "https://developers.greenhouse.io/webhooks.html",
		Setup:        "Configure, Dev Center, Web Hooks: enter the endpoint and make up a random Secret Key.",
		Notes:        "Its id is that of the delivery: Greenhouse does not say whether a repetition keeps it.",
		Retries:      "6 times over 15 hours",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("Signature"), Format: "sha256 {hex}"}},
		EventType:    []Source{jsonAt("/action")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Identity:     []Source{header("Greenhouse-Event-ID")},
		Methods:      post,
	},
	// Gusto hands its secret over in the first request, which is not signed.
	{
		Name:         "gusto",
		Title:        "Gusto",
		Docs:         "https://docs.gusto.com/embedded-payroll/docs/webhooks",
		Setup:        "Make the webhook subscription through the API with the endpoint as url. Gusto sends the verification_token to it, which is the secret: give it here, and to the API's verify.",
		Notes:        "Webhooks of App Integrations may have no uuid: then a repetition is taken for another event.",
		Deadline:     10 * time.Second,
		Retries:      "up to 16 times with exponential backoff",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("X-Gusto-Signature")}},
		EventID:      []Source{jsonAt("/uuid")},
		EventType:    []Source{jsonAt("/event_type")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Methods:      post,
		Handshakes: []Handshake{{
			When: jsonAt("/verification_token"), Secret: jsonAt("/verification_token"), Answer: Answer{Status: http.StatusOK},
		}},
	},
}
