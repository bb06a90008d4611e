package verify

import (
	"net/http"
	"time"
)

// formTouches is for rows whose provider signs the URL and the fields of a form with nothing between.
const formTouches = "The URL and the names and values of a form are signed with nothing between them: who has seen a webhook can make others, " +
	"of the same characters, in which the end of one value is another field. What no genuine webhook has is refused (such names, an empty form); " +
	"look at the fields that matter in the application, or ask the API."

var telephonyProviders = []*Provider{
	// The message's own id is no event id: each change of its status has the same.
	{
		Name:     "twilio",
		Title:    "Twilio",
		Docs:     "https://www.twilio.com/docs/usage/webhooks/webhooks-security",
		Setup:    "The account's primary Auth Token (Console, Account info). Where a Webhooks Rule has Twilio sign with a SharedKey, its secret, which was shown when the key was made; with both, as two secrets. The URL must be the public one that Twilio calls.",
		Notes:    "A body that is no form is covered by the parameter bodySHA256, which Twilio adds to the URL; without it such a webhook is refused. " + formTouches,
		Deadline: 15 * time.Second,
		Retries:  "none for most; set by connection overrides (#rc=…) in the URL",
		Evidence: FromSDK,
		Schemes:  []Scheme{twilioScheme("hmac-sha1"), twilioScheme("hmac-sha256")},
		EventID:  []Source{header("I-Twilio-Idempotency-Token")},
		EventType: []Source{
			form("MessageStatus"), form("SmsStatus"), form("CallStatus"), form("EventType"),
			query("MessageStatus"), query("SmsStatus"), query("CallStatus"), query("EventType"),
		},
		SecretForm:   twilioSecret,
		ContentTypes: []string{mediaForm, mediaJSON},
		Success:      Any2xx,
		Repeats:      true,
		Methods:      []string{http.MethodGet, http.MethodPost},
		Accepted:     Answer{Status: http.StatusOK, ContentType: "text/xml", Body: "<Response/>"},
	},
	{
		Name:     "telnyx",
		Title:    "Telnyx",
		Docs:     "https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks",
		Setup:    "The account's Public Key (Mission Control, Account Settings, Keys & Credentials) goes here as public_key. Enter the endpoint as webhook URL of the messaging profile or the voice application, with API version 2.",
		Deadline: 2 * time.Second,
		Retries:  "up to 3 attempts, then as many at the failover URL",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: algorithmEd25519,
			Signature: header("Telnyx-Signature-Ed25519"),
			Content:   "{timestamp}|{body}",
			Timestamp: Timestamp{Source: header("Telnyx-Timestamp")},
		}},
		EventID:      []Source{jsonAt("/data/id")},
		EventType:    []Source{jsonAt("/data/event_type")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Methods:      post,
	},
	// What kind of event it is, the name of a member of the body tells (Conversation),
	// which no source can name; SMS reports have a type.
	{
		Name:     "sinch-conversation",
		Title:    "Sinch (Conversation API and SMS)",
		Docs:     "https://developers.sinch.com/docs/conversation/callbacks",
		Setup:    "Make up a secret and enter it with the endpoint when you create the webhook (Sinch Build Dashboard, Conversation API, Apps, Webhooks).",
		Notes:    "Events have no id of their own.",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Sinch-Webhook-Signature"),
			Format:    "{base64}",
			Content:   "{body}.{header.X-Sinch-Webhook-Signature-Nonce}.{timestamp}",
			Timestamp: Timestamp{Source: header("X-Sinch-Webhook-Signature-Timestamp")},
		}},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Unique:       "Conversation callbacks have accepted_time and event_time (microseconds) besides the message's id; SMS reports have at and batch_id",
		Success:      Any2xx,
		Retries:      "SMS: 5xx and 429, after 5 s doubling up to 81920 s (about 22 h 45 min); Conversation: temporary errors (429, 5xx) with exponential backoff; other 4xx (413) never",
		Methods:      post,
	},
	{
		Name:         "sinch-numbers",
		Title:        "Sinch (Numbers)",
		Docs:         "https://developers.sinch.com/docs/numbers/api-reference/numbers/tag/Numbers-Callbacks/",
		Setup:        "Make up a secret and set it as hmacSecret of the project's callback configuration (PATCH …/callbackConfiguration); the endpoint is the callbackUrl of the number.",
		Evidence:     FromSDK,
		Schemes:      []Scheme{{Algorithm: "hmac-sha1", Signature: header("X-Sinch-Signature")}},
		EventID:      []Source{jsonAt("/eventId")},
		EventType:    []Source{jsonAt("/eventType")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Retries:      "failed events are scheduled again; order not guaranteed",
		Methods:      post,
	},
	// The nonce follows the URL without anything between: in the path and in the nonce
	// the same characters could stand.
	{
		Name:     "plivo-v2",
		Title:    "Plivo (signature V2)",
		Docs:     "https://www.plivo.com/docs/voice/concepts/signature-validation",
		Setup:    "The account's Auth Token (Plivo Console, Overview). The URL must be the public one that Plivo calls.",
		Notes:    "The signature covers the URL without its query, and a nonce; neither the query nor the body, and between path and nonce characters could move. Use plivo-v3 where it is sent (voice).",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Plivo-Signature-V2"),
			Format:    "{base64}",
			Content:   "{url_without_query}{header.X-Plivo-Signature-V2-Nonce}",
		}},
		EventType:    []Source{form("Status"), form("CallStatus"), form("Event"), query("Status"), query("CallStatus"), query("Event")},
		ContentTypes: []string{mediaForm},
		Retries:      "messages: 3 times, 60, 120 and 240 s apart, 8 s deadline; voice: by #ct, #rt, #tt, retry policy in the URL, then fallback_url",
		Identity:     []Source{header("X-Plivo-Signature-V2-Nonce")},
		Success:      Only200,
		Accepted:     Answer{Status: http.StatusOK, ContentType: "text/xml", Body: "<Response/>"},
		Methods:      []string{http.MethodGet, http.MethodPost},
	},
	// The answer to the validation has at most 1 KiB, headers included.
	{
		Name:         "ringcentral",
		Title:        "RingCentral",
		Docs:         "https://developers.ringcentral.com/guide/notifications/webhooks/creating-webhooks",
		Setup:        "Make up a token and give it as deliveryMode.verificationToken when you create the subscription, with the endpoint as deliveryMode.address; the proxy answers the validation.",
		Notes:        "The token itself is sent; nothing is signed. Leave validationToken unset: a request with the header Validation-Token is taken for the validation.",
		Deadline:     3 * time.Second,
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: algorithmToken, Signature: header("Verification-Token")}},
		EventID:      []Source{jsonAt("/uuid")},
		EventType:    []Source{jsonAt("/event")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Retries:      "URL failing for about 10 minutes: subscription blacklisted (may come back on reconciliation every 15 min)",
		Subscription: []Source{jsonAt("/subscriptionId")},
		Methods:      post,
		Handshakes: []Handshake{{Method: http.MethodPost, When: header("Validation-Token"), Echo: header("Validation-Token"),
			Answer: Answer{Status: http.StatusOK, ContentType: mediaJSON, HeaderName: "Validation-Token", HeaderValue: "{text}"}}},
		Accepted: Answer{Status: http.StatusOK, ContentType: mediaJSON},
	},
	{
		Name:         "aircall",
		Title:        "Aircall",
		Docs:         "https://developer.aircall.io/api-references/#webhooks",
		Setup:        "The webhook's token: the API returns it when the webhook is created, and every event shows it. Enter the endpoint as its URL (Aircall Dashboard, Integrations, Webhook).",
		Notes:        "The token itself is sent, in the body; nothing is signed. Events have no id of their own.",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: algorithmToken, Signature: jsonAt("/token")}},
		EventType:    []Source{jsonAt("/event")},
		ContentTypes: []string{mediaJSON},
		Unique:       "each body has timestamp (s), event, the object and the webhook's own token",
		Success:      Only200,
		Retries:      "webhook is deactivated after several consecutive failures (10 or more, sources differ)",
		Methods:      post,
		Accepted:     Answer{Status: http.StatusOK},
	},
	// Calls have both of the first two headers, messages only the second. The
	// Compatibility API signs as Twilio does, in the same header.
	{
		Name:     "signalwire",
		Title:    "SignalWire",
		Docs:     "https://signalwire.com/docs/swml/guides/webhook-security",
		Setup:    "The project's Signing Key (Dashboard, API Credentials, Show). The URL must be the public one that SignalWire calls.",
		Notes:    "SWAIG functions, post_prompt_url and the request method are not signed by SignalWire: they need an endpoint of their own. The caller waits for the answer: relay the app's with respond upstream. " + formTouches,
		Evidence: ByHand,
		Schemes: []Scheme{
			{Algorithm: "hmac-sha256", Signature: header("X-Signalwire-Sha256-Signature"), Content: "{url}{body}"},
			{Algorithm: "hmac-sha1", Signature: header("X-Signalwire-Signature"), Content: "{url}{body}"},
			{Algorithm: "hmac-sha1", Signature: header("X-Signalwire-Signature"), Format: "{base64}", Content: "{url}{form_sorted}", known: true, respells: true},
		},
		EventType:    []Source{form("MessageStatus"), form("SmsStatus"), form("CallStatus")},
		ContentTypes: []string{mediaJSON, mediaForm},
		Repeats:      true,
		Success:      Only200,
		Retries:      "then the fallback URL, where one is set",
		Accepted:     Answer{Status: http.StatusOK, ContentType: "text/xml", Body: "<Response/>"},
		Methods:      post,
	},
	// Messages come as a list, voice events as an object.
	{
		Name:         "bandwidth",
		Title:        "Bandwidth",
		Docs:         "https://dev.bandwidth.com/docs/messaging/webhooks/",
		Setup:        "Make up a user and a password, give them here as user:password, and set them as callback credentials of the application (CallbackCreds; for messages InboundCallbackCreds and OutboundCallbackCreds), with the endpoint as its callback URL.",
		Notes:        "The password itself is sent, after a first request without it that is refused with 401; nothing is signed. Voice webhooks that steer a call (initiate, answer, gather and others) want BXML: relay the application's answer with respond upstream.",
		Deadline:     10 * time.Second,
		Retries:      "messages: for 24 hours",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: algorithmBasic}},
		EventType:    []Source{jsonAt("/eventType"), jsonAt("/0/type")},
		ContentTypes: []string{mediaJSON},
		Unique:       "messages: time, type and message id in each item of the list; voice: eventTime in ms, callId and eventType",
		Success:      Any2xx,
		Accepted:     Answer{Status: http.StatusNoContent},
		Methods:      post,
	},
}

// twilioScheme is that of an Auth Token (SHA-1), or of a SharedKey (either), of which the header
// X-Twilio-Webhooks-Signature-Settings says which hash it is. That header is not signed, and the
// length of the signature says the same. Twilio's library, too, tries several spellings of the URL.
func twilioScheme(algorithm string) Scheme {
	return Scheme{
		Algorithm:    algorithm,
		Signature:    header("X-Twilio-Signature"),
		Format:       "{base64}",
		Content:      "{url}{form_sorted}",
		Alternatives: []string{"{url_without_port}{form_sorted}", "{url_with_port}{form_sorted}"},
		BodyDigest:   query("bodySHA256"), // where the body is no form
		known:        true,
		respells:     true,
	}
}
