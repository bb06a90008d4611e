package verify

import (
	"net/http"
	"time"
)

var commerceProviders = []*Provider{
	// Tracking, returns and shipping differ in the header's name.
	{
		Name:     "aftership",
		Title:    "AfterShip",
		Docs:     "https://www.aftership.com/docs/tracking/webhook/webhook-signature",
		Setup:    "Settings, Notifications (or Webhooks), the product's page: enter the endpoint and copy the webhook secret.",
		Notes:    "Webhooks of AfterShip Tracking, Returns and Shipping.",
		Evidence: ByHand,
		Schemes: []Scheme{
			{Algorithm: "hmac-sha256", Signature: header("AfterShip-Hmac-Sha256"), Format: "{base64}"},
			{Algorithm: "hmac-sha256", Signature: header("As-Signature-Hmac-Sha256"), Format: "{base64}"},
			{Algorithm: "hmac-sha256", Signature: header("Am-Webhook-Signature"), Format: "{base64}"},
		},
		EventID:      []Source{jsonAt("/event_id")},
		EventType:    []Source{jsonAt("/event")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Retries:      "up to 14 times, at intervals that double from 30 seconds",
		Methods:      post,
	},
	// The whole client secret is the key: neither is it base64, nor has it a mark.
	{
		Name:     "bigcommerce",
		Title:    "BigCommerce",
		Docs:     "https://developer.bigcommerce.com/docs/integrations/webhooks",
		Setup:    "The client secret of the app or API account with which the webhook is made (Settings, API, Store-level API accounts) signs; give the endpoint as destination.",
		Retries:  "11 times over 48 hours, then the webhook is deactivated; many failures block all webhooks of the domain for 3 minutes",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Webhook-Signature"),
			Format:    "v1,{base64} ...",
			Content:   "{id}.{timestamp}.{body}",
			Timestamp: Timestamp{Source: header("Webhook-Timestamp")},
			ID:        header("Webhook-Id"),
		}},
		EventID:      []Source{header("Webhook-Id")},
		EventType:    []Source{jsonAt("/scope")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Methods:      post,
	},
	{
		Name:         "easypost",
		Title:        "EasyPost",
		Docs:         "https://docs.easypost.com/guides/webhooks-guide",
		Setup:        "Dashboard, Webhooks & Events, Add Webhook: enter the endpoint and make up a random webhook secret, of ASCII characters.",
		Notes:        "EasyPost brings the secret into Unicode's form NFKD; here it must be entered in that form, as ASCII always is.",
		Evidence:     FromSDK,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("X-Hmac-Signature"), Format: "hmac-sha256-hex={hex}"}},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/description")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Methods:      post,
	},
	// The header says HMAC; it is none.
	{
		Name:     "recharge",
		Title:    "Recharge",
		Docs:     "https://docs.getrecharge.com/docs/webhooks-overview",
		Setup:    "Tools & apps, API tokens, the token: its API Client Secret. Make the webhook through the API with the endpoint as address.",
		Notes:    "A plain hash with the secret in front, and without a time. The newer header X-Recharge-Webhook-Signature is not looked at.",
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "sha256", Signature: header("X-Recharge-Hmac-Sha256"), Format: "{hex}", Content: "{secret}{body}",
		}},
		EventType:    []Source{header("X-Recharge-Topic")},
		ContentTypes: []string{mediaJSON},
		Unique:       "the body has the object with updated_at, and the topic in the header counts with it",
		Success:      Only200,
		Retries:      "20 times over 48 hours (no answer, 408, 429 and 5xx), then the webhook is deleted; deadline 5 seconds",
		Methods:      post,
	},
	{
		Name:     "shopify",
		Title:    "Shopify",
		Docs:     "https://shopify.dev/docs/apps/build/webhooks/subscribe/https",
		Setup:    "The app's client secret (Dev Dashboard, Settings); for webhooks made in a shop's admin, the key shown under Settings, Notifications, Webhooks.",
		Deadline: 5 * time.Second,
		Retries:  "8 times over 4 hours, then the subscription may be removed",
		Evidence: FromSDK,
		Schemes: []Scheme{
			{Algorithm: "hmac-sha256", Signature: header("X-Shopify-Hmac-Sha256"), Format: "{base64}"},
			{Algorithm: "hmac-sha256", Signature: header("Shopify-Hmac-Sha256"), Format: "{base64}"},
		},
		// The event's id is shared by all subscriptions; the webhook's is of one:
		// https://shopify.dev/docs/apps/build/webhooks/ignore-duplicates and
		// https://shopify.dev/docs/apps/build/events/verify-deliveries
		EventID: []Source{
			header("X-Shopify-Event-Id"), header("X-Shopify-Webhook-Id"),
			header("Shopify-Webhook-Id"), header("Shopify-Event-Id"),
		},
		EventType:    []Source{header("X-Shopify-Topic"), header("Shopify-Topic")},
		SecretForm:   shopifySecret,
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Subscription: []Source{header("X-Shopify-Webhook-Id"), header("Shopify-Webhook-Id"), header("X-Shopify-Topic"), header("Shopify-Topic")},
		Methods:      post,
	},
	// Every shop has a secret of its own, made when the app is registered with it.
	{
		Name:         "shopware",
		Title:        "Shopware 6 (apps)",
		Docs:         "https://developer.shopware.com/docs/guides/plugins/apps/webhook.html",
		Setup:        "Enter the endpoint as the webhook's url in the app's manifest.xml. The secret is the shop's, which the app's server handed over in the registration; give the secrets of all shops.",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("Shopware-Shop-Signature")}},
		EventType:    []Source{jsonAt("/data/event"), jsonAt("/source/action")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Retries:      "by the message queue, by default 3 times; never where the admin worker is on or for app lifecycle events (sent once, synchronously); 10 failures in a row deactivate the webhook; deadline 20 seconds",
		EventID:      []Source{jsonAt("/source/eventId")},
		Methods:      post,
	},
	{
		Name:         "squarespace",
		Title:        "Squarespace",
		Docs:         "https://developers.squarespace.com/webhooks/verifying-notifications",
		Setup:        "Make the webhook subscription through the API, with the endpoint as endpointUrl: the answer has the secret, in hex.",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("Squarespace-Signature"), Key: keyHex}},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/topic")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Retries:      "several times for up to 48 hours; the subscription may be deleted",
		Methods:      post,
	},
	// The delivery's id is made of the webhook's and the second: deliveries of one
	// webhook in one second have the same.
	// When a webhook is saved, WooCommerce tries the URL with a form that is not signed.
	{
		Name:         "woocommerce",
		Title:        "WooCommerce",
		Docs:         "https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks",
		Setup:        "WooCommerce, Settings, Advanced, Webhooks, Add webhook: enter the endpoint as Delivery URL and make up a random Secret.",
		Retries:      "none; after 5 failures in a row the webhook is disabled",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("X-WC-Webhook-Signature"), Format: "{base64}"}},
		EventID:      []Source{header("X-WC-Webhook-Delivery-ID")},
		Identity:     []Source{header("X-WC-Webhook-Delivery-ID"), {From: fromBody}},
		EventType:    []Source{header("X-WC-Webhook-Topic")},
		ContentTypes: []string{mediaJSON, mediaForm},
		Success:      Any2xx,
		NeverAgain:   true,
		Methods:      post,
		Handshakes:   []Handshake{{When: form("webhook_id"), Answer: Answer{Status: http.StatusOK}}},
	},
}
