package verify

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// unguardedJoints are joints of the table at which nothing tells the parts apart, with the reason.
// The row's Notes must say so, with these words.
var unguardedJoints = map[string]struct{ why, notes string }{
	"plivo-v2":   {"the nonce may be any text and so may the path; neither query nor body is signed at all", "between path and nonce characters could move"},
	"twilio":     {"names and values of a form have nothing between, and the URL before them neither", "signed with nothing between them"},
	"signalwire": {"the same, in its Compatibility API", "signed with nothing between them"},
}

// freeCanonicals are contents made by rules of the provider's own, with the reason why their parts can be told apart.
var canonicalJoints = map[string]string{
	"aws-sns":            "a line each; only the message may have line breaks, and all others are counted from the end",
	"contentful":         "a line each, and the headers checked for the text of the next; the URL is escaped",
	"hubspot-v3":         "as {method}{url}{body}{timestamp}: see writeHubspot",
	"mercado-pago":       "the values have no semicolon",
	"messagebird-legacy": "a line each, the query escaped, a digest of the body",
	"paddle-classic":     "each name and value with its length",
	"plivo-v3":           "the nonce has no dot; names and values of the form are not told apart: see the row's notes",
	"sinch-voice":        "a line each; neither headers nor paths have line breaks",
}

// TestJointsOfTheTable: of every row, the parts of what is signed can be told apart.
func TestJointsOfTheTable(t *testing.T) {
	unguarded := map[string]bool{}
	for _, p := range Providers() {
		schemes, err := p.compile(testSettings(p))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range schemes {
			if len(s.canonical) > 0 && canonicalJoints[p.Name] == "" {
				t.Errorf("%s: say how the parts of its content are told apart", p.Name)
			}
			if s.unguarded != nil || s.known && s.only == "" {
				unguarded[p.Name] = true
				if e := unguardedJoints[p.Name]; e.why == "" || !strings.Contains(p.Notes, e.notes) {
					t.Errorf("%s: %v: guard it, or list it here with the reason and tell it in the notes", p.Name, s.unguarded)
				}
			}
		}
	}
	for name := range unguardedJoints {
		if !unguarded[name] {
			t.Errorf("%s is listed, and guarded", name)
		}
	}
	if p, _ := Lookup("plivo-v3"); !strings.Contains(p.Notes, "signed with nothing between them") {
		t.Error("plivo-v3: the notes do not tell of the form")
	}
}

// jointScheme has an id, a time and a type in headers.
func jointScheme(content string) Scheme {
	return hmacScheme(func(s *Scheme) {
		s.Content, s.ID, s.Type = content, header("X-Id"), header("X-Event-Type")
		if strings.Contains(content, "{timestamp}") {
			s.Timestamp.Source = header("X-Time")
		}
	})
}

// TestContentsThatTouch are refused when they are read.
func TestContentsThatTouch(t *testing.T) {
	for content, want := range map[string]string{
		"{query.a}{query.b}{method}{path}":   "nothing tells where {query.a} ends and",
		"{id}{header.X-A}.{body}":            "{id}",
		"{timestamp}{id}{header.X-A}.{body}": "",
		"{id}{timestamp}{header.X-A}{body}":  "",
		"{body}{plain_body}":                 "{body} ends and {plain_body} begins",
		"{url}{form_sorted}":                 "{url} ends and {form_sorted} begins",
		"{json./a}{json./b}":                 "{json./a} ends and {json./b} begins",
		"{path}{id}{timestamp}":              "",
		"{form_sorted}{header.X-A}":          "",
		"{id}{timestamp}{json./a}":           "",
	} {
		if _, err := Custom(jointScheme(content)); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), content) {
			t.Errorf("%s: %v, want an error with %q", content, err, want)
		}
	}
	for _, content := range []string{
		"{timestamp}.{body}", "{id}.{timestamp}.{body}", "{timestamp}{body}", "{body}{timestamp}", "{method}{url}{body}", "{body}{url}",
		"{id}{timestamp}.{body}", "{id}{body}", "{timestamp}{query.a}", "{id}{body_sha256_hex}", "{method}{path}|{query.a}|{json./b}", "v0:{timestamp}:{body}",
		"{timestamp}.{id}.{header.X-Event-Type}.{body}", "{timestamp}|{json./id}|{json./amount}", "{body}.{header.X-A}.{timestamp}",
	} {
		if _, err := Custom(jointScheme(content)); err != nil {
			t.Errorf("%s: %v", content, err)
		}
	}
}

// shift is a webhook and another one that is signed by the same text.
type shift struct {
	name            string
	v               *Verifier
	genuine, forged *Request
	refused         bool // the genuine one, too: it could be the forged one of another
}

// change returns a copy of r that f has changed.
func change(r *Request, f func(*Request)) *Request {
	c := *r
	c.Header = r.Header.Clone()
	f(&c)
	return &c
}

// check signs the genuine one, which must be taken, and sends the forged one with its signature.
func (s *shift) check(t *testing.T) {
	t.Helper()
	err := s.v.Sign(s.genuine, testTime)
	if s.refused {
		if err == nil || !strings.Contains(err.Error(), DetailAmbiguousContent) {
			t.Errorf("%s: the genuine one: %v", s.name, err)
		}
	} else if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	signature := s.v.schemes[0].Signature.Name
	if s.refused { // sign it in spite of that
		in := newInput(s.genuine)
		defer in.release()
		in.timestamp, in.id = s.genuine.Header.Get("X-Time"), s.genuine.Header.Get("X-Id")
		sum, err := s.v.schemes[0].signer.sign(s.v.schemes[0].contents[0], in)
		if err != nil {
			t.Fatal(err)
		}
		s.genuine.Header.Set(signature, s.v.schemes[0].format.render(sum, in.timestamp))
	} else if _, err := s.v.Verify(s.genuine); err != nil {
		t.Errorf("%s: the genuine one: %v", s.name, err)
	}
	if s.genuine.Header.Get(signature) != "" {
		s.forged.Header.Set(signature, s.genuine.Header.Get(signature))
	}
	if want, got := s.text(s.genuine), s.text(s.forged); want != got {
		t.Errorf("%s: this shows nothing: %q is signed, then %q", s.name, want, got)
	}
	if _, err := s.v.Verify(s.forged); err == nil {
		t.Errorf("%s: accepted: %s %s %v %q", s.name, s.forged.Method, s.forged.URI, s.forged.Header, s.forged.Body)
	}
}

// text is what the first scheme signs of r.
func (s *shift) text(r *Request) string {
	in := newInput(r)
	defer in.release()
	sc := s.v.schemes[0]
	sc.format.parse(sc.Signature.lookup(in.document), in)
	if in.timestamp == "" {
		in.timestamp, _ = sc.Timestamp.extract(in.document)
	}
	in.id, _ = sc.ID.extract(in.document)
	in.digested = len(sc.BodyDigest.lookup(in.document)) > 0
	var text messageBuffer
	if err := sc.contents[0].writeTo(&text, in); err != nil {
		return err.Error()
	}
	return string(text)
}

const jointNow = "1767323045"

func jointRequest(uri, body string, headers ...string) *Request {
	r := &Request{Method: "POST", Scheme: "https", Host: "h", URI: uri, Body: []byte(body), Header: http.Header{"Content-Type": {mediaJSON}}}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return r
}

// TestValuesThatMove: of a webhook of provider custom, nothing moves from one value into another.
func TestValuesThatMove(t *testing.T) {
	custom := func(content string, options ...func(*Scheme)) *Verifier {
		s := jointScheme(content)
		for _, o := range options {
			o(&s)
		}
		return customVerifier(t, s)
	}
	both := func(a, b *Request) (*Request, *Request) { return a, b }
	set := func(headers ...string) func(*Request) {
		return func(r *Request) {
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
		}
	}
	withBody := func(body string, f func(*Request)) func(*Request) {
		return func(r *Request) { r.Body = []byte(body); f(r) }
	}
	var all []shift
	add := func(name string, v *Verifier, genuine *Request, f func(*Request), refused bool) {
		a, b := both(genuine, change(genuine, f))
		all = append(all, shift{name, v, a, b, refused})
	}
	jsonID := func(s *Scheme) { s.ID, s.Type = jsonAt("/id"), Source{} }

	add("a digit from the time to the id", custom("{id}{timestamp}.{body}"), jointRequest("/", "{}", "X-Id", "evt0", "X-Time", jointNow),
		set("X-Id", "evt", "X-Time", "0"+jointNow), false)
	add("from the id to the time", custom("{id}{timestamp}.{body}"), jointRequest("/", "{}", "X-Id", "evt", "X-Time", jointNow),
		set("X-Id", "evt1", "X-Time", jointNow[1:]), false)
	add("a part of the body as time", custom("{id}{timestamp}.{body}"), jointRequest("/", `{"at":"1767323045.{}"}`, "X-Id", "evt", "X-Time", jointNow),
		withBody(`{}"}`, set("X-Id", `evt`+jointNow+`.{"at":"`)), false)
	add("the type's dot", custom("{timestamp}.{id}.{header.X-Event-Type}.{body}"), jointRequest("/", `{"a":1}`, "X-Id", "e1", "X-Time", jointNow, "X-Event-Type", "invoice.paid"),
		withBody(`paid.{"a":1}`, set("X-Event-Type", "invoice")), false)
	add("the type's dot, to the id", custom("{timestamp}.{id}.{header.X-Event-Type}.{body}"), jointRequest("/", `{"a":1}`, "X-Id", "e1", "X-Time", jointNow, "X-Event-Type", "invoice.paid"),
		set("X-Id", "e1.invoice", "X-Event-Type", "paid"), false)
	add("the body, to the type", custom("{timestamp}.{id}.{header.X-Event-Type}.{body}"), jointRequest("/", `{"a":"x.{}"}`, "X-Id", "e1", "X-Time", jointNow, "X-Event-Type", "paid"),
		withBody(`{}"}`, set("X-Event-Type", `paid.{"a":"x`)), false)
	add("the id's end, to the body", custom("{id}{body}"), jointRequest("/", `{"a":1}`, "X-Id", "evt_12"),
		withBody(`2{"a":1}`, set("X-Id", "evt_1")), false)
	add("the body, to the id", custom("{id}{body}"), jointRequest("/", `{"a":1}`, "X-Id", "evt_1"),
		withBody("", set("X-Id", `evt_1{"a":1}`)), false)
	add("a separator in a value", custom("{timestamp}|{json./id}|{json./amount}", jsonID), jointRequest("/", `{"id":"R|x","amount":5}`, "X-Time", jointNow),
		withBody(`{"id":"R","amount":"x|5"}`, set()), true)
	add("the body, to the query", custom("{url}{body}"), jointRequest("/in?a[]=1", `{"a":1}`),
		func(r *Request) { r.URI, r.Body = r.URI+`{"a":1}`, nil }, false)
	add("a list, to the query", custom("{path_query}{body}"), jointRequest("/in?a=1", `[1,2]`),
		func(r *Request) { r.URI, r.Body = r.URI+`[1,2]`, nil }, false)
	add("the query, to the body", custom("{url}{body}"), jointRequest("/in?a[]=1", `{"a":1}`),
		func(r *Request) { r.URI, r.Body = "/in?a", []byte(`[]=1{"a":1}`) }, false)
	add("the body cut at the URL", custom("{body}{url}"), jointRequest("/in", `{"desc":"https://h/in?"}`),
		func(r *Request) { r.URI, r.Body = `/in?"}https://h/in`, []byte(`{"desc":"`) }, false)
	add("the body, to the nonce", custom("{body}.{header.X-A}.{timestamp}"), jointRequest("/", `{"a":"x.y"}`, "X-A", "n", "X-Time", jointNow),
		withBody(`{"a":"x`, set("X-A", `y"}.n`)), false)
	add("the nonce, to the body", custom("{body}.{header.X-A}.{timestamp}"), jointRequest("/", `{"a":"x"}`, "X-A", "n.m", "X-Time", jointNow),
		withBody(`{"a":"x"}.n`, set("X-A", "m")), false)
	add("the value, to the name", custom("{form_sorted}"), change(jointRequest("/", "Body=pay+bobFrom%2B1CEO&From=%2B15551234"), set("Content-Type", mediaForm)),
		func(r *Request) { r.Body = []byte("Body=pay+bob&From=%2B1CEO&From%2B15551234=") }, false)
	add("one content's value, another's body", custom("{timestamp}.{id}.{body}", func(s *Scheme) { s.Alternatives = []string{"{timestamp}.{body}"} }),
		jointRequest("/", `{"a":1}`, "X-Id", "e1", "X-Time", jointNow),
		func(r *Request) { r.Body = []byte(`e1.{"a":1}`); r.Header.Del("X-Id") }, false)
	for i := range all {
		if all[i].name == "one content's value, another's body" {
			checkAlternative(t, &all[i])
			continue
		}
		all[i].check(t)
	}
}

// checkAlternative is check where the forged one is signed as another content.
func checkAlternative(t *testing.T, s *shift) {
	if err := s.v.Sign(s.genuine, testTime); err != nil {
		t.Fatal(err)
	}
	s.forged.Header.Set("X-Signature", s.genuine.Header.Get("X-Signature"))
	verdict(t, s.v, s.forged, AmbiguousRequest, DetailAmbiguousContent)
}

// TestTimesThatCouldBeLonger: where a time meets text, its digits are counted.
func TestTimesThatCouldBeLonger(t *testing.T) {
	for _, text := range []string{"01767323045", "+1767323045", "00", "1_0", " 1", "", "-1"} {
		if _, ok := (Timestamp{}).parse(text); ok {
			t.Errorf("%q is a time", text)
		}
	}
	for _, text := range []string{"2026-01-02T3:04:05Z", "2026-01-02T03:04:05,1Z", "2026-01-02 03:04:05Z", "2026-01-02T03:04:05"} {
		if _, ok := (Timestamp{Unit: UnitRFC3339}).parse(text); ok {
			t.Errorf("%q is a time", text)
		}
	}
	if slices.Contains(units, "") {
		t.Error("a unit without a name")
	}
	for unit, text := range map[string]string{"": "1767323045", UnitMilliseconds: "1767323045000", UnitHTTPDate: "Fri, 02 Jan 2026 03:04:05 GMT", UnitRFC3339: "2026-01-02T03:04:05.123+02:00"} {
		at, ok := (Timestamp{Unit: unit}).parse(text)
		if !ok || !(Timestamp{Unit: unit}).exact(text, at) {
			t.Errorf("%s %q: %v", unit, text, at)
		}
	}
}
