package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// TestStamp reads requests with net/http, and verifies them as Caddy does.
func TestStamp(t *testing.T) {
	row, ok := verify.Lookup("github")
	if !ok {
		t.Fatal("no github")
	}
	verifier, err := row.NewVerifier(verify.Options{Secrets: []string{secret}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	sizes := []int{1 << 10, 255 << 10}
	for size := minBody; size < minBody+300; size++ { // every way for the padding to end
		sizes = append(sizes, size)
	}
	var buf []byte
	for _, size := range sizes {
		made, err := newTemplate("127.0.0.1:80", "/e000", size)
		if err != nil {
			t.Fatal(err)
		}
		for _, number := range []uint32{0, 7, 4_294_967_295} {
			buf = made.stamp(buf, number)
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(buf)))
			if err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || len(body) != size || !json.Valid(body) {
				t.Fatalf("%d bytes: a body of %d: %v\n%s", size, len(body), err, body)
			}
			id := fmt.Sprintf("%012d", number)
			if got := r.Header.Get("X-GitHub-Delivery"); got != id || !bytes.HasSuffix(body, []byte(id+`"}`)) {
				t.Errorf("event %s has the id %s", id, got)
			}
			in := &verify.Request{Method: r.Method, Scheme: "http", Host: r.Host, URI: r.RequestURI, Header: r.Header, Body: body}
			if _, err := verifier.Verify(in); err != nil {
				t.Errorf("%d bytes, event %s: %v", size, id, err)
			}
			in.Body = bytes.Replace(body, []byte("opened"), []byte("closed"), 1)
			if _, err := verifier.Verify(in); err == nil {
				t.Errorf("%d bytes: another body is accepted", size)
			}
		}
	}
}

func TestTemplateTooSmall(t *testing.T) {
	if _, err := newTemplate("h", "/", minBody-1); err == nil {
		t.Error("a body without room for an id")
	}
}

// BenchmarkStamp is what signing costs the client, which shares the machine.
func BenchmarkStamp(b *testing.B) {
	made, err := newTemplate("127.0.0.1:80", "/e000", 1<<10)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	var buf []byte
	for number := uint32(0); b.Loop(); number++ {
		buf = made.stamp(buf, number)
	}
}
