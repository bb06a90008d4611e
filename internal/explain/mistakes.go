package explain

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// otherSecrets tries what happens to secrets between the provider's page and the configuration.
func (c *check) otherSecrets() bool {
	for _, form := range []string{"raw", "base64", "hex"} {
		p := *c.provider
		p.Schemes = slices.Clone(p.Schemes)
		for i := range p.Schemes {
			p.Schemes[i].Key = form
		}
		if c.matches(&p, c.options, c.request) {
			c.find("It would match if the secret were taken as %s: the sender signs otherwise than %s documents, or the secret is of another kind.", keyForms[form], c.provider.Title)
			return true
		}
	}
	for _, m := range []struct {
		say   string
		apply func(secret string) string
	}{
		{"without the white space around it", strings.TrimSpace},
		{"without the quotes around it", func(s string) string { return strings.Trim(s, `"'`) }},
		{"URL-decoded", func(s string) string { decoded, _ := url.QueryUnescape(s); return decoded }},
		{"base64-decoded", decodeBase64},
		{"base64-encoded once more", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }},
		{"without its prefix", func(s string) string { return s[strings.LastIndexByte(s, '_')+1:] }},
	} {
		o := c.options
		o.Secrets = make([]string, len(c.options.Secrets))
		for i, secret := range c.options.Secrets {
			if o.Secrets[i] = m.apply(secret); o.Secrets[i] == "" {
				o.Secrets[i] = secret
			}
		}
		if !slices.Equal(o.Secrets, c.options.Secrets) && c.matches(c.provider, o, c.request) {
			c.find("It would match if the secret were used %s: copy it again from %s's page.", m.say, c.provider.Title)
			return true
		}
	}
	return false
}

var keyForms = map[string]string{"raw": "plain text", "base64": "base64", "hex": "hex"}

func decodeBase64(s string) string {
	s = s[strings.LastIndexByte(s, '_')+1:]
	decoded, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(s, "="))
	return string(decoded)
}

// otherBodies tries what editors, shells and frameworks do to a body.
func (c *check) otherBodies() bool {
	body := c.request.Body
	for _, m := range []struct {
		say  string
		body []byte
	}{
		{"without the line break at its end (the file that it was saved to has one)", bytes.TrimRight(body, "\r\n")},
		{"with a line break at its end", append(slices.Clone(body), '\n')},
		{"with CRLF at its end", append(slices.Clone(body), '\r', '\n')},
		{"with LF line breaks instead of CRLF", bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))},
		{"with CRLF line breaks instead of LF", bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n"))},
		{"without the white space around it", bytes.TrimSpace(body)},
		{"without the byte order mark at its beginning", bytes.TrimPrefix(body, []byte("\xef\xbb\xbf"))},
		{"as compact JSON: it was decoded and encoded again on its way, or pretty-printed when it was saved", compact(body)},
		{"with its non-ASCII characters as \\u escapes: it was decoded and encoded again on its way", escapeUnicode(body)},
		{"with its \\u escapes as characters: it was decoded and encoded again on its way", unescapeUnicode(body)},
		{"with / written as \\/", bytes.ReplaceAll(body, []byte("/"), []byte(`\/`))},
		{"with \\/ written as /", bytes.ReplaceAll(body, []byte(`\/`), []byte("/"))},
		{"as the JSON that the form field payload contains", formField(body, "payload")},
		{"URL-decoded", queryUnescape(body)},
		{"base64-decoded", []byte(decodeBase64(string(body)))},
		{"empty", nil},
	} {
		if bytes.Equal(m.body, body) {
			continue
		}
		r := *c.request
		r.Body = m.body
		if c.matches(c.provider, c.options, &r) {
			c.find("It would match if the body were taken %s. The signature is over %d bytes, these are %d.", m.say, len(m.body), len(body))
			return true
		}
	}
	return false
}

func compact(body []byte) []byte {
	var out bytes.Buffer
	if json.Compact(&out, body) != nil {
		return body
	}
	return out.Bytes()
}

func escapeUnicode(body []byte) []byte {
	var out []byte
	for _, r := range string(body) {
		switch {
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, high, low)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

func unescapeUnicode(body []byte) []byte {
	if !bytes.Contains(body, []byte(`\u`)) {
		return body
	}
	var value any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return body
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return body
	}
	return bytes.TrimRight(out.Bytes(), "\n")
}

func formField(body []byte, name string) []byte {
	fields, err := url.ParseQuery(string(body))
	if err != nil || !fields.Has(name) {
		return body
	}
	return []byte(fields.Get(name))
}

func queryUnescape(body []byte) []byte {
	text, err := url.QueryUnescape(string(body))
	if err != nil {
		return body
	}
	return []byte(text)
}

// otherURLs tries what proxies do to the address, for schemes that sign it.
func (c *check) otherURLs() bool {
	r := c.request
	for _, m := range []struct {
		say   string
		apply func(r *verify.Request)
	}{
		{"https instead of http: TLS ends at a proxy in front, which must be trusted and send X-Forwarded-Proto", func(r *verify.Request) { r.Scheme = "https" }},
		{"http instead of https", func(r *verify.Request) { r.Scheme = "http" }},
		{"a slash at the end of the path", func(r *verify.Request) { r.URI = onPath(r.URI, func(p string) string { return p + "/" }) }},
		{"no slash at the end of the path", func(r *verify.Request) {
			r.URI = onPath(r.URI, func(p string) string { return strings.TrimSuffix(p, "/") })
		}},
		{"no query", func(r *verify.Request) { r.URI, _, _ = strings.Cut(r.URI, "?") }},
		{"www. in front of the host", func(r *verify.Request) { r.Host = "www." + r.Host }},
		{"no port", func(r *verify.Request) { r.Host, _, _ = strings.Cut(r.Host, ":") }},
		{"the method GET", func(r *verify.Request) { r.Method = "GET" }},
		{"the method POST", func(r *verify.Request) { r.Method = "POST" }},
	} {
		changed := *r
		m.apply(&changed)
		if changed.URL() == r.URL() && changed.Method == r.Method {
			continue
		}
		if c.matches(c.provider, c.options, &changed) {
			c.find("It would match if the webhook had been called with %s: the URL must be the one that is configured at %s.", m.say, c.provider.Title)
			return true
		}
	}
	return false
}

func onPath(uri string, change func(path string) string) string {
	path, query, found := strings.Cut(uri, "?")
	if path = change(path); found {
		return path + "?" + query
	}
	return path
}

// otherSchemes tries the provider's scheme with another hash, and other ways to
// write the signature.
func (c *check) otherSchemes() bool {
	for _, algorithm := range []string{"hmac-sha1", "hmac-sha256", "hmac-sha384", "hmac-sha512"} {
		for _, encoding := range []string{"", "{hex}", "{base64}", "{base64url}"} {
			p := *c.provider
			p.Schemes = slices.Clone(p.Schemes)
			changed := false
			for i := range p.Schemes {
				s := &p.Schemes[i]
				before := *s
				if strings.HasPrefix(s.Algorithm, "hmac-") {
					s.Algorithm = algorithm
				}
				for _, old := range []string{"{hex}", "{base64}", "{base64url}"} {
					if encoding != "" {
						s.Format = strings.Replace(s.Format, old, encoding, 1)
					}
				}
				changed = changed || before.Algorithm != s.Algorithm || before.Format != s.Format
			}
			if changed && c.matches(&p, c.options, c.request) {
				how := algorithm
				if encoding != "" {
					how += " written as " + strings.Trim(encoding, "{}")
				}
				c.find("It would match as %s: the sender signs otherwise than %s documents; provider custom can be told so.", how, c.provider.Title)
				return true
			}
		}
	}
	return false
}

// shapeOfSecrets tells a secret that looks like another provider's.
func (c *check) shapeOfSecrets() string {
	own := c.provider.SecretPrefix
	begins := func(prefix string) func(string) bool {
		return func(secret string) bool { return strings.HasPrefix(secret, prefix) }
	}
	if own == "" || len(c.options.Secrets) == 0 || slices.ContainsFunc(c.options.Secrets, begins(own)) {
		return ""
	}
	for _, p := range verify.Providers() {
		if p.SecretPrefix != "" && slices.ContainsFunc(c.options.Secrets, begins(p.SecretPrefix)) {
			return "the secret looks like one of " + p.Title + "; those of " + c.provider.Title + " begin with " + own
		}
	}
	return "secrets of " + c.provider.Title + " begin with " + own + "; this one does not"
}
