package verify

import (
	"net/http"
	"slices"
	"strings"
)

// Contentful signs the method, the URL's path and query in an encoding of its
// own, the headers that it names in one of them, and the body, a line each:
// https://www.contentful.com/developers/docs/webhooks/request-verification/
var contentful = []canonical{{
	write: writeContentful,
	prepare: func(r *Request) {
		setIfMissing(r.Header, contentfulSigned.Name, "x-contentful-signed-headers,x-contentful-timestamp")
	},
	reads: []Source{contentfulSigned, contentfulTime}, url: partPathQuery, body: true,
}}

var (
	contentfulSigned = header("X-Contentful-Signed-Headers")
	contentfulTime   = header("X-Contentful-Timestamp")
)

// maxSignedHeaders bounds how many headers a request may name as signed.
const maxSignedHeaders = 50

func writeContentful(buf []byte, in *input) ([]byte, *Error) {
	list, ok := contentfulSigned.extract(in.document)
	if !ok {
		return buf, invalidSignature(DetailMissingPart, contentfulSigned.String())
	}
	if strings.Count(list, ",") >= maxSignedHeaders {
		return buf, invalidSignature(DetailMalformedPart, contentfulSigned.String())
	}
	names := strings.Split(list, ",")
	slices.Sort(names)
	for _, needed := range []string{"x-contentful-signed-headers", "x-contentful-timestamp"} {
		if _, found := slices.BinarySearch(names, needed); !found {
			return buf, invalidSignature(DetailMalformedPart, "the signed headers lack "+needed)
		}
	}
	path, ok := contentfulPath(in.request.target())
	if !ok || len(slices.Compact(slices.Clone(names))) != len(names) {
		return buf, invalidSignature(DetailMalformedPart, contentfulSigned.String()+" or the URL")
	}
	buf = append(append(buf, in.request.Method...), '\n')
	buf = append(append(buf, path...), '\n')
	for i, name := range names {
		values := in.request.Header[http.CanonicalHeaderKey(name)]
		if len(values) != 1 || name != strings.ToLower(strings.TrimSpace(name)) {
			return buf, invalidSignature(DetailMissingPart, "a signed header")
		}
		if i+1 < len(names) && strings.Contains(values[0], ";"+names[i+1]+":") { // would pass for the next header
			return buf, invalidSignature(DetailMalformedPart, "header "+name)
		}
		if i > 0 {
			buf = append(buf, ';')
		}
		buf = append(append(append(buf, name...), ':'), strings.TrimSpace(values[0])...)
	}
	return append(append(buf, '\n'), in.request.Body...), nil
}

// contentfulPath is the path and, escaped once more, the query. A second question
// mark would not be signed.
func contentfulPath(target string) (string, bool) {
	path, query, _ := strings.Cut(target, "?")
	if query == "" {
		return escapeURI(path), true
	}
	return escapeURI(path + "?" + escapeComponent(query)), !strings.Contains(query, "?")
}
