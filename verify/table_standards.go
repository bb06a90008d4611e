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
}
