package verify

var paymentProviders = []*Provider{
	// The whole secret is the key, with its "whsec_", and is not base64.
	{
		Name:         "stripe",
		Title:        "Stripe",
		Docs:         "https://docs.stripe.com/webhooks/signature",
		Setup:        "Workbench, Webhooks, the event destination: reveal its Signing secret. The secret of the Stripe CLI (stripe listen) is another one.",
		SecretPrefix: "whsec_",
		Retries:      "up to 3 days with exponential backoff",
		Evidence:     FromSDK,
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
}
