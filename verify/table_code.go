package verify

import "time"

var codeProviders = []*Provider{
	{
		Name:     "github",
		Title:    "GitHub",
		Docs:     "https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
		Setup:    "Repository, organization or app settings, Webhooks: make up a random secret and give it as Secret; choose the content type application/json.",
		Deadline: 10 * time.Second,
		Retries:  "none by itself; failed deliveries can be redelivered by hand or through the API for 3 days",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Hub-Signature-256"),
			Format:    "sha256={hex}",
		}},
		EventID:      []Source{header("X-GitHub-Delivery")},
		EventType:    []Source{header("X-GitHub-Event")},
		ContentTypes: []string{mediaJSON, mediaForm},
		Methods:      post,
		Ranges:       githubRanges,
	},
}
