package redact

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func places(t *testing.T, text ...string) (all []verify.Source) {
	t.Helper()
	for _, place := range text {
		s, err := verify.ParseSource(strings.Fields(place))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

func TestHeaderAndURI(t *testing.T) {
	m := New(places(t, "header X-Own", "query own", "query hub.topic"))
	header := m.Header(http.Header{
		"X-Own": {"o"}, "x-own": {"o"},
		"X-Hub-Signature-256": {"sha256=1"}, "Authorization": {"Basic x"}, "X-Gitlab-Token": {"t"},
		"X-Shopify-Hmac-Sha256": {"h"}, "Cookie": {"c"}, "Content-Type": {"application/json"},
	})
	for name, values := range header {
		if (values[0] == Masked) == (name == "Content-Type") {
			t.Errorf("%s: %v", name, values)
		}
	}
	for uri, want := range map[string]string{
		"/hook?a=1&api_token=s&b&own=1": "/hook?a=1&api_token=[masked]&b&own=[masked]",
		"/token=x":                      "/token=x",
		"/?%74oken=s":                   "/?%74oken=[masked]",
		"/?OWN=s&own=":                  "/?OWN=[masked]&own=[masked]",
		"/?own=a=b&own=c":               "/?own=[masked]&own=[masked]",
		"/?a=1;own=s;b=2":               "/?a=1;own=[masked];b=2",
		"/?+own=s&own%00x=s&%20own=s":   "/?+own=[masked]&own%00x=[masked]&%20own=[masked]",
		"/?hub%2Etopic=s":               "/?hub%2Etopic=[masked]",
		"/?%zzown=s&own=s":              "/?%zzown=s&own=[masked]",
		"/?":                            "/?",
		"/?=":                           "/?=",
		"/?a?own=s&own=s":               "/?a?own=s&own=[masked]",
	} {
		if got := m.URI(uri); got != want {
			t.Errorf("%s became %s, want %s", uri, got, want)
		}
	}
}

func TestBody(t *testing.T) {
	const form, text = "application/x-www-form-urlencoded", "application/json"
	m := New(places(t, "json /token", "json /a/b~1c", "json /list/1", "form token", "form_json payload /token"))
	each := New([]verify.Source{{From: verify.FromJSON, Name: "/value/*/state"}})
	for _, test := range []struct {
		mask            *Mask
		media, in, want string
	}{
		{m, text, `{"token":"s","x":1}`, `{"token":"[masked]","x":1}`},
		{m, text, " {\n \"x\" : [1,{\"token\":\"stays\"}] , \"tok\\u0065n\" :\t\"s\"\n} ", " {\n \"x\" : [1,{\"token\":\"stays\"}] , \"tok\\u0065n\" :\t\"[masked]\"\n} "},
		{m, text, `{"token":"s","token":"t","TOKEN":{"deep":["u"]}}`, `{"token":"[masked]","token":"[masked]","TOKEN":"[masked]"}`},
		{m, text, `{"a":{"b/c":12,"d":1},"a":{"b/c":null}}`, `{"a":{"b/c":"[masked]","d":1},"a":{"b/c":"[masked]"}}`},
		{m, text, `{"list":["x","s","y"],"list":"no list"}`, `{"list":["x","[masked]","y"],"list":"no list"}`},
		{m, text, `[{"token":"stays"}]`, `[{"token":"stays"}]`},
		{m, text, `{"token":"s"`, `[masked]`},
		{m, text, `{"token":"s"} {"token":"s"}`, `[masked]`},
		{m, text, `not json`, `not json`},
		{m, text, ``, ``},
		{m, form, `token=s&x=1&%74oken=t&Token=u&+token=v`, `token=[masked]&x=1&%74oken=[masked]&Token=[masked]&+token=[masked]`},
		{m, text, `token=s&x=1`, `token=[masked]&x=1`}, // relabelled
		{m, form, `{"token":"s"}`, `{"token":"[masked]"}`},
		{m, form, `payload=%7B%22token%22%3A%22s%22%7D&y=2`, `payload=%7B%22token%22%3A%22%5Bmasked%5D%22%7D&y=2`},
		{m, form, `payload=token&y=2`, `payload=[masked]&y=2`},
		{m, "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\ns\r\n--b\r\nContent-Disposition: form-data; name=x\r\n\r\ny\r\n--b--\r\n",
			"--b\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n[masked]\r\n--b\r\nContent-Disposition: form-data; name=x\r\n\r\ny\r\n--b--\r\n"},
		{each, text, `{"value":[{"state":"s"},{"state":"t","x":1}]}`, `{"value":[{"state":"[masked]"},{"state":"[masked]","x":1}]}`},
		{New(nil), text, `{"token":"stays"}`, `{"token":"stays"}`},
	} {
		before := strings.Clone(test.in)
		in := []byte(test.in)
		if got := test.mask.Body(test.media, in); string(got) != test.want {
			t.Errorf("%s became\n%s, want\n%s", test.in, got, test.want)
		}
		if string(in) != before {
			t.Errorf("%s was changed", before)
		}
	}
}

// TestMarks: what names tell needs no mark; what is not understood is left out.
func TestMarks(t *testing.T) {
	all := places(t, "header X-Own", "header X-Gitlab-Token", "query k", "query k", "json /token", "form_json payload /a/b")
	marks := Marks(all)
	if want := []string{"header X-Own", "query k", "json /token", "form_json payload /a/b"}; !slices.Equal(marks, want) {
		t.Errorf("marks %q, want %q", marks, want)
	}
	if got := Places(append(marks, "newer x y", "", "json nowhere")); !slices.Equal(got, places(t, marks...)) {
		t.Errorf("places %v", got)
	}
}

func TestValues(t *testing.T) {
	v := NewValues([]string{"s3cret/value", "user:pass word", "short"})
	for in, want := range map[string]string{
		"x s3cret/value y":              "x [masked] y",
		"/?a=s3cret%2Fvalue":            "/?a=[masked]",
		"Basic dXNlcjpwYXNzIHdvcmQ=":    "Basic [masked]",
		"user:pass+word user:pass word": "[masked] [masked]",
		"my pass word is":               "my [masked] is",
		"short":                         Masked,
		"shorter":                       "shorter",
	} {
		if got := v.Text(in); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
	if got := v.URI("/short?a=short&b=%73hort&c=shorter&d=s3cret%2fvalue"); got != "/short?a=[masked]&b=[masked]&c=shorter&d=[masked]" {
		t.Errorf("the URI became %s", got)
	}
	for in, want := range map[string]string{
		`{"a":"\u00733cret\/value","b":"\u0022\u005c"}`: `{"a":"[masked]","b":"\u0022\u005c"}`,
		`{"a":"\u0073omething"}`:                        `{"a":"\u0073omething"}`,
		`{"a":"s3cret/value","b":"\u0078"}`:             `{"a":"[masked]","b":"\u0078"}`,
		`x=1&y=%733cret%2fvalue&z`:                      `x=1&y=[masked]&z`,
		`/%733cret%252fvalue/`:                          `/[masked]/`,
		`p=pass%20word&q=pass+word`:                     `p=[masked]&q=[masked]`,
		`dXNlcjpwYXNzIHdvcmQ%3D`:                        `[masked]`,
		`"dXNlcjpwYXNzIHdvcmQ"`:                         `"[masked]"`,
		`\u00733cret\`:                                  `\u00733cret\`,
		`s3cret/valu`:                                   `s3cret/valu`,
		`%73`:                                           `%73`,
	} {
		if got := string(v.Bytes([]byte(in))); got != want {
			t.Errorf("%s became %s, want %s", in, got, want)
		}
	}
	values := []string{"a", "s3cret/value"}
	header := http.Header{"X": values}
	v.Header(header)
	if header["X"][1] != Masked || values[1] == Masked {
		t.Errorf("header %v, before %v", header, values)
	}
	if (Values{}).Text("x") != "x" {
		t.Error("no secrets hide something")
	}
	m := New(places(t, "header X-Own", "query k"))
	got := m.Of(http.Header{"X-Own": {"Token abc"}, "X-Other": {"o"}}, "/?k=a%20b&l=1")
	if want := []string{"Token abc", "abc", "a%20b", "a b"}; !slices.Equal(got, want) {
		t.Errorf("the request's secrets are %q, want %q", got, want)
	}
	if !m.Carries(nil, "/?%6B=1") || !m.Carries(http.Header{"X-Own": nil}, "/") || m.Carries(http.Header{"X": nil}, "/?j=1") {
		t.Error("Carries is wrong")
	}
}

// TestSpellings: a secret with what JSON and URLs escape is found however it is escaped.
func TestSpellings(t *testing.T) {
	const secret = "a\"b\\ü😀\n%25+ z"
	escaped, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	v := NewValues([]string{secret})
	for _, in := range []string{
		secret, string(escaped[1 : len(escaped)-1]), url.QueryEscape(secret), url.PathEscape(secret),
		url.QueryEscape(url.QueryEscape(secret)), `\u0061\u0022b\\\u00FC\ud83d\uDE00\u000a\u002525\u002b\u0020z`,
	} {
		if got := v.Text("<" + in + ">"); got != "<"+Masked+">" {
			t.Errorf("%q became %q", in, got)
		}
	}
}

// TestManyValues: each of many secrets with one beginning is found, and of two that begin alike the longer one.
func TestManyValues(t *testing.T) {
	var secrets []string
	for i := range 1000 {
		secrets = append(secrets, fmt.Sprintf("token-%d", i))
	}
	v := NewValues(secrets[:500]).And(NewValues(secrets[500:])).And(NewValues([]string{"others-own"}))
	for _, secret := range append(secrets, "%74oken-%31%30", "others-own") {
		if got := v.Text("<" + secret + ">"); got != "<"+Masked+">" {
			t.Errorf("%q became %q", secret, got)
		}
	}
	if got := v.Text("<token-x>"); got != "<token-x>" {
		t.Errorf("what is no secret became %q", got)
	}
}

func BenchmarkValues(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			var secrets []string
			for i := range n {
				secrets = append(secrets, fmt.Sprintf("token-%d", i))
			}
			v := NewValues(secrets)
			text := strings.Repeat("application/json; to token-x ", 20)
			for b.Loop() {
				if v.Text(text) != text {
					b.Fatal("something is hidden")
				}
			}
		})
	}
}

// FuzzBody: whatever the body, a value at the place is not in the result, and JSON stays JSON.
func FuzzBody(f *testing.F) {
	m := New([]verify.Source{{From: verify.FromJSON, Name: "/token"}, {From: verify.FromForm, Name: "token"}})
	f.Add([]byte(`{"token":"QQQ-secret","x":[1,2,{"y":null}]}`), "application/json")
	f.Add([]byte(`token=QQQ-secret&x=y`), "multipart/form-data; boundary=token")
	f.Fuzz(func(t *testing.T, body []byte, media string) {
		got := m.Body(media, bytes.Clone(body))
		if json.Valid(body) && !json.Valid(got) {
			t.Errorf("%q became %q", body, got)
		}
		var before, after map[string]json.RawMessage
		if json.Unmarshal(body, &before) != nil || json.Unmarshal(got, &after) != nil {
			return
		}
		for name, value := range after {
			if strings.EqualFold(name, "token") && string(value) != `"`+Masked+`"` {
				t.Errorf("%q became %q", body, got)
			}
		}
	})
}

// TestOfEvent: what a webhook carries at secret places is known one by one, and hidden where
// it is quoted, also by text that was cut off.
func TestOfEvent(t *testing.T) {
	m := New([]verify.Source{
		{From: verify.FromHeader, Name: "X-Own"}, {From: verify.FromJSON, Name: "/a"}, {From: verify.FromForm, Name: "own"}, {From: verify.FromFormJSON, Name: "payload /b"},
	})
	header := http.Header{"X-Own": {"first-1"}, "Authorization": {"Basic dXNlcjpzZWNvbmQtMg=="}, "X-Other": {"other-0"}, "Content-Type": {"text/plain"}}
	for body, want := range map[string][]string{
		`{"a":{"c":["sixth-6",7777777],"d":null},"x":"other-0"}`: {"sixth-6", "7777777"},
		`own=eighth%2F8&x=other-0`:                               {"eighth%2F8", "eighth/8"},
		`payload=%7B%22b%22%3A%22ninth-9%22%7D`:                  {"ninth-9"},
		`{"a":"tenth-10"`:                                        {`{"a":"tenth-10"`},
		``:                                                       nil,
	} {
		got := m.OfEvent(header, "/?my_token=third%2F3&x=other-0", []byte(body))
		for _, secret := range append(want, "first-1", "user:second-2", "third/3") {
			if !slices.Contains(got, secret) {
				t.Errorf("%s: %q is not in %q", body, secret, got)
			}
		}
		if slices.Contains(got, "other-0") {
			t.Errorf("%s: %q", body, got)
		}
	}
	v := NewValues([]string{"s3cret/value"})
	for text, want := range map[string]string{
		"a s3cret/value b": "a [masked] b", "a s3cret/valu": "a [masked]", "a s3cret": "a [masked]", "a s3cre": "a s3cre",
		"a s3cret%2Fval": "a [masked]", "s3cret": "[masked]", "": "",
	} {
		if got := string(v.Cut([]byte(text))); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
