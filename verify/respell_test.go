package verify

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"net/http"
	"strings"
	"testing"
)

// TestSpellingsOfURLs: what was signed under one spelling of the URL is accepted under another that
// says the same, and under none that says something else.
func TestSpellingsOfURLs(t *testing.T) {
	for _, row := range []struct {
		provider, signature string
		newHash             func() hash.Hash
	}{{"twilio", "X-Twilio-Signature", sha1.New}, {"twilio", "X-Twilio-Signature", sha256.New}, {"signalwire", "X-Signalwire-Signature", sha1.New}} {
		v := rowOf(t, row.provider)
		secret := testOptions(t, v.provider).Secrets[0]
		accepts := func(signed, sent, body string) bool {
			mac := hmac.New(row.newHash, []byte(secret))
			mac.Write([]byte("https://h" + signed))
			if body != "" {
				mac.Write([]byte(strings.ReplaceAll(body, "=", "")))
			}
			r := &Request{Method: "POST", Scheme: "https", Host: "h", URI: sent, Body: []byte(body), Header: http.Header{
				"Content-Type": {mediaForm}, row.signature: {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}}
			if body == "" {
				r.Method = http.MethodGet
			}
			_, err := v.Verify(r)
			return err == nil
		}
		for _, same := range [][2]string{ // signed, sent
			{"/in?q=a'b", "/in?q=a%27b"},
			{"/in?q=a%27b", "/in?q=a'b"},
			{"/in'x?q=1", "/in%27x?q=1"},
			{"/in?q=!'()*~", "/in?q=%21%27%28%29%2A%7E"},
			{"/in?q=!'()*~", "/in?q=%21%27%28%29%2a%7e"},
			{"/in?q=%21%27%28%29*~", "/in?q=!'()*~"},
			{"/in?q=a b", "/in?q=a%20b"},
			{"/in?q=a b", "/in?q=a+b"},
			{"/in?q=a%20b", "/in?q=a+b"},
			{"/in?q=a+b", "/in?q=a%20b"},
			{"/in?q=O'Hara+x", "/in?q=O%27Hara%20x"},
			{"/in?q=O'Hara%20x", "/in?q=O%27Hara+x"},
			{"/in?q=größe", "/in?q=gr%C3%B6%C3%9Fe"},
			{"/in?q=gr%C3%B6%C3%9Fe", "/in?q=größe"},
			{"/größe?q=1", "/gr%C3%B6%C3%9Fe?q=1"},
			{"/in?q=O'größe", "/in?q=O%27gr%C3%B6%C3%9Fe"},
			{"/in?q=sip:1@h", "/in?q=sip%3A1%40h"},
			{"/in?q=sip%3A1%40h", "/in?q=sip:1@h"},
			{"/in?q=a/b?c,d$[e]", "/in?q=a%2Fb%3Fc%2Cd%24%5Be%5D"},
		} {
			for _, body := range []string{"", "a=1"} {
				if !accepts(same[0], same[1], body) {
					t.Errorf("%s: signed %s is refused as %s (body %q)", row.provider, same[0], same[1], body)
				}
			}
			if long := "a=" + strings.Repeat("1", maxRespelt); accepts(same[0], same[1], long) {
				t.Errorf("%s: %s is tried in other spellings with a long body", row.provider, same[1])
			}
		}
		for _, other := range [][2]string{
			{"/in?q=a&b=c", "/in?q=a%26b=c"},
			{"/in?q=a%26b=c", "/in?q=a&b=c"},
			{"/in?q=a%3Db", "/in?q=a=b"},
			{"/in?q=a%2Bb", "/in?q=a+b"},
			{"/in?q=a+b", "/in?q=a%2Bb"},
			{"/in?q=a%2527b", "/in?q=a%27b"},
			{"/in?q=a%27b", "/in?q=a%2527b"},
			{"/in?q=a;b", "/in?q=a%3Bb"},
			{"/in?q=a%23b", "/in?q=a#b"},
			{"/in%2Fx?q=1", "/in/x?q=1"},
			{"/in/x?q=1", "/in%2Fx?q=1"},
			{"/in?x?q=1", "/in%3Fx?q=1"},
			{"/in?q=a'b", "/in?q=a%27c"},
			{"/in?q='&r=1", "/in?r=1&q=%27"},
			{"/in?q=A'", "/in?q=a%27"},
		} {
			if accepts(other[0], other[1], "") {
				t.Errorf("%s: signed %s is accepted as %s", row.provider, other[0], other[1])
			}
		}
	}
}
