package verify

import (
	"net/http"
	"regexp"
	"time"
)

var specialProjectProviders = []*Provider{
	{
		Name:     "monday",
		Title:    "monday.com",
		Docs:     "https://developer.monday.com/apps/docs/authorization-header",
		Setup:    "The app's Signing Secret (Developer Center, the app, Basic information); for app lifecycle webhooks its Client Secret. The proxy answers the challenge.",
		Notes:    "The token says who sends to which URL, for some minutes; the body is not signed. Webhooks that were made with a personal token carry no signature.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Authorization"),
			special: &jwt{alg: "HS256", issued: "iat", expires: true, claims: []claim{
				{name: "aud", kind: claimURL, optional: true},
			}},
		}},
		EventID:      []Source{jsonAt("/event/triggerUuid")},
		EventType:    []Source{jsonAt("/event/type"), jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Retries:      "once a minute for 30 minutes",
		Subscription: []Source{jsonAt("/event/subscriptionId")},
		Methods:      post,
		Handshakes: []Handshake{{
			When: jsonAt("/challenge"), Echo: jsonAt("/challenge"),
			Answer: Answer{Status: http.StatusOK, ContentType: mediaJSON, Body: `{"challenge":{json}}`},
		}},
	},
}

var specialChatProviders = []*Provider{
	{
		Name:     "ms-graph",
		Title:    "Microsoft Graph",
		Docs:     "https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
		Setup:    "The clientState that you gave when you made the subscription. The proxy answers the validation of the URL.",
		Deadline: 3 * time.Second,
		Retries:  "for up to 4 hours",
		Notes:    "The secret itself is sent, in each notification, and nothing is signed. The tokens of notifications with resource data are not checked: decrypting those does that. A webhook may carry several notifications.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: algorithmToken,
			Signature: jsonAt("/value/0/clientState"),
			special:   &items{list: "/value", signature: "/clientState", content: noContent},
		}},
		EventID:      []Source{jsonAt("/value/0/id")},
		Identity:     []Source{jsonEach("/value", "/id")},
		EventType:    []Source{jsonAt("/value/0/changeType"), jsonAt("/value/0/lifecycleEvent")},
		ContentTypes: []string{mediaJSON, "text/plain"},
		Repeats:      true,
		Success:      Any2xx,
		Methods:      post,
		Handshakes: []Handshake{{
			Method: http.MethodPost, When: query("validationToken"), Echo: query("validationToken"),
			Answer: Answer{Status: http.StatusOK, ContentType: "text/plain"},
		}},
		Accepted: Answer{Status: http.StatusAccepted},
	},
}

var specialTelephonyProviders = []*Provider{
	{
		Name:     "dialpad",
		Title:    "Dialpad",
		Docs:     "https://developers.dialpad.com/docs/event-subscriptions",
		Setup:    "The secret that you gave when you made the webhook with the API.",
		Notes:    "The whole body is a JWT, which the application decodes: its id and type are not read, repeats are told by their content. No time is checked.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: Source{From: fromBody},
			special:   &jwt{alg: "HS256"},
		}},
		Unique:     "call and SMS events carry event_timestamp in ms, ids and state; the whole body is the signed JWT",
		UniqueWith: []Source{{fromToken, "/event_timestamp"}}, // contact events say only what the contact is now
		Success:    Any2xx,
		Retries:    "5xx only: calls 3 times (2, 4, 8 s); SMS 10 times (30 s to 60 min); contact, status, fax and change events 4 times (0.1 to 0.8 s); failed connections up to 2 more; 4xx (429, 413) never",
		Methods:    post,
	},
	{
		Name:     "messagebird-jwt",
		Title:    "MessageBird",
		Docs:     "https://developers.messagebird.com/api/#verifying-http-requests",
		Setup:    "The account's signing key (Dashboard, Developers, API settings). The URL must be the public one that MessageBird calls.",
		Evidence: FromSDK,
		Schemes:  []Scheme{messagebirdScheme("hmac-sha256"), messagebirdScheme("hmac-sha384"), messagebirdScheme("hmac-sha512")},
		Success:  Any2xx,
		Retries:  "increasing distances, some 10 times within 8 hours (Bird pages: 8 h)",
		Methods:  []string{http.MethodPost, http.MethodGet},
	},
	{
		Name:     "messagebird-legacy",
		Title:    "MessageBird (legacy signature)",
		Docs:     "https://developers.messagebird.com/api/#verifying-http-requests",
		Setup:    "The account's signing key (Dashboard, Developers, API settings).",
		Notes:    "MessageBird calls this signature deprecated: use messagebird-jwt.",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Messagebird-Signature"),
			Format:    "{base64}",
			Timestamp: Timestamp{Source: header("Messagebird-Request-Timestamp")},
			canonical: messagebird,
		}},
		Success: Any2xx,
		Retries: "as messagebird-jwt",
		Methods: []string{http.MethodPost, http.MethodGet},
	},
	{
		Name:     "plivo-v3",
		Title:    "Plivo (signature V3)",
		Docs:     "https://www.plivo.com/docs/voice/concepts/signature-validation",
		Setup:    "The account's Auth Token (Plivo Console, Overview). The URL must be the public one that Plivo calls.",
		Notes:    "The names and values of a form are signed with nothing between them, and the query before them decoded: who has seen a webhook can make others, of the same characters, in which the end of one value is another field or parameter. Names that no genuine webhook has are refused; look at the fields that matter in the application.",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Plivo-Signature-V3"),
			Format:    "{base64},...",
			canonical: plivoV3,
		}},
		EventType:    []Source{form("Event"), form("CallStatus"), query("Event"), query("CallStatus")},
		ContentTypes: []string{mediaForm},
		Success:      Only200,
		Retries:      "voice: by #ct, #rt, #tt and retry parameters in the URL, then fallback_url",
		Identity:     []Source{header("X-Plivo-Signature-V3-Nonce")},
		Accepted:     Answer{Status: http.StatusOK, ContentType: "text/xml", Body: "<Response/>"},
		Methods:      []string{http.MethodPost, http.MethodGet},
	},
	{
		Name:     "sinch-voice",
		Title:    "Sinch Voice and Verification",
		Docs:     "https://developers.sinch.com/docs/voice/api-reference/authentication/callback-signed-request",
		Setup:    "The application's secret, and its key as option application_key (Build Dashboard, Voice or Verification, Apps).",
		Notes:    "Of the body the MD5 is signed. Sinch waits for the answer to the events ice, ace and pie and to VerificationRequestEvent, and acts on it: relay the application's answer with respond upstream.",
		Evidence: FromSDK,
		Settings: []Setting{{Name: "application_key", Required: true, Doc: "The key of the application, from the Build Dashboard."}},
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Authorization"),
			Format:    "application {setting.application_key}:{base64}",
			Key:       keyBase64,
			Timestamp: Timestamp{header("X-Timestamp"), UnitRFC3339},
			canonical: sinch,
		}},
		EventType:    []Source{jsonAt("/event")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Methods:      post,
	},
	{
		Name:     "vonage",
		Title:    "Vonage",
		Docs:     "https://developer.vonage.com/en/getting-started/concepts/webhooks",
		Setup:    "The account's signature secret (Dashboard, Settings, API settings); webhooks of the Voice, Messages, Dispatch and Verify APIs are signed where that is on.",
		Notes:    "The SMS API signs in another way (a field sig), which this does not check.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Authorization"),
			Format:    "Bearer {token}",
			special: &jwt{alg: "HS256", issued: "iat", claims: []claim{
				{name: "iss", kind: claimIs, values: []string{"Vonage"}, optional: true},
				{name: "payload_hash", kind: claimBodyHex, optional: true},
				{name: "jti", kind: claimID},
			}},
		}},
		EventType:    []Source{jsonAt("/status"), jsonAt("/message_type")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Retries:      "Messages, Dispatch, SMS: on 429 and 5xx after 5 s, doubling up to 15 min, for 24 hours; other 4xx (413) never; voice answer: fallback URL",
		Methods:      []string{http.MethodPost, http.MethodGet},
	},
}

func messagebirdScheme(algorithm string) Scheme {
	return Scheme{
		Algorithm: algorithm,
		Signature: header("Messagebird-Signature-Jwt"),
		special: &jwt{alg: jwtNames[algorithm], issued: "nbf", expires: true, lifetime: time.Minute, claims: []claim{
			{name: "iss", kind: claimIs, values: []string{"MessageBird"}},
			{name: "url_hash", kind: claimURLHex},
			{name: "payload_hash", kind: claimBodyHex, optional: true},
			{name: "jti", kind: claimID},
		}},
	}
}

var specialEmailProviders = []*Provider{
	// JSON webhooks, and the forms of inbound routes and the older webhooks.
	{
		Name:     "mailgun",
		Title:    "Mailgun",
		Docs:     "https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks",
		Setup:    "The HTTP webhook signing key (Dashboard, Send, Sending, Webhooks).",
		Retries:  "for 8 hours, unless answered 406",
		Notes:    "The signature covers a time and a random token, nothing of the event: within the tolerance whoever saw one webhook could send another.",
		Evidence: ByHand,
		Schemes: []Scheme{
			{
				Algorithm: "hmac-sha256",
				Signature: jsonAt("/signature/signature"),
				Content:   "{json./signature/timestamp}{json./signature/token}",
				Timestamp: Timestamp{Source: jsonAt("/signature/timestamp")},
			},
			{
				Algorithm: "hmac-sha256",
				Signature: form("signature"),
				Content:   "{form.timestamp}{form.token}",
				Timestamp: Timestamp{Source: form("timestamp")},
			},
		},
		EventID:      []Source{jsonAt("/event-data/id")},
		EventType:    []Source{jsonAt("/event-data/event"), form("event")},
		ContentTypes: []string{mediaJSON, mediaForm, mediaMultipart},
		Success:      Only200,
		Identity:     []Source{jsonAt("/event-data/id"), jsonAt("/event-data/timestamp")},
		MaxBody:      40 << 20, // a message of 25 MB, and its text again
		Methods:      post,
		Accepted:     Answer{Status: http.StatusOK},
	},
}

var specialCRMProviders = []*Provider{
	{
		Name:         "gong",
		Title:        "Gong",
		Docs:         "https://help.gong.io/docs/create-a-webhook-rule",
		Setup:        "The public key of the automation rule as public_key (Admin center, Settings, Ecosystem, Automation rules, the rule, Signed JWT header, Show public key). The URL must be the public one that Gong calls.",
		Evidence:     ByHand,
		Schemes:      []Scheme{gongScheme("{token}"), gongScheme("Bearer {token}")},
		ContentTypes: []string{mediaJSON},
		Unique:       "the body is the whole call (metaData.id, started, …) with isTest; a rule fires once per call",
		Methods:      post,
	},
	{
		Name:     "hubspot-v3",
		Title:    "HubSpot",
		Docs:     "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation",
		Setup:    "The app's client secret (Development, the app, Auth). The URL must be the public one that HubSpot calls.",
		Deadline: 5 * time.Second,
		Retries:  "up to 10 times over 24 hours; not after 4xx, except 429",
		Notes:    "A webhook may carry several events.",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Hubspot-Signature-V3"),
			Format:    "{base64}",
			Timestamp: Timestamp{header("X-Hubspot-Request-Timestamp"), UnitMilliseconds},
			canonical: hubspotV3,
		}},
		EventID:      []Source{jsonAt("/0/eventId")},
		Identity:     []Source{jsonEach("", "/eventId"), jsonEach("", "/subscriptionId"), jsonEach("", "/occurredAt")},
		EventType:    []Source{jsonAt("/0/subscriptionType")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Methods:      []string{http.MethodPost, http.MethodGet},
	},
}

// gongScheme: the documentation shows the token alone, some see it with the scheme's name.
func gongScheme(format string) Scheme {
	return Scheme{
		Algorithm: algorithmRSA,
		Signature: header("Authorization"),
		Format:    format,
		special: &jwt{alg: "RS256", claims: []claim{
			{name: "webhook_url", kind: claimURL},
			{name: "body_sha256", kind: claimBodyHex},
		}},
	}
}

var specialDocumentProviders = []*Provider{
	// Repeats carry the time of the event, so it is not checked.
	{
		Name:     "dropbox-sign",
		Title:    "Dropbox Sign",
		Docs:     "https://developers.hellosign.com/docs/events/walkthrough/",
		Setup:    "The API key (Settings, API); set the endpoint as the account's or app's event callback. The proxy gives the answer that is expected.",
		Notes:    "The signature covers the time and type of the event, not what it is about: whoever saw one could send another. Fetch what matters from the API.",
		Evidence: FromDocs,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: Source{FromFormJSON, "json /event/event_hash"},
			Content:   "{form_json.json /event/event_time}{form_json.json /event/event_type}",
			forms:     map[Source]*regexp.Regexp{{FromFormJSON, "json /event/event_time"}: regexp.MustCompile(`\A[0-9]{10}\z`)},
		}},
		EventType:    []Source{{FromFormJSON, "json /event/event_type"}},
		ContentTypes: []string{mediaMultipart},
		Success:      Only200,
		Retries:      "6 times: 5 min, 15 min, 45 min, 2 h 15, 6 h 45, 20 h 15 later (about 3 days in other words); callback URL is removed after too many failures",
		Identity:     []Source{form("json")},
		Methods:      post,
		Accepted:     Answer{Status: http.StatusOK, ContentType: "text/plain", Body: "Hello API Event Received"},
	},
}

var specialContentProviders = []*Provider{
	{
		Name:     "contentful",
		Title:    "Contentful",
		Docs:     "https://www.contentful.com/developers/docs/webhooks/request-verification/",
		Setup:    "The signing secret of the space (Settings, Webhooks, Settings, Enable request verification).",
		Evidence: FromSDK,
		Deadline: 30 * time.Second,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Contentful-Signature"),
			Timestamp: Timestamp{contentfulTime, UnitMilliseconds},
			canonical: contentful,
		}},
		EventID:      []Source{header("X-Contentful-Idempotency-Key")},
		EventType:    []Source{header("X-Contentful-Topic")},
		ContentTypes: []string{"application/vnd.contentful.management.v1+json", mediaJSON, mediaForm},
		Success:      Any2xx,
		Retries:      "2 times, 30 s apart, after 429 and 5xx only; never without an answer in 30 s, or after another 4xx (413)",
		Subscription: []Source{header("X-Contentful-Topic")},
		// A transformation chooses the method and the form of the body.
		Methods: []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodGet},
	},
}
