package verify

import (
	"net/http"
	"time"
)

// environment is the setting of a provider that has several of itself. The first is the default.
func environment(names ...string) Setting {
	return Setting{Name: "environment", Doc: "Which of the provider's environments sends; by default " + names[0] + ".", Values: names}
}

var specialFinanceProviders = []*Provider{
	{
		Name:     "fireblocks-v2",
		Title:    "Fireblocks (webhooks v2)",
		Docs:     "https://developers.fireblocks.com/reference/validating-webhooks",
		Setup:    "Add the endpoint in the Developer Center of the Console. There is no secret; the keys are fetched from Fireblocks.",
		Notes:    "The keys are the same for all of Fireblocks' customers of an environment, so give workspace_id: otherwise a webhook that was meant for another one would pass. No time is signed.",
		Evidence: ByHand,
		Settings: []Setting{
			environment("us", "eu", "eu2", "sandbox"),
			{Name: "workspace_id", Several: true, Doc: "The id of the workspace, as in the body of its webhooks; others are refused."},
		},
		Schemes: []Scheme{{
			Algorithm: "rsa-sha512",
			Signature: header("Fireblocks-Webhook-Signature"),
			special:   &detachedJWS{alg: "RS512"},
			locate:    locateFireblocks,
			locatedBy: []string{"environment"},
			shape:     jsonShape,
			binds:     []binding{{source: jsonAt("/workspaceId"), setting: "workspace_id"}},
		}},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/eventType")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Retries:      "10 attempts: after 10, 30, 120, 300, 900, 1800, 3600, 7200 and 14400 seconds; other 4xx than 408 and 429 are not tried again",
		Methods:      post,
	},
	{
		Name:     "plaid",
		Title:    "Plaid",
		Docs:     "https://plaid.com/docs/api/webhooks/webhook-verification/",
		Setup:    "Your client_id and secret as options client_id and client_secret (Dashboard, Developers, Keys): the proxy fetches Plaid's keys with them.",
		Deadline: 10 * time.Second,
		Retries:  "for up to 24 hours",
		Notes:    "A webhook has no id of the event, and many are equal to the byte: where that is so, a repetition is delivered again.",
		Evidence: ByHand,
		Settings: []Setting{
			{Name: "client_id", Doc: "Your client_id, from the Dashboard, Developers, Keys."},
			{Name: "client_secret", Secret: true, Doc: "Your secret for that environment, from the same page."},
			environment("production", "sandbox"),
		},
		Schemes: []Scheme{{
			Algorithm: algorithmECDSA,
			Signature: header("Plaid-Verification"),
			special:   &jwt{alg: "ES256", claims: []claim{{name: "request_body_sha256", kind: claimBodyHex}}, issued: "iat"},
			locate:    locatePlaid,
			locatedBy: []string{"environment", "client_id", "client_secret"},
			shape:     keyShape{ids: uuid, wrong: wrongJSON},
			needs:     []string{"client_id", "client_secret"},
		}},
		EventType:    []Source{jsonAt("/webhook_code")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Unique:       "they come once for an item or session, or list ids",
		UniqueTypes:  []string{"INITIAL_UPDATE", "HISTORICAL_UPDATE", "TRANSACTIONS_REMOVED", "ITEM_ADD_RESULT", "SESSION_FINISHED"},
		Methods:      post,
	},
}

var specialCommerceProviders = []*Provider{
	// The library calls the digest "ssl3-sha1": it is SHA-1.
	{
		Name:     "ebay",
		Title:    "eBay",
		Docs:     "https://developer.ebay.com/develop/guides-v2/marketplace-user-account-deletion/marketplace-user-account-deletion",
		Setup:    "The verification token that you made up and the URL of the endpoint as options, and the application's App ID and Cert ID (Developer Program, Application Keys): the proxy fetches eBay's keys with them.",
		Notes:    "The signature is ECDSA with SHA-1; no time is signed.",
		Evidence: FromSDK,
		Settings: []Setting{
			{Name: "verification_token", Required: true, Secret: true, Doc: "The verification token of 32 to 80 characters that is entered at eBay."},
			{Name: "endpoint", Required: true, Doc: "The URL of the endpoint, exactly as entered at eBay."},
			{Name: "client_id", Doc: "The application's App ID (Client ID)."},
			{Name: "client_secret", Secret: true, Doc: "The application's Cert ID (Client Secret)."},
			environment("production", "sandbox"),
		},
		Schemes: []Scheme{{
			Algorithm: "ecdsa-p256-sha1",
			Signature: header("X-Ebay-Signature"),
			special:   ebaySignature{},
			locate:    locateEbay,
			locatedBy: []string{"environment", "client_id", "client_secret"},
			shape:     keyShape{ids: uuid, wrong: wrongJSON},
			needs:     []string{"client_id", "client_secret"},
		}},
		EventID:      []Source{jsonAt("/notification/notificationId")},
		EventType:    []Source{jsonAt("/metadata/topic")},
		ContentTypes: []string{mediaJSON},
		Success:      Only200,
		Retries:      "for a while; a destination that fails for 24 hours is marked down",
		Methods:      post,
		Handshakes: []Handshake{{
			Method: http.MethodGet, When: query("challenge_code"), Digest: true,
			Sign:   "{query.challenge_code}{setting.verification_token}{setting.endpoint}",
			Answer: Answer{Status: http.StatusOK, ContentType: mediaJSON, Body: `{"challengeResponse":"{hex}"}`},
		}},
	},
}
