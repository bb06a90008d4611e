package verify

import (
	"net/http"
	"time"
)

// Chat apps and bots. Social networks, live chat and video are in table_chat_media.go.
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
	// 202 without a body is what Discord wants where the app answers the
	// interaction through the API instead of in the response. The types are numbers:
	// 2 is a command, 3 a component, 5 a modal.
	{
		Name:     "discord-interactions",
		Title:    "Discord (interactions)",
		Docs:     "https://docs.discord.com/developers/interactions/overview",
		Setup:    "The app's Public Key (Developer Portal, General Information) goes here as public_key. Enter the endpoint there as Interactions Endpoint URL; the proxy answers its PING.",
		Notes:    "The user waits for the answer: relay the app's with respond upstream, or have the app answer through Discord's API within 3 seconds.",
		Deadline: 3 * time.Second,
		Evidence: FromSDK,
		Schemes:  []Scheme{discordScheme},
		EventID:  []Source{jsonAt("/id")}, EventType: []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
		Handshakes: []Handshake{{Signed: true, When: jsonAt("/type"), Equals: "1",
			Answer: Answer{Status: http.StatusOK, ContentType: mediaJSON, Body: `{"type":1}`}}},
		Accepted: Answer{Status: http.StatusAccepted},
	},
	{
		Name:         "discord-webhook-events",
		Title:        "Discord (webhook events)",
		Docs:         "https://docs.discord.com/developers/events/webhook-events",
		Setup:        "The app's Public Key (Developer Portal, General Information) goes here as public_key. On the page Webhooks enter the endpoint as Endpoint URL and choose events; the proxy answers its PING.",
		Notes:        "Events have no id of their own.",
		Deadline:     3 * time.Second,
		Retries:      "several times with exponential backoff, for up to 10 minutes",
		Evidence:     FromSDK,
		Schemes:      []Scheme{discordScheme},
		EventType:    []Source{jsonAt("/event/type")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
		Handshakes: []Handshake{{Signed: true, When: jsonAt("/type"), Equals: "0",
			Answer: Answer{Status: http.StatusNoContent, ContentType: mediaJSON}}},
		Accepted: Answer{Status: http.StatusNoContent},
	},
	// The type is the name of the one member besides update_id, which no source can name.
	{
		Name:         "telegram",
		Title:        "Telegram Bot API",
		Docs:         "https://core.telegram.org/bots/api#setwebhook",
		Setup:        "Make up a secret of 1 to 256 characters (A-Z, a-z, 0-9, _ and -) and give it as secret_token to setWebhook, with the endpoint as url.",
		Notes:        "The secret itself is sent; nothing is signed.",
		Retries:      "a reasonable number of attempts",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: algorithmToken, Signature: header("X-Telegram-Bot-Api-Secret-Token")}},
		EventID:      []Source{jsonAt("/update_id")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// The timestamp in the body is when the message was written, not when it was sent here.
	{
		Name:     "teams-outgoing",
		Title:    "Microsoft Teams (outgoing webhooks)",
		Docs:     "https://learn.microsoft.com/en-us/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook",
		Setup:    "Manage team, Apps, Create an outgoing webhook: enter the endpoint as Callback URL, and copy the security token that is shown once.",
		Notes:    "The user waits for the answer: relay the app's with respond upstream.",
		Deadline: 5 * time.Second,
		Evidence: ByHand,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("Authorization"),
			Format:    "HMAC {base64}",
			Key:       keyBase64,
		}},
		EventID:      []Source{jsonAt("/id")},
		EventType:    []Source{jsonAt("/type")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// One webhook may have several events, each with an id; none stands for the whole.
	{
		Name:     "line",
		Title:    "LINE Messaging API",
		Docs:     "https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/",
		Setup:    "The Channel secret: LINE Developers Console, the channel, Basic settings. Enter the endpoint under Messaging API, Webhook URL.",
		Notes:    "A webhook may carry several events, or none (Verify). Each event has a webhookEventId, which stays the same when it is sent again.",
		Evidence: FromSDK,
		Schemes: []Scheme{{
			Algorithm: "hmac-sha256",
			Signature: header("X-Line-Signature"),
			Format:    "{base64}",
		}},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// The id in the body is that of the webhook, the same for all its events.
	{
		Name:         "webex",
		Title:        "Cisco Webex",
		Docs:         "https://developer.webex.com/docs/webhooks",
		Setup:        "Make up a random secret and give it as secret when you create the webhook (POST /v1/webhooks), with the endpoint as targetUrl.",
		Notes:        "The type is the resource (messages, rooms, …); created, updated or deleted is in the body's event.",
		Evidence:     ByHand,
		Schemes:      []Scheme{{Algorithm: "hmac-sha1", Signature: header("X-Spark-Signature")}},
		EventType:    []Source{jsonAt("/resource")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
	},
	// message_token is that of the message: delivered and seen have the same.
	{
		Name:         "viber",
		Title:        "Viber",
		Docs:         "https://developers.viber.com/docs/api/rest-bot-api/#callbacks",
		Setup:        "The bot's authentication token (Viber Admin Panel, the bot, Edit Info). Give the endpoint as url to set_webhook.",
		Evidence:     FromSDK,
		Schemes:      []Scheme{{Algorithm: "hmac-sha256", Signature: header("X-Viber-Content-Signature")}},
		EventType:    []Source{jsonAt("/event")},
		ContentTypes: []string{mediaJSON},
		Methods:      post,
		Accepted:     Answer{Status: http.StatusOK},
	},
}

// discordScheme is how Discord signs all that it sends.
var discordScheme = Scheme{
	Algorithm: algorithmEd25519,
	Signature: header("X-Signature-Ed25519"),
	Format:    "{hex}",
	Content:   "{timestamp}{body}",
	Timestamp: Timestamp{Source: header("X-Signature-Timestamp")},
}
