package verify

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestExtract(t *testing.T) {
	deep := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	json := `{"a":{"b":["x",{"c":1.50}]},"n":123456789012345678901234567890,"e":1e400,"neg":-0.0,"t":true,"z":null,"o":{},"l":[],
		"empty":"","esc":"\u00e9\n\"","k/ey~":"slash","":"no name","dup":"first","dup":"last","7":"seven","\u0061b":"escaped name"}`
	request := func(contentType, uri, body string) *Request {
		r := &Request{Method: "POST", Scheme: "https", Host: "h", URI: uri, Header: http.Header{}, Body: []byte(body)}
		if contentType != "" {
			r.Header.Set("Content-Type", contentType)
		}
		return r
	}
	js := request("application/json", "/", json)
	fm := request("application/x-www-form-urlencoded; charset=utf-8", "/", "a=1&b=&c=x+y%26z&d=1&d=2&e&%66=esc&bad=%zz&p="+`{"k":["v"]}`+"&q={&=none")
	qy := request("", "/p?a=1&b=&d=1&d=2&u=%C3%BC+&s=a;b#no", "")
	hd := request("", "/", "")
	hd.Header["X-One"] = []string{"1"}
	hd.Header["X-Two"] = []string{"1", "2"}
	hd.Header["X-Empty"] = []string{""}
	for _, c := range []struct {
		r      *Request
		source string
		want   string // empty: not ok
	}{
		{js, "json /a/b/0", "x"}, {js, "json /a/b/1/c", "1.50"}, {js, "json /n", "123456789012345678901234567890"},
		{js, "json /e", "1e400"}, {js, "json /neg", "-0.0"}, {js, "json /esc", "é\n\""}, {js, "json /k~1ey~0", "slash"}, {js, "json /", "no name"},
		{js, "json /dup", ""}, {js, "json /7", "seven"}, {js, "json /ab", "escaped name"},
		{js, "json /t", ""}, {js, "json /z", ""}, {js, "json /o", ""}, {js, "json /l", ""}, {js, "json /empty", ""},
		{js, "json /a", ""}, {js, "json /a/b/2", ""}, {js, "json /a/b/-", ""}, {js, "json /a/b/00", ""}, {js, "json /a/b/-1", ""},
		{js, "json /a/b/99999999999999999999", ""}, {js, "json /a/b/0/x", ""}, {js, "json /missing", ""},
		{js, "form a", ""}, {js, "form_json a /x", ""},
		{request("", "/", `{"id":1}`), "json /id", "1"},
		{request("text/plain", "/", ` ["x"] `), "json /0", "x"},
		{request("", "/", `{"id":1`), "json /id", ""},
		{request("", "/", `{"id":1}x`), "json /id", ""},
		{request("", "/", ``), "json /id", ""},
		{request("", "/", `{"id":"`+deep+`"}`), "json /id", deep},
		{request("", "/", `{"x":`+deep+`,"id":1}`), "json /id", ""},
		{fm, "form a", "1"}, {fm, "form b", ""}, {fm, "form c", "x y&z"}, {fm, "form d", ""}, {fm, "form e", ""}, {fm, "form f", "esc"},
		{fm, "form bad", ""}, {fm, "form missing", ""}, {fm, "json /a", ""},
		{fm, "form_json p /k/0", "v"}, {fm, "form_json p /k", ""}, {fm, "form_json q /k", ""}, {fm, "form_json d /k", ""}, {fm, "form_json missing /k", ""},
		{request("multipart/form-data", "/", "a=1"), "form a", "1"}, // whatever the header says
		{request("application/json", "/", "a=1"), "form a", "1"},
		{request("", "/", " <a=1&b=2"), "form b", ""},
		{request("application/x-www-form-urlencoded", "/", `["&a=1&"]`), "form a", ""},
		{request("application/x-www-form-urlencoded", "/", `["&a=1&"]`), "json /0", "&a=1&"},
		{request("text/plain", "/", "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b--\r\n"), "form a", "1"},
		{qy, "query a", "1"}, {qy, "query b", ""}, {qy, "query d", ""}, {qy, "query u", "ü "}, {qy, "query s", ""}, {qy, "query x", ""},
		{hd, "header X-One", "1"}, {hd, "header x-one", "1"}, {hd, "header X-Two", ""}, {hd, "header X-Empty", ""}, {hd, "header X-None", ""},
	} {
		s, err := ParseSource(strings.Fields(c.source + " ")[:])
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Extract(c.r); got != c.want || ok != (c.want != "") {
			t.Errorf("%s of %.60q = %.60q, %t, want %.60q", s, c.r.Body, got, ok, c.want)
		}
	}
	twoTypes := request("", "/", "a=1")
	twoTypes.Header["Content-Type"] = []string{mediaForm, mediaJSON}
	if value, ok := form("a").Extract(twoTypes); value != "1" || !ok {
		t.Error("two types hide the field of a form")
	}
	if n := len(fieldValues(strings.Repeat("a&", 100), "a")); n != 2 {
		t.Errorf("%d values are kept to tell that there are several", n)
	}
	if _, ok := (Source{}).Extract(js); ok {
		t.Error("the zero source has a value")
	}
}

func TestParseSource(t *testing.T) {
	for text, want := range map[string]Source{
		"header X-Foo":          {FromHeader, "X-Foo"},
		"json /a~1b/0":          {FromJSON, "/a~1b/0"},
		"form_json payload /id": {FromFormJSON, "payload /id"},
	} {
		s, err := ParseSource(strings.Fields(text))
		if err != nil || s != want || s.String() != text {
			t.Errorf("%s: %v, %v", text, s, err)
		}
	}
	for _, text := range []string{"", "header", "header a b", "cookie x", "json id", "json /a~2", "form_json payload", "form_json payload id"} {
		if s, err := ParseSource(strings.Fields(text)); err == nil {
			t.Errorf("%q is accepted: %v", text, s)
		}
	}
	if err := (Source{FromFormJSON, " /x"}).Validate(); err == nil {
		t.Error("form_json without a field is accepted")
	}
}

func TestParseTimestamp(t *testing.T) {
	for text, want := range map[string]Timestamp{
		"header X-Time":         {Source: header("X-Time")},
		"header X-Time ms":      {header("X-Time"), UnitMilliseconds},
		"header s":              {Source: header("s")},
		"header s s":            {header("s"), UnitSeconds},
		"rfc3339":               {Unit: UnitRFC3339},
		"form_json p /t":        {Source: Source{FromFormJSON, "p /t"}},
		"form_json p /t ms":     {Source{FromFormJSON, "p /t"}, UnitMilliseconds},
		"json /created rfc3339": {jsonAt("/created"), UnitRFC3339},
	} {
		if got, err := ParseTimestamp(strings.Fields(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "header", "header X-Time ns", "header X s ms", "ns"} {
		if got, err := ParseTimestamp(strings.Fields(text)); err == nil {
			t.Errorf("%q is accepted: %+v", text, got)
		}
	}
}

func TestTimestampUnits(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, unit := range units {
		stamp := Timestamp{Unit: unit}
		got, ok := stamp.parse(stamp.Format(at))
		if !ok || !got.Equal(at) {
			t.Errorf("%s: %s, %t", unit, got, ok)
		}
	}
	for unit, texts := range map[string][]string{
		"":               {"", "-1", "+1", " 1", "1 ", "1.0", "1e9", "0x1", "१", "999999999999", "99999999999999999999999999", "1_0", "2026-01-02T03:04:05Z"},
		UnitMilliseconds: {"", "-1", "999999999999999", "9223372036854775808"},
		UnitRFC3339:      {"", "1767323045", "2026-01-02", "2026-13-02T03:04:05Z", "2026-01-02 03:04:05Z", "99999-01-02T03:04:05Z"},
	} {
		for _, text := range texts {
			if got, ok := (Timestamp{Unit: unit}).parse(text); ok {
				t.Errorf("unit %q accepts %q as %s", unit, text, got)
			}
		}
	}
}

func TestRequestURL(t *testing.T) {
	for _, c := range []struct{ scheme, host, uri, url, path, query, with, without string }{
		{"https", "h", "/a/b?c=d?e", "https://h/a/b?c=d?e", "/a/b", "c=d?e", "h:443", "h"},
		{"http", "h", "/", "http://h/", "/", "", "h:80", "h"},
		{"https", "h:8443", "/%2F%zz", "https://h:8443/%2F%zz", "/%2F%zz", "", "h:8443", "h"},
		{"https", "[::1]", "/", "https://[::1]/", "/", "", "[::1]:443", "[::1]"},
		{"https", "[::1]:1", "/", "https://[::1]:1/", "/", "", "[::1]:1", "[::1]"},
		{"https", "h:1:2", "/", "https://h:1:2/", "/", "", "h:1:2:443", "h:1:2"},
		{"https", "[::1]:1:2", "/", "https://[::1]:1:2/", "/", "", "[::1]:1:2:443", "[::1]:1:2"},
		{"https", "h", "http://evil/a?b", "https://h/a?b", "/a", "b", "h:443", "h"},
		{"https", "h", "http://evil?b", "https://h?b", "", "b", "h:443", "h"},
		{"https", "h", "http://evil", "https://h", "", "", "h:443", "h"},
		{"https", "h", "*", "https://h*", "*", "", "h:443", "h"},
	} {
		r := &Request{Scheme: c.scheme, Host: c.host, URI: c.uri}
		got := []string{r.URL(), r.path(), r.query(), r.hostWithPort(), r.hostWithoutPort()}
		if want := []string{c.url, c.path, c.query, c.with, c.without}; !slices.Equal(got, want) {
			t.Errorf("%+v: %q, want %q", c, got, want)
		}
	}
}

func TestSetQuery(t *testing.T) {
	for uri, want := range map[string]string{
		"/":                "/?k=a+b%26",
		"/?":               "/?k=a+b%26",
		"/?x=%20&y":        "/?x=%20&y&k=a+b%26",
		"/?k=1&x=2&%6b=3":  "/?k=a+b%26&x=2",
		"/?x=1&k":          "/?x=1&k=a+b%26",
		"/?kk=1&l=2&x=k=3": "/?kk=1&l=2&x=k=3&k=a+b%26",
	} {
		r := &Request{URI: uri}
		if r.setQuery("k", "a b&"); r.URI != want {
			t.Errorf("%s became %s, want %s", uri, r.URI, want)
		}
		if got, _ := query("k").Extract(r); got != "a b&" {
			t.Errorf("%s: read back %q", r.URI, got)
		}
	}
}
