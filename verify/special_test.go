package verify

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// vectorOf returns a vector by name, with its server of keys.
func vectorOf(t testing.TB, provider, name string) *vector {
	t.Helper()
	for _, x := range loadVectors(t, provider) {
		if x.Name == name {
			if x.Fetched != nil {
				x.keys = newKeyServer(t, x.Fetched)
			}
			return x
		}
	}
	t.Fatalf("%s has no vector %q", provider, name)
	return nil
}

// withJSON returns the vector's webhook with one value of its body changed; nil removes it.
func (x *vector) withJSON(t *testing.T, pointer string, value any) *Request {
	t.Helper()
	r := x.request(t)
	var document any
	if err := json.Unmarshal(r.Body, &document); err != nil {
		t.Fatal(err)
	}
	node, tokens := document, strings.Split(pointer[1:], "/")
	for i, token := range tokens {
		last := i == len(tokens)-1
		switch n := node.(type) {
		case map[string]any:
			if last && value == nil {
				delete(n, token)
			} else if last {
				n[token] = value
			}
			node = n[token]
		case []any:
			index := 0
			if _, err := fmt.Sscan(token, &index); err != nil {
				t.Fatal(err)
			}
			node = n[index]
		}
	}
	var err error
	if r.Body, err = json.Marshal(document); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestEveryItemIsSigned: no item may pass on the signature of another.
func TestEveryItemIsSigned(t *testing.T) {
	x := vectorOf(t, "adyen-payments", "two items, one with a colon in its reference")
	v := x.verifier(t)
	item := func(i int, field string) string {
		return fmt.Sprintf("/notificationItems/%d/NotificationRequestItem%s", i, field)
	}
	for i := range 2 {
		for _, field := range adyenFields {
			for _, value := range []any{"another", nil, true} {
				if field == "/originalReference" && i == 1 && value == nil || field == "/success" && value == true && i == 0 {
					continue // it has none; it is "true"
				}
				refused(t, v, x.withJSON(t, item(i, field), value), item(i, field)+" changed", InvalidSignature)
			}
		}
		refused(t, v, x.withJSON(t, item(i, "/additionalData/hmacSignature"), "AAAA"), "another signature", InvalidSignature)
		refused(t, v, x.withJSON(t, item(i, "/additionalData"), nil), "no signature", InvalidSignature, MissingSignature)
		refused(t, v, x.withJSON(t, item(i, ""), nil), "no item", InvalidSignature, MissingSignature)
	}
	refused(t, v, x.withJSON(t, item(1, "/pspReference"), "8313547924770610:x"), "a colon that moves fields", InvalidSignature)
	moved := x.withJSON(t, item(1, "/merchantReference"), "1:🎉")
	moved.Body = bytes.Replace(moved.Body, []byte(`"YourAccount","merchantReference":"1:`), []byte(`"YourAccount:größe","merchantReference":"1:`), 1)
	if !bytes.Contains(moved.Body, []byte("YourAccount:größe")) {
		t.Fatal("nothing was moved: this shows nothing")
	}
	refused(t, v, moved, "a part of one reference moved to another field", InvalidSignature)
	refused(t, v, x.withJSON(t, "/notificationItems", []any{}), "an empty list", MissingSignature)
	refused(t, v, x.withJSON(t, "/notificationItems", map[string]any{}), "no list", MissingSignature)

	x = vectorOf(t, "ms-graph", "two")
	v = x.verifier(t)
	for _, value := range []any{"another", nil, "", 1} {
		refused(t, v, x.withJSON(t, "/value/1/clientState", value), "another state", InvalidSignature)
	}
}

// TestForeignAddressesOfKeys: an address of keys in a webhook is not believed, and nothing
// is fetched.
func TestForeignAddressesOfKeys(t *testing.T) {
	sns := vectorOf(t, "aws-sns", "notification")
	v := sns.verifier(t)
	for _, address := range []string{
		"", "https://example.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem", "http://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
		"https://sns.us-west-2.amazonaws.com.example.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem", "https://snsxus-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
		"https://example.com#@sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem", "https://example.com\\@sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
		"https://sns.us-west-2.amazonaws.com@example.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem", "https://user@sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
		"https://sns.us-west-2.amazonaws.com:8443/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem", "https://sns.us-west-2.amazonaws.com./SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
		"https://sns.us-west-2.amazonaws.com/?Action=x&y=.pem", "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem?x=1",
		"https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem#x", "https://sns.us-west-2.amazonaws.com/../SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
		"https://sns.us-west-2.amazonaws.com/%2e%2e/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem", "https://sns.us-west-2.amazonaws.com/a/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
		"https://bucket.s3.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem", "https://sns.us.east.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
		"https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem\n", " https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
		"HTTPS://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem", "//sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem",
	} {
		verdict(t, v, sns.withJSON(t, "/SigningCertURL", address), InvalidSignature, DetailForeignKeyAddress)
	}
	for _, address := range []any{nil, 1, []any{"https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"}} {
		verdict(t, v, sns.withJSON(t, "/SigningCertURL", address), InvalidSignature, DetailForeignKeyAddress)
	}

	paypal := vectorOf(t, "paypal", "unicode")
	pv := paypal.verifier(t)
	for _, address := range []string{
		"", "https://example.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77", "https://api.paypal.com.example.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77",
		"https://www.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77", "https://apiapaypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77", "http://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77",
		"https://api.paypal.com/v1/notifications/certs/../../x", "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77?x", "https://api.paypal.com/v2/notifications/certs/CERT-360caa42-fca2a594-a5cafa77",
		"https://api.paypal.com/v1/notifications/certs/", "https://paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77", "https://api.paypal.com:443/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77",
	} {
		r := paypal.request(t)
		r.Header.Set("Paypal-Cert-Url", address)
		verdict(t, pv, r, InvalidSignature, DetailForeignKeyAddress)
	}
	r := paypal.request(t)
	r.Header.Add("Paypal-Cert-Url", r.Header.Get("Paypal-Cert-Url"))
	verdict(t, pv, r, InvalidSignature, DetailForeignKeyAddress)
	if sns.keys.asked()+paypal.keys.asked() != 0 {
		t.Errorf("asked %v, %v", sns.keys.requests, paypal.keys.requests)
	}
}

// TestCertificatesOfOthers: a certificate counts only while it is valid, and with
// the provider's name in it.
func TestCertificatesOfOthers(t *testing.T) {
	x := vectorOf(t, "aws-sns", "notification")
	other := vectorOf(t, "paypal", "unicode")
	address, pem, otherPEM := "", "", ""
	for address, pem = range x.Fetched {
	}
	for _, otherPEM = range other.Fetched {
	}
	for text, want := range map[string]string{
		otherPEM: "of another name", "": "no PEM certificate", pem[:100] + "\n-----END CERTIFICATE-----\n": "no PEM certificate",
		strings.Replace(pem, "MII", "AAA", 1): "no certificate", strings.ReplaceAll(pem, "CERTIFICATE", "PUBLIC KEY"): "no PEM certificate",
	} {
		x.keys.set(address, text)
		_, err := x.verifier(t).Verify(x.request(t))
		if err == nil || !strings.Contains(err.Error(), want) || err.(*Error).Status() != http.StatusServiceUnavailable {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
	x.keys.set(address, pem)
	for _, now := range []time.Time{time.Unix(0, 0), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)} {
		x.Now = now.Unix()
		verdict(t, x.verifier(t), x.request(t), KeyUnavailable, DetailKeyNotFetched)
	}
}

// TestSNSFields changes each signed field, and moves what stands between them.
func TestSNSFields(t *testing.T) {
	for _, name := range []string{"notification", "subscription", "end of the subscription"} {
		x := vectorOf(t, "aws-sns", name)
		v := x.verifier(t)
		for _, field := range snsFields[x.EventType] {
			for _, value := range []any{"another", nil, "", []any{}} {
				refused(t, v, x.withJSON(t, "/"+field, value), field+" changed", InvalidSignature)
			}
		}
		refused(t, v, x.withJSON(t, "/Type", "Notification2"), "an unknown type", InvalidSignature)
	}
	x := vectorOf(t, "aws-sns", "notification")
	v := x.verifier(t)
	moved := x.withJSON(t, "/MessageId", "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\nSubject\nMy First Message")
	moved.Body = []byte(strings.Replace(string(moved.Body), `"Subject":"My First Message",`, "", 1))
	verdict(t, v, moved, InvalidSignature, DetailMalformedPart)
	if _, err := v.Verify(x.withJSON(t, "/UnsubscribeURL", "https://example.com")); err != nil {
		t.Errorf("a field that is not signed: %v", err)
	}
}

// TestSNSTopicsOfOthers: SNS signs for every topic there is.
func TestSNSTopicsOfOthers(t *testing.T) {
	x := vectorOf(t, "aws-sns", "subscription")
	x.Settings = map[string][]string{"topic_arn": {"arn:aws:sns:us-west-2:123456789012:Other"}}
	v := x.verifier(t)
	verdict(t, v, x.request(t), InvalidSignature, DetailOtherRecipient)
	x.Settings["topic_arn"] = append(x.Settings["topic_arn"], "arn:aws:sns:us-west-2:123456789012:MyTopic")
	verdict(t, x.verifier(t), x.request(t), "", "")
	if _, err := x.provider.NewVerifier(Options{}); err == nil || !strings.Contains(err.Error(), "option topic_arn is missing") {
		t.Error(err)
	}
}

// TestSNSSubscription: the subscription is confirmed at SNS before it is answered.
func TestSNSSubscription(t *testing.T) {
	x := vectorOf(t, "aws-sns", "subscription")
	v := x.verifier(t)
	r := x.request(t)
	if _, err := v.Verify(r); err != nil {
		t.Fatal(err)
	}
	if _, ok := v.Handshake(r, false); ok {
		t.Error("confirmed without a signature")
	}
	if answer, ok := v.Handshake(r, true); !ok || answer.Status != http.StatusServiceUnavailable {
		t.Errorf("SNS does not answer: %+v, %t", answer, ok)
	}
	address, _ := jsonAt("/SubscribeURL").Extract(r)
	x.keys.set(address, "<ConfirmSubscriptionResponse/>")
	asked := x.keys.asked()
	if answer, ok := v.Handshake(r, true); !ok || answer != (Answer{Status: http.StatusOK}) || x.keys.asked() != asked+1 {
		t.Errorf("%+v, %t", answer, ok)
	}
	for _, address := range []string{
		"https://example.com/?Action=ConfirmSubscription", "http://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription",
		"https://sns.us-west-2.amazonaws.com/?Action=DeleteTopic", "https://sns.us-west-2.amazonaws.com/x?Action=ConfirmSubscription",
	} {
		if answer, ok := v.Handshake(x.withJSON(t, "/SubscribeURL", address), true); !ok || answer.Status != http.StatusForbidden {
			t.Errorf("%s: %+v", address, answer)
		}
	}
	if x.keys.asked() != asked+1 {
		t.Errorf("asked %v", x.keys.requests)
	}
	if _, ok := v.Handshake(vectorOf(t, "aws-sns", "notification").request(t), true); ok {
		t.Error("a notification is no handshake")
	}
	v.Close()
	if answer, ok := v.Handshake(r, true); !ok || answer.Status != http.StatusServiceUnavailable {
		t.Errorf("closed: %+v, %t", answer, ok)
	}
}

// TestKeysThatCannotBeFetched: the provider is asked to send it again.
func TestKeysThatCannotBeFetched(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		if x.keys == nil {
			return
		}
		x.keys.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusBadGateway) })
		verdict(t, x.verifier(t), x.request(t), KeyUnavailable, DetailKeyNotFetched)
		x.keys.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusForbidden) })
		verdict(t, x.verifier(t), x.request(t), KeyUnavailable, DetailKeyNotFetched)
		x.keys.handle(nil)
		verdict(t, x.verifier(t), x.request(t), "", "")
	})
}

// TestWholeURLsAreFetched lists what the vectors have fetched, so that no other
// host is added by mistake.
func TestWholeURLsAreFetched(t *testing.T) {
	hosts := map[string]bool{
		"api.ebay.com": true, "api.paypal.com": true, "api.travis-ci.com": true, "keys.fireblocks.io": true,
		"production.plaid.com": true, "example.kinde.com": true, "sns.us-west-2.amazonaws.com": true, "www.googleapis.com": true,
	}
	eachVector(t, func(t *testing.T, x *vector) {
		for address := range x.Fetched {
			if u, err := url.Parse(address); err != nil || !hosts[u.Host] {
				t.Errorf("fetches %s", address)
			}
		}
	})
}

// TestPartsOfRequestsCannotMove: what stands at the end of one part is not taken
// for the begin of the next.
func TestPartsOfRequestsCannotMove(t *testing.T) {
	plivo := vectorOf(t, "plivo-v3", "call")
	r := plivo.request(t)
	r.Header.Set("X-Plivo-Signature-V3-Nonce", "5678.12345678901234567890")
	verdict(t, plivo.verifier(t), r, InvalidSignature, DetailMalformedPart)
	r = plivo.request(t)
	r.Header.Set("Content-Type", mediaJSON)
	verdict(t, plivo.verifier(t), r, InvalidSignature, DetailUnsignedBody)

	mercado := vectorOf(t, "mercado-pago", "payment")
	r = mercado.request(t)
	id := r.Header.Get("X-Request-Id")
	r.Header.Del("X-Request-Id")
	r.setQuery("data.id", "999999999;request-id:"+id)
	verdict(t, mercado.verifier(t), r, InvalidSignature, DetailMalformedPart)
	r = mercado.request(t)
	r.URI += "&data.id=2"
	verdict(t, mercado.verifier(t), r, AmbiguousRequest, DetailAmbiguousField)

	contentful := vectorOf(t, "contentful", "signed headers")
	v := contentful.verifier(t)
	for _, list := range []string{
		"", "x-contentful-timestamp", "x-contentful-signed-headers", "x-contentful-signed-headers,x-contentful-timestamp,x-missing",
		"x-contentful-signed-headers,x-contentful-timestamp,x-contentful-timestamp", strings.Repeat("content-type,", 60) + "x-contentful-signed-headers,x-contentful-timestamp",
	} {
		r := contentful.request(t)
		r.Header.Set("X-Contentful-Signed-Headers", list)
		refused(t, v, r, "signed headers "+list, InvalidSignature)
	}
	r = contentful.request(t)
	r.URI += "?a?b"
	verdict(t, v, r, InvalidSignature, DetailMalformedPart)

	paddle := vectorOf(t, "paddle-classic", "payment")
	for _, more := range []string{"&alert_id=1", "&p_signature=AAAA", "&x[]=1", "&x.y=1", "&%zz=1", strings.Repeat("&a=1", maxFormFields)} {
		r := paddle.request(t)
		r.Body = append(r.Body, more...)
		refused(t, paddle.verifier(t), r, "more fields", InvalidSignature)
	}
}

func TestMultipartForms(t *testing.T) {
	x := vectorOf(t, "mailgun", "inbound route with attachments")
	whole := string(x.request(t).Body)
	boundary := strings.TrimPrefix(x.request(t).Header.Get("Content-Type"), "multipart/form-data; boundary=")
	part := func(disposition, value string) string {
		return "--" + boundary + "\r\nContent-Disposition: " + disposition + "\r\n\r\n" + value + "\r\n"
	}
	for what, c := range map[string]struct {
		contentType, body string
		ok                bool
	}{
		"as it is":            {"", whole, true},
		"a file of that name": {"", part(`form-data; name="token"; filename="token"`, "another") + whole, false},
		"other parts":         {"", part(`form-data; name="x"`, strings.Repeat("y", 2*maxMultipartField)) + whole, true},
		"twice":               {"", part(`form-data; name="token"`, "another") + whole, false},
		"cut":                 {"", whole[:len(whole)-5], false},
		"another boundary":    {"multipart/form-data; boundary=x", whole, false},
		"no boundary":         {"multipart/form-data", whole, false},
		"another type":        {"multipart/mixed; boundary=" + boundary, whole, false},
		"JSON":                {mediaJSON, whole, false},
		"too large a value":   {"", part(`form-data; name="token"`, strings.Repeat("z", maxMultipartField+1)) + whole, false},
		"too many parts":      {"", strings.Repeat(part(`form-data; name="x"`, "y"), maxFormFields+1) + whole, false},
	} {
		r := x.request(t)
		r.Body = []byte(c.body)
		if c.contentType != "" {
			r.Header.Set("Content-Type", c.contentType)
		}
		if _, err := x.verifier(t).Verify(r); (err == nil) != c.ok {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestHandshakesOfTheTable runs what the special providers try endpoints with.
func TestHandshakesOfTheTable(t *testing.T) {
	for _, c := range []struct {
		provider, method, uri, body string
		want                        Answer
	}{
		// As the libraries answer: braintree's webhookNotification.verify, and
		// generateChallengeResponse of eBay's.
		{"braintree", "GET", "/?bt_challenge=20f9f8ed05f77439fe955c977e4c8a53", "", Answer{Status: 200, ContentType: "text/plain",
			Body: "integration_public_key|d9b899556c966b3f06945ec21311865d35df3ce4"}},
		{"braintree", "GET", "/?bt_challenge=PD94bWwgdmVyc2lvbj0iMS4wIj8", "", Answer{}}, // would be a payload's signature
		{"ebay", "GET", "/?challenge_code=a8628072-3d33-45ee-9004-bee86830a22d", "", Answer{Status: 200, ContentType: mediaJSON,
			Body: `{"challengeResponse":"ca527df75caa230092d7e90484071e8f05d63068f1317973d6a3a42593734bbb"}`}},
		{"ms-graph", "POST", "/?validationToken=Validation%3a+Testing+client+application", "", Answer{Status: 200, ContentType: "text/plain", Body: "Validation: Testing client application"}},
		{"ms-graph", "POST", "/?validationToken=%3Cscript%3E", "", Answer{}},
		{"monday", "POST", "/", `{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}`, Answer{Status: 200, ContentType: mediaJSON,
			Body: `{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P"}`}},
	} {
		p, _ := Lookup(c.provider)
		o := Options{Secrets: []string{"integration_private_key"}, Settings: map[string][]string{}}
		for _, s := range p.Settings {
			o.Settings[s.Name] = map[string][]string{"public_key": {"integration_public_key"}, "verification_token": {"71745723-d031-455c-bfa5-f90d11b4f20a"},
				"endpoint": {"http://www.testendpoint.com/webhook"}, "client_id": {"a"}, "client_secret": {"b"}, "environment": {"sandbox"}}[s.Name]
		}
		if c.provider == "ebay" {
			o.Secrets = nil
		}
		v, err := p.NewVerifier(o)
		if err != nil {
			t.Fatal(c.provider, err)
		}
		r := &Request{Method: c.method, Scheme: "https", Host: "h", URI: c.uri, Header: http.Header{"Content-Type": {mediaJSON}}, Body: []byte(c.body)}
		if got, ok := v.Handshake(r, false); got != c.want || ok != (c.want != Answer{}) {
			t.Errorf("%s %s: %+v, %t, want %+v", c.provider, c.uri, got, ok, c.want)
		}
		v.Close()
	}
}
