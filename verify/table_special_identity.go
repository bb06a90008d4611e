package verify

var specialIdentityProviders = []*Provider{
	{
		Name:     "fusionauth",
		Title:    "FusionAuth",
		Docs:     "https://fusionauth.io/docs/extend/events-and-webhooks/signing",
		Setup:    "The key that signs the webhook (Settings, Key Master; choose it under Settings, Webhooks, the webhook, Security): an HMAC key's secret as secret, or an RSA key's public key as public_key.",
		Notes:    "No time is signed. An RSA key must sign with RS256 or RS512; EC and OKP keys are not supported.",
		Evidence: ByHand,
		Schemes: []Scheme{
			fusionAuthScheme("hmac-sha256"), fusionAuthScheme("hmac-sha384"), fusionAuthScheme("hmac-sha512"), fusionAuthScheme(algorithmRSA), fusionAuthScheme("rsa-sha512"),
		},
		EventID:      []Source{jsonAt("/event/id")},
		EventType:    []Source{jsonAt("/event/type")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Retries:      "only where the tenant's transaction setting requires success: 3 more attempts at once; with 'no webhooks are required to succeed' never",
		Methods:      post,
	},
	{
		Name:     "kinde",
		Title:    "Kinde",
		Docs:     "https://docs.kinde.com/integrate/webhooks/about-webhooks/",
		Setup:    "Your Kinde domain as option domain (Settings, Domains). There is no secret; the keys are fetched from that domain.",
		Notes:    "The whole body is a JWT, which the application decodes. No time is checked.",
		Evidence: FromSDK,
		Settings: []Setting{{Name: "domain", Required: true, Pattern: `[a-z0-9-]+(\.[a-z0-9-]+)+`, Doc: "The domain, such as example.kinde.com, without https."}},
		Schemes: []Scheme{{
			Algorithm: algorithmRSA,
			Signature: Source{From: fromBody},
			// The keys sign users' tokens, too: only a webhook's has an event.
			special:   &jwt{alg: "RS256", claims: []claim{{name: "event_id", kind: claimID}}},
			locate:    locateKinde,
			locatedBy: []string{"domain"},
			shape:     signedShape,
		}},
		EventType:    []Source{{fromToken, "/type"}},
		Subscription: []Source{header("Webhook-Id")},
		Success:      Only200,
		Retries:      "at once, after 5 and 30 seconds, 2 and 10 minutes, 1 and 4 hours, then every 12 hours until 36; the webhook is disabled after 72 hours of failures",
		Methods:      post,
	},
}

func fusionAuthScheme(algorithm string) Scheme {
	return Scheme{
		Algorithm: algorithm,
		Signature: header("X-Fusionauth-Signature-Jwt"),
		special:   &jwt{alg: jwtNames[algorithm], claims: []claim{{name: "request_body_sha256", kind: claimBodyBase64}}},
	}
}
