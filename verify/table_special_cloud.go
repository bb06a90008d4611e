package verify

import (
	"net/http"
	"time"
)

var specialCodeProviders = []*Provider{
	{
		Name:     "netlify",
		Title:    "Netlify",
		Docs:     "https://docs.netlify.com/deploy/deploy-notifications/#payload-signature",
		Setup:    "The JWS secret token of the notification: Project configuration, Notifications, Deploy notifications, HTTP POST request.",
		Notes:    "No time is signed. The body is the state of a deploy, and has no id of the event.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Webhook-Signature"),
			special: &jwt{alg: "HS256", claims: []claim{
				{name: "iss", kind: claimIs, values: []string{"netlify"}},
				{name: "sha256", kind: claimBodyHex},
			}},
		}},
		EventType:    []Source{header("X-Netlify-Event")},
		ContentTypes: []string{mediaJSON},
		Unique:       "the body is a deploy (or a form submission) with its id and updated_at, the type is in X-Netlify-Event",
		Methods:      post,
	},
	{
		Name:     "travis-ci",
		Title:    "Travis CI",
		Docs:     "https://docs.travis-ci.com/user/notifications/#verifying-webhook-requests",
		Setup:    "Add the endpoint under notifications: webhooks: in .travis.yml. There is no secret; Travis CI's public key is fetched (from api.travis-ci.com; for another installation give its key as public_key).",
		Notes:    "The key is the same for all of Travis CI's users: have the application look at the payload's repository. Of the form only the field payload is signed, with SHA-1 and without a time.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "rsa-sha1",
			Signature: header("Signature"),
			Content:   "{form.payload}",
			locate:    pemInJSON("https://api.travis-ci.com/config", "/config/notifications/webhook/public_key"),
			shape:     keyShape{wrong: wrongTravis},
		}},
		EventType:    []Source{{FromFormJSON, "payload /type"}},
		ContentTypes: []string{mediaForm},
		Unique:       "the payload is a build with id, state, started_at and finished_at, and those of its jobs; a build started again has new times",
		Success:      Any2xx,
		NeverAgain:   true,
		Retries:      "none",
		Methods:      post,
	},
}

var specialCloudProviders = []*Provider{
	// A notification's time is that of its publishing, and the same when it is sent
	// again hours later: it is signed, but not checked. The id tells repeats.
	{
		Name:     "aws-sns",
		Title:    "Amazon SNS",
		Docs:     "https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
		Setup:    "The topic's ARN as option topic_arn; subscribe the endpoint to it with protocol HTTPS, without raw message delivery. The proxy confirms the subscription. There is no secret; the certificate is fetched from SNS.",
		Deadline: 15 * time.Second,
		Retries:  "by the delivery policy; by default 50 times over an hour",
		Notes:    "The signed time is not checked: it stays the same in retries. Give the topic SignatureVersion 2, which is SHA-256. With raw message delivery there is no signature.",
		Evidence: FromSDK,
		Settings: []Setting{{Name: "topic_arn", Required: true, Several: true, Pattern: topicPattern,
			Doc: "The ARN of the topic, such as arn:aws:sns:us-east-1:123456789012:orders; without it anybody's topic would do."}},
		Schemes:      []Scheme{snsScheme("2", algorithmRSA), snsScheme("1", "rsa-sha1")},
		EventID:      []Source{jsonAt("/MessageId")},
		EventType:    []Source{jsonAt("/Type")},
		ContentTypes: []string{"text/plain", mediaJSON},
		Success:      Any2xx,
		MaxBody:      512 << 10,
		Methods:      post,
		Handshakes:   []Handshake{{Signed: true, When: snsType, Equals: snsSubscription, Answer: Answer{Status: http.StatusOK}, confirm: confirmSNS}},
	},
	// Pub/Sub uses one token for many pushes, for up to an hour.
	{
		Name:     "google-pubsub",
		Title:    "Google Cloud Pub/Sub (push)",
		Docs:     "https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions",
		Setup:    "A push subscription with authentication: its audience as option audience (by default the URL of the endpoint) and its service account as option service_account. There is no secret; Google's keys are fetched.",
		Retries:  "until the message expires, with backoff",
		Notes:    "The token says who sends to whom, for up to an hour; the body is not signed. Gmail and Google Play send their notifications this way, too.",
		Evidence: ByHand,
		Settings: []Setting{
			{Name: "audience", Required: true, Several: true, Doc: "The audience of the push subscription; the URL of the endpoint, if you gave none there."},
			{Name: "service_account", Required: true, Several: true, Doc: "The e-mail address of the service account of the push subscription."},
		},
		Schemes: []Scheme{{
			Algorithm: algorithmRSA,
			Signature: header("Authorization"),
			Format:    "Bearer {token}",
			special: &jwt{alg: "RS256", expires: true, claims: []claim{
				{name: "iss", kind: claimIs, values: []string{"https://accounts.google.com", "accounts.google.com"}},
				{name: "aud", kind: claimSetting, values: []string{"audience"}},
				{name: "email", kind: claimSetting, values: []string{"service_account"}},
				{name: "email_verified", kind: claimTrue},
			}},
			locate: jwksAt("https://www.googleapis.com/oauth2/v3/certs"),
			shape:  jsonShape,
		}},
		EventID:      []Source{jsonAt("/message/messageId"), header("X-Goog-Pubsub-Message-Id")},
		Success:      Any2xx,
		MaxBody:      14 << 20,
		Subscription: []Source{jsonAt("/subscription"), header("X-Goog-Pubsub-Subscription-Name")},
		Methods:      post,
	},
	// An event subscription delivers events in one of two schemas: that of Event Grid, always as a
	// list, or CloudEvents, one or a batch.
	{
		Name:         "azure-event-grid",
		Title:        "Azure Event Grid",
		Docs:         "https://learn.microsoft.com/en-us/azure/event-grid/security-authentication",
		Setup:        "Make up a long random secret. Put it into the webhook's URL as the parameter code or access_token, or set a delivery property of the event subscription: the static header Authorization with the value Bearer and the secret. The proxy answers the validation of the URL, in either schema.",
		Notes:        "The secret itself is sent; nothing is signed. Tokens of Microsoft Entra are not checked: with those, put a secret into the URL as well. Give the subscription a dead-letter destination: after 400, 401, 403 or 413 Event Grid drops the event. A webhook may carry several events.",
		Deadline:     30 * time.Second,
		Retries:      "after 10 and 30 s, 1, 5, 10 and 30 min, 1, 3, 6 h, then every 12 h, for 24 h; not after 400, 401, 403 and 413",
		Evidence:     ByHand,
		Schemes:      bearerSchemes("code", "access_token"),
		EventID:      []Source{cloudEventID, jsonAt("/id"), jsonAt("/0/id")},
		EventType:    []Source{header("Ce-Type"), jsonAt("/type"), jsonAt("/0/eventType"), jsonAt("/0/type")},
		Identity:     []Source{cloudEvents},
		Subscription: []Source{header("Aeg-Subscription-Name")},
		ContentTypes: []string{mediaJSON, "application/cloudevents+json", "application/cloudevents-batch+json"},
		Repeats:      true, // what has no id and topic
		Success:      Any2xx,
		Methods:      post,
		Handshakes: []Handshake{
			{Method: http.MethodPost, When: jsonAt("/0/eventType"), Equals: "Microsoft.EventGrid.SubscriptionValidationEvent", Echo: jsonAt("/0/data/validationCode"),
				Answer: Answer{Status: http.StatusOK, ContentType: mediaJSON, Body: `{"validationResponse":{json}}`}},
			cloudEventsProbe,
		},
	},
	{
		Name:     "livekit",
		Title:    "LiveKit",
		Docs:     "https://docs.livekit.io/home/server/webhooks/",
		Setup:    "The API secret, and its API key as option api_key (Cloud: Settings, API keys). Add the endpoint under Settings, Webhooks, or in the server's configuration.",
		Evidence: FromSDK,
		Settings: []Setting{{Name: "api_key", Required: true, Several: true, Doc: "The API key that webhooks are signed with."}},
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Authorization"),
			special: &jwt{alg: "HS256", issued: "nbf", expires: true, claims: []claim{
				{name: "iss", kind: claimSetting, values: []string{"api_key"}},
				{name: "sha256", kind: claimBodyBase64},
			}},
		}},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/event")},
		ContentTypes: []string{"application/webhook+json"},
		Success:      Any2xx,
		Retries:      "up to 4 times within about a minute for network errors, 429 and 5xx (configurable); other 4xx are final; when its queue is full events are dropped (numDropped)",
		Methods:      post,
	},
	{
		Name:     "upstash-qstash",
		Title:    "Upstash QStash",
		Docs:     "https://upstash.com/docs/qstash/howto/signature",
		Setup:    "The current and the next signing key, as two secrets (Console, QStash, Signing Keys). The URL must be the public one that QStash calls.",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Upstash-Signature"),
			special: &jwt{alg: "HS256", issued: "iat", expires: true, claims: []claim{
				{name: "iss", kind: claimIs, values: []string{"Upstash"}},
				{name: "sub", kind: claimURL},
				{name: "body", kind: claimBodyBase64URL},
			}},
		}},
		EventID: []Source{header("Upstash-Message-Id")},
		Success: Any2xx,
		Retries: "3 times by default: 12 s, 2.5 min, 30 min, … up to a day; 489 with Upstash-NonRetryable-Error: true ends it",
		Methods: []string{http.MethodPost, http.MethodGet, http.MethodPut, http.MethodPatch, http.MethodDelete},
	},
}

// snsScheme is that of a SignatureVersion.
func snsScheme(version, algorithm string) Scheme {
	return Scheme{
		Algorithm: algorithm,
		Signature: jsonAt("/Signature"),
		Format:    "{base64}",
		canonical: snsMessage,
		locate:    locateSNS(version),
		shape:     keyShape{wrong: wrongSNS},
		binds:     []binding{{source: snsTopic, setting: "topic_arn"}},
	}
}
