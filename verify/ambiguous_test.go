package verify

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// aliasesOf are names that some application takes for name, as they stand in a form.
func aliasesOf(name string) []string {
	e := url.QueryEscape(name)
	first := "%" + strings.ToUpper(hexOf(name[0]))
	aliases := []string{
		e, first + url.QueryEscape(name[1:]), // it comes twice
		"+" + e, "%20" + e, "%09" + e, e + "+", e + "%00", e + "%00x", "%00" + e, e + "%0A", "%EF%BB%BF" + e,
		e + "[]", e + "[x]", e + "%5B%5D", e + "%5Bx%5D=1&y", "[" + e + "]", "%5B" + e + "%5D", e + "[", e + ".x",
		strings.ToUpper(name), strings.ToUpper(name[:1]) + name[1:] + "%00", "%u00" + hexOf(name[0]) + url.QueryEscape(name[1:]),
		"x=1;" + e, "x;" + e, "amp;" + e, "x=1%0d=&x=1\r\n" + e, "%25" + hexOf(name[0]) + url.QueryEscape(name[1:]), e + "%FF", e + "%3D1",
	}
	for plain, folded := range map[string]string{"s": "ſ", "k": "K", "i": "İ", "a": "ａ"} {
		if i := strings.Index(name, plain); i >= 0 {
			aliases = append(aliases, url.QueryEscape(name[:i]+folded+name[i+1:]))
		}
	}
	for _, made := range []string{".", " ", "["} { // what PHP makes an underscore of
		if i := strings.IndexByte(name, '_'); i >= 0 {
			aliases = append(aliases, url.QueryEscape(name[:i]+made+name[i+1:]))
		}
	}
	if i := strings.IndexByte(name, '.'); i >= 0 {
		aliases = append(aliases, url.QueryEscape(name[:i]+"_"+name[i+1:]))
	}
	return slices.DeleteFunc(aliases, func(alias string) bool { return strings.HasPrefix(alias, "%u00") && name[0] >= 0x80 })
}

func hexOf(c byte) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[c>>4], digits[c&15]})
}

// membersLike are names of JSON members that some application takes for name, quoted.
func membersLike(name string) []string {
	quoted := func(text string) string {
		q, _ := json.Marshal(text)
		return string(q)
	}
	names := []string{quoted(name), `"\u00` + hexOf(name[0]) + quoted(name[1:])[1:], quoted(strings.ToUpper(name)), quoted(name + "\x00"), quoted(name + "\x00x"), quoted("\ufeff" + name), quoted(name + " ")}
	for plain, folded := range map[string]string{"s": "ſ", "k": "K"} {
		if i := strings.Index(name, plain); i >= 0 {
			names = append(names, quoted(name[:i]+folded+name[i+1:]))
		}
	}
	return slices.DeleteFunc(names, func(q string) bool {
		return strings.ToUpper(name) == name && q == quoted(strings.ToUpper(name)) && q != quoted(name)
	})
}

// TestAddedFields: where single fields of a form or query prove a webhook, or say
// what event it is, and more can be added, nothing passes that some application would
// take for them.
func TestAddedFields(t *testing.T) {
	attacked := 0
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		for _, s := range v.schemes {
			for _, source := range looseOf(s, x.request(t), x.provider) {
				name, _, _ := strings.Cut(source.Name, " ")
				values := Source{map[bool]string{true: FromQuery, false: FromForm}[source.From == FromQuery], name}.lookup(new(document).open(x.request(t), asSent))
				if len(values) != 1 || source.From == FromJSON || source.From == FromHeader {
					continue
				}
				for _, alias := range aliasesOf(name) {
					for _, added := range addedField(t, x, source.From == FromQuery, alias) {
						attacked++
						otherKind := kindOf(added.Body) != kindOf(x.request(t).Body) // then nothing of it is found
						if _, err := v.Verify(added); !isAmbiguous(err) && (err == nil || !otherKind) {
							t.Errorf("%s: with %q too: %v: %s %.200q", source, alias, err, added.URI, added.Body)
						}
					}
				}
			}
		}
	})
	if attacked < 500 {
		t.Errorf("only %d attacks were made", attacked)
	}
}

// looseOf returns the places where s and its row look in r, and an attacker could add.
func looseOf(s *scheme, r *Request, row *Provider) []Source {
	sources := slices.Clone(s.loose)
	for _, group := range [][]Source{row.EventID, row.EventType} {
		for _, source := range group {
			if s.isLoose(source) {
				sources = append(sources, source)
			}
			if _, found := source.Extract(r); found {
				break
			}
		}
	}
	return sources
}

func isAmbiguous(err error) bool {
	refused, ok := errors.AsType[*Error](err)
	return ok && refused.Reason == AmbiguousRequest
}

// addedField is the webhook with another field, in front of its own and behind them.
func addedField(t *testing.T, x *vector, inQuery bool, name string) []*Request {
	const evil = "=EVIL"
	if inQuery {
		front, back := x.request(t), x.request(t)
		path, query, _ := strings.Cut(front.URI, "?")
		front.URI, back.URI = path+"?"+name+evil+"&"+query, path+"?"+query+"&"+name+evil
		return []*Request{front, back}
	}
	front, back := x.request(t), x.request(t)
	switch kindOf(front.Body) {
	case kindForm:
		front.Body = append([]byte(name+evil+"&"), front.Body...)
		back.Body = append(append(back.Body, '&'), name+evil...)
	case kindMultipart:
		raw, err := url.PathUnescape(strings.ReplaceAll(name, "+", " "))
		if err != nil || strings.ContainsAny(raw, "&=;\r\n") {
			return nil // only forms of the other kind have these
		}
		mark := "--" + boundaryOf(front.Body) + "\r\n"
		part := mark + "Content-Disposition: form-data; name=\"" + raw + "\"\r\n\r\nEVIL\r\n"
		front.Body = append([]byte(part), front.Body...)
		end := bytes.LastIndex(back.Body, []byte(strings.TrimSpace(mark)+"--"))
		back.Body = slices.Concat(back.Body[:end], []byte(part), back.Body[end:])
	}
	return []*Request{front, back}
}

// TestAddedMembers is the same for JSON, on every level of the way to a member.
func TestAddedMembers(t *testing.T) {
	attacked := 0
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		for _, s := range v.schemes {
			for _, source := range looseOf(s, x.request(t), x.provider) {
				field, pointer := "", source.Name
				if source.From == FromFormJSON {
					field, pointer, _ = strings.Cut(source.Name, " ")
				} else if source.From != FromJSON {
					continue
				}
				for _, added := range addedMembers(t, x, field, pointer) {
					attacked++
					if _, err := v.Verify(added); !isAmbiguous(err) {
						t.Errorf("%s: %v: %.300q", source, err, added.Body)
					}
				}
			}
		}
	})
	if attacked < 1000 {
		t.Errorf("only %d attacks were made", attacked)
	}
}

// addedMembers doubles each member on the way to pointer, in front and behind.
func addedMembers(t *testing.T, x *vector, field, pointer string) (attacks []*Request) {
	genuine := x.request(t)
	text := genuine.Body
	if field != "" {
		values := form(field).lookup(new(document).open(genuine, asSent))
		if len(values) != 1 {
			return nil
		}
		text = []byte(values[0])
	}
	for at := ""; pointer != ""; {
		object := strings.TrimSpace(whereIs(text, at))
		token, rest := nextToken(pointer)
		at, pointer = at+pointer[:len(pointer)-len(rest)], rest
		if whereIs(text, at) == "" || !strings.HasPrefix(object, "{") {
			continue
		}
		inside := object[1 : len(object)-1]
		for _, name := range membersLike(token) {
			for _, evil := range []string{`"EVIL"`, `[{"EVIL":1}]`, `{}`, "null"} {
				for _, changed := range []string{"{" + name + ":" + evil + "," + inside + "}", "{" + inside + "," + name + ":" + evil + "}"} {
					r := x.request(t)
					body := strings.Replace(string(text), object, changed, 1)
					if r.Body = []byte(body); field != "" {
						r.Body = bytes.Replace(genuine.Body, text, []byte(body), 1) // of a multipart form
						if bytes.Equal(r.Body, genuine.Body) {
							r.Body = []byte(field + "=" + url.QueryEscape(body))
						}
					}
					attacks = append(attacks, r)
				}
			}
		}
	}
	return attacks
}

func whereIs(text []byte, pointer string) string {
	found, _ := at(parseJSON(text), pointer)
	return found.Raw
}

// TestAmbiguousIdentity: a genuine body that has its id or type twice is accepted,
// but neither is believed: two events must not become one.
func TestAmbiguousIdentity(t *testing.T) {
	v := customVerifier(t, hmacScheme(func(s *Scheme) { s.ID, s.Type = jsonAt("/data/id"), jsonAt("/type") }))
	for body, want := range map[string][2]string{
		`{"data":{"id":"1"},"type":"t"}`:                             {"1", "t"},
		`{"data":{"id":"1","id":"2"},"type":"t"}`:                    {"", "t"},
		`{"data":{"id":"1","ID":"2"},"type":"t"}`:                    {"", "t"},
		`{"data":{"id":"1","\u0069d":"1"},"type":"t"}`:               {"", "t"},
		`{"data":{"id":"1"},"type":"t","type":"u"}`:                  {"1", ""},
		`{"data":{"id":"1"},"data":{"id":"2"},"type":"t","Type":1}`:  {"", ""},
		`{"data":{"id":"1","ids":"2","xid":3},"type":"t","types":1}`: {"1", "t"},
	} {
		r := &Request{Header: http.Header{"X-Signature": {hexHMAC(body)}}, Body: []byte(body)}
		verdict(t, v, r, "", "")
		if id, kind := v.Identify(r); id != want[0] || kind != want[1] {
			t.Errorf("%s: %q, %q, want %q", body, id, kind, want)
		}
	}
}

// TestHeaderAliases: a header that CGI takes for one that we read is refused.
func TestHeaderAliases(t *testing.T) {
	v := providerVerifier(t, "github")
	r := &Request{Method: "POST", Header: http.Header{"X-Github-Event": {"push"}, "X-Github-Delivery": {"1"}}, Body: []byte("{}")}
	if err := v.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"X_github_event", "X-Github_event", "X_Github-Delivery", "X_hub_signature_256", "Content_Type", "X.github.event"} {
		r.Header[name] = []string{"EVIL"}
		verdict(t, v, r, AmbiguousRequest, DetailAmbiguousHeader)
		delete(r.Header, name)
	}
	r.Header["X-Http-Method-Override"] = []string{"DELETE"}
	verdict(t, v, r, AmbiguousRequest, DetailAmbiguousHeader)
	r.Header["X-Http-Method-Override"] = []string{"post"}
	r.Header["X_other"] = []string{"1"}
	verdict(t, v, r, "", "")
	r.URI = "/?a=1&_method=DELETE"
	verdict(t, v, r, AmbiguousRequest, DetailAmbiguousField)
	r.URI = "/?a=1&method=DELETE"
	verdict(t, v, r, "", "")
	r.Header["X_github_delivery"] = []string{"2"}
	if _, ok := header("x-github-delivery").Extract(r); ok {
		t.Error("of two headers that CGI takes for one, one is believed")
	}
}

// TestUnsignedValues: what is signed like nothing, or like itself in another place,
// is refused where it is another value for the application.
func TestUnsignedValues(t *testing.T) {
	refused := func(provider, vector, old, changed string) {
		t.Helper()
		x := vectorOf(t, provider, vector)
		v, r := x.verifier(t), x.request(t)
		verdict(t, v, r, "", "")
		body := strings.Replace(string(r.Body), old, changed, 1)
		if body == string(r.Body) {
			t.Fatalf("%s: %q is not in %s", provider, old, body)
		}
		r.Body = []byte(body)
		if _, err := v.Verify(r); err == nil {
			t.Errorf("%s is accepted: %s", provider, r.Body)
		}
	}
	refused("adyen-payments", "authorisation", `]}`, `,{"NotificationRequestItem":{"eventCode":"EVIL"}}]}`)
	refused("adyen-payments", "authorisation", `"eventCode"`, `"originalReference":{"EVIL":1},"eventCode"`)
	refused("adyen-payments", "authorisation", `"eventCode"`, `"x":"`+"\xff"+`","eventCode"`)
	refused("aws-sns", "notification", `"MessageId"`, `"subject":"EVIL","MessageId"`)
	refused("aws-sns", "without a subject", `"MessageId"`, `"Subject":{"EVIL":1},"MessageId"`)
	refused("aws-sns", "without a subject", `"MessageId"`, `"Subject":true,"MessageId"`)
	refused("aws-sns", "notification", `"MessageId"`, `"signatureversion":"2","MessageId"`)
	refused("adyen-payments", "authorisation", `]}`, `]}{"notificationItems":[]}`)
	refused("adyen-payments", "authorisation", `"eventCode"`, `"x":`+strings.Repeat("[", 2000)+strings.Repeat("]", 2000)+`,"eventCode"`)
	refused("adyen-payments", "authorisation", `{`, "\ufeff{")
	refused("braintree", "dispute", `bt_payload=`, `_method=DELETE&bt_payload=`)
	refused("braintree", "dispute", `bt_payload=`, `_charset_=utf-7&bt_payload=`)
}

// TestCustomParts: a scheme of one's own is as strict as the rows.
func TestCustomParts(t *testing.T) {
	scheme := hmacScheme(func(s *Scheme) {
		s.Signature, s.Content = Source{FromFormJSON, "data /sig"}, "{form_json.data /a/id}.{query.n}"
		s.ID, s.Type = form("id"), query("type")
	})
	v := customVerifier(t, scheme)
	sig := hexHMAC("1.7")
	request := func(uri, form string) *Request {
		return &Request{Method: "POST", URI: uri, Header: http.Header{"Content-Type": {mediaForm}}, Body: []byte(form)}
	}
	data := "data=" + url.QueryEscape(`{"sig":"`+sig+`","a":{"id":1}}`)
	verdict(t, v, request("/?n=7&type=t", data+"&id=2"), "", "")
	for uri, forms := range map[string][]string{
		"/?n=7&N=8":            {data},
		"/?n=7&type=t&type[]=": {data},
		"/?n=7&n%00=8":         {data},
		"/?n=7": {
			data + "&id=1&id=2", data + "&id=1&Id=2", data + "&data.x=1", data + "&[data]=1", data + "&_method=PUT",
			"data=" + url.QueryEscape(`{"sig":"`+sig+`","a":{"id":1},"A":{"id":2}}`),
			"data=" + url.QueryEscape(`{"sig":"`+sig+`","SIG":"","a":{"id":1}}`),
			"data=" + url.QueryEscape(`{"sig":"`+sig+`","x":"`+"\xff"+`","a":{"id":1}}`),
		},
	} {
		for _, form := range forms {
			if _, err := v.Verify(request(uri, form)); !isAmbiguous(err) {
				t.Errorf("%s %s: %v", uri, form, err)
			}
		}
	}
}

// TestSeparators: a semicolon that the sender escapes is not signed as such. Raw, it
// ends a field for some.
func TestSeparators(t *testing.T) {
	v := providerVerifier(t, "twilio")
	r := &Request{Method: "POST", Scheme: "https", Host: "h", URI: "/", Header: http.Header{"Content-Type": {mediaForm}},
		Body: []byte("Body=hello%3BFrom%3D666&From=1")}
	if err := v.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	verdict(t, v, r, "", "")
	r.Body = []byte("Body=hello;From=666&From=1")
	verdict(t, v, r, AmbiguousRequest, DetailAmbiguousField)

	gitea := providerVerifier(t, "gitea")
	r.Body = []byte("payload=%7B%22a%22%3A%22%3Bpayload%3D%22%7D")
	if err := gitea.Sign(r, testTime); err != nil {
		t.Fatal(err)
	}
	verdict(t, gitea, r, "", "")
	for _, body := range []string{
		"payload=%7B%22a%22%3A%22;payload%3D%22%7D", "payload=%7B%22a%22%3A%22%3Bpayload%3D%22%7D;x=1", "x=1;y&payload=%7B%22a%22%3A%22%3Bpayload%3D%22%7D;payload",
	} {
		r.Body = []byte(body)
		verdict(t, gitea, r, AmbiguousRequest, DetailAmbiguousField)
	}
	r.Body = []byte("x=1;y&payload=%7B%22a%22%3A%22%3Bpayload%3D%22%7D&payload_url=x&pay-load=x&payloads=x&%5Fpayload=x")
	verdict(t, gitea, r, "", "") // other fields are other fields
}

// TestMultipartThatIsReadDifferently has no fields for us, or none that are certain.
func TestMultipartThatIsReadDifferently(t *testing.T) {
	part := func(disposition, more, value string) string {
		return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n" + more + "\r\n" + value + "\r\n"
	}
	token := part(`name="token"`, "", "1")
	for name, body := range map[string]string{
		"as usual":             token + part(`name="file"; filename="token.txt"`, "Content-Type: text/plain\r\n", "x") + "--b--\r\n",
		"without quotes":       part(`name=token`, "", "1") + "--b--",
		"!twice":               token + token + "--b--\r\n",
		"!a file":              token + part(`name="token"; filename="x"`, "", "2") + "--b--\r\n",
		"!two names":           token + part(`name="x"; name="token"`, "", "2") + "--b--\r\n",
		"!RFC 2231":            token + part(`name*=utf-8''token`, "", "2") + "--b--\r\n",
		"!a backslash":         token + part(`name="x\"; name=\"token"`, "", "2") + "--b--\r\n",
		"!other case":          token + part(`name="TOKEN"`, "", "2") + "--b--\r\n",
		"!an array":            token + part(`name="token[]"`, "", "2") + "--b--\r\n",
		"!escaped":             token + part(`name="%74oken"`, "", "2") + "--b--\r\n",
		"!quoted-printable":    part(`name="token"`, "Content-Transfer-Encoding: quoted-printable\r\n", "=31") + "--b--\r\n",
		"!another charset":     part(`name="token"`, "Content-Type: text/plain; charset=utf-16\r\n", "1") + "--b--\r\n",
		"!line feeds":          strings.ReplaceAll(token+"--b--\r\n", "\r\n", "\n"),
		"!a line feed inside":  token + part(`name="x"`, "", "1\n--b\nContent-Disposition: form-data; name=token\n\n2") + "--b--\r\n",
		"!a longer boundary":   token + part(`name="x"`, "", "1\r\n--bb\r\nContent-Disposition: form-data; name=token\r\n\r\n2") + "--b--\r\n",
		"!an epilogue":         token + "--b--\r\n" + token,
		"!no end":              token,
		"!a folded header":     token + "--b\r\nContent-Disposition: form-data;\r\n name=\"token\"\r\n\r\n2\r\n--b--\r\n",
		"!disposition, spaced": token + "--b\r\nContent-Disposition : form-data; name=\"token\"\r\n\r\n2\r\n--b--\r\n",
	} {
		r := &Request{Header: http.Header{"Content-Type": {"multipart/form-data; boundary=b"}}, Body: []byte(body)}
		if value, ok := form("token").Extract(r); ok == strings.HasPrefix(name, "!") {
			t.Errorf("%s: %q, %t", name, value, ok)
		}
	}
}
