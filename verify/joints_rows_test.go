package verify

import (
	"net/url"
	"strings"
	"testing"
)

// TestValuesThatMoveInRows has the webhooks that an outsider made.
func TestValuesThatMoveInRows(t *testing.T) {
	form := func(uri, body string) *Request {
		return change(jointRequest(uri, body), func(r *Request) { r.Header.Set("Content-Type", mediaForm) })
	}
	const uuid = "e76c6bd4-55c9-4987-8304-da1588d8988b"
	const account = "AccountSid=AC00000000000000000000000000000001&"
	for _, c := range []struct {
		row, name string
		genuine   *Request
		move      func(*Request)
	}{
		{"twilio", "a value, to a name", form("/sms", "Body=pay+bobFrom%2B1CEO&From=%2B15551234"),
			func(r *Request) { r.Body = []byte("Body=pay+bob&From=%2B1CEO&From%2B15551234=") }},
		{"twilio", "a field, to the query", form("/sms?k=v", account+"Body=hello&From=x"),
			func(r *Request) {
				r.URI, r.Body = "/sms?k=vAccountSidAC00000000000000000000000000000001Bodyhello", []byte("From=x")
			}},
		{"twilio", "all, to the query", form("/sms?k=v", "Body=hello&From=x"),
			func(r *Request) { r.URI, r.Body = "/sms?k=vBodyhelloFromx", nil }},
		{"mandrill", "another name", form("/in", "mandrill_events=%5B%5D"), func(r *Request) { r.Body = []byte("mandrill_=events%5B%5D") }},
		{"mandrill", "to the query", form("/in?k=v", "mandrill_events=%5B%5D"), func(r *Request) { r.URI, r.Body = "/in?k=vmandrill_events[]", nil }},
		{"signalwire", "to the query", jointRequest("/in?k=v", `{"a":1}`), func(r *Request) { r.URI, r.Body = `/in?k=v{"a":1}`, nil }},
		{"signalwire", "to the body", jointRequest("/in?k=v", `{"a":1}`), func(r *Request) { r.URI, r.Body = `/in?k=`, []byte(`v{"a":1}`) }},
		{"square", "to the query", jointRequest("/in?k=v", `{"a":1}`), func(r *Request) { r.URI, r.Body = `/in?k=v{"a":1}`, nil }},
		{"appwrite", "to the query, escaped by nobody", jointRequest("/in?k=v", "{\"a\":\"é\"}"), func(r *Request) { r.URI, r.Body = "/in?k=v{\"a\":\"é\"}", nil }},
		{"trello", "cut at the URL", jointRequest("/in", `{"desc":"https://h/in?"}`),
			func(r *Request) { r.URI, r.Body = `/in?"}https://h/in`, []byte(`{"desc":"`) }},
		{"hubspot-v2", "to the query", jointRequest("/in?k=v", `[{"a":1}]`), func(r *Request) { r.URI, r.Body = `/in?k=v[{"a":1}]`, nil }},
		{"hubspot-v3", "to the query", jointRequest("/in?k=v", `[{"a":1}]`), func(r *Request) { r.URI, r.Body = `/in?k=v[`, []byte(`{"a":1}]`) }},
		{"hubspot-v3", "the method", jointRequest("/in?k=v", `[{"a":1}]`), func(r *Request) { r.Method, r.Scheme = "POSThttps://h/x", "https" }},
		{"coinbase-cdp", "the type, to the body", jointRequest("/in", `{"a":1}`, "X-Event-Id", uuid, "X-Event-Type", "wallet.activity"),
			func(r *Request) { r.Body = []byte(`activity.{"a":1}`); r.Header.Set("X-Event-Type", "wallet") }},
		{"coinbase-cdp", "the type, to the id", jointRequest("/in", `{"a":1}`, "X-Event-Id", uuid, "X-Event-Type", "wallet.activity"),
			func(r *Request) { r.Header.Set("X-Event-Id", uuid+".wallet"); r.Header.Set("X-Event-Type", "activity") }},
		{"sinch-conversation", "cut at a dot", jointRequest("/in", `{"a":"x.y"}`, "X-Sinch-Webhook-Signature-Nonce", "01FJA8B4A7BM43YGWSG9GBV067"),
			func(r *Request) {
				r.Body = []byte(`{"a":"x`)
				r.Header.Set("X-Sinch-Webhook-Signature-Nonce", `y"}.01FJA8B4A7BM43YGWSG9GBV067`)
			}},
		{"twitch", "a time inside of the body", jointRequest("/in", `{"at":"2026-01-02T03:04:05Z","a":1}`, "Twitch-Eventsub-Message-Id", uuid),
			func(r *Request) {
				r.Header.Set("Twitch-Eventsub-Message-Id", uuid+"2026-01-02T03:04:05Z"+`{"at":"`)
				r.Body = []byte(`","a":1}`)
			}},
		{"quicknode", "a time inside of the body", jointRequest("/in", `{"at":"1767323045","a":1}`, "X-Qn-Nonce", "0b1c"),
			func(r *Request) { r.Header.Set("X-Qn-Nonce", `0b1c1767323045{"at":"`); r.Body = []byte(`","a":1}`) }},
		{"klaviyo", "the body's end", jointRequest("/in", `{"meta":{"timestamp":"2026-01-02T03:04:05Z"},"a":1}`, "Klaviyo-Timestamp", "x"),
			func(r *Request) {
				r.Body = []byte(`{"meta":{"timestamp":"2026-01-02T03:04:05Z"},"a":1`)
				r.Header.Set("Klaviyo-Timestamp", "}x")
			}},
		{"moov", "the nonce", jointRequest("/in", `{}`, "X-Nonce", "a", "X-Webhook-Id", "b|c"), nil},
		{"plivo-v3", "a value, to a name", form("/in", "Event=ringFrom%2B1&From=%2B15551234"),
			func(r *Request) { r.Body = []byte("Event=ring&From=%2B1&From%2B15551234=") }},
	} {
		v := providerVerifier(t, c.row)
		if c.move == nil { // the genuine one itself cannot be told from another
			if err := v.Sign(c.genuine, testTime); err == nil {
				t.Errorf("%s, %s: signed", c.row, c.name)
			}
			continue
		}
		if err := v.Sign(c.genuine, testTime); err != nil {
			t.Errorf("%s, %s: %v", c.row, c.name, err)
			continue
		}
		if _, err := v.Verify(c.genuine); err != nil {
			t.Errorf("%s, %s: the genuine one: %v", c.row, c.name, err)
		}
		forged := change(c.genuine, c.move)
		if _, err := v.Verify(forged); err == nil {
			t.Errorf("%s, %s: accepted: %s %v %q", c.row, c.name, forged.URI, forged.Header, forged.Body)
		}
	}
}

// TestOneRowsSchemes: what one scheme of a row signs is no webhook of another one.
func TestOneRowsSchemes(t *testing.T) {
	v := providerVerifier(t, "coinbase-cdp")
	r := jointRequest("/in", `{"a":1}`, "X-Event-Id", "e1", "X-Event-Type", "a")
	if err := v.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	signature := r.Header.Get("X-Hook0-Signature")
	forged := change(r, func(r *Request) {
		r.Header.Set("X-Hook0-Signature", strings.Replace(signature, "v1=", "v0=", 1))
		r.Body = []byte(`content-type x-event-id x-event-type.application/json.e1.a.{"a":1}`)
	})
	verdict(t, v, forged, AmbiguousRequest, DetailAmbiguousContent)

	v = providerVerifier(t, "signalwire")
	body := `{"a":1}`
	r = jointRequest("/in", body, "X-Signalwire-Signature", "x")
	if err := v.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	raw, ok := encodedHex.appendDecoded(nil, nil, r.Header.Get("X-Signalwire-Signature"))
	if !ok {
		t.Fatal(r.Header)
	}
	r.Header.Set("X-Signalwire-Signature", encodedBase64.encode(raw))
	r.Header.Set("Content-Type", mediaForm)
	r.Body = []byte(url.QueryEscape(body) + "=")
	verdict(t, v, r, AmbiguousRequest, DetailAmbiguousContent)
}

// TestGenuineBesideJoints: what providers do send is not refused.
func TestGenuineBesideJoints(t *testing.T) {
	form := func(uri, body string) *Request {
		return change(jointRequest(uri, body), func(r *Request) { r.Header.Set("Content-Type", mediaForm) })
	}
	for _, c := range []struct {
		row string
		r   *Request
	}{
		{"twilio", form("/sms?handler=a%20b&tags[]=1", "AccountSid=AC1&Body=a+%7B%22x%22%7D&SipHeader_X-Foo.bar=1&MediaUrl0=https%3A%2F%2Fx%2F%3Fa%3D1&FromCity=&AddOns=%7B%7D&my_param=&to%5B%5D=1")},
		{"twilio", change(jointRequest("/voice?AccountSid=AC00000000000000000000000000000001&CallSid=CA1&SpeechResult=hello+there", ""), func(r *Request) { r.Method = "GET" })},
		{"square", jointRequest("/in?tags[]=a&x=%7B", " \n[{\"a\":[1]}]\n")},
		{"trello", jointRequest("/in?memberID=14&q[a]=1", "{\"a\":\"https://h/in\"}\r\n")},
		{"hubspot-v3", change(jointRequest("/in?a[]=1", ""), func(r *Request) { r.Method = "GET" })},
		{"twitch", jointRequest("/in", "{}", "Twitch-Eventsub-Message-Id", "4rWGdb2zTvPhGbtlTvdbd1p8c8aF_kTyyhMNYcBP-0E=")},
		{"quicknode", jointRequest("/in", " {\"a\":1}\r\n", "X-Qn-Nonce", "9999999999")},
		{"klaviyo", jointRequest("/in", `{"meta":{"timestamp":"2026-01-02T03:04:05Z"}}`, "Klaviyo-Timestamp", "Fri, 02 Jan 2026 03:04:05 GMT")},
		{"kick", jointRequest("/in", "{}", "Kick-Event-Message-Id", "01JMTK2X5B3V8Z9Y7W6Q4R1S0T")},
	} {
		v := providerVerifier(t, c.row)
		if !v.CanSign() {
			continue
		}
		if err := v.Sign(c.r, testTime); err != nil {
			t.Errorf("%s %s %q: %v", c.row, c.r.URI, c.r.Body, err)
			continue
		}
		if _, err := v.Verify(c.r); err != nil {
			t.Errorf("%s %s %q: %v", c.row, c.r.URI, c.r.Body, err)
		}
	}
}
