package verify

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// A URL has several spellings: '!'()*~ and others may stand as they are or as %27 and so on, a space
// in a query as + or %20, other letters as UTF-8 or escaped. Some providers sign the URL as it was
// entered, and have a client call it that escapes more, or less. Characters that part a URL or
// query (% & + = # ;) are the same in all spellings.

// maxRespelt bounds, in bytes, the bodies of webhooks that are tried under other spellings: each
// takes another pass over the body.
const maxRespelt = 64 << 10

// spellings return path and query as they may have been signed, in the order of likelihood.
var spellings = []func(target string) string{
	unescaper(quoteMarks),
	unescaper(quoteMarks + queryMarks),
	func(target string) string { return rawLetters(unescape(target, quoteMarks)) },
	func(target string) string { return rawLetters(unescape(target, quoteMarks+queryMarks)) },
	func(target string) string {
		return spaceSpellings(rawLetters(unescape(target, quoteMarks+queryMarks)), " ")
	},
	escaper("'"), // as browsers do in queries
	escaper("!'()"),
	escaper("!'()*"), // RFC 3986
	escaper("!'()~"), // Java's URLEncoder
	func(target string) string { return encodeQuery(target, "-_.!~*'()", "%20") }, // Node's querystring
	func(target string) string { return encodeQuery(target, "-_.!~*'()", "+") },
	func(target string) string { return encodeQuery(target, "*-._", "+") }, // URLSearchParams and Java
	func(target string) string { return encodeQuery(target, "-_.~", "%20") },
}

const (
	quoteMarks = "!'()*~"
	queryMarks = "@:$,/?[]" // may be raw in a query
)

// respelt returns the other spellings of path and query, each once.
func respelt(target string) []string {
	var all []string
	for _, spell := range spellings {
		if other := spell(target); other != target && !slices.Contains(all, other) {
			all = append(all, other)
		}
	}
	return all
}

func unescaper(marks string) func(string) string {
	return func(target string) string { return unescape(target, marks) }
}

// unescape writes those characters as they are. In the path a / or ? of its own stays escaped.
func unescape(target, marks string) string {
	path, query, found := strings.Cut(target, "?")
	path = unescapeWhere(path, func(c byte) bool { return strings.IndexByte(marks, c) >= 0 && c != '/' && c != '?' })
	if !found {
		return path
	}
	return path + "?" + unescapeWhere(query, func(c byte) bool { return strings.IndexByte(marks, c) >= 0 })
}

func unescapeWhere(text string, is func(c byte) bool) string {
	if strings.IndexByte(text, '%') < 0 {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '%' && i+2 < len(text) {
			if c, ok := hexValue(text[i+1 : i+3]); ok && is(byte(c)) {
				b.WriteByte(byte(c))
				i += 2
				continue
			}
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// rawLetters writes what is not ASCII as it is; target itself if that is no UTF-8.
func rawLetters(target string) string {
	raw := unescapeWhere(target, func(c byte) bool { return c >= utf8.RuneSelf })
	if !utf8.ValidString(raw) {
		return target
	}
	return raw
}

// spaceSpellings writes those of the query as text says.
func spaceSpellings(target, text string) string {
	path, query, found := strings.Cut(target, "?")
	if !found {
		return target
	}
	return path + "?" + strings.NewReplacer("+", text, "%20", text).Replace(query)
}

// escaper escapes those characters in the query, and what is not ASCII everywhere.
func escaper(marks string) func(string) string {
	return func(target string) string {
		path, query, found := strings.Cut(target, "?")
		path = escapeWhere(path, "")
		if !found {
			return path
		}
		return path + "?" + escapeWhere(query, marks)
	}
}

func escapeWhere(text, marks string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c >= utf8.RuneSelf || strings.IndexByte(marks, c) >= 0 {
			b.WriteString(escapeExcept(text[i:i+1], ""))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// encodeQuery writes the query anew: all but letters, digits, marks and what parts it is escaped. What
// cannot be decoded stays as it is.
func encodeQuery(target, marks, space string) string {
	path, query, found := strings.Cut(target, "?")
	if !found {
		return target
	}
	var b strings.Builder
	for query != "" {
		end := strings.IndexAny(query, "&=#;")
		if end < 0 {
			end = len(query)
		}
		decoded, err := url.QueryUnescape(query[:end])
		if err != nil {
			return target
		}
		b.WriteString(strings.ReplaceAll(escapeExcept(decoded, marks), "%20", space))
		if end < len(query) {
			b.WriteByte(query[end])
			end++
		}
		query = query[end:]
	}
	return path + "?" + b.String()
}

// matchRespelt is match for the other spellings of the URL; err if none was signed.
func (s *scheme) matchRespelt(in *input, err *Error) (int, *Error) {
	size := s.algorithm.hash.Size()
	plausible := slices.ContainsFunc(in.signatures, func(signature []byte) bool { return len(signature) == size })
	if err.Detail != DetailNoMatchingSignature || !plausible || len(in.request.Body) > maxRespelt {
		return 0, err
	}
	defer func() { in.respelt = "" }()
	for _, in.respelt = range respelt(in.request.target()) {
		if index, other := s.match(s.contents, in); other == nil {
			return index, nil
		}
	}
	return 0, err
}
