// Package vectors reads the webhooks by which tests of several packages check the
// table of providers: verify/testdata/vectors, a file for each provider. It does not
// import package verify, so that the tests of that one can use it, too.
package vectors

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// File is what is known of one provider's webhooks.
type File struct {
	Provider string   // the row's name, which is the file's
	Evidence string   // how the vectors were made; as in the row
	Vectors  []Vector // at least one
}

// Vector is one webhook that must be accepted. testdata/vectors/make.mjs makes them
// with the providers' own libraries.
type Vector struct {
	Name         string                     `json:"name"`
	Source       string                     `json:"source"` // what vouches for the signature
	Method       string                     `json:"method"` // empty: POST
	URL          string                     `json:"url"`
	Headers      map[string]json.RawMessage `json:"headers"` // a string, or a list of strings
	Body         string                     `json:"body"`
	BodyBase64   string                     `json:"body_base64"` // instead of Body, where that is not UTF-8
	Secrets      []string                   `json:"secrets"`
	PublicKeys   []string                   `json:"public_keys"`
	Settings     map[string][]string        `json:"settings"`
	Fetched      map[string]string          `json:"fetched"` // what is found at the addresses of keys
	Now          int64                      `json:"now"`     // Unix seconds; the signed time, where there is one
	EventID      string                     `json:"event_id"`
	EventType    string                     `json:"event_type"`
	SecretIndex  int                        `json:"secret_index"`
	Scheme       json.RawMessage            `json:"scheme"`        // a verify.Scheme; provider custom only
	Sign         bool                       `json:"sign"`          // Sign makes the same signature
	Several      bool                       `json:"several"`       // there are items that do not matter
	BodyUnsigned bool                       `json:"body_unsigned"` // the signature does not cover the body
	URLUnsigned  bool                       `json:"url_unsigned"`  // nor the URL, although others of the scheme do
}

// Request is a vector as a server sees it. Its fields are those of verify.Request.
type Request struct {
	Method, Scheme, Host string
	URI                  string // as on the wire: not normalised; it may be empty
	Header               http.Header
	Body                 []byte
}

// Dir is the folder of the files, wherever in the repository a test runs.
func Dir(t testing.TB) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
			if dir := filepath.Join(root, "verify", "testdata", "vectors"); isDir(dir) {
				return dir
			}
		}
		up := filepath.Dir(root)
		if up == root {
			t.Fatal("verify/testdata/vectors is in no folder above this one")
		}
		root = up
	}
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Names are the providers of which there is a file, sorted.
func Names(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(Dir(t), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	names := make([]string, 0, len(files))
	for _, file := range files {
		// What npm keeps beside them is none of them.
		if name := strings.TrimSuffix(filepath.Base(file), ".json"); !strings.HasPrefix(name, "package") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Of is the file of a provider.
func Of(t testing.TB, provider string) File {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Dir(t), provider+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var f File
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatalf("%s.json: %v", provider, err)
	}
	if f.Provider != provider || len(f.Vectors) == 0 {
		t.Fatalf("%s.json: provider %q, %d vectors", provider, f.Provider, len(f.Vectors))
	}
	return f
}

// Time is when the webhook must be verified.
func (v *Vector) Time() time.Time { return time.Unix(v.Now, 0) }

// Request is the webhook.
func (v *Vector) Request(t testing.TB) Request {
	t.Helper()
	u, err := url.Parse(v.URL)
	if err != nil {
		t.Fatal(err)
	}
	r := Request{Method: v.Method, Scheme: u.Scheme, Host: u.Host, Header: http.Header{}, Body: []byte(v.Body)}
	r.URI = strings.TrimPrefix(v.URL, u.Scheme+"://"+u.Host)
	if r.Method == "" {
		r.Method = http.MethodPost
	}
	for name, raw := range v.Headers {
		var one string
		var many []string
		if json.Unmarshal(raw, &one) == nil {
			many = []string{one}
		} else if err := json.Unmarshal(raw, &many); err != nil {
			t.Fatal(err)
		}
		r.Header[http.CanonicalHeaderKey(name)] = many
	}
	if v.BodyBase64 != "" {
		if r.Body, err = base64.StdEncoding.DecodeString(v.BodyBase64); err != nil {
			t.Fatal(err)
		}
	}
	return r
}
