package verify

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"
)

// streamBody is a webhook that stream-chat 9.53.0, verifyAndParseWebhook, accepts.
const (
	streamBody = "H4sIAAAAAAAAAz2MwQqDQAwF/+Wd3ZIaa8L+jesm4qFLQYuK+O+lgh5nYGZHP2ZEvG2aumEsQ/RvQYV5+9it7VFsQXUR4o4zcnfK0lNoKeXQKL+CMqfA2jCR6FOS/1+2zojQJErS1jiOHyVzMAh2AAAA"
	streamKey  = "jz7kpwk3kdhmdg5sw2mtqrzk4jnzck9hfdqq9c2jn5hs3mp2xhjyr8ggn9c4x6uh"
	streamSign = "b0dee58b414f4bec5697e4f72fef8b96b316278b18549f973fc52981073f1602"
)

func streamRequest(t *testing.T, v *Verifier) *Request {
	t.Helper()
	body, err := base64.StdEncoding.DecodeString(streamBody)
	if err != nil {
		t.Fatal(err)
	}
	r := &Request{Method: http.MethodPost, Header: http.Header{
		"Content-Encoding": {"gzip"}, "Content-Type": {mediaJSON}, "X-Signature": {streamSign}, "X-Webhook-Id": {"1"}}, Body: body}
	if _, err := v.Verify(r); err != nil {
		t.Fatal(err)
	}
	return r
}

func hmacOf(key string, content []byte) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write(content)
	return hex.EncodeToString(h.Sum(nil))
}

// TestSignedBeforeCompression: Stream and QuickNode sign what they compress afterwards.
func TestSignedBeforeCompression(t *testing.T) {
	p, _ := Lookup("stream")
	v, err := p.NewVerifier(Options{Secrets: []string{streamKey}})
	if err != nil {
		t.Fatal(err)
	}
	r := streamRequest(t, v)
	if id, kind := v.Identify(r); id != "1" || kind != "message.new" {
		t.Errorf("id %q, type %q", id, kind)
	}
	plain := v.Plain(r)
	if !bytes.HasPrefix(plain, []byte(`{"cid":"messaging:fun"`)) {
		t.Errorf("plain: %q", plain)
	}
	if err := v.Sign(r, testTime); err != nil || r.Header.Get("X-Signature") != streamSign {
		t.Errorf("signed again: %v, %v", err, r.Header)
	}

	for name, change := range map[string]func(r *Request){
		"no Content-Encoding":       func(r *Request) { r.Header.Del("Content-Encoding") },
		"another Content-Encoding":  func(r *Request) { r.Header.Set("Content-Encoding", "br") },
		"two Content-Encodings":     func(r *Request) { r.Header.Add("Content-Encoding", "gzip") },
		"gzip twice":                func(r *Request) { r.Body = gzipped(t, r.Body) },
		"a part":                    func(r *Request) { r.Body = r.Body[:len(r.Body)-1] },
		"wrong checksum":            func(r *Request) { r.Body = bytes.Clone(r.Body); r.Body[len(r.Body)-5] ^= 1 },
		"more behind":               func(r *Request) { r.Body = append(bytes.Clone(r.Body), 0) },
		"two members":               func(r *Request) { r.Body = append(gzipped(t, plain[:9]), gzipped(t, plain[9:])...) },
		"an empty member behind":    func(r *Request) { r.Body = append(bytes.Clone(r.Body), gzipped(t, nil)...) },
		"an empty member in front":  func(r *Request) { r.Body = append(gzipped(t, nil), r.Body...) },
		"another text":              func(r *Request) { r.Body = gzipped(t, append(bytes.Clone(plain), ' ')) },
		"a signature of compressed": func(r *Request) { r.Header.Set("X-Signature", hmacOf(streamKey, r.Body)) },
	} {
		r := streamRequest(t, v)
		change(r)
		if _, err := v.Verify(r); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for name, change := range map[string]func(r *Request){
		"not compressed":                  func(r *Request) { r.Body = plain; r.Header.Del("Content-Encoding") },
		"by a proxy that left the header": func(r *Request) { r.Body = plain },
		"identity":                        func(r *Request) { r.Body = plain; r.Header.Set("Content-Encoding", "identity") },
		"upper case":                      func(r *Request) { r.Header.Set("Content-Encoding", "GZIP") },
		"other gzip of the same text":     func(r *Request) { r.Body = gzipped(t, plain) },
	} {
		r := streamRequest(t, v)
		change(r)
		if _, err := v.Verify(r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(v.Plain(r), plain) {
			t.Errorf("%s: plain is %q", name, v.Plain(r))
		}
	}
}

// TestSignedBombs: even a signed one is not decoded beyond the bound.
func TestSignedBombs(t *testing.T) {
	v := providerVerifier(t, "stream")
	for _, c := range []struct {
		size int
		max  int64
		fine bool
	}{{60 << 10, 0, true}, {60 << 10, 50 << 10, false}, {2 << 20, 1 << 40, false}, {8 << 20, 0, false}} {
		r := &Request{Header: http.Header{"Content-Encoding": {"gzip"}}, MaxText: c.max,
			Body: gzipped(t, []byte(`{"type":"`+strings.Repeat("x", c.size)+`"}`))}
		r.Header.Set("X-Signature", "00")
		_, err := v.Verify(r)
		failure, ok := errors.AsType[*Error](err)
		if !ok || failure.Reason != InvalidSignature && failure.Status() != 401 || (failure.Detail != DetailUndecodedBody) != c.fine {
			t.Errorf("%d bytes, bound %d: %v", c.size, c.max, err)
		}
	}
}

// TestPlainBodyOfOthers: providers that sign the bytes as sent have no other plain body.
func TestPlainBodyOfOthers(t *testing.T) {
	v := providerVerifier(t, "github")
	body := gzipped(t, []byte(`{}`))
	r := &Request{Header: http.Header{"Content-Encoding": {"gzip"}}, Body: body}
	if got := v.Plain(r); !bytes.Equal(got, body) {
		t.Errorf("plain: %q", got)
	}
}
