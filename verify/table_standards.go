package verify

import (
	"slices"
	"time"
)

var standardProviders = []*Provider{
	{
		Name:         "standard-webhooks",
		Title:        "Standard Webhooks",
		Docs:         "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
		Setup:        "The secret that the sender shows, with its whsec_ prefix or without; or its public key (whpk_…).",
		SecretPrefix: "whsec_",
		Evidence:     FromSDK,
		Schemes:      standardWebhooks("Webhook-"),
		EventID:      []Source{header("Webhook-Id")},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Retries:      "as the sender does; the specification recommends several days with exponential backoff",
		Methods:      post,
	},
	{
		Name:         "svix",
		Title:        "Svix",
		Docs:         "https://docs.svix.com/receiving/verifying-payloads/how-manual",
		Setup:        "The endpoint's Signing Secret in the sender's Svix portal.",
		SecretPrefix: "whsec_",
		Deadline:     15 * time.Second,
		Retries:      "7 times over about 28 hours",
		Evidence:     FromSDK,
		Schemes:      slices.Concat(standardWebhooks("Svix-"), standardWebhooks("Webhook-")),
		EventID:      []Source{header("Svix-Id"), header("Webhook-Id")},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Methods:      post,
		Ranges:       svixRanges,
	},

	// Svix' own library lists whose webhooks are checked like its own
	// (ingest_source_in.rs): besides those that have a row here, these.
	{
		Name:         "svix-backed",
		Title:        "Svix format (Brex, Lithic, Stytch and others)",
		Docs:         "https://docs.svix.com/receiving/verifying-payloads/how-manual",
		Setup:        "The sender's settings, Webhooks, the endpoint: its Signing Secret.",
		SecretPrefix: "whsec_",
		Notes:        "For beehiiv, Brex, Guesty, Lithic, Nash, Pleo, PsiFi, SafeBase, Sardine, Stytch, and others that show a secret beginning with whsec_.",
		Evidence:     FromSDK,
		Schemes:      []Scheme{standardWebhooks("Svix-")[0], standardWebhooks("Webhook-")[0]},
		EventID:      []Source{header("Svix-Id"), header("Webhook-Id")},
		EventType:    []Source{jsonAt("/type"), jsonAt("/event_type")},
		ContentTypes: []string{mediaJSON},
		Success:      Any2xx,
		Retries:      "as svix",
		Methods:      post,
	},
	// The specification has no signature: who has the token can send what they like.
	{
		Name:       "cloudevents",
		Title:      "CloudEvents (HTTP webhooks)",
		Docs:       "https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md",
		Setup:      "Make up a long random token and give it to the sender as its access token: it comes as Authorization: Bearer, or as the parameter access_token of the URL. The proxy answers the validation request (OPTIONS), and allows any origin and rate.",
		Notes:      "The token itself is sent; nothing is signed. Binary, structured and batched events are taken. A batch has one type, of its first event.",
		Evidence:   ByHand,
		Schemes:    bearerSchemes("access_token"),
		EventID:    []Source{cloudEventID, jsonAt("/id"), jsonAt("/0/id")},
		EventType:  []Source{header("Ce-Type"), jsonAt("/type"), jsonAt("/0/type")},
		Identity:   []Source{cloudEvents},
		Repeats:    true, // what has no id and source
		Success:    Any2xx,
		Retries:    "as the sender does; after 410 never, after 429 as Retry-After says",
		Methods:    post,
		Handshakes: []Handshake{cloudEventsProbe},
	},
}
