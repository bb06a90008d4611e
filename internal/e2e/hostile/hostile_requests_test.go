package hostile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// try sends one hostile request to every endpoint. make gets a webhook whose
// signature is of the right form and made with another secret.
func (a *arena) try(t *testing.T, name string, make func(forged harness.Message) string) {
	t.Helper()
	for _, s := range a.signings {
		w := harness.Wire{Address: a.address}
		a.attack(t, &w, s, name, make(s.Forge(s.Message(a.address), time.Now())))
		w.Close()
	}
}

// hostileRequests are well-framed but odd in method, target, header or body.
func hostileRequests(t *testing.T, a *arena) {
	for _, method := range []string{"GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "post", "X",
		"PRI", "", "GE T", "P\x00ST", "P\xffST", strings.Repeat("M", 33), strings.Repeat("M", 5000)} {
		a.try(t, fmt.Sprintf("method %.40q", method), func(m harness.Message) string { m.Method = method; return m.String() })
	}
	for _, pattern := range []string{"/", "//P", "/P/", "/P//", "/./P", "/../P", "/x/../P", "/x/%2e%2e/P", "/%2e%2e/P", "/..%2fP", "%2FP",
		"/P%2F", "/P%00", "/P%0d%0aX-A:b", "/P%", "/P%zz", "/P;a=b", "/P?", "/P?a=%", "/P?a=%00&a=\xff", "/P#fragment", "/P\\..\\x", "/P\x00",
		"/P\xff\xfe", "/\xc0\xae\xc0\xae/P", "P", "*", "", "?", "http:", "http:///P", "http://127.0.0.1/P", "https://user:pw@HOST/P", "HTTP://HOST/P",
		"http://HOST:99999/P", "http://[::1]:80/P", "http://HOST", "http://HOST?x", "ftp://HOST/P", "//HOST/P", "file:///etc/passwd", "HOST:443",
		"/P?" + strings.Repeat("a=b&", 3000), "/P?" + strings.Repeat("a", 8000), "/P?" + strings.Repeat("%00", 5000), "/P" + strings.Repeat("/..", 3000),
		"/" + strings.Repeat("x", 1<<20)} {
		a.try(t, fmt.Sprintf("target %.60q", pattern), func(m harness.Message) string {
			m.Target = strings.NewReplacer("/P", m.Target, "P", m.Target[1:], "HOST", a.address).Replace(pattern)
			return m.String()
		})
	}
	for _, proto := range []string{"HTTP/1.0", "HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "HTTP/3.0", "HTTP/9.9", "HTTP/1.1 ", "http/1.1", "HTTP/1", "HTTP/-1.1", "", "\x00"} {
		a.try(t, fmt.Sprintf("protocol %q", proto), func(m harness.Message) string { m.Proto = proto; return m.String() })
	}
	a.try(t, "HTTP/1.0 without Host", func(m harness.Message) string { m.Proto = "HTTP/1.0"; return m.Without("Host").String() })
	a.try(t, "HTTP/1.0 kept alive", func(m harness.Message) string {
		m.Proto = "HTTP/1.0"
		return m.With("Connection", "keep-alive").String()
	})

	for _, host := range []string{"", "a b", "..", "...", "a/b", "a@b", "[::1", "a:b:c", "127.0.0.1:1:2", "\x00", "\xff", "a,b", strings.Repeat("h", 5000), "evil.example:80"} {
		a.try(t, fmt.Sprintf("host %.40q", host), func(m harness.Message) string { return m.Set("Host", host).String() })
	}
	a.try(t, "without Host", func(m harness.Message) string { return m.Without("Host").String() })

	for _, media := range []string{"", "text/plain", "application/xml", "multipart/form-data; boundary=x", "multipart/form-data", harness.MediaForm, harness.MediaJSON,
		"application/json; charset=\xff", "application/json;;;;", "application/json; a=" + strings.Repeat("b", 8000), "application/json, " + harness.MediaForm,
		"/", ";", "a/b/c", "application/json\x00", "APPLICATION/JSON; CHARSET=UTF-8", strings.Repeat(";a=b", 2000)} {
		a.try(t, fmt.Sprintf("content type %.40q", media), func(m harness.Message) string { return m.Set("Content-Type", media).String() })
	}
	for name, value := range map[string]string{
		"Content-Encoding": "gzip", "Expect": "the unexpected", "Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings, X-Hub-Signature-256",
		"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "\"><script>", "X-Request-Id": "%s%n{env.HOME}",
		"Webhook-Status": "accepted", "Webhook-Attempt": "1", "Range": "bytes=0-", "Te": "trailers", "X-NUL": "a\x00b", "X-Control": "a\x01\x7fb",
		"X-CR": "a\rb", "X-Fold": "a\r\n b", "X-UTF8": "\xff\xfe", "X Space": "a", "X\x00": "a", "": "a", "X-Ümlaut": "a", "(x)": "a", "X_Under": "a",
		"X-Hub_Signature-256": "sha256=00", "Stripe.Signature": "t=1,v1=00",
	} {
		a.try(t, fmt.Sprintf("header %q", name), func(m harness.Message) string { return m.With(name, value).String() })
	}
	for name, header := range map[string]string{
		"ten thousand fields": strings.Repeat("X-A: b\r\n", 10_000), "ten thousand names": numbered("X-%d: b\r\n", 10_000), "as many as fit": numbered("X-%d: b\r\n", 800),
		"one of a megabyte": "X-A: " + strings.Repeat("b", 1<<20) + "\r\n", "a name of a megabyte": strings.Repeat("b", 1<<20) + ": a\r\n",
		"no colon": "X-A\r\n", "only a colon": ":\r\n", "bare line feeds": "X-A: b\nX-B: c\n", "a space before the colon": "X-A : b\r\n", "a space first": " X-A: b\r\n",
	} {
		a.try(t, name, func(m harness.Message) string { return strings.Replace(m.String(), "\r\n", "\r\n"+header, 1) })
	}
	for _, name := range slices.Sorted(maps.Keys(hostileBodies)) {
		a.try(t, "body: "+name, func(m harness.Message) string { m.Body = hostileBodies[name]; return m.String() })
		a.try(t, "chunked body: "+name, func(m harness.Message) string { m.Body = hostileBodies[name]; return m.Chunked().String() })
	}
	// Slack asks without a signature whether the certificate is right. Only that is answered.
	for _, text := range []string{"ssl_check=2", "ssl_check=1&ssl_check=1", "SSL_CHECK=1", "payload=ssl_check%3D1", `{"ssl_check":"1"}`} {
		a.try(t, "body "+text, func(m harness.Message) string {
			m.Body = text
			return m.Set("Content-Type", harness.MediaForm).String()
		})
	}
}

func numbered(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// hostileBodies are within the limit, unless their name says otherwise.
var hostileBodies = map[string]string{
	"empty":                 "",
	"one byte":              "{",
	"NUL":                   "\x00",
	"NULs":                  strings.Repeat("\x00", 60_000),
	"invalid UTF-8":         "{\"id\":\"\xff\xfe\xc0\x80\",\"type\":\"\xed\xa0\x80\"}",
	"lone surrogates":       `{"id":"\ud800","type":"\udfff\u0000"}`,
	"byte order mark":       "\xef\xbb\xbf{}",
	"control bytes":         "{\"id\":\"a\r\nX-Injected: b\",\"type\":\"\x1b[31m\"}",
	"escaped control":       `{"id":"a\r\nX-Injected: b","type":"\u001b[31m","event_id":"\u0000"}`,
	"nested arrays":         strings.Repeat("[", 60_000),
	"nested objects":        strings.Repeat(`{"id":`, 10_000) + "1" + strings.Repeat("}", 10_000),
	"nested and closed":     strings.Repeat("[", 30_000) + strings.Repeat("]", 30_000),
	"huge number":           `{"id":` + strings.Repeat("9", 60_000) + "}",
	"huge exponent":         `{"id":1e999999999,"type":-0.0e-99999}`,
	"huge string":           `{"id":"` + strings.Repeat("x", 60_000) + `"}`,
	"endless string":        `{"id":"` + strings.Repeat(`\`, 60_001),
	"ids of other types":    `{"id":{"a":1},"type":[1],"event_id":true}`,
	"repeated members":      "{" + strings.Repeat(`"id":"a","type":"b",`, 3000) + `"id":"c"}`,
	"many members":          "{" + numbered(`"k%d":1,`, 5000) + `"id":1}`,
	"not JSON":              "<xml/>",
	"many fields":           strings.Repeat("a=b&", 15_000),
	"many names":            numbered("a%d=b&", 8000),
	"only separators":       strings.Repeat("&=", 30_000),
	"bad escapes":           "a=%&b=%zz&%=%c&Body=%f0%28%8c%28",
	"exactly the limit":     strings.Repeat("x", hostileMaxBody),
	"one over the limit":    strings.Repeat("x", hostileMaxBody+1),
	"a megabyte over limit": strings.Repeat("x", hostileMaxBody+1<<20),
}

// hostileSigned are hostile bodies from somebody who knows the secret: they may
// be taken, and then arrive as they were sent.
func hostileSigned(t *testing.T, a *arena) {
	for _, s := range a.signings {
		w := harness.Wire{Address: a.address}
		for _, name := range slices.Sorted(maps.Keys(hostileBodies)) {
			m := s.Message(a.address)
			m.Body = hostileBodies[name]
			signed := s.Sign(m, time.Now())
			replies := a.attack(t, &w, s, "signed, body: "+name, signed.String())
			if len(m.Body) > hostileMaxBody && len(replies) > 0 && replies[0].Code != 413 {
				t.Errorf("%s, body: %s: answered %d: want 413", s.Provider, name, replies[0].Code)
			}
			signed.Body = m.Body + " "
			a.attack(t, &w, s, "signed before a byte was added: "+name, signed.String())
		}
		w.Close()
	}
}
