package verify

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
		Methods:      post,
	},
	// Whether Greenhouse-Event-ID stays the same when Greenhouse tries again, it does not say.
	{
		Name:         "greenhouse",
		Title:        "Greenhouse",
		Docs:         "https://developers.greenhouse.io/webhooks.html",
		Setup:        "Configure, Dev Center, Web Hooks: enter the endpoint and make up a random Secret Key.",
		Retries:      "6 times over 15 hours",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("Signature"), Format: "sha256 {hex}"}},
		EventType:    []Source{jsonAt("/action")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
}
