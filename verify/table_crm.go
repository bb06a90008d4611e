package verify

import (
	"net/http"
	"time"
)

var crmProviders = []*Provider{
	// An update carries several events, each with a type of its own; so the row names none.
	{
		Name:         "attio",
		Title:        "Attio",
		Docs:         "https://docs.attio.com/rest-api/guides/webhooks",
		Setup:        "Workspace settings, Developers, the integration, Webhooks: create one with the endpoint as its target URL, then copy its secret; or the secret in the answer when it is made through the API.",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("Attio-Signature")}}, // X-Attio-Signature is a copy of it
		EventID:      []Source{header("Idempotency-Key")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// The event's type is that of the object: what happened to it is in action.
	{
		Name:     "close",
		Title:    "Close",
		Docs:     "https://developer.close.com/resources/webhook-subscriptions/",
		Setup:    "Make the webhook subscription through the API, with the endpoint as url: the answer has the signature_key.",
		Notes:    "The event type is the object's (\"opportunity\"); what was done is in /event/action.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Close-Sig-Hash"),
			Content:   "{timestamp}{body}",
			Key:       keyHex,
			Timestamp: Timestamp{Source: header("Close-Sig-Timestamp")},
		}},
		EventID:      []Source{jsonAt("/event/id")},
		EventType:    []Source{jsonAt("/event/object_type")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// The reporting webhooks. What a "send and receive data" action of a campaign
	// sends is signed with a key that Customer.io does not show.
	{
		Name:     "customerio",
		Title:    "Customer.io",
		Docs:     "https://docs.customer.io/integrations/api/webhooks/",
		Setup:    "Data & Integrations, Integrations, Reporting Webhooks, Add Reporting Webhook: enter the endpoint, then copy its webhook signing key.",
		Notes:    "The event type is the metric alone (\"sent\", \"opened\"); the kind of message is in object_type.",
		Deadline: 4 * time.Second,
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-CIO-Signature"),
			Content:   "v0:{timestamp}:{body}",
			Timestamp: Timestamp{Source: header("X-CIO-Timestamp")},
		}},
		EventID:      []Source{jsonAt("/event_id")},
		EventType:    []Source{jsonAt("/metric")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// Frappe leaves the Content-Type to the webhook's own list of headers, so that it may be
	// absent, and it is JSON even where the request structure says form.
	{
		Name:     "frappe",
		Title:    "Frappe and ERPNext",
		Docs:     "https://docs.frappe.io/framework/user/en/guides/integration/webhooks",
		Setup:    "Integrations, Webhook, New: tick Enable Security and make up a random Webhook Secret; enter the endpoint as Request URL.",
		Deadline: 5 * time.Second,
		Retries:  "2 times, within seconds",
		Evidence: ByHand,
		Schemes:  []Scheme{{Algorithm: "hmac-sha256", Signature: header("X-Frappe-Webhook-Signature"), Format: "{base64}"}},
		Methods:  []string{http.MethodPost, http.MethodPut, http.MethodDelete},
	},
	// Webhooks of an app. Those of a rule are signed otherwise: front-rules.
	{
		Name:     "front",
		Title:    "Front (application webhooks)",
		Docs:     "https://dev.frontapp.com/docs/application-webhooks",
		Setup:    "Settings, Developers, the app: add the feature Webhooks with the endpoint as its URL; the secret is the app's signing key. The proxy answers the validation that Front makes when the webhook is saved.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Front-Signature"),
			Format:    "{base64}",
			Content:   "{timestamp}:{body}",
			Timestamp: Timestamp{Source: header("X-Front-Request-Timestamp"), Unit: UnitMilliseconds},
		}},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
		Handshakes: []Handshake{{
			Signed: true, When: jsonAt("/type"), Equals: "sync", Echo: header("X-Front-Challenge"),
			Answer: Answer{Status: http.StatusOK, ContentType: mediaJSON, Body: `{"challenge":{json}}`},
		}},
	},
	{
		Name:         "front-rules",
		Title:        "Front (rule webhooks)",
		Docs:         "https://dev.frontapp.com/docs/rule-webhooks",
		Setup:        "Settings, Rules: a rule with the action Send to a Webhook and the endpoint as its URL. The secret is the company's API secret.",
		Notes:        "Front signs these with SHA-1 and without a time.",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha1", Signature: header("X-Front-Signature"), Format: "{base64}"}},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	{
		Name:         "help-scout",
		Title:        "Help Scout",
		Docs:         "https://developer.helpscout.com/webhooks/",
		Setup:        "Manage, Apps, Webhooks: enter the endpoint as Callback URL and make up a random Secret Key.",
		Notes:        "Help Scout signs with SHA-1 only.",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha1", Signature: header("X-HelpScout-Signature"), Format: "{base64}"}},
		EventType:    []Source{header("X-HelpScout-Event")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// Events come in batches, whose ids HubSpot does not call unique.
	{
		Name:     "hubspot-v1",
		Title:    "HubSpot (signature v1)",
		Docs:     "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation",
		Setup:    "The client secret of the app (developer account, Apps, the app, Auth). Enter the endpoint under Webhooks as Target URL.",
		Notes:    "HubSpot's oldest signature: a plain hash with the secret in front, and without a time. It sends its third version, too: prefer that.",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "sha256", Signature: header("X-HubSpot-Signature"), Format: "{hex}", Content: "{secret}{body}",
		}},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// Workflow webhooks and CRM cards.
	{
		Name:     "hubspot-v2",
		Title:    "HubSpot (signature v2)",
		Docs:     "https://developers.hubspot.com/docs/apps/developer-platform/build-apps/authentication/request-validation",
		Setup:    "The client secret of the app (developer account, Apps, the app, Auth). The URL must be the public one that HubSpot calls.",
		Notes:    "A plain hash with the secret in front, and without a time. HubSpot sends its third version, too: prefer that.",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "sha256", Signature: header("X-HubSpot-Signature"), Format: "{hex}", Content: "{secret}{method}{url}{body}",
		}},
		ContentTypes: []string{mediaJSON},
		Methods:      []string{http.MethodGet, http.MethodPost},
	},
	{
		Name:         "intercom",
		Title:        "Intercom",
		Docs:         "https://developers.intercom.com/docs/webhooks/webhook-notifications",
		Setup:        "Developer Hub, the app, Configure: the client secret under Basic information signs; enter the endpoint and the topics under Webhooks.",
		Notes:        "Intercom signs with SHA-1 only.",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha1", Signature: header("X-Hub-Signature"), Format: "sha1={hex}"}},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/topic")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
		Handshakes:   []Handshake{{Method: http.MethodHead, Answer: Answer{Status: http.StatusOK}}}, // to see whether the URL is there
	},
	// The header's time is signed, too, but the documentation does not give its form, and
	// receivers have seen two; the one in the body is when the request was sent, and has one. A
	// webhook has several events, so it has no type of its own.
	{
		Name:     "klaviyo",
		Title:    "Klaviyo (system webhooks)",
		Docs:     "https://developers.klaviyo.com/en/docs/working_with_system_webhooks",
		Setup:    "Integrations, Developers, Webhooks, or the Webhooks API: enter the endpoint and make up a random secret of 16 characters or more.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Klaviyo-Signature"),
			Content:   "{body}{header.Klaviyo-Timestamp}",
			Timestamp: Timestamp{Source: jsonAt("/meta/timestamp"), Unit: UnitRFC3339},
		}},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// One webhook has several events under the names of their types, so it has no type of its own.
	{
		Name:         "mautic",
		Title:        "Mautic",
		Docs:         "https://developer.mautic.org/#webhooks",
		Setup:        "Settings, Webhooks, New: enter the endpoint as Webhook POST URL; copy the Secret, or make up your own.",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("Webhook-Signature"), Format: "{base64}"}},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// A batch is an array of which only the first event is signed, serialised
	// anew. This row signs the body, so a batch of more is refused.
	{
		Name:         "segment",
		Title:        "Segment (webhook destinations)",
		Docs:         "https://segment.com/docs/connections/destinations/catalog/actions-webhook/",
		Setup:        "Connections, the Webhooks (Actions) destination, Settings, Advanced Settings: make up a random Shared Secret. Turn batching off in the mappings.",
		Notes:        "Of a batch Segment signs the first event alone, which proves nothing of the others: batches are refused. Segment signs with SHA-1 only.",
		Retries:      "up to 4 hours (Webhooks destination)",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha1", Signature: header("X-Signature")}},
		EventID:      []Source{jsonAt("/messageId")},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Methods:      []string{http.MethodPost, http.MethodPut, http.MethodPatch},
	},
	// The nonce header is not signed.
	{
		Name:     "twenty",
		Title:    "Twenty CRM",
		Docs:     "https://github.com/twentyhq/twenty/blob/main/packages/twenty-server/src/engine/metadata-modules/webhook/jobs/call-webhook.job.ts",
		Setup:    "Settings, APIs & Webhooks, Create webhook: enter the endpoint and make up a random Secret.",
		Deadline: 5 * time.Second,
		Retries:  "none",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Twenty-Webhook-Signature"),
			Content:   "{timestamp}:{body}",
			Timestamp: Timestamp{Source: header("X-Twenty-Webhook-Timestamp"), Unit: UnitMilliseconds},
		}},
		EventType:    []Source{jsonAt("/eventName")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	{
		Name:         "zammad",
		Title:        "Zammad",
		Docs:         "https://admin-docs.zammad.org/en/latest/manage/webhook/add.html",
		Setup:        "Manage, Webhook, New Webhook: enter the endpoint and make up a random HMAC SHA1 Signature Token. A trigger or scheduler has to call the webhook.",
		Notes:        "Zammad signs with SHA-1 only. The name of the trigger, which serves as event type, is not signed.",
		Deadline:     30 * time.Second,
		Retries:      "4 times, 10 seconds more before each",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha1", Signature: header("X-Hub-Signature"), Format: "sha1={hex}"}},
		EventID:      []Source{header("X-Zammad-Delivery")},
		EventType:    []Source{header("X-Zammad-Trigger")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// An older version of the page had the time after the body, with an example that was so.
	{
		Name:     "zendesk",
		Title:    "Zendesk",
		Docs:     "https://developer.zendesk.com/documentation/webhooks/verifying/",
		Setup:    "Admin Center, Apps and integrations, Webhooks: create one with the endpoint as its URL, then Reveal secret.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Zendesk-Webhook-Signature"),
			Format:    "{base64}",
			Content:   "{timestamp}{body}",
			Timestamp: Timestamp{Source: header("X-Zendesk-Webhook-Signature-Timestamp"), Unit: UnitRFC3339},
		}},
		// Triggers and automations send bodies of the user's own making, whose /id may be a ticket's.
		EventID:      []Source{header("X-Zendesk-Webhook-Invocation-Id")},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON, "application/xml", mediaForm},
		Methods:      []string{http.MethodPost, http.MethodPut, http.MethodPatch},
	},
}
