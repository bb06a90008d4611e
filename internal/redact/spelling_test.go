package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"
	"time"
)

// unicodePercent is how the escape function of old browsers writes text, and classic ASP.
func unicodePercent(text string) string {
	return strings.NewReplacer("&", "%u0026", "<", "%u003c", ">", "%u003E", "'", "%u0027", "\"", "%u0022", "ü", "%u00fc", "😀", "%uD83D%uDE00").Replace(text)
}

func jsonText(text string) string {
	escaped, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(escaped[1 : len(escaped)-1])
}

// TestEncodings: a secret is found in what applications make of it in their answers, up to three
// encodings one within the other.
func TestEncodings(t *testing.T) {
	encodings := map[string]func(string) string{
		"html":     html.EscapeString,
		"html hex": strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#x27;", "/", "&#x2F;", "+", "&#43;").Replace,
		"apos":     strings.NewReplacer("&", "&AMP;", "<", "&LT;", ">", "&GT;", `"`, "&QUOT;", "'", "&apos;", "/", "&sol;").Replace,
		"query":    url.QueryEscape,
		"path":     url.PathEscape,
		"json":     jsonText,
		"unicode":  unicodePercent,
		"js":       strings.NewReplacer("<", `\x3c`, "&", `\x26`, "'", `\'`, `"`, `\"`, `\`, `\\`).Replace,
		"plain":    func(text string) string { return text },
	}
	const token = `p&ss<w>rd'x"1234/5+6`
	for _, secret := range []string{token, `&&&&''""%%\\++ü😀<>`, `100%25&amp;\u0041 x`} {
		v := NewValues([]string{secret})
		for first, a := range encodings {
			for second, b := range encodings {
				for third, c := range encodings {
					text := c(b(a(secret)))
					if got := v.Text("<p>" + text + "</p>"); got != "<p>"+Masked+"</p>" {
						t.Errorf("%s, %s, %s: %q became %q", first, second, third, text, got)
					}
				}
			}
		}
	}
	for _, text := range []string{
		base64.StdEncoding.EncodeToString([]byte(token)), base64.RawStdEncoding.EncodeToString([]byte(token)),
		base64.URLEncoding.EncodeToString([]byte(token + "\n")), base64.RawURLEncoding.EncodeToString([]byte(token)),
		hex.EncodeToString([]byte(token)), strings.ToUpper(hex.EncodeToString([]byte(token))),
		url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(token + "\n"))),
		base64.StdEncoding.EncodeToString([]byte("user:" + token + "\n")),
	} {
		v := NewValues([]string{token}).And(NewValues([]string{"user:" + token}))
		if got := v.Text("[" + text + "]"); got != "["+Masked+"]" {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got := NewValues([]string{token}).Text("a &amp; b &copy; &#x; &# %zz %u12 \\q \\"); got != "a &amp; b &copy; &#x; &# %zz %u12 \\q \\" {
		t.Errorf("text without a secret became %q", got)
	}
}

// TestCutEncodings: of a text that was cut off, whatever the place, nothing of the secret from
// the sixth letter on is left.
func TestCutEncodings(t *testing.T) {
	const token = `p&ss<w>rd'x"1234/5+6`
	v := NewValues([]string{token})
	for _, text := range []string{token, html.EscapeString(token), jsonText(token), url.QueryEscape(token), url.QueryEscape(url.QueryEscape(token)), unicodePercent(token), jsonText(html.EscapeString(token))} {
		for end := range text {
			if got := string(v.Cut([]byte("x " + text[:end]))); strings.Contains(got, "rd") {
				t.Errorf("%q became %q", text[:end], got)
			}
		}
	}
}

// TestManyReadings: a text that can be read in very many ways is not read in all of them, but hidden.
func TestManyReadings(t *testing.T) {
	begin := time.Now()
	for _, sign := range []string{`\`, "%25", "&amp;", `\\`, "+", "%2525", "&amp;amp;"} {
		v := NewValues([]string{strings.Repeat(`\`, 400) + "x", strings.Repeat("%", 400) + "x", strings.Repeat("&", 400) + "x", strings.Repeat("%25", 400) + "x", strings.Repeat("&amp;", 400) + "x"})
		v.Text(strings.Repeat(sign, 1000))
	}
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
}
