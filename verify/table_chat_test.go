package verify

import (
	"net/http"
	"strings"
	"testing"
)

// TestChatHandshakes has the requests as the providers document them. The
// signatures were made with `openssl dgst -sha256 -hmac`.
func TestChatHandshakes(t *testing.T) {
	text := func(body string) Answer { return Answer{Status: 200, ContentType: "text/plain", Body: body} }
	js := func(body string) Answer { return Answer{Status: 200, ContentType: mediaJSON, Body: body} }
	feed := "https://www.youtube.com/xml/feeds/videos.xml?channel_id=UC1"
	topic := "hub.topic=https%3A%2F%2Fwww.youtube.com%2Fxml%2Ffeeds%2Fvideos.xml%3Fchannel_id%3DUC1"
	for _, c := range []struct {
		provider, secret, request string // method, URI and body
		header                    http.Header
		verified                  bool
		want                      Answer // zero: no handshake
	}{
		{"meta", "s", "GET /?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=meatyhamhock", nil, false, text("1158201444")},
		{"meta", "s", "GET /?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=other", nil, false, forbidden},
		{"meta", "s", "GET /?hub.mode=subscribe&hub.challenge=1158201444", nil, false, forbidden},
		{"meta", "s", "POST /?hub.mode=subscribe&hub.challenge=1&hub.verify_token=meatyhamhock", nil, false, Answer{}},
		{"x-twitter", "z3ZX4v7mAAUGykl3EcmkqbartmuW8VFOOzCloLx9Q45P0hLrFu", "GET /?crc_token=9b4507b3-9040-4669-9ca3-6b94edb50553", nil, false,
			js(`{"response_token":"sha256=Cytd4Sq+NvEcV3MMrXxWJGJx5A+y/lXzzU2Maartkx8="}`)},
		{"linkedin", "WPL_AP1.clientsecret==", "GET /?challengeCode=890e4665-4dfe-4ab1-b689-ed553bceeed0&applicationId=1", nil, false,
			js(`{"challengeCode":"890e4665-4dfe-4ab1-b689-ed553bceeed0","challengeResponse":"7ca06fb7e42c6b2cf1c6623f98879bff5713dd3e09c08b8d90a10b163d94be13"}`)},
		{"zoom", "Zm_secret-Token_123", `POST / {"payload":{"plainToken":"qgg8vlvZRS6UYooatFL8Aw"},"event_ts":1654503849680,"event":"endpoint.url_validation"}`, nil, true,
			js(`{"plainToken":"qgg8vlvZRS6UYooatFL8Aw","encryptedToken":"5549ae0275f7a6a38d9fdbb213789a5b58e4cb681e7c226dfc941ffbae005dda"}`)},
		{"zoom", "s", `POST / {"payload":{"plainToken":"x"},"event":"endpoint.url_validation"}`, nil, false, Answer{}},
		{"zoom", "s", `POST / {"payload":{"plainToken":"x"},"event":"meeting.started"}`, nil, true, Answer{}},
		{"twitch", "secret10chars", `POST / {"challenge":"pogchamp-kappa-360noscope-vohiyo"}`,
			http.Header{"Twitch-Eventsub-Message-Type": {"webhook_callback_verification"}}, true, text("pogchamp-kappa-360noscope-vohiyo")},
		{"twitch", "secret10chars", `POST / {"challenge":"x"}`, http.Header{"Twitch-Eventsub-Message-Type": {"notification"}}, true, Answer{}},
		{"discord-interactions", "", `POST / {"id":"1","type":1,"version":1}`, nil, true, js(`{"type":1}`)},
		{"discord-interactions", "", `POST / {"id":"1","type":1,"version":1}`, nil, false, Answer{}},
		{"discord-interactions", "", `POST / {"id":"1","type":2}`, nil, true, Answer{}},
		{"discord-webhook-events", "", `POST / {"version":1,"type":0}`, nil, true, Answer{Status: 204, ContentType: mediaJSON}},
		{"discord-webhook-events", "", `POST / {"version":1,"type":1,"event":{"type":"APPLICATION_AUTHORIZED"}}`, nil, true, Answer{}},
		{"websub", "s", "GET /?hub.mode=subscribe&hub.challenge=2f5a&hub.lease_seconds=432000&" + topic, nil, false, text("2f5a")},
		{"websub", "s", "GET /?hub.mode=subscribe&hub.challenge=2f5a&hub.topic=https%3A%2F%2Fother%2F", nil, false, forbidden},
		{"websub", "s", "GET /?hub.mode=unsubscribe&hub.challenge=2f5a&" + topic, nil, false, Answer{}},
	} {
		p, _ := Lookup(c.provider)
		o := Options{Secrets: []string{c.secret}}
		switch c.provider {
		case "meta":
			o.Settings = map[string][]string{"verify_token": {"old", "meatyhamhock"}}
		case "websub":
			o.Settings = map[string][]string{"topic": {feed}}
		case "discord-interactions", "discord-webhook-events":
			o.Secrets, o.PublicKeys = nil, []string{strings.Repeat("d7", 32)}
		}
		v, err := p.NewVerifier(o)
		if err != nil {
			t.Fatal(err)
		}
		method, rest, _ := strings.Cut(c.request, " ")
		uri, body, _ := strings.Cut(rest, " ")
		if c.header == nil {
			c.header = http.Header{}
		}
		got, ok := v.Handshake(&Request{Method: method, Scheme: "https", Host: "h", URI: uri, Header: c.header, Body: []byte(body)}, c.verified)
		if got != c.want || ok != (c.want != Answer{}) {
			t.Errorf("%s: %s, verified %t: %+v, %t, want %+v", c.provider, c.request, c.verified, got, ok, c.want)
		}
	}
}
