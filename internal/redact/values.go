package redact

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
)

// shortest is the length from which on a value is hidden wherever it stands. A shorter
// one would also be found in text that has nothing to do with it.
const shortest = 6

// Values hides secrets by what they are. The zero Values hides nothing. It is not changed after
// NewValues, and is safe for concurrent use. Its cost does not grow with the number of secrets.
type Values struct {
	needles []string            // in order, to be found in a text
	first   [256]bool           // the bytes that one of them may begin with, as it is spelled
	whole   map[string]struct{} // however short
	also    *Values
}

// NewValues returns what hides these secrets, in each spelling that a URL, JSON, HTML or a Basic header
// may have for them: see walk. They are also hidden in base64 and in hexadecimal digits, with
// the newline that `echo` adds and without. Of a pair, user:password, the password is a secret by itself.
func NewValues(secrets []string) Values {
	v := Values{whole: make(map[string]struct{}, len(secrets))}
	for _, secret := range secrets {
		v.addEncoded(secret)
		if _, password, isPair := strings.Cut(secret, ":"); isPair {
			v.addEncoded(password)
		}
	}
	slices.Sort(v.needles)
	return v
}

// longestEncoded bounds the secrets that are also looked for as a whole in an encoding. No credential is longer.
const longestEncoded = 4 << 10

// addEncoded adds a secret as it is, and as base64 and hexadecimal digits.
func (v *Values) addEncoded(secret string) {
	v.add(secret)
	if len(secret) < shortest || len(secret) > longestEncoded {
		return
	}
	for _, plain := range []string{secret, secret + "\n"} {
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			v.add(encoding.EncodeToString([]byte(plain)))
		}
		digits := hex.EncodeToString([]byte(plain))
		v.add(digits)
		v.add(strings.ToUpper(digits))
	}
}

func (v *Values) add(secret string) {
	if _, known := v.whole[secret]; known || secret == "" {
		return
	}
	v.whole[secret] = struct{}{}
	if len(secret) < shortest {
		return
	}
	v.needles = append(v.needles, secret)
	for _, c := range []byte{secret[0], '%', '\\', '&'} {
		v.first[c] = true
	}
	if secret[0] == ' ' {
		v.first['+'] = true
	}
}

// And returns what hides the secrets of both.
func (v Values) And(others Values) Values {
	if v.also != nil {
		others = v.also.And(others)
	}
	v.also = &others
	return v
}

// Text hides them in text.
func (v Values) Text(text string) string {
	if v.also != nil {
		text = v.also.Text(text)
	}
	if _, all := v.whole[text]; all {
		return Masked
	}
	var b strings.Builder
	copied := 0
	for i := 0; i < len(text); i++ {
		if !v.first[text[i]] {
			continue
		}
		if end := found(text, i, v.needles); end >= 0 {
			b.WriteString(text[copied:i])
			b.WriteString(Masked)
			copied, i = end, end-1
		}
	}
	if copied == 0 {
		return text
	}
	b.WriteString(text[copied:])
	return b.String()
}

// Bytes hides them in text that may be anything. It returns b itself where there is none.
func (v Values) Bytes(b []byte) []byte {
	text := string(b)
	if hidden := v.Text(text); hidden != text {
		return []byte(hidden)
	}
	return b
}

// Cut is Bytes for text that may have been cut off, within a secret.
func (v Values) Cut(b []byte) []byte {
	text := string(v.Bytes(b))
	for each := &v; each != nil; each = each.also {
		for i := range len(text) {
			if each.first[text[i]] && begun(text, i, each.needles) {
				text = text[:i] + Masked
				break
			}
		}
	}
	if text == string(b) {
		return b
	}
	return []byte(text)
}

// URI hides them in a URI.
func (v Values) URI(uri string) string {
	path, query, found := strings.Cut(uri, "?")
	if !found {
		return v.Text(uri)
	}
	return v.Text(path) + "?" + v.Text(eachField(query, func(_, value string) string {
		if hidden := v.Text(decoded(value)); hidden == Masked {
			return hidden
		}
		return value
	}))
}

// Header hides them in the values of header, which is changed.
func (v Values) Header(header http.Header) {
	for name, values := range header {
		for i, value := range values {
			if hidden := v.Text(value); hidden != value {
				values = slices.Clone(values)
				values[i] = hidden
				header[name] = values
			}
		}
	}
}

// Of returns the secrets that a request carries at the mask's places in its header and
// URI, and in Authorization.
func (m *Mask) Of(header http.Header, uri string) []string {
	return collect(header, uri,
		func(name string) bool { return name == "Authorization" || named(m.headers, name) },
		func(name string) bool { return named(m.parameters, name) })
}

// OfEvent returns all that Header, URI and Body hide of an event, for Values to hide it
// where an error or an answer quotes it. Strings and numbers of JSON come one by one.
func (m *Mask) OfEvent(header http.Header, uri string, body []byte) []string {
	secrets := collect(header, uri, m.hidesHeader, m.hidesParameter)
	m.body(header.Get("Content-Type"), body, func(secret string) { secrets = append(secrets, secret) })
	return secrets
}

// collect returns the values of the headers and parameters that are asked for.
func collect(header http.Header, uri string, isHeader, isParameter func(name string) bool) (secrets []string) {
	for name, values := range header {
		if !isHeader(name) {
			continue
		}
		for _, value := range values {
			secrets = append(secrets, value)
			scheme, bare, found := strings.Cut(value, " ") // "Bearer x"
			if !found {
				continue
			}
			secrets = append(secrets, bare)
			if pair, err := base64.StdEncoding.DecodeString(bare); err == nil && strings.EqualFold(scheme, "Basic") {
				secrets = append(secrets, string(pair))
			}
		}
	}
	_, query, _ := strings.Cut(uri, "?")
	eachField(query, func(name, value string) string {
		if isParameter(name) {
			secrets = append(secrets, value, decoded(value))
		}
		return value
	})
	return secrets
}

// Carries reports whether the request has something at one of the mask's places in its
// header and URI.
func (m *Mask) Carries(header http.Header, uri string) (found bool) {
	for name := range header {
		if named(m.headers, name) {
			return true
		}
	}
	if _, query, ok := strings.Cut(uri, "?"); ok && len(m.parameters) > 0 {
		eachField(query, func(name, value string) string {
			found = found || named(m.parameters, name)
			return value
		})
	}
	return found
}

// OfRequests reports whether the mask has places in a request's header or URI.
func (m *Mask) OfRequests() bool { return len(m.headers)+len(m.parameters) > 0 }
