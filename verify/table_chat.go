package verify

import (
	"net/http"
	"time"
)

var chatProviders = []*Provider{
	// Events API (JSON), slash commands (form), interactivity (JSON in a form field).
	{
		Name:     "slack",
		Title:    "Slack",
		Docs:     "https://docs.slack.dev/authentication/verifying-requests-from-slack",
		Setup:    "The Signing Secret of the app: api.slack.com/apps, Basic Information. Set the Request URL to the endpoint; the proxy answers its verification.",
		Deadline: 3 * time.Second,
		Retries:  "3 times: at once, after 1 minute, after 5 minutes (Events API only)",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Slack-Signature"),
			Format:    "v0={hex}",
			Content:   "v0:{timestamp}:{body}",
			Timestamp: Timestamp{Source: header("X-Slack-Request-Timestamp")},
		}},
		EventID:      []Source{jsonAt("/event_id"), {FromFormJSON, "payload /trigger_id"}, form("trigger_id")},
		EventType:    []Source{jsonAt("/event/type"), jsonAt("/type"), {FromFormJSON, "payload /type"}, form("command")},
		ContentTypes: []string{mediaJSON, mediaForm},
		Methods:      post,
		Handshakes: []Handshake{
			{Signed: true, When: jsonAt("/type"), Equals: "url_verification",
				Answer: Answer{Status: http.StatusOK, ContentType: "text/plain"}, Echo: jsonAt("/challenge")},
			{When: form("ssl_check"), Equals: "1", Answer: Answer{Status: http.StatusOK}},
		},
	},
}
