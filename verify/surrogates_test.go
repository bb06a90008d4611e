package verify

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf16"
)

// halves are JSON strings with half of a surrogate pair in them.
var halves = []string{
	`\ud800`, `\uD801`, `\udc00`, `\uDFFF`, `a\udbffb`, `\ud800\ud800`, `\ud800\u0041`, `\ud83d\ude00\ud83d`, `\\\ud800`, `\ud800\n`, `\ud800\\udc00`,
}

// TestHalfPairs: half of a surrogate pair is no value, so that two such values are not
// one, nor what was signed.
func TestHalfPairs(t *testing.T) {
	for _, half := range halves {
		if !hasHalfPair(half) {
			t.Errorf("%s: not found", half)
		}
		for _, source := range []Source{jsonAt("/id"), {FromFormJSON, "p /id"}} {
			body := `{"id":"` + half + `"}`
			if source.From == FromFormJSON {
				body = "p=" + url.QueryEscape(body)
			}
			r := &Request{Method: http.MethodPost, Header: http.Header{}, Body: []byte(body)}
			if value, ok := source.Extract(r); ok {
				t.Errorf("%s %s: the value is %q", source, half, value)
			}
			v := customVerifier(t, hmacScheme(func(s *Scheme) { s.ID, s.Type = source, source }))
			if err := v.Sign(r, testTime); err != nil {
				t.Fatal(err)
			}
			verdict(t, v, r, "", "") // the body is signed as a whole
			if id, kind := v.Identify(r); id != "" || kind != "" {
				t.Errorf("%s %s: id %q, type %q", source, half, id, kind)
			}
		}
		var decoded string
		if err := json.Unmarshal([]byte(`"`+half+`"`), &decoded); err != nil {
			t.Fatal(err)
		}
		v := signedField(t, "{json./id}")
		r := fieldRequest(mediaJSON, "/", `{"id":"`+half+`"}`)
		for _, signed := range []string{decoded, strings.ReplaceAll(decoded, "\ufffdA", "\ufffd"), "\ufffd", ""} {
			if r.Header.Set("X-Signature", hexHMAC(signed)); !isRefused(v, r) {
				t.Errorf("%s passes for the signed %q", half, signed)
			}
		}
	}
	for _, whole := range []string{``, `a`, `\ud83d\ude00`, `\uD83D\uDE00x`, `\\ud800`, `\\\\ud800`, `\ufffd`, `\"\u0041`, `\ue000`} {
		if hasHalfPair(whole) {
			t.Errorf("%s: half of a pair is found", whole)
		}
	}
	x := vectorOf(t, "adyen-payments", "authorisation")
	v := x.verifier(t)
	for _, field := range adyenFields {
		genuine := x.request(t)
		value := whereIs(genuine.Body, "/notificationItems/0/NotificationRequestItem"+field)
		if !strings.HasPrefix(value, `"`) {
			continue
		}
		genuine.Body = bytes.Replace(genuine.Body, []byte(value), []byte(`"\ud800`+value[1:]), 1)
		verdict(t, v, genuine, AmbiguousRequest, DetailAmbiguousMember)
	}
	r := vectorOf(t, "aws-sns", "notification").request(t)
	message := whereIs(r.Body, "/Message")
	r.Body = bytes.Replace(r.Body, []byte(message), []byte(`"\ud800"`), 1)
	if sns := vectorOf(t, "aws-sns", "notification").verifier(t); !isRefused(sns, r) {
		t.Error("sns: half of a pair is signed")
	}
}

// TestHalfPairsInUTF16 is the same for forms, where the text of the whole body is UTF-16.
func TestHalfPairsInUTF16(t *testing.T) {
	for _, unit := range []uint16{0xd800, 0xd801, 0xdc00, 0xfffd} {
		body := []byte{0xff, 0xfe}
		for _, u := range append(append(utf16.Encode([]rune("id=evt-")), unit), utf16.Encode([]rune("&type=paid"))...) {
			body = append(body, byte(u), byte(u>>8))
		}
		r := &Request{Method: http.MethodPost, Header: http.Header{}, Body: body}
		if value, ok := form("id").Extract(r); ok {
			t.Errorf("%x: the value is %q", unit, value)
		}
	}
}

func isRefused(v *Verifier, r *Request) bool {
	_, err := v.Verify(r)
	return err != nil
}

// TestJSONUnderAnotherName: where a member proves the webhook, or says what event it is,
// the Content-Type must not have an application parse the body as another format.
func TestJSONUnderAnotherName(t *testing.T) {
	other := []string{
		"application/xml", "text/xml", "application/soap+xml", "application/atom+xml; charset=utf-8", "Text/HTML", "application/xhtml+xml",
		"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml", "application/openapi+yaml", "application/cbor", "application/senml+cbor",
		"application/msgpack", "application/x-msgpack", "application/vnd.msgpack", "application/protobuf", "application/x-protobuf", "application/bson",
		"application/toml", "text/csv", "multipart/mixed; boundary=x", "image/svg+xml", "application/zip", "application/gzip",
		mediaForm, "multipart/form-data; boundary=x",
	}
	fine := []string{
		"", mediaJSON, "application/json; charset=utf-8", "text/json", "text/plain", "text/plain; charset=UTF-8", "text/javascript", "application/octet-stream",
		"application/vnd.api+json", "application/cloudevents+json", "application/csp-report", "application/x-json", "binary/octet-stream",
	}
	rows := map[string]bool{}
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		s := v.usedScheme(x.request(t))
		if d := new(document).open(x.request(t), asSent); d.kind() != kindJSON || !v.takesParts && !v.goesByBody || signsHeader(s, "Content-Type") {
			return
		}
		rows[x.provider.Name] = true
		for _, media := range x.provider.ContentTypes {
			if isOtherFormat(media) && media != mediaForm && media != mediaMultipart {
				t.Errorf("the provider sends %s", media)
			}
		}
		for _, media := range other {
			r := x.request(t)
			r.Header.Set("Content-Type", media)
			verdict(t, v, r, AmbiguousRequest, DetailMislabelledBody)
		}
		for _, media := range fine {
			r := x.request(t)
			if r.Header.Set("Content-Type", media); media == "" {
				r.Header.Del("Content-Type")
			}
			verdict(t, v, r, "", "")
		}
	})
	if len(rows) < 10 {
		t.Errorf("only %d rows were tried", len(rows))
	}
}

func signsHeader(s *scheme, name string) bool {
	for _, source := range s.looksAt() {
		if source == header(name) {
			return true
		}
	}
	return false
}

// TestTypesThatAreNoText: a number is a type, as with Discord's interactions; nothing
// else that is not text is.
func TestTypesThatAreNoText(t *testing.T) {
	v := customVerifier(t, hmacScheme(func(s *Scheme) { s.Type = jsonAt("/type") }))
	for value, want := range map[string]string{
		`"5"`: "5", `5`: "5", `-1.50`: "-1.50", `1e3`: "1e3", `true`: "", `false`: "", `null`: "", `{}`: "", `[5]`: "", `""`: "",
	} {
		if _, got := v.Identify(&Request{Body: []byte(`{"type":` + value + `}`)}); got != want {
			t.Errorf("%s: the type is %q, want %q", value, got, want)
		}
	}
}
