package verify

import "time"

var commerceProviders = []*Provider{
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
}
