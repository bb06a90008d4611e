package verify

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Contents that providers make from the whole request, each by rules of its own.

// hubspotEscapes are what HubSpot wants undone in the URL before it is signed
// (Validating requests, v3): nothing else, and not the question mark of the query.
var hubspotEscapes = strings.NewReplacer(
	"%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$", "%27", "'",
	"%28", "(", "%29", ")", "%2A", "*", "%2C", ",", "%3B", ";",
)

// hubspotV3 is the method, the URL, the body and the timestamp, with nothing
// between. HubSpot's own library takes the URL as it is.
var hubspotV3 = []canonical{
	{write: writeHubspot(hubspotEscapes.Replace), time: true, url: partURL, body: true, check: checkHubspot},
	{write: writeHubspot(func(url string) string { return url }), time: true, url: partURL, body: true, check: checkHubspot},
}

// checkHubspot tells method, URL, body and time apart, as the joints of a content do.
func checkHubspot(in *input) string {
	if !slices.Contains(knownMethods, in.request.Method) || len(in.timestamp) != 13 {
		return "the method or the time"
	}
	return checkURLBesideBody(in, in.request.Body, true)
}

func writeHubspot(unescape func(string) string) func([]byte, *input) ([]byte, *Error) {
	return func(buf []byte, in *input) ([]byte, *Error) {
		buf = append(buf, in.request.Method...)
		buf = append(buf, unescape(in.request.URL())...)
		return append(append(buf, in.request.Body...), in.timestamp...), nil
	}
}

// mercadoPago is a list of what there is of the id in the query, the request id
// and the timestamp. The id is in lower case; the library leaves that to its caller.
var mercadoPago = []canonical{
	{write: writeMercadoPago(strings.ToLower), time: true, reads: mercadoPagoReads},
	{write: writeMercadoPago(func(id string) string { return id }), time: true, reads: mercadoPagoReads},
}

var mercadoPagoReads = []Source{header("X-Request-Id"), query("data.id")}

func writeMercadoPago(fold func(string) string) func([]byte, *input) ([]byte, *Error) {
	return func(buf []byte, in *input) ([]byte, *Error) {
		for _, part := range []struct {
			name   string
			source Source
		}{{"id", mercadoPagoReads[1]}, {"request-id", mercadoPagoReads[0]}} {
			values := part.source.lookup(in.document)
			if len(values) == 0 {
				continue
			}
			if len(values) > 1 || values[0] == "" || strings.Contains(values[0], ";") {
				return buf, invalidSignature(DetailMalformedPart, part.source.String())
			}
			value := values[0]
			if part.name == "id" {
				value = fold(value)
			}
			buf = fmt.Appendf(buf, "%s:%s;", part.name, value)
		}
		return fmt.Appendf(buf, "ts:%s;", in.timestamp), nil
	}
}

// messagebird is the timestamp, the sorted query and the body's SHA-256, a line each.
var messagebird = []canonical{{write: writeMessagebird, time: true, url: partQuery, body: true}}

func writeMessagebird(buf []byte, in *input) ([]byte, *Error) {
	fields, err := parseFields(in.request.query())
	if err != nil {
		return buf, err
	}
	slices.SortStableFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	buf = append(append(buf, in.timestamp...), '\n')
	for i, f := range fields {
		if i > 0 {
			buf = append(buf, '&')
		}
		buf = append(append(append(buf, escapeComponent(f.name)...), '='), escapeComponent(f.value)...)
	}
	digest := sha256.Sum256(in.request.Body)
	return append(append(buf, '\n'), digest[:]...), nil
}

// plivoV3 is the URL with its query sorted, the sorted fields of a form, and the
// nonce. Dots stand between them where there is something on both sides.
var plivoV3 = []canonical{{
	write:   writePlivo,
	prepare: func(r *Request) { setIfMissing(r.Header, plivoNonce.Name, "00000000000000000000") },
	reads:   []Source{plivoNonce}, url: partURL, body: true, fields: true, check: checkPlivo,
}}

// checkPlivo is checkNames for a form of Plivo's. What else could move is in the row's notes.
func checkPlivo(in *input) string {
	fields, err := parseFields(string(in.request.Body))
	if err != nil {
		return "the form"
	}
	return checkNames(fields, fieldNames)
}

var plivoNonce = header("X-Plivo-Signature-V3-Nonce")

func writePlivo(buf []byte, in *input) ([]byte, *Error) {
	r := in.request
	nonce, ok := plivoNonce.extract(in.document)
	if !ok {
		return buf, invalidSignature(DetailMissingPart, plivoNonce.String())
	}
	if strings.Contains(nonce, ".") { // a part of the form could pass for a part of the nonce
		return buf, invalidSignature(DetailMalformedPart, plivoNonce.String())
	}
	query, err := parseFields(r.query())
	if err != nil {
		return buf, err
	}
	if len(r.Body) > 0 && (!in.document.isForm() || r.Method == http.MethodGet) {
		return buf, invalidSignature(DetailUnsignedBody, "the body is not a form")
	}
	if splitOddly(view(r.Body)) {
		return buf, ambiguous(DetailAmbiguousField, "a raw semicolon or line break in the form")
	}
	form, err := parseFields(view(r.Body))
	if err != nil {
		return buf, err
	}
	buf = append(buf, r.Scheme+"://"+r.Host+r.path()...)
	if len(query) > 0 || len(form) > 0 {
		buf = append(buf, '?')
	}
	sortFields(query)
	for i, f := range query {
		if i > 0 {
			buf = append(buf, '&')
		}
		buf = append(append(append(buf, f.name...), '='), f.value...)
	}
	if len(query) > 0 && len(form) > 0 {
		buf = append(buf, '.')
	}
	sortFields(form)
	for _, f := range form {
		buf = append(append(buf, f.name...), f.value...)
	}
	return append(append(buf, '.'), nonce...), nil
}

// sinch is the method, the body's MD5, the content type, the time and the path, a line each.
var sinch = []canonical{{write: writeSinch, reads: []Source{header("X-Timestamp"), header("Content-Type")}, url: partPath, body: true}}

func writeSinch(buf []byte, in *input) ([]byte, *Error) {
	r := in.request
	digest := ""
	if len(r.Body) > 0 {
		sum := md5.Sum(r.Body)
		digest = base64.StdEncoding.EncodeToString(sum[:])
	}
	types := r.Header["Content-Type"]
	if len(types) > 1 {
		return buf, invalidSignature(DetailMalformedPart, "header Content-Type")
	}
	return fmt.Appendf(buf, "%s\n%s\n%s\nx-timestamp:%s\n%s", r.Method, digest, strings.Join(types, ""), in.timestamp, r.path()), nil
}

// field is one of a form or query, decoded.
type field struct{ name, value string }

// parseFields returns the fields of a form or query, in order.
func parseFields(text string) ([]field, *Error) {
	var fields []field
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		if len(fields) == maxFormFields {
			return nil, invalidSignature(DetailMalformedPart, fmt.Sprintf("the form has more than %d fields", maxFormFields))
		}
		key, value, _ := strings.Cut(pair, "=")
		name, err1 := url.QueryUnescape(key)
		value, err2 := url.QueryUnescape(value)
		if err1 != nil || err2 != nil {
			return nil, invalidSignature(DetailMalformedPart, "the form has a bad percent escape")
		}
		fields = append(fields, field{name, value})
	}
	return fields, nil
}

// sortFields sorts by name and value, in byte order.
func sortFields(fields []field) {
	slices.SortFunc(fields, func(a, b field) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
}

// escapeComponent escapes as JavaScript's encodeURIComponent does, and
// querystring.escape of Node.js.
func escapeComponent(text string) string {
	return escapeExcept(text, "-_.!~*'()")
}

// escapeURI escapes as JavaScript's encodeURI does.
func escapeURI(text string) string {
	return escapeExcept(text, "-_.!~*'();,/?:@&=+$#")
}

func escapeExcept(text, marks string) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		alphanumeric := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if alphanumeric || strings.IndexByte(marks, c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func setIfMissing(h http.Header, name, value string) {
	if h.Get(name) == "" {
		h.Set(name, value)
	}
}
