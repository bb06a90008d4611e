package verify

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
)

// keyRow is how a provider whose keys are fetched is attacked.
type keyRow struct {
	vector string
	// named returns the vector's webhook, forged: it names a key that does not exist, the
	// i-th of its kind, and is well-formed otherwise. nil: the webhook names no key.
	named func(t *testing.T, x *vector, i int) *Request
	// spoilt are webhooks that are certainly forged, whatever the key is.
	spoilt func(t *testing.T, x *vector) map[string]*Request
}

// keyRows has every row of the table that fetches keys; TestEveryRowThatFetchesKeys fails
// for one that is missing. Adding one, think of all that can be checked without its key.
var keyRows = map[string]keyRow{
	"aws-sns": {
		vector: "notification",
		named: func(t *testing.T, x *vector, i int) *Request {
			return replaced(t, x, "f3ecfb7224c7233fe7bb5f59f96de52f", fmt.Sprintf("%032x", i))
		},
		spoilt: func(t *testing.T, x *vector) map[string]*Request {
			all := map[string]*Request{"another region's certificate": replaced(t, x, "https://sns.us-west-2", "https://sns.us-east-1"),
				"another partition's certificate": replaced(t, x, "amazonaws.com/Simple", "amazonaws.com.cn/Simple"),
				"a name of another length":        replaced(t, x, "f3ecfb7224c7233fe7bb5f59f96de52f", "f3ecfb7224c7233fe7bb5f59f96de5"),
				"a name that is not hex":          replaced(t, x, "f3ecfb7224c7233fe7bb5f59f96de52f", "g3ecfb7224c7233fe7bb5f59f96de52f"),
				"a query":                         replaced(t, x, ".pem", ".pem?"),
				"a port":                          replaced(t, x, "amazonaws.com/Simple", "amazonaws.com:443/Simple"),
			}
			for name, value := range map[string]any{
				"/TopicArn": "arn:aws:sns:us-west-2:123456789012:Other", "/MessageId": "1", "/Timestamp": "yesterday",
				"/SignatureVersion": "3", "/Type": "Other", "/Message": nil, "/Signature": "AAAA",
			} {
				all[name] = x.withJSON(t, name, value)
			}
			return all
		},
	},
	"paypal": {
		vector: "payment captured",
		named: func(t *testing.T, x *vector, i int) *Request {
			return withHeader(t, x, "Paypal-Cert-Url", fmt.Sprintf("https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-%08x", i))
		},
		spoilt: func(t *testing.T, x *vector) map[string]*Request {
			all := map[string]*Request{"a body that is no object": x.request(t)}
			all["a body that is no object"].Body = []byte("[]")
			for name, value := range map[string]string{
				"Paypal-Transmission-Id": "1", "Paypal-Transmission-Time": x.Time().Add(-time.Hour).UTC().Format(time.RFC3339),
				"Paypal-Transmission-Sig": "AAAA", "Paypal-Auth-Algo": "none",
				"Paypal-Cert-Url": "https://api.paypal.com/v1/notifications/certs/x",
			} {
				all[name] = withHeader(t, x, name, value)
			}
			return all
		},
	},
	"ebay": {
		vector: "account deletion",
		named: func(t *testing.T, x *vector, i int) *Request {
			return ebayWith(t, x, "kid", fmt.Sprintf("9936261a-7d7b-4621-a0f1-%012x", i))
		},
		spoilt: func(t *testing.T, x *vector) map[string]*Request {
			all := map[string]*Request{"a body that is no object": x.request(t)}
			all["a body that is no object"].Body = []byte("1")
			for name, value := range map[string]string{"kid": "x/../y", "signature": "AAAA", "alg": "none", "digest": "MD5"} {
				all[name] = ebayWith(t, x, name, value)
			}
			return all
		},
	},
	"plaid":         {"transactions", tokenNamed("kid", "bfbd5111-8e33-4643-8ced-%012x"), tokenSpoilt(map[string]any{"kid": "1"}, map[string]any{"request_body_sha256": "00", "iat": 1})},
	"kinde":         {"user created", tokenNamed("kid", "cc:%x"), tokenSpoilt(map[string]any{"kid": "a b"}, map[string]any{"event_id": nil})},
	"google-pubsub": {"push", tokenNamed("kid", "%040x"), tokenSpoilt(map[string]any{"kid": ""}, map[string]any{"aud": "x", "email": "x", "exp": 1, "iss": "x"})},
	"fireblocks-v2": {
		vector: "transaction created", named: tokenNamed("kid", "k-%d"),
		spoilt: func(t *testing.T, x *vector) map[string]*Request {
			all := tokenSpoilt(map[string]any{"kid": ""}, nil)(t, x)
			all["another workspace"] = x.withJSON(t, "/workspaceId", "other")
			all["a body that is no object"] = x.request(t)
			all["a body that is no object"].Body = []byte("{")
			return all
		},
	},
	"travis-ci": {
		vector: "build passed",
		spoilt: func(t *testing.T, x *vector) map[string]*Request {
			all := map[string]*Request{"a short signature": withHeader(t, x, "Signature", "AAAA"), "no JSON": x.request(t)}
			all["no JSON"].Body = []byte("payload=x")
			return all
		},
	},
}

func replaced(t *testing.T, x *vector, old, new string) *Request {
	t.Helper()
	r := x.request(t)
	if !bytes.Contains(r.Body, []byte(old)) {
		t.Fatalf("%q is not in the body", old)
	}
	r.Body = bytes.Replace(r.Body, []byte(old), []byte(new), 1)
	return r
}

func withHeader(t *testing.T, x *vector, name, value string) *Request {
	r := x.request(t)
	r.Header.Set(name, value)
	return r
}

func ebayWith(t *testing.T, x *vector, name, value string) *Request {
	t.Helper()
	r := x.request(t)
	text, err := base64.StdEncoding.DecodeString(r.Header.Get("X-Ebay-Signature"))
	if err != nil {
		t.Fatal(err)
	}
	var envelope map[string]string
	if err := json.Unmarshal(text, &envelope); err != nil {
		t.Fatal(err)
	}
	envelope[name] = value
	text, _ = json.Marshal(envelope)
	r.Header.Set("X-Ebay-Signature", base64.StdEncoding.EncodeToString(text))
	return r
}

// tokenNamed changes a member of a token's header. The signature stays as it is.
func tokenNamed(member, format string) func(*testing.T, *vector, int) *Request {
	return func(t *testing.T, x *vector, i int) *Request {
		return withToken(t, x, 0, map[string]any{member: fmt.Sprintf(format, i)})
	}
}

// tokenSpoilt changes members of a token's header, and claims, one by one.
func tokenSpoilt(header, claims map[string]any) func(*testing.T, *vector) map[string]*Request {
	return func(t *testing.T, x *vector) map[string]*Request {
		all := map[string]*Request{}
		for part, changes := range []map[string]any{header, claims} {
			for name, value := range changes {
				all[fmt.Sprintf("part %d: %s", part, name)] = withToken(t, x, part, map[string]any{name: value})
			}
		}
		all["a short signature"] = withTokenParts(t, x, func(parts []string) { parts[len(parts)-1] = "AAAA" })
		return all
	}
}

func withToken(t *testing.T, x *vector, part int, changes map[string]any) *Request {
	return withTokenParts(t, x, func(parts []string) {
		text, err := base64.RawURLEncoding.DecodeString(parts[part])
		if err != nil {
			t.Fatal(err)
		}
		var members map[string]any
		if err := json.Unmarshal(text, &members); err != nil {
			t.Fatal(err)
		}
		parts[part] = encodePart(t, members, changes)
	})
}

// withTokenParts changes the token wherever the row has it.
func withTokenParts(t *testing.T, x *vector, change func(parts []string)) *Request {
	t.Helper()
	r, from := x.request(t), x.provider.Schemes[0].Signature
	whole := string(r.Body)
	if from.From == FromHeader {
		whole = r.Header.Get(from.Name)
	}
	token := strings.TrimPrefix(whole, "Bearer ")
	parts := strings.Split(token, ".")
	change(parts)
	changed := strings.TrimSuffix(whole, token) + strings.Join(parts, ".")
	if from.From == FromHeader {
		r.Header.Set(from.Name, changed)
	} else {
		r.Body = []byte(changed)
	}
	return r
}

// eachKeyRow calls test for every row whose keys are fetched, which must be in keyRows.
func eachKeyRow(t *testing.T, test func(t *testing.T, x *vector, row keyRow)) {
	rows := 0
	for _, p := range Providers() {
		if !slices.ContainsFunc(p.Schemes, func(s Scheme) bool { return s.locate != nil }) {
			continue
		}
		rows++
		t.Run(p.Name, func(t *testing.T) {
			row, listed := keyRows[p.Name]
			if !listed {
				t.Fatalf("keyRows has no row %s: say what can be checked of its webhooks before their key is there", p.Name)
			}
			test(t, vectorOf(t, p.Name, row.vector), row)
		})
	}
	if rows != len(keyRows) {
		t.Errorf("%d rows fetch keys, %d are listed", rows, len(keyRows))
	}
}

// TestEveryRowThatFetchesKeys: what cannot be the provider's is refused before anything
// is fetched for it, and not as if it could come right.
func TestEveryRowThatFetchesKeys(t *testing.T) {
	eachKeyRow(t, func(t *testing.T, x *vector, row keyRow) {
		for i := range x.provider.Schemes {
			if s := &x.provider.Schemes[i]; s.locate != nil && s.shape.wrong == nil {
				t.Errorf("scheme %d has no shape", i)
			}
		}
		v := x.verifier(t)
		spoilt := row.spoilt(t, x)
		if len(spoilt) < 2 {
			t.Error("this shows nothing")
		}
		for what, r := range spoilt {
			_, err := v.Verify(r)
			var e *Error
			if !errors.As(err, &e) || e.Reason == KeyUnavailable || x.keys.asked() != 0 {
				t.Errorf("%s: %v, asked %v", what, err, x.keys.requests)
			}
		}
		verdict(t, v, x.request(t), "", "")
	})
}

// TestForgedWebhooksWithNewKeys: 21 forged webhooks, each with a key of its own, then a
// genuine one, from the same address; and it stays so for 21 more.
func TestForgedWebhooksWithNewKeys(t *testing.T) {
	eachKeyRow(t, func(t *testing.T, x *vector, row keyRow) {
		if row.named == nil {
			return
		}
		v := x.verifier(t)
		for round := range 2 {
			for i := range 21 {
				_, err := v.Verify(row.named(t, x, 21*round+i))
				var e *Error
				if !errors.As(err, &e) || e.Reason != InvalidSignature && e.Detail != DetailKeyNotYet && (round == 0 || e.Detail != DetailKeyFetchLimited) {
					t.Fatalf("forged %d: %v", i, err)
				}
			}
			verdict(t, v, x.request(t), "", "")
		}
	})
}

// TestForgedNotifications is the flood as SNS webhooks: 10 a second for five minutes, of
// the right topic and each with a new SigningCertURL, all from the address that the
// genuine ones come from. Some of these have a certificate that was not seen before.
func TestForgedNotifications(t *testing.T) {
	t.Parallel()
	x := vectorOf(t, "aws-sns", "notification")
	transport := &answers{published: x.Fetched}
	at := faketime.At(x.Time())
	o := x.options()
	o.Transport, o.Now = transport, at.Now
	v, err := x.provider.NewVerifier(o)
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	refused := map[string]int{}
	genuine := x.request(t)
	genuine.Client = netip.MustParseAddr("192.0.2.1")
	for second := range 300 {
		for i := range 10 {
			r := *genuine
			r.Body = bytes.Replace(genuine.Body, []byte("f3ecfb7224c7233fe7bb5f59f96de52f"), fmt.Appendf(nil, "%032x", 10*second+i), 1)
			_, err := v.Verify(&r)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatal("a forged one is accepted")
			}
			refused[e.Detail]++
		}
		if second >= 60 && second%10 == 0 {
			if _, err := v.Verify(genuine); err != nil {
				t.Fatalf("second %d: %v", second, err)
			}
		}
		at.Move(time.Second)
	}
	if refused[DetailUnknownKey] != 3_000 {
		t.Errorf("forged webhooks were answered %v", refused)
	}
}

// TestWhatIsNotCertainIsNotRefused: a webhook that may be genuine is answered so that it
// is sent again, one that cannot be is not.
func TestWhatIsNotCertainIsNotRefused(t *testing.T) {
	x := vectorOf(t, "aws-sns", "notification")
	v := x.verifier(t)
	x.keys.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusBadGateway) })
	verdict(t, v, x.request(t), KeyUnavailable, DetailKeyNotFetched)
	x.keys.handle(nil)
	verdict(t, v, keyRows["aws-sns"].named(t, x, 1), InvalidSignature, DetailUnknownKey)
	for i := range 400 { // from one address, at one moment
		_, err := v.Verify(keyRows["aws-sns"].named(t, x, 2+i))
		var e *Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		if e.Reason == KeyUnavailable {
			if e.Detail != DetailKeyFetchLimited || e.Status() != http.StatusServiceUnavailable {
				t.Error(err)
			}
			return
		}
	}
	t.Error("nothing limits what one address has fetched")
}
