package verify

import (
	"bytes"
	"mime"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// maxMultipartField bounds a field of a multipart form that is taken for a value.
const maxMultipartField = 256 << 10

// maxPartHead and maxPartHeads bound the headers of a part, and of all, in bytes: they are
// read before anything is known of the webhook. What is beyond may be any field.
const maxPartHead, maxPartHeads = 4 << 10, 256 << 10

// maxBoundary is the length of the longest boundary (RFC 2046, section 5.1.1).
const maxBoundary = 70

// formPart is one part of a multipart form.
type formPart struct {
	name  string
	file  bool
	odd   string // its headers, folded, if parsers read them differently
	any   bool   // parsers give it different names: it may be any field
	value []byte // a part of the body
}

// parseMultipart returns the parts of a multipart/form-data body, as providers write
// it. Its first line is the boundary: what the Content-Type says of it is not signed.
// A body that is written in any other way, such as with line feeds alone or with
// the boundary inside of a value, has no parts: others might read others.
func parseMultipart(body []byte) []formPart {
	boundary := boundaryOf(body)
	if boundary == "" {
		return nil
	}
	mark := []byte("\n--" + boundary)
	var parts []formPart
	heads := 0
	for rest := body[len("--"+boundary):]; len(parts) <= maxFormFields; {
		if end, last := bytes.CutPrefix(rest, []byte("--")); last {
			if len(bytes.TrimSpace(end)) > 0 {
				return nil
			}
			return parts
		}
		text, ok := bytes.CutPrefix(rest, []byte("\r\n"))
		section, after, found := bytes.Cut(text, mark)
		section, ended := bytes.CutSuffix(section, []byte("\r"))
		if !ok || !found || !ended {
			return nil
		}
		part := parsePart(section, maxPartHeads-heads)
		heads += len(section) - len(part.value)
		parts = append(parts, part)
		rest = after
	}
	return nil
}

var boundaries = regexp.MustCompile(`\A[0-9A-Za-z'()+_,./:=?-]{1,70}\z`)

// boundaryOf is what follows the two hyphens that a multipart body begins with.
func boundaryOf(body []byte) string {
	line, _, found := bytes.Cut(body[:min(len(body), maxBoundary+4)], []byte("\r\n"))
	boundary, marked := bytes.CutPrefix(line, []byte("--"))
	if !found || !marked || !boundaries.Match(boundary) {
		return ""
	}
	return string(boundary)
}

// plainDisposition is the usual header of a part. Backslashes, semicolons in names, parameters
// of other forms (name*=, name*0=) and repeated ones are read differently.
var plainDisposition = regexp.MustCompile(`(?i)\A *form-data; *name=(?:"([^"\\;]*)"|([0-9a-z_.-]+))(; *filename=(?:"[^"\\]*"|[0-9a-z_.-]+))? *\z`)

// oddFile is the header of a file whose name is not plain, as those of attachments often are.
var oddFile = regexp.MustCompile(`(?i)\A *form-data; *name=(?:"[^"\\;]*"|[0-9a-z_.-]+)(?:; *filename\*?=.*)?\z`)

// nameParameters are what could say the name of a field: one, or it is not certain.
var nameParameters = regexp.MustCompile(`(?i)[^a-z]name[ \t]*(?:\*[0-9*]*)?[ \t]*=`)

// parsePart takes a part apart, if its headers are no longer than room.
func parsePart(section []byte, room int) formPart {
	head, value, found := bytes.Cut(section, []byte("\r\n\r\n"))
	part := formPart{value: value}
	if len(head) > min(room, maxPartHead) {
		part.any = true
		return part
	}
	whole := found && bytes.Count(head, []byte("\n")) == bytes.Count(head, []byte("\r\n"))
	plain, described, named := true, 0, false
	for line := range strings.SplitSeq(string(head), "\r\n") {
		name, text, colon := strings.Cut(line, ":")
		switch strings.ToLower(name) {
		case "content-disposition":
			described++
			named = sayName(text)
			if match := plainDisposition.FindStringSubmatch(text); match != nil {
				part.name, part.file = match[1]+match[2], match[3] != ""
			} else {
				plain = false
			}
		case "content-transfer-encoding":
			plain = plain && slices.Contains([]string{"7bit", "8bit", "binary"}, strings.ToLower(strings.TrimSpace(text)))
		case "content-type":
			_, parameters, err := mime.ParseMediaType(text)
			plain = plain && err == nil && plainCharset(parameters["charset"])
		default:
			whole = whole && colon && !strings.ContainsAny(name, " \t")
		}
	}
	if part.any = !whole || described != 1 || !named; part.any || !plain {
		part.name, part.odd = "", foldName(string(head))
	}
	return part
}

// sayName reports whether all parsers find the same name in the header of a part, and the name
// is neither split nor encoded: RFC 2231 has name*0= and name*=, RFC 2047 has =?utf-8?Q?…?=.
func sayName(disposition string) bool {
	return oddFile.MatchString(disposition) && len(nameParameters.FindAllString(disposition, 2)) == 1 &&
		!strings.ContainsFunc(disposition, unicode.IsControl) && !strings.Contains(disposition, "=?")
}

// partValues returns the values of a field. It returns several if a file, or a part that
// parsers read differently, could be taken for the field. A value that is very large counts as empty.
func partValues(parts []formPart, name string) (values []string) {
	want := wanted{name: name}
	for _, part := range parts {
		is, alias := want.field(part.name)
		switch {
		case part.any:
			return several
		case part.odd != "":
			if strings.Contains(part.odd, want.fold()) {
				return several
			}
		case part.name == name && !part.file && len(part.value) <= maxMultipartField:
			values = append(values, string(part.value))
		case part.name == name && !part.file:
			values = append(values, "")
		case is || alias:
			return several
		}
		if len(values) > 1 {
			return several
		}
	}
	return values
}
