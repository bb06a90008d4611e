package verify

import (
	"net/http"
	"time"
)

// Crypto payments, custody and blockchain data.
var cryptoProviders = []*Provider{
	// The outer id and attempt_number are those of the delivery, the inner id is the event's.
	{
		Name:     "coinbase-commerce",
		Title:    "Coinbase Commerce",
		Docs:     "https://docs.cdp.coinbase.com/commerce/api-arcitecture/webhooks-security",
		Setup:    "Settings, Notifications (or Webhook subscriptions): add the endpoint and show the webhook shared secret.",
		Retries:  "for up to 3 days with exponential backoff, at most an hour apart",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Cc-Webhook-Signature"),
		}},
		EventID:      []Source{jsonAt("/event/id")},
		EventType:    []Source{jsonAt("/event/type")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Methods:      post,
		Accepted:     Answer{Status: http.StatusOK},
	},
	// Sent through Hook0. v1 binds the headers that h names; here those that the
	// documentation shows. v0 is over the time and the body alone, and is taken if v1
	// does not match, since h may name others. Coinbase itself recommends v0 for most uses.
	{
		Name:     "coinbase-cdp",
		Title:    "Coinbase Developer Platform",
		Docs:     "https://docs.cdp.coinbase.com/webhooks/verify-signatures",
		Setup:    "The secret in the answer to creating the webhook subscription.",
		Notes:    "Where only v0 matches, the headers with the event's id and type are not covered. Webhooks that have v1 alone, over headers other than content-type, x-event-id and x-event-type, are refused.",
		Evidence: ByHand,
		Schemes: []Scheme{
			{
				Algorithm: "hmac-sha256",
				Signature: header("X-Hook0-Signature"),
				Format:    "t={timestamp},v1={hex}",
				Content: "{timestamp}.content-type x-event-id x-event-type." +
					"{header.Content-Type}.{header.X-Event-Id}.{header.X-Event-Type}.{body}",
				Type: header("X-Event-Type"), // which has dots
			},
			{
				Algorithm: "hmac-sha256",
				Signature: header("X-Hook0-Signature"),
				Format:    "t={timestamp},v0={hex}",
				Content:   "{timestamp}.{body}",
				opens:     true, // or the content of v1 would do
			},
		},
		EventID:      []Source{header("X-Event-Id")},
		EventType:    []Source{header("X-Event-Type")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Retries:      "up to 60 times with exponential backoff; at least once",
		Methods:      post,
	},
	// Version 2 sends this header beside its own until its customers have moved.
	{
		Name:     "fireblocks-v1",
		Title:    "Fireblocks (webhooks v1)",
		Docs:     "https://developers.fireblocks.com/reference/validating-webhooks",
		Setup:    "The public key that Fireblocks' documentation prints for your environment (US, EU, sandbox), as public_key. Enter the URL in the Console, Settings, General, Configure Webhook URL.",
		Notes:    "Fireblocks has announced the end of version 1 for June 2026; for version 2 use fireblocks-v2.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "rsa-sha512",
			Signature: header("Fireblocks-Signature"),
			Format:    "{base64}",
		}},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Unique:       "each body has type, timestamp and the object in its state with lastUpdated",
		Success:      Only200,
		Retries:      "10 attempts: after 10, 30, 120, 300, 900, 1800, 3600, 7200 and 14400 seconds (as version 2); other 4xx than 408 and 429 are not tried again",
		Methods:      post,
	},
	{
		Name:     "alchemy",
		Title:    "Alchemy Notify",
		Docs:     "https://www.alchemy.com/docs/reference/notify-api-quickstart",
		Setup:    "Dashboard, Webhooks, the three dots of the webhook: its Signing Key.",
		Retries:  "3 times for most webhooks, 5 times for custom ones",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Alchemy-Signature"),
		}},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/type"), jsonAt("/webhookType")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Methods:      post,
		Accepted:     Answer{Status: http.StatusOK}, // it retries after other statuses
	},
	// Nonce, time and body stand side by side. The time's place is fixed by its window:
	// a digit more or less is years away, and a body does not begin with one.
	{
		Name:     "quicknode",
		Title:    "QuickNode (Streams, Webhooks)",
		Docs:     "https://www.quicknode.com/guides/quicknode-products/streams/validating-incoming-streams-webhook-messages",
		Setup:    "QuickNode dashboard, the stream or webhook: its security token, whole.",
		Notes:    "Webhooks may be compressed with gzip: what is signed is the body before. The ping that tries out the URL is not signed and is refused.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Qn-Signature"),
			Content:   "{header.X-Qn-Nonce}{timestamp}{plain_body}",
			Timestamp: Timestamp{Source: header("X-Qn-Timestamp")},
		}},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Retries:      "as often and as far apart as set at the stream (max_retry, retry_interval_sec); the next batch waits, and the stream pauses in the end",
		Identity:     []Source{header("X-Qn-Nonce")},
		Methods:      post,
	},
	{
		Name:     "helius",
		Title:    "Helius",
		Docs:     "https://www.helius.dev/docs/webhooks",
		Setup:    "Make up a long random value and set it as the webhook's authentication header (authHeader), in the dashboard or with the API.",
		Notes:    "Nothing is signed: the value itself is sent, and whoever sees one webhook can send others. The body is a list of transactions; raw webhooks have no type.",
		Retries:  "3 times, a minute apart",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: algorithmToken,
			Signature: header("Authorization"),
		}},
		EventType:    []Source{jsonAt("/0/type")},
		ContentTypes: []string{mediaJSON},
		Unique:       "each transaction in the list has its signature, slot and timestamp: the same list is the same transactions",
		Success:      Only200,
		Methods:      post,
		Accepted:     Answer{Status: http.StatusOK},
	},
	// Each delivery has an id of its own; the original one is the same for all of them.
	{
		Name:     "btcpay",
		Title:    "BTCPay Server",
		Docs:     "https://docs.btcpayserver.org/API/Greenfield/v1/",
		Setup:    "Store, Settings, Webhooks, Create Webhook: the Secret, as set or generated. Leave Automatic redelivery on.",
		Retries:  "8 times: after 10 seconds, 1 minute and then every 10 minutes, for statuses 408, 429 and 5xx only",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Btcpay-Sig"),
			Format:    "sha256={hex}",
		}},
		EventID:      []Source{jsonAt("/originalDeliveryId"), jsonAt("/deliveryId")},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Methods:      post,
	},
	{
		Name:     "tatum",
		Title:    "Tatum",
		Docs:     "https://github.com/tatumio/docs/blob/master/categories/notifications/paths/v3_subscription_put.yml",
		Setup:    "Enable the HMAC webhook digest with the API (PUT /v3/subscription), giving it a secret that you make up. Until then nothing is signed.",
		Deadline: 10 * time.Second,
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha512",
			Signature: header("X-Payload-Hash"),
			Format:    "{base64}",
		}},
		EventType:    []Source{jsonAt("/subscriptionType")},
		ContentTypes: []string{mediaJSON},
		Unique:       "each body has txId, address, amount, asset and block number (and whether it is confirmed), so it is one movement of one transaction",
		UniqueWith:   []Source{jsonAt("/txId")}, // KMS_FAILED_TX has none
		Success:      Any2xx,
		Retries:      "several times at growing intervals",
		Methods:      post,
	},
	// Each change of a charge comes with its one id, and with the same signature.
	{
		Name:     "opennode",
		Title:    "OpenNode",
		Docs:     "https://github.com/opennodedev/opennode-node",
		Setup:    "The API key that the charge was created with. The URL is the callback_url of the charge.",
		Notes:    "Only the id of the charge is signed, neither its status nor its amount, and the same signature comes with every webhook of a charge: ask the API for the charge before acting on it.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: form("hashed_order"),
			Content:   "{form.id}",
		}},
		EventType:    []Source{form("status")},
		ContentTypes: []string{mediaForm},
		Unique:       "one charge changes to each status once, and status with id and amounts is in the form; only id is signed, so the whole form has to count",
		Methods:      post,
	},
	{
		Name:     "moonpay",
		Title:    "MoonPay",
		Docs:     "https://dev.moonpay.com/reference/reference-webhooks-signature",
		Setup:    "MoonPay dashboard, Developers: the webhook API key.",
		Notes:    "Only webhooks by POST, not the requests that MoonPay signs by their query.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Moonpay-Signature-V2"),
			Format:    "t={timestamp},s={hex}",
			Content:   "{timestamp}.{body}",
		}},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Retries:      "deadline 5 seconds; at least once, in any order; platform docs say a failed delivery is sent again",
		Methods:      post,
	},
	{
		Name:     "coinify",
		Title:    "Coinify",
		Docs:     "https://coinify.readme.io/docs/webhook-signature",
		Setup:    "The shared secret that Coinify and you agreed on for webhooks.",
		Evidence: FromDocs,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Coinify-Webhook-Signature"),
		}},
		ContentTypes: []string{mediaJSON},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/event")},
		Methods:      post,
	},
}
