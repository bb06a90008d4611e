package verify

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/vectors"
)

// vector is one webhook that must be accepted, its row and its server of keys.
type vector struct {
	vectors.Vector
	provider *Provider
	keys     *keyServer
}

func (x *vector) verifier(t testing.TB) *Verifier {
	t.Helper()
	v, err := x.provider.NewVerifier(x.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func (x *vector) options() Options {
	o := Options{Secrets: slices.Clone(x.Secrets), PublicKeys: slices.Clone(x.PublicKeys), Settings: x.Settings, Now: x.Time}
	if x.keys != nil {
		o.Transport = x.keys.transport
	}
	return o
}

func (x *vector) request(t testing.TB) *Request {
	t.Helper()
	r := x.Request(t)
	return &Request{Method: r.Method, Scheme: r.Scheme, Host: r.Host, URI: r.URI, Header: r.Header, Body: r.Body}
}

// loadVectors returns the vectors of a provider.
func loadVectors(t testing.TB, provider string) []*vector {
	t.Helper()
	file := vectors.Of(t, provider)
	row, ok := Lookup(provider)
	if ok && string(row.Evidence) != file.Evidence {
		t.Errorf("%s: the row's evidence is %q, its vectors' %q", provider, row.Evidence, file.Evidence)
	}
	all := make([]*vector, len(file.Vectors))
	for i, v := range file.Vectors {
		all[i] = &vector{Vector: v, provider: row}
		if v.Scheme == nil {
			continue
		}
		var scheme Scheme
		err := json.Unmarshal(v.Scheme, &scheme)
		if err == nil {
			all[i].provider, err = Custom(scheme)
		}
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
	}
	return all
}

// eachVector runs a subtest for every vector of every provider.
func eachVector(t *testing.T, test func(t *testing.T, x *vector)) {
	files := []string{"custom"}
	for _, p := range Providers() {
		files = append(files, p.Name)
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			for _, x := range loadVectors(t, file) {
				t.Run(x.Name, func(t *testing.T) {
					if x.Fetched != nil {
						x.keys = newKeyServer(t, x.Fetched)
					}
					test(t, x)
				})
			}
		})
	}
}

func TestEveryProviderHasVectors(t *testing.T) {
	have := map[string]bool{}
	for _, name := range vectors.Names(t) {
		have[name] = true
	}
	delete(have, "custom")
	for _, p := range Providers() {
		if !have[p.Name] {
			t.Errorf("provider %s has no testdata/vectors/%s.json", p.Name, p.Name)
		}
		delete(have, p.Name)
	}
	for name := range have {
		t.Errorf("testdata/vectors/%s.json is of no provider in the table", name)
	}
}

// TestRowsAreWhole checks what a reader of the table needs.
func TestRowsAreWhole(t *testing.T) {
	for _, p := range Providers() {
		for what, missing := range map[string]bool{
			"Title": p.Title == "", "Docs": !strings.HasPrefix(p.Docs, "https://"), "Category": p.Category == "",
			"Setup": !strings.HasSuffix(p.Setup, "."), "Evidence": p.Evidence == "", "Methods": len(p.Methods) == 0,
			"Notes": p.Notes != "" && !strings.HasSuffix(p.Notes, "."),
		} {
			if missing {
				t.Errorf("%s: %s is missing or has the wrong form", p.Name, what)
			}
		}
	}
}

func TestVectors(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		v, r := x.verifier(t), x.request(t)
		body := string(r.Body)
		result, err := v.Verify(r)
		if err != nil {
			t.Fatal(err)
		}
		if result.SecretIndex != x.SecretIndex {
			t.Errorf("SecretIndex = %d, want %d", result.SecretIndex, x.SecretIndex)
		}
		if signed := v.usedScheme(r).signsTimestamp; signed != !result.Timestamp.IsZero() {
			t.Errorf("SignedTimestamp = %t, but Timestamp = %s", signed, result.Timestamp)
		} else if signed && result.Timestamp.Unix() != x.Now {
			t.Errorf("Timestamp = %d, want %d", result.Timestamp.Unix(), x.Now)
		}
		if id, typ := v.Identify(r); id != x.EventID || typ != x.EventType {
			t.Errorf("Identify = %q, %q, want %q, %q", id, typ, x.EventID, x.EventType)
		}
		if string(r.Body) != body {
			t.Error("the body was changed")
		}
	})
}

// TestVectorsAreSignedAlike compares our signatures with the libraries'.
func TestVectorsAreSignedAlike(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		if !x.Sign {
			return
		}
		want, got := x.request(t), x.request(t)
		s := v.usedScheme(got)
		if s.Signature.From == FromHeader { // present, so that the same set of headers is used
			got.Header.Set(s.Signature.Name, "to be overwritten")
		}
		if s.Timestamp.From == FromHeader {
			got.Header.Set(s.Timestamp.Name, "1")
		}
		if err := v.Sign(got, x.Time()); err != nil {
			t.Fatal(err)
		}
		if !maps.EqualFunc(got.Header, want.Header, slices.Equal) {
			t.Errorf("headers are\n%v, want\n%v", got.Header, want.Header)
		}
		if got.URI != want.URI {
			t.Errorf("URI is %s, want %s", got.URI, want.URI)
		}
	})
}

func TestVectorsAtTheEdgesOfTolerance(t *testing.T) {
	eachVector(t, func(t *testing.T, x *vector) {
		v := x.verifier(t)
		if !v.usedScheme(x.request(t)).signsTimestamp {
			return
		}
		result, err := v.Verify(x.request(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, tolerance := range []time.Duration{0, time.Second, time.Hour} {
			o := x.options()
			o.Tolerance = tolerance
			if tolerance == 0 {
				tolerance = DefaultTolerance
			}
			for _, c := range []struct {
				now  time.Time
				want Reason
			}{
				{result.Timestamp.Add(tolerance), ""},
				{result.Timestamp.Add(-tolerance), ""},
				{result.Timestamp.Add(tolerance + 1), TimestampExpired},
				{result.Timestamp.Add(-tolerance - 1), InvalidTimestamp},
				{result.Timestamp.AddDate(200, 0, 0), TimestampExpired},
				{result.Timestamp.AddDate(-200, 0, 0), InvalidTimestamp},
			} {
				o.Now = func() time.Time { return c.now }
				v, err := x.provider.NewVerifier(o)
				if err != nil {
					t.Fatal(err)
				}
				if c.want != "" && x.Fetched != nil {
					refused(t, v, x.request(t), "the clock at "+c.now.String(), c.want, KeyUnavailable) // a certificate is not for ever
				} else if c.want != "" {
					refused(t, v, x.request(t), "the clock at "+c.now.String(), c.want)
				} else if _, err := v.Verify(x.request(t)); err != nil {
					t.Errorf("at %s: %v", c.now, err)
				}
			}
		}
	})
}
