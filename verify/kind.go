package verify

import (
	"bytes"
	"mime"
	"slices"
	"strings"
)

// bodyKind is how a body is written.
type bodyKind int

const (
	kindOther     bodyKind = iota // nothing that has fields or members, or empty
	kindJSON                      // an object or an array
	kindForm                      // application/x-www-form-urlencoded
	kindMultipart                 // multipart/form-data
)

// kindOf tells the kind by how the body begins. It does not look at Content-Type,
// which no provider signs: an attacker who has seen a webhook could send it again under
// another type, and so hide its id and its event type, or have text inside of JSON
// taken for the fields of a form. The beginnings cannot be mistaken: senders of forms
// escape brackets and quotes.
func kindOf(body []byte) bodyKind {
	if bytes.HasPrefix(body, []byte("--")) {
		return kindMultipart
	}
	text := bytes.TrimLeft(body, " \t\r\n") // RFC 8259, section 2
	if len(text) == 0 {
		return kindOther
	}
	switch text[0] {
	case '{', '[':
		return kindJSON
	case '<', '"':
		return kindOther
	}
	return kindForm
}

// kind is that of the request's body.
func (d *document) kind() bodyKind {
	c := d.content()
	if !c.seen {
		c.seen, c.is = true, kindOf(d.body())
	}
	return c.is
}

// maxContentType bounds a Content-Type that is parsed, in bytes: each parameter takes memory.
const maxContentType = 1 << 10

// labelled reports whether the request's Content-Type says what the body is, or nothing,
// so that an application which believes the header reads what we read. JSON comes under
// many types, such as text/plain, but under none of another format that applications parse.
func (d *document) labelled() bool {
	types := d.request.Header["Content-Type"]
	if len(types) == 1 && (d.kind() == kindForm && types[0] == mediaForm || d.kind() == kindJSON && types[0] == mediaJSON) {
		return true // as nearly all are: nothing to parse
	}
	switch {
	case len(types) == 0:
		return d.kind() != kindMultipart // which needs the boundary
	case len(types) > 1:
		return false
	case len(d.body()) == 0:
		return true
	}
	if len(types[0]) > maxContentType {
		return false
	}
	media, parameters, err := mime.ParseMediaType(types[0])
	if err != nil || !plainCharset(parameters["charset"]) || !saidOnce(types[0], "charset") {
		return false
	}
	switch d.kind() {
	case kindForm:
		return media == mediaForm
	case kindMultipart:
		boundary := boundaryOf(d.body())
		return media == mediaMultipart && parameters["boundary"] == boundary && saidOnce(types[0], "boundary") && !strings.Contains(boundary, ",")
	case kindJSON:
		return !isOtherFormat(media)
	}
	return media != mediaForm && media != mediaMultipart
}

// otherFormats are subtypes of media types, without x-, and suffixes (RFC 6839), of formats
// that programs parse or show, and that are not JSON.
var otherFormats = []string{
	"www-form-urlencoded", "xml", "xml-dtd", "html", "yaml", "toml", "csv", "tab-separated-values", "markdown", "css", "rtf", "edn", "amf", "plist",
	"cbor", "cbor-seq", "msgpack", "vnd.msgpack", "bson", "protobuf", "vnd.google.protobuf", "grpc", "wbxml", "fastinfoset", "ber", "der", "avro", "thrift",
	"gzip", "zip", "tar", "zstd", "pdf", "postscript", "graphql", "java-serialized-object", "php-serialized",
}

// isOtherFormat reports whether a media type says that the body is certainly no JSON.
func isOtherFormat(media string) bool {
	family, subtype, _ := strings.Cut(media, "/")
	switch family {
	case "multipart", "message", "image", "audio", "video", "font", "model":
		return true
	}
	suffix := subtype[strings.LastIndexByte(subtype, '+')+1:]
	return slices.Contains(otherFormats, strings.TrimPrefix(subtype, "x-")) || slices.Contains(otherFormats, suffix)
}

// saidOnce reports whether simple parsers find the same parameter as correct ones. A simple
// parser searches for the name alone: PHP takes the first "boundary", also in xboundary or
// inside of quotes.
func saidOnce(contentType, parameter string) bool {
	before, after, found := strings.Cut(strings.ToLower(contentType), parameter)
	if !found {
		return true
	}
	before = strings.TrimRight(before, " \t")
	return strings.HasSuffix(before, ";") && strings.Count(before, `"`)%2 == 0 &&
		strings.HasPrefix(after, "=") && !strings.Contains(after, parameter)
}

// plainCharset reports whether names and punctuation are in it what they are in
// ASCII. In UTF-7 or IBM037, say, the same bytes are another body.
func plainCharset(name string) bool {
	switch strings.ToLower(name) {
	case "", "utf-8", "utf8", "us-ascii", "iso-8859-1", "windows-1252":
		return true
	}
	return false
}
