package redact

import (
	"cmp"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// shortest is the length from which on a value is hidden wherever it stands. A shorter
// one would also be found in text that has nothing to do with it.
const shortest = 6

// Values hides secrets by what they are. The zero Values hides nothing.
type Values struct {
	replacer *strings.Replacer
	whole    []string // however short
}

// NewValues returns what hides these secrets, also where they are part of a URL or of a
// Basic header.
func NewValues(secrets []string) Values {
	var pairs []string
	for _, text := range spellings(secrets) {
		pairs = append(pairs, text, Masked)
	}
	v := Values{whole: secrets}
	if pairs != nil {
		v.replacer = strings.NewReplacer(pairs...)
	}
	return v
}

// spellings are the forms of secrets, the longest first.
func spellings(secrets []string) (all []string) {
	for _, secret := range secrets {
		if len(secret) < shortest {
			continue
		}
		query := url.QueryEscape(secret)
		forms := []string{secret, query, strings.ReplaceAll(query, "+", "%20"), url.PathEscape(secret)}
		if _, password, isPair := strings.Cut(secret, ":"); isPair {
			forms = append(forms, base64.StdEncoding.EncodeToString([]byte(secret)))
			forms = append(forms, spellings([]string{password})...)
		}
		for _, form := range forms {
			if !slices.Contains(all, form) {
				all = append(all, form)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	return all
}

// Text hides them in text.
func (v Values) Text(text string) string {
	switch {
	case text != "" && slices.Contains(v.whole, text):
		return Masked
	case v.replacer == nil:
		return text
	}
	return v.replacer.Replace(text)
}

// Bytes hides them in text that may be anything. It returns b itself where there is none.
func (v Values) Bytes(b []byte) []byte {
	text := string(b)
	if hidden := v.Text(text); hidden != text {
		return []byte(hidden)
	}
	// JSON may write any character as an escape.
	if plain := unescaped(text); plain != text {
		if hidden := v.Text(plain); hidden != plain {
			return []byte(hidden)
		}
	}
	return b
}

var jsonEscape = regexp.MustCompile(`\\(?:/|u00[2-7][0-9A-Fa-f])`)

// unescaped takes the escapes of JSON for visible characters of ASCII out of a text, but for those of
// quotes and backslashes, which would make other JSON of it.
func unescaped(text string) string {
	return jsonEscape.ReplaceAllStringFunc(text, func(escape string) string {
		if escape == `\/` {
			return "/"
		}
		n, err := strconv.ParseUint(escape[2:], 16, 8)
		if err != nil || n == '"' || n == '\\' || n == 0x7f {
			return escape
		}
		return string(rune(n))
	})
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
func (m *Mask) Of(header http.Header, uri string) (secrets []string) {
	for name, values := range header {
		if name != "Authorization" && !slices.Contains(m.headers, fold(name)) {
			continue
		}
		for _, value := range values {
			secrets = append(secrets, value)
			if _, bare, found := strings.Cut(value, " "); found { // "Bearer x"
				secrets = append(secrets, bare)
			}
		}
	}
	_, query, _ := strings.Cut(uri, "?")
	eachField(query, func(name, value string) string {
		if slices.Contains(m.parameters, fold(name)) {
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
		if slices.Contains(m.headers, fold(name)) {
			return true
		}
	}
	if _, query, ok := strings.Cut(uri, "?"); ok && len(m.parameters) > 0 {
		eachField(query, func(name, value string) string {
			found = found || slices.Contains(m.parameters, fold(name))
			return value
		})
	}
	return found
}

// OfRequests reports whether the mask has places in a request's header or URI.
func (m *Mask) OfRequests() bool { return len(m.headers)+len(m.parameters) > 0 }
