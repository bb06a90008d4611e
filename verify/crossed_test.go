package verify

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// crossings are the webhook r with the name also in the other place than source's.
func crossings(r func() *Request, source Source, name string) (made []*Request) {
	if source.From != FromQuery {
		for _, before := range []bool{true, false} {
			changed := r()
			path, query, _ := strings.Cut(changed.URI, "?")
			if before {
				changed.URI = path + "?" + name + "=EVIL&" + query
			} else {
				changed.URI = path + "?" + query + "&" + name + "=EVIL"
			}
			made = append(made, changed)
		}
		return made
	}
	asForm := r()
	asForm.Header.Set("Content-Type", mediaForm)
	asForm.Body = []byte("x=1&" + name + "=EVIL")
	made = append(made, asForm)
	if plain, err := url.QueryUnescape(name); err == nil && plain == source.Name {
		asJSON := r()
		asJSON.Header.Set("Content-Type", mediaJSON)
		asJSON.Body = []byte(`{"x":1,"` + plain + `":"EVIL"}`)
		made = append(made, asJSON)
	}
	return made
}

// TestSameNameElsewhere: what proves a webhook, or says what event it is, and comes in a
// form, does not come in the query too where that is not signed; and the reverse.
func TestSameNameElsewhere(t *testing.T) {
	rows := map[string]bool{}
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		s := v.usedScheme(x.request(t))
		for _, source := range s.crossed {
			genuine := x.request(t)
			own := map[bool]Source{true: query(source.field()), false: form(source.field())}[source.From == FromQuery]
			if values := own.lookup(new(document).open(genuine, asSent)); len(values) != 1 {
				continue
			}
			if _, err := v.Verify(genuine); err != nil {
				t.Fatal(err)
			}
			for _, name := range append(aliasesOf(own.Name), url.QueryEscape(own.Name), "?"+url.QueryEscape(own.Name)) {
				for _, r := range crossings(func() *Request { return x.request(t) }, own, name) {
					rows[x.provider.Name] = true
					if _, err := v.Verify(r); !isAmbiguous(err) {
						t.Errorf("%s: with %q too: %v: %s %.200q", source, name, err, r.URI, r.Body)
					}
				}
			}
		}
	})
	for _, name := range []string{"gitea", "braintree", "mailgun", "slack", "mattermost", "mercado-pago"} {
		if !rows[name] {
			t.Errorf("%s was not attacked", name)
		}
	}
}

// signedField is a scheme that signs one value of the webhook, and no more.
func signedField(t *testing.T, content string) *Verifier {
	return customVerifier(t, hmacScheme(func(s *Scheme) { s.Content = content }))
}

// fieldRequest has the value 7 of order_id signed.
func fieldRequest(contentType, uri, body string) *Request {
	return &Request{Method: "POST", Scheme: "https", Host: "h", URI: uri, Body: []byte(body),
		Header: http.Header{"X-Signature": {hexHMAC("7")}, "Content-Type": {contentType}}}
}

// TestFieldThatSomeTakeForTheSignedOne has the ways that testers found.
func TestFieldThatSomeTakeForTheSignedOne(t *testing.T) {
	inForm, inQuery := signedField(t, "{form.order_id}"), signedField(t, "{query.order_id}")
	part := func(disposition, value string) string {
		return "--B\r\nContent-Disposition: " + disposition + "\r\n\r\n" + value + "\r\n"
	}
	const usual = "multipart/form-data; boundary=B"
	signed := part(`form-data; name="order_id"`, "7")
	for name, c := range map[string]struct {
		v     *Verifier
		media string
		uri   string
		body  string
	}{
		"genuine":                      {inForm, usual, "/", signed + "--B--\r\n"},
		"genuine, quoted boundary":     {inForm, `multipart/form-data; charset=utf-8; boundary="B"`, "/", signed + "--B--\r\n"},
		"genuine, unquoted name":       {inForm, "Multipart/Form-Data;boundary=B", "/", part(`form-data; name=order_id`, "7") + "--B--\r\n"},
		"genuine, a file as .NET":      {inForm, usual, "/", signed + part(`form-data; name=file; filename="ä.txt"; filename*=utf-8''%C3%A4.txt`, "x") + "--B--\r\n"},
		"genuine, a file as IE":        {inForm, usual, "/", signed + part(`form-data; name="file"; filename="C:\my name.txt"`, "x") + "--B--\r\n"},
		"genuine, urlencoded":          {inForm, mediaForm, "/?a=1", "order_id=7&a=2"},
		"genuine, in the query":        {inQuery, mediaForm, "/?order_id=7", "x=1"},
		"genuine, JSON beside":         {inQuery, mediaJSON, "/?order_id=7", `{"order":{"order_id":"EVIL"}}`},
		"!continuations":               {inForm, usual, "/", signed + part(`form-data; name*0="order"; name*1="_id"`, "EVIL") + "--B--\r\n"},
		"!continuations, in front":     {inForm, usual, "/", part(`form-data; name*0="order"; name*1="_id"`, "EVIL") + signed + "--B--\r\n"},
		"!continuations, encoded":      {inForm, usual, "/", signed + part(`form-data; name*0*=utf-8''or; name*1="der_id"`, "EVIL") + "--B--\r\n"},
		"!continuations beside a name": {inForm, usual, "/", signed + part(`form-data; name="x"; name*0="order"; name*1="_id"`, "EVIL") + "--B--\r\n"},
		"!continuations behind a file": {inForm, usual, "/", signed + part(`form-data; name="x"; filename="f"; name*0="order"; name*1="_id"`, "EVIL") + "--B--\r\n"},
		"!continuations, spaced":       {inForm, usual, "/", signed + part(`form-data; NAME *0 ="order"; name*1="_id"`, "EVIL") + "--B--\r\n"},
		"!an encoded parameter":        {inForm, usual, "/", signed + part(`form-data; name*=utf-8''%6frder%5fid`, "EVIL") + "--B--\r\n"},
		"!an encoded word":             {inForm, usual, "/", signed + part(`form-data; name="=?utf-8?B?b3JkZXJfaWQ=?="`, "EVIL") + "--B--\r\n"},
		"!a backslash":                 {inForm, usual, "/", signed + part(`form-data; name="order\_id"`, "EVIL") + "--B--\r\n"},
		"!backslashes":                 {inForm, usual, "/", signed + part(`form-data; name="\o\r\d\e\r_id"`, "EVIL") + "--B--\r\n"},
		"!a semicolon":                 {inForm, usual, "/", signed + part(`form-data; name="x; name=order"; x="_id"`, "EVIL") + "--B--\r\n"},
		"!inside of a file's name":     {inForm, usual, "/", signed + part(`form-data; name="x"; filename="a\"; name=\"order\_id"`, "EVIL") + "--B--\r\n"},
		"!two dispositions":            {inForm, usual, "/", signed + part("form-data; name=\"x\"\r\nContent-Disposition: form-data; name=\"order\\_id\"", "EVIL") + "--B--\r\n"},
		"!a folded disposition":        {inForm, usual, "/", signed + part("form-data; name=\"order\r\n _id\"", "EVIL") + "--B--\r\n"},
		"!no name":                     {inForm, usual, "/", signed + part(`form-data; filename*0="order"; filename*1="_id"`, "EVIL") + "--B--\r\n"},

		"!a question mark in front":       {inForm, mediaForm, "/", "?order_id=EVIL&order_id=7"},
		"!a question mark, encoded":       {inForm, mediaForm, "/", "%3Forder_id=EVIL&order_id=7"},
		"!a question mark in the query":   {inQuery, mediaForm, "/cq??order_id=EVIL&order_id=7", "x=1"},
		"!another parameter like it":      {inForm, "multipart/form-data; xboundary=C; boundary=B", "/", signed + "--B--\r\n"},
		"!inside of quotes":               {inForm, `multipart/form-data; x="; boundary=C"; boundary=B`, "/", signed + "--B--\r\n"},
		"!inside of quotes, behind":       {inForm, `multipart/form-data; boundary=B; x="; boundary=C"`, "/", signed + "--B--\r\n"},
		"!another case":                   {inForm, `multipart/form-data; x=BOUNDARY; boundary=B`, "/", signed + "--B--\r\n"},
		"!an encoded boundary":            {inForm, "multipart/form-data; boundary*=utf-8''B", "/", signed + "--B--\r\n"},
		"!boundary in pieces":             {inForm, "multipart/form-data; boundary*0=B", "/", signed + "--B--\r\n"},
		"!charset inside of quotes":       {inForm, mediaForm + `; x="; charset=ibm037"`, "/", "order_id=7"},
		"!in the query too":               {inForm, mediaForm, "/?order_id=EVIL", "order_id=7"},
		"!in the query too, same":         {inForm, mediaForm, "/?order_id=7", "order_id=7"},
		"!in the query too, multipart":    {inForm, usual, "/?order.id=EVIL", signed + "--B--\r\n"},
		"!in the body too":                {inQuery, mediaForm, "/?order_id=7", "x=1&order_id=EVIL"},
		"!in the body too, as PHP has it": {inQuery, mediaForm, "/?order_id=7", "x=1&order+id[x]=EVIL"},
		"!in the body too, multipart":     {inQuery, usual, "/?order_id=7", part(`form-data; name="order_id"`, "EVIL") + "--B--\r\n"},
		"!in the body too, JSON":          {inQuery, mediaJSON, "/?order_id=7", `{"order_id":"EVIL"}`},
		"!in the body too, null":          {inQuery, mediaJSON, "/?order_id=7", `{"ORDER_ID":null}`},
	} {
		_, err := c.v.Verify(fieldRequest(c.media, c.uri, c.body))
		if genuine := !strings.HasPrefix(name, "!"); genuine && err != nil || !genuine && !isAmbiguous(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBothPlacesSigned: what the signature covers in both places is the provider's own.
func TestBothPlacesSigned(t *testing.T) {
	for content, signed := range map[string]string{
		"{form.order_id}.{query.order_id}": "7.8",
		"{path_query}|{form.order_id}":     "/?order_id=8|7",
		"{body}|{path_query}":              "order_id=7|/?order_id=8",
		"{body}|{query.order_id}":          "order_id=7|8",
	} {
		r := fieldRequest(mediaForm, "/?order_id=8", "order_id=7")
		r.Header.Set("X-Signature", hexHMAC(signed))
		if _, err := signedField(t, content).Verify(r); err != nil {
			t.Errorf("%s: %v", content, err)
		}
	}
}

// TestSameNameBesideWhatIsWhollySigned: a form that is signed to the last byte, with a
// query that is not, and the reverse.
func TestSameNameBesideWhatIsWhollySigned(t *testing.T) {
	const body, multipart = "text=hello&user_id=7&x%5Ba%5D=1", "--B\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\nhello\r\n--B--\r\n"
	for _, c := range []struct {
		content, media, uri, body string
		refused                   bool
	}{
		{"{body}", mediaForm, "/?team=a&texts=1&te=xt", body, false},
		{"{body}", mediaForm, "/?", body, false},
		{"{body}", mediaForm, "/?&=1", body, false},
		{"{body}", mediaJSON, "/?text=EVIL", `{"text":"hello"}`, false},
		{"{body}", "text/plain", "/?hello=EVIL", "hello", true}, // some take it for a form
		{"{body}", mediaForm, "/?text=EVIL", body, true},
		{"{body}", mediaForm, "/?a=1&TEXT=EVIL", body, true},
		{"{body}", mediaForm, "/?te%78t[]=EVIL", body, true},
		{"{body}", mediaForm, "/??text", body, true},
		{"{body}", mediaForm, "/?user.id=EVIL", body, true},
		{"{body}", mediaForm, "/?x=EVIL", body, true},
		{"{body}", "multipart/form-data; boundary=B", "/?text=EVIL", multipart, true},
		{"{body}", "multipart/form-data; boundary=B", "/?team=a", multipart, false},
		{"{body_sha256_hex}", mediaForm, "/?text=EVIL", body, true},
		{"{path_query}|{body}", mediaForm, "/?text=a", body, false},
		{"{path_query}", mediaForm, "/?text=a", "text=EVIL", true},
		{"{path_query}", mediaForm, "/?text=a", "+tex%74=EVIL", true},
		{"{path_query}", mediaForm, "/?text=a", "other=1", false},
	} {
		v := customVerifier(t, hmacScheme(func(s *Scheme) { s.Content = c.content }))
		r := &Request{Method: "POST", Scheme: "https", Host: "h", URI: c.uri, Header: http.Header{"Content-Type": {c.media}}, Body: []byte(c.body)}
		if err := v.Sign(r, testTime); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(r); c.refused && !isAmbiguous(err) || !c.refused && err != nil {
			t.Errorf("%s, %s with %q: %v", c.content, c.uri, c.body, err)
		}
	}
}

// TestSpellingsInTheQuery: however a field of a signed form is spelled in the query beside it.
func TestSpellingsInTheQuery(t *testing.T) {
	v := providerVerifier(t, "slack")
	for query, refused := range map[string]bool{
		"a=1;user_id=evil": true, "x=1%0auser_id=evil": true, "user_id.x=evil": true, "a=1%26user_id=evil": true,
		"&amp;user_id=evil": true, "user_id;=evil": true, "a=b?user_id=evil": true, "%252575ser_id=evil": true,
		"_charset_=utf-7": true, "_method=PUT": true, "%5fcharset%5f=x": true, "a.b.user_id.c=1": false, "user.id.x=1": true,
		"user_id]=1": true, "x=%253Buser_id%253D1": true, "USER+ID=1": true, "user_id": true, "user_id%00x=1": true,
		"team=a&users=1&id=user_id": false, "next=%2Fa%2Fb": false, "a=1;b=2": false, "": false,
	} {
		r := jointRequest("/in?"+query, "token=x&user_id=U1&text=hello")
		r.Header.Set("Content-Type", mediaForm)
		if err := v.Sign(r, testTime); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(r); refused && !isAmbiguous(err) || !refused && err != nil {
			t.Errorf("?%s: %v", query, err)
		}
	}
}

// TestNamesOfWhollySignedForms: no row's webhook passes with one of the names of its form in a
// query that is not signed.
func TestNamesOfWhollySignedForms(t *testing.T) {
	rows := map[string]bool{}
	eachVector(t, func(t *testing.T, x *vector) {
		v, genuine := x.verifier(t), x.request(t)
		s := v.usedScheme(genuine)
		if s.looseBody || !s.looseQuery || kindOf(genuine.Body) != kindForm {
			return
		}
		for pair := range strings.SplitSeq(string(genuine.Body), "&") {
			name, _, isPair := strings.Cut(pair, "=")
			if !isPair || name == "" {
				continue
			}
			r := x.request(t)
			path, query, _ := strings.Cut(r.URI, "?")
			r.URI = path + "?" + strings.Trim(query+"&"+name+"=EVIL", "&")
			if _, err := v.Verify(r); !isAmbiguous(err) {
				t.Errorf("with %s in the query: %v", name, err)
			}
			rows[x.provider.Name] = true
		}
	})
	for _, name := range []string{"slack", "github"} {
		if !rows[name] {
			t.Errorf("%s was not attacked: %v", name, rows)
		}
	}
}
