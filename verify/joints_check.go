package verify

import (
	"bytes"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// checkJoints is for webhooks whose signature was found right: it refuses one that was signed with
// other values than those that stand in it, as far as the guards of the content tell.
func (t template) checkJoints(in *input) *Error {
	if len(t.parts) == 1 && t.parts[0].kind == partCanonical && t.parts[0].canonical.check != nil {
		if why := t.parts[0].canonical.check(in); why != "" {
			return ambiguous(DetailAmbiguousContent, why)
		}
	}
	for i := range t.joints {
		if why := t.joints[i].check(t, in); why != "" {
			return ambiguous(DetailAmbiguousContent, why)
		}
	}
	return nil
}

// check returns what is wrong; empty: nothing.
func (j *joint) check(t template, in *input) string {
	p := t.parts[j.value]
	switch j.rule {
	case ruleMethod:
		if !slices.Contains(knownMethods, in.request.Method) {
			return "the method"
		}
		return ""
	case ruleBody:
		if body := in.bodyText(p); !opens(body) {
			return "the body, which could be another signed part"
		}
		return ""
	case ruleForm:
		return checkURLBesideForm(in)
	case ruleNames:
		return j.checkNames(in)
	}
	value := in.text(p)
	switch j.rule {
	case rulePattern:
		if !j.pattern.MatchString(value) {
			return p.String() + " has not the form that the provider gives it"
		}
	case ruleColon:
		if strings.Contains(value, ":") {
			return p.String() + " has a colon, and a time follows"
		}
	case ruleOpening, ruleClosing:
		return j.checkBesideBody(t, in, p, value)
	case ruleBefore, ruleApart:
		return j.checkBefore(t, in, p, value)
	case ruleBehind:
		return j.checkBehind(t, in, p, value)
	}
	return ""
}

// checkBefore is about a value and the literal that ends it.
func (j *joint) checkBefore(t template, in *input, p part, value string) string {
	wrong := func() string { return fmt.Sprintf("%s contains %q, which ends it", p, j.literal) }
	if len(j.literal) == 1 && j.fixed[0] == j.fixed[1] && !t.hasBodyAt(j.near) {
		if strings.Contains(value, j.literal) {
			return wrong()
		}
	} else {
		head := value
		for _, between := range t.parts[j.fixed[0]:j.fixed[1]] {
			head += in.text(between)
		}
		text := head + j.literal
		end := strings.Index(text, j.literal)
		if t.hasBodyAt(j.near) {
			end = endBeforeBody(text, j.literal, in.bodyText(t.parts[j.near]))
		}
		if end != len(head) {
			return wrong()
		}
	}
	if j.rule == ruleApart {
		if next := t.parts[j.near]; beginsAgain(j.literal, in.text(next)) {
			return fmt.Sprintf("%s contains %q, which stands before it", next, j.literal)
		}
	}
	return ""
}

// beginsAgain reports whether the literal is found again in what follows it.
func beginsAgain(literal, value string) bool {
	return strings.LastIndex(literal+value, literal) > 0
}

// checkBehind is about a value and the literal in front of it.
func (j *joint) checkBehind(t template, in *input, p part, value string) string {
	for i := j.fixed[1] - 1; i >= j.fixed[0]; i-- {
		value = in.text(t.parts[i]) + value
	}
	text := j.literal + value
	start := strings.LastIndex(text, j.literal)
	if t.hasBodyAt(j.near) {
		start = startBehindBody(text, j.literal, in.bodyText(t.parts[j.near]))
	}
	if start != 0 {
		return fmt.Sprintf("%s contains %q, which stands before it", p, j.literal)
	}
	return ""
}

func (t template) hasBodyAt(i int) bool {
	return i >= 0 && i < len(t.parts) && (t.parts[i].kind == partBody || t.parts[i].kind == partPlainBody)
}

// maxHead is how much of the signed text is looked at for the beginning or end of a body, in bytes.
const maxHead = 16 << 10

// endBeforeBody returns where in text, which ends with literal, the value ends: before the
// literal that stands before what only a body can begin with, else before the first one.
func endBeforeBody(text, literal string, body []byte) int {
	text += string(body[:min(len(body), maxHead)])
	text = text[:min(len(text), maxHead)]
	if at := strings.IndexFunc(text, opening); at >= 0 {
		if head := strings.TrimRight(text[:at], spaces); strings.HasSuffix(head, literal) {
			return len(head) - len(literal)
		}
	}
	return strings.Index(text, literal)
}

// startBehindBody is the reverse: how far behind the body the literal of a value begins.
func startBehindBody(text, literal string, body []byte) int {
	body = body[max(0, len(body)-maxHead):]
	size := len(body)
	text = string(body) + text
	if at := strings.LastIndexFunc(text, closing); at >= 0 {
		_, n := utf8.DecodeRuneInString(text[at:])
		if rest := strings.TrimLeft(text[at+n:], spaces); strings.HasPrefix(rest, literal) {
			return len(text) - len(rest) - size
		}
	}
	return strings.LastIndex(text, literal) - size
}

// checkBesideBody is about a value that meets the body with nothing between.
func (j *joint) checkBesideBody(t template, in *input, p part, value string) string {
	before, body := j.rule == ruleOpening, in.bodyText(t.parts[j.near])
	if p.isURL() {
		return checkURLBesideBody(in, body, before)
	}
	edge := opens(body)
	if !before {
		edge = closes(body)
	}
	if !edge {
		return fmt.Sprintf("the body, which is not JSON or XML: nothing tells it from %s", p)
	}
	odd := strings.TrimSpace(value) != value || strings.ContainsFunc(value, opening) && before || strings.ContainsFunc(value, closing) && !before
	if odd {
		return fmt.Sprintf("%s could have a part of the body", p)
	}
	return ""
}

// checkURLBesideBody is the same of the URL, which may have brackets in pairs: a list that begins
// behind it, or ends before it, must be JSON as a whole.
func checkURLBesideBody(in *input, body []byte, before bool) string {
	body = bytes.Trim(body, spaces)
	if before && !opens(body) || !before && !closes(body) {
		return "the body, which is not JSON or XML: nothing tells it from the URL"
	}
	list := len(body) > 0 && (before && body[0] == '[' || !before && body[len(body)-1] == ']')
	if !plainURL(in.request.Host, in.target()) || list && !gjson.ValidBytes(body) || len(body) == 0 && strings.HasSuffix(in.target(), "]") {
		return "the URL could have a part of the body"
	}
	return ""
}

// spaces are what may stand around JSON (RFC 8259, section 2).
const spaces = " \t\r\n"

// opening reports whether JSON, XML or what is no text begins with c, and no value does.
func opening(c rune) bool { return c == '{' || c == '[' || c == '"' || c == '<' || odd(c) }

// closing is the same of their ends.
func closing(c rune) bool { return c == '}' || c == ']' || c == '"' || c == '>' || odd(c) }

// odd are characters that neither URLs nor values of headers have.
func odd(c rune) bool { return c < ' ' && c != '\t' && c != '\r' && c != '\n' || c >= 0x7f }

// opens reports whether a body is empty, or begins as no value does.
func opens(body []byte) bool {
	body = bytes.TrimLeft(body, spaces)
	return len(body) == 0 || opening(rune(body[0]))
}

func closes(body []byte) bool {
	body = bytes.TrimRight(body, spaces)
	return len(body) == 0 || closing(rune(body[len(body)-1]))
}

// plainURL reports whether nothing of JSON or XML stands in the URL: what RFC 3986 does not
// allow there, but for brackets in pairs, which many put into queries.
func plainURL(host, target string) bool {
	if strings.ContainsFunc(host+target, func(c rune) bool { return strings.ContainsRune("{}\"<> \t\r\n", c) || odd(c) }) {
		return false
	}
	inside := false
	for _, c := range target {
		if c == '[' && inside || c == ']' && !inside {
			return false
		}
		inside = inside && c != ']' || c == '['
	}
	return !inside
}

var knownMethods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// bodyText is the body as it is signed.
func (in *input) bodyText(p part) []byte {
	if p.kind == partPlainBody && in.request.gzipped() {
		return in.request.plain()
	}
	return in.request.Body
}

// text is what p has in the content; of a URL only path and query, since a host has none of the
// characters that matter.
func (in *input) text(p part) string {
	switch {
	case p.kind == partID:
		return in.id
	case p.kind == partTimestamp:
		return in.timestamp
	case p.kind == partSource:
		value, _ := p.source.extract(in.document)
		return value
	case p.kind == partURLWithoutQuery:
		return in.request.path()
	case p.isURL() && p.kind != partPath:
		return in.target()
	}
	text, err := p.append(nil, in)
	if err != nil {
		return ""
	}
	return string(text)
}

// accountInURL is how a form of Twilio's or SignalWire's begins, its name and value side by side.
var accountInURL = regexp.MustCompile(`AccountSid(AC[0-9a-f]|[0-9a-f]{8}-)`)

// checkURLBesideForm refuses a URL that has the beginning of a form in it. A form that moved
// as a whole leaves an empty body; only GET has none.
func checkURLBesideForm(in *input) string {
	r := in.request
	plain := plainURL(r.Host, r.target()) || plainURL(r.Host, in.target()) // one of the two may have other letters raw
	if !plain || accountInURL.MatchString(in.target()) ||
		!in.digested && len(r.Body) == 0 && r.Method != http.MethodGet && r.query() != "" {
		return "the URL could have a part of the form"
	}
	return ""
}

// checkNames refuses a form with a field whose name could have a part of a value in it: names and
// values are signed with nothing between.
func (j *joint) checkNames(in *input) string {
	if in.digested {
		return ""
	}
	fields, err := parseFields(string(in.request.Body))
	if err != nil || j.only && len(fields) != 1 {
		return "the form, which has other fields than the provider's"
	}
	return checkNames(fields, j.pattern)
}

func checkNames(fields []field, pattern *regexp.Regexp) string {
	for _, f := range fields {
		if !pattern.MatchString(f.name) {
			return "the name of a field, which could have a part of a value"
		}
	}
	return ""
}
