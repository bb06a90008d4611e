package verify

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestOfficialLibraries has our signatures checked by the providers' own
// libraries. They are installed by `npm install` in testdata/vectors, or
// elsewhere: then CADDY_WEBHOOKS_NODE_MODULES names that node_modules.
func TestOfficialLibraries(t *testing.T) {
	libraries := newLibraries(t)
	bodies := map[string]string{
		"JSON":  `{"id":"evt_1","type":"a.b","text":"ü 🎉","nested":{"a":[1,2.50,3e2]}}`,
		"form":  "payload=%7B%22type%22%3A%22x%22%7D&b=1&a=+%2B&b=0&b=1&%C3%BC=",
		"empty": "",
		"large": `"` + strings.Repeat("0123456789", 10_000) + `"`,
	}
	for provider, trial := range libraries.trials {
		p, ok := Lookup(provider)
		if !ok {
			t.Errorf("the libraries know %s, the table does not", provider)
			continue
		}
		v, err := p.NewVerifier(Options{Secrets: []string{trial.Sign}, Settings: trial.Settings})
		if err != nil {
			t.Fatalf("%s: %v", provider, err)
		}
		for _, kind := range trial.Bodies {
			t.Run(provider+"/"+kind, func(t *testing.T) {
				r := requestFor(kind, bodies[kind])
				err := v.Sign(r, time.Now())
				if kind == "form" && slices.Contains(jsonBehindURL, provider) {
					if failure, ok := errors.AsType[*Error](err); !ok || failure.Detail != DetailAmbiguousContent {
						t.Errorf("a form: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if answer := libraries.check(t, provider, trial.Check, r); answer != "ok" {
					t.Errorf("%s for our signature", answer)
				}
				r.Body = append([]byte("x"), r.Body...)
				r.URI += "0"
				if answer := libraries.check(t, provider, trial.Check, r); answer == "ok" {
					t.Error("the check accepts another body and URL: it proves nothing")
				}
			})
		}
	}
}

// jsonBehindURL are providers that sign the body right behind the URL, and send JSON alone. A
// form could be a part of the URL: see joints.go.
var jsonBehindURL = []string{"hubspot-v2", "hubspot-v3", "square"}

func requestFor(kind, body string) *Request {
	r := &Request{
		Method: http.MethodPost, Scheme: "https", Host: "hooks.example.com", URI: "/in?a=%20b&c",
		Header: http.Header{"Content-Type": {mediaJSON}}, Body: []byte(body),
	}
	if kind == "form" {
		r.Header.Set("Content-Type", mediaForm)
	}
	if kind == "empty" {
		r.Method = http.MethodGet // Twilio's webhooks by POST have a form
	}
	return r
}

// libraries is a running check.mjs.
type libraries struct {
	in     io.Writer
	out    *bufio.Scanner
	trials map[string]trial // by provider
}

// trial is how a provider's library is tried; categories in lib.mjs documents it.
type trial struct {
	Sign, Check string
	Settings    map[string][]string
	Bodies      []string
}

// check returns "ok", or why the provider's library refuses r.
func (l *libraries) check(t *testing.T, provider, secret string, r *Request) string {
	t.Helper()
	headers := map[string]string{}
	for name := range r.Header {
		headers[strings.ToLower(name)] = r.Header.Get(name)
	}
	if err := json.NewEncoder(l.in).Encode(map[string]any{
		"provider": provider, "secret": secret, "method": r.Method, "url": r.URL(),
		"headers": headers, "body_base64": r.Body,
	}); err != nil {
		t.Fatal(err)
	}
	if !l.out.Scan() {
		t.Fatalf("check.mjs ended: %v", l.out.Err())
	}
	return l.out.Text()
}

func newLibraries(t *testing.T) *libraries {
	t.Helper()
	modules := os.Getenv("CADDY_WEBHOOKS_NODE_MODULES")
	if modules == "" {
		modules = filepath.Join("testdata", "vectors", "node_modules")
	}
	modules, err := filepath.Abs(modules)
	if err != nil {
		t.Fatal(err)
	}
	unavailable := t.Skipf
	if os.Getenv("CI") != "" {
		unavailable = t.Fatalf
	}
	if _, err := os.Stat(filepath.Join(modules, "stripe")); err != nil {
		unavailable("the providers' libraries are not installed: npm install in verify/testdata/vectors, or set CADDY_WEBHOOKS_NODE_MODULES")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		unavailable("node is not installed")
	}

	// Modules are found beside the scripts only.
	dir := t.TempDir()
	scripts, err := filepath.Glob(filepath.Join("testdata", "vectors", "*.*js*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, script := range scripts {
		text, err := os.ReadFile(script)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(script)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(filepath.Join(dir, "categories"), os.DirFS(filepath.Join("testdata", "vectors", "categories"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, filepath.Join(dir, "check.mjs"))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // it was told to end; what it had to say was read
		if t.Failed() {
			t.Logf("check.mjs: %s", stderr.String())
		}
	})
	l := &libraries{in: in, out: bufio.NewScanner(out)}
	l.out.Buffer(nil, 1<<20)
	if !l.out.Scan() {
		t.Fatalf("check.mjs ended: %v", l.out.Err())
	}
	if err := json.Unmarshal(l.out.Bytes(), &l.trials); err != nil {
		t.Fatal(err)
	}
	return l
}
