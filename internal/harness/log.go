package harness

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// LogFile is the file that every Caddy of these tests logs to; Main searches it.
var LogFile string

// sharedLog is LogFile but for tests that log elsewhere; logged is whether a Caddy has logged to it.
var (
	sharedLog string
	logged    atomic.Bool
)

// BodyCanary is part of some bodies and must never be in a log.
const BodyCanary = "canary-in-a-body"

// forbidden is what must not be logged: the secrets of the tests, and bodies.
var forbidden = []*regexp.Regexp{
	regexp.MustCompile(regexp.QuoteMeta(GitHubSecret)),
	regexp.MustCompile(`whsec_[A-Za-z0-9+/=]{8,}`),
	regexp.MustCompile(BodyCanary),
	regexp.MustCompile(`hush_[0-9a-f]{8,}`),
}

// signature is what we do not log either. Caddy's own lines about a request that
// failed have its headers; docs/logs.md says how to leave them out.
var signature = regexp.MustCompile(`(sha256|v0|v1)[=,][0-9a-f]{64}`)

// SearchLog returns up to ten places of a log that show a secret, a signature or a body of these tests.
// A log that cannot be read is no clean one.
func SearchLog(path string) (leaks []string) {
	file, err := os.Open(path)
	if err != nil {
		return []string{"what was logged cannot be read: " + err.Error()}
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		// Caddy itself logs the headers of requests at debug level, and the config that it loads.
		if bytes.Contains(lines.Bytes(), []byte(`"logger":"admin`)) {
			continue
		}
		patterns := forbidden
		if !bytes.Contains(lines.Bytes(), []byte(`"headers":{`)) {
			patterns = append(slices.Clone(forbidden), signature)
		}
		for _, f := range patterns {
			if f.Match(lines.Bytes()) && len(leaks) < 10 {
				leaks = append(leaks, fmt.Sprintf("line %d has %s: %s", n, f, f.ReplaceAll(lines.Bytes(), []byte("…"))))
			}
		}
	}
	if err := lines.Err(); err != nil {
		leaks = append(leaks, "what was logged cannot be read: "+err.Error())
	}
	return leaks
}

// searchAtEnd searches a log of a test's own when the test has ended, and its Caddy with it. It must be
// called before that is started.
func searchAtEnd(t *testing.T, path string) {
	t.Helper()
	t.Cleanup(func() {
		if leaks := SearchLog(path); len(leaks) > 0 {
			t.Errorf("the log shows what it must not:\n%s", strings.Join(leaks, "\n"))
		}
	})
}
