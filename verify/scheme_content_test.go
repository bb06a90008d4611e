package verify

import (
	"strings"
	"testing"
)

// TestContentsThatProveNothing: a scheme that would accept anything, or nothing, is refused
// when it is read.
func TestContentsThatProveNothing(t *testing.T) {
	const (
		nothing    = "has nothing of what a webhook says"
		impossible = "has the signature in it"
		both       = "a body is JSON or a form, never both"
		unsigned   = "so it protects from nothing: put {header.X-Digest} into the content"
		itself     = "a body cannot have the digest of itself"
		noHeader   = "no header has such a name"
	)
	digest := func(s *Scheme) { s.BodyDigest = header("X-Digest") }
	stamp := func(s *Scheme) { s.Timestamp.Source = header("X-Time") }
	for _, c := range []struct {
		content string
		change  func(*Scheme)
		want    string // part of the error; empty: none
	}{
		{"hello", nil, nothing},
		{"{method}", nil, nothing},
		{"{path}", nil, nothing},
		{"{url_without_query}", nil, nothing},
		{"{id}", func(s *Scheme) { s.ID = header("X-Id") }, nothing},
		{"{timestamp}", stamp, nothing},
		{"{timestamp}", func(s *Scheme) { s.Timestamp.Source = jsonAt("/time") }, nothing},
		{"{json./time}", func(s *Scheme) { s.Timestamp.Source = jsonAt("/time") }, nothing},
		{"{timestamp}.{id}.{method}", func(s *Scheme) { stamp(s); s.ID = header("X-Id") }, nothing},
		{"{header.X-Y}", nil, nothing},
		{"{body}", func(s *Scheme) { s.Alternatives = []string{"hello"} }, nothing},
		{"{secret}", func(s *Scheme) { s.Algorithm = "sha256" }, nothing},
		{"{secret}{id}", func(s *Scheme) { s.Algorithm, s.ID = "sha256", header("X-Id") }, nothing},

		{"{header.X-Y}", digest, unsigned},
		{"{body}", digest, unsigned},
		{"{form_sorted}", digest, unsigned},
		{"{method}{url}", digest, unsigned},
		{"{header.x-digest}", func(s *Scheme) { digest(s); s.Alternatives = []string{"{url}"} }, unsigned},
		{"{url_without_query}", func(s *Scheme) { s.BodyDigest = query("sha") }, "put {query.sha} into the content"},
		{"{json./digest}", func(s *Scheme) { s.BodyDigest = jsonAt("/digest") }, itself},
		{"{form.digest}", func(s *Scheme) { s.BodyDigest = form("digest") }, itself},

		{"", func(s *Scheme) { s.Signature = jsonAt("/sig") }, impossible},
		{"{body}", func(s *Scheme) { s.Signature = form("sig") }, impossible},
		{"{plain_body}", func(s *Scheme) { s.Signature = jsonAt("/sig") }, impossible},
		{"{body_sha256_hex}", func(s *Scheme) { s.Signature = jsonAt("/sig") }, impossible},
		{"{form_sorted}", func(s *Scheme) { s.Signature = form("sig") }, impossible},
		{"{form.a}", func(s *Scheme) { s.Signature = Source{FromFormJSON, "a /sig"} }, impossible},
		{"{json./a}", func(s *Scheme) { s.Signature = jsonAt("/a") }, impossible},
		{"{header.x-signature}{body}", nil, impossible},
		{"{id}{body}", func(s *Scheme) { s.ID = header("X-Signature") }, impossible},
		{"{header.X-Digest}", func(s *Scheme) { digest(s); s.Signature = jsonAt("/sig") }, "the body has the signature in it"},
		{"{json./a}", func(s *Scheme) { s.Signature = form("sig") }, both},
		{"{json./a}{form.b}", nil, both},
		{"{id}{form.b}", func(s *Scheme) { s.ID = jsonAt("/id") }, both},

		{"", func(s *Scheme) { s.Signature = header("X-Sig:") }, noHeader},
		{"", func(s *Scheme) { s.Type = header("X Type") }, noHeader},
		{"", func(s *Scheme) { s.ID = header("X-Id\t") }, noHeader},
		{"{header.X-A:}{body}", nil, noHeader},
		{"{timestamp}{body}", func(s *Scheme) { s.Timestamp.Source = header("X-Zeit-Ä") }, noHeader},

		{"", nil, ""},
		{"{body}{header.X-Y}", nil, ""},
		{"{body_md5_hex}", nil, ""},
		{"{url}", nil, ""},
		{"{path_query}", nil, ""},
		{"{form_sorted}", nil, ""},
		{"{json./a}", func(s *Scheme) { s.Signature = jsonAt("/sig") }, ""},
		{"{timestamp}{id}", func(s *Scheme) { s.Timestamp.Source, s.ID = jsonAt("/time"), jsonAt("/token") }, ""},
		{"{query.data.id}", nil, ""},
		{"{header.x-digest}", digest, ""},
		{"{id}", func(s *Scheme) { digest(s); s.ID = header("x-digest") }, ""},
		{"{url_with_port}|{form_sorted}", func(s *Scheme) { s.BodyDigest = query("sha") }, ""},
		{"{header.x-time}{body}", func(s *Scheme) { s.Timestamp.Source = header("X-TIME") }, ""},
		{"{body}", func(s *Scheme) { s.Signature = header("x_sig") }, ""},
	} {
		s := hmacScheme(func(s *Scheme) {
			if s.Content = c.content; c.change != nil {
				c.change(s)
			}
		})
		_, err := Custom(s)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("content %q, %+v:\n%v\nwant an error with %q", c.content, s, err, c.want)
		}
	}
	for _, name := range []string{"X-Github-Delivery:", "X Type", "", "X-Ä", "X\nY", ":path"} {
		if _, err := ParseSource([]string{FromHeader, name}); err == nil {
			t.Errorf("a header of the name %q", name)
		}
	}
}

// TestRowsThatSignNothing: rows whose provider signs nothing of what a webhook says tell
// the operator so.
func TestRowsThatSignNothing(t *testing.T) {
	found := 0
	for _, p := range Providers() {
		schemes, err := p.compile(testSettings(p))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range schemes {
			if s.special != nil || s.canonical != nil || s.checkTells() == nil {
				continue
			}
			if found++; !strings.Contains(p.Notes, "and not the body") && !strings.Contains(p.Notes, "neither the query nor the body") {
				t.Errorf("%s: the notes do not tell that the body is not signed: %s", p.Name, p.Notes)
			}
		}
	}
	if found == 0 {
		t.Error("no row was found: this shows nothing")
	}
}
