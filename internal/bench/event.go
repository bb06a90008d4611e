package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"math/rand/v2"
	"strconv"
	"strings"
)

const secret = "loadtest-secret"

// idDigits is how many digits the number of an event has, wherever it is written.
const idDigits = 12

// minBody is the smallest body, in bytes, that has room for what each has.
const minBody = 96

// template makes the requests of GitHub webhooks, as bytes ready to be written to
// a connection. They differ in the event's number, which is signed with the rest
// of the body and stands at its end: what is before is hashed once. So signing
// costs the client the same few hundred nanoseconds at any size. Those who verify
// have no such shortcut.
//
// A template only is read, so any number of goroutines may stamp requests of it.
type template struct {
	request []byte
	// Where in request the digits are that stamp replaces.
	headerID, bodyID, signature int
	signed                      hash.Cloner // the body up to its id
}

// newTemplate prepares requests for the path with bodies of that many bytes.
func newTemplate(host, path string, bodyBytes int) (*template, error) {
	if bodyBytes < minBody {
		return nil, fmt.Errorf("bodies of %d bytes: want at least %d", bodyBytes, minBody)
	}
	const tail = `"}`
	front := bodyFront(bodyBytes - idDigits - len(tail))
	zeros := strings.Repeat("0", idDigits)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(front))
	signed, ok := mac.(hash.Cloner)
	if !ok {
		return nil, fmt.Errorf("%T cannot be cloned", mac)
	}
	t := &template{signed: signed}
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: GitHub-Hookshot/loadtest\r\nAccept: */*\r\n", path, host)
	b.WriteString("Content-Type: application/json\r\nX-GitHub-Event: push\r\nX-GitHub-Delivery: ")
	t.headerID = b.Len()
	b.WriteString(zeros + "\r\nX-Hub-Signature-256: sha256=")
	t.signature = b.Len()
	b.WriteString(strings.Repeat("0", 2*sha256.Size))
	fmt.Fprintf(&b, "\r\nContent-Length: %d\r\n\r\n%s", bodyBytes, front)
	t.bodyID = b.Len()
	b.WriteString(zeros + tail)
	t.request = []byte(b.String())
	return t, nil
}

// stamp writes the request of the event with that number into buf, and returns it.
func (t *template) stamp(buf []byte, number uint32) []byte {
	buf = append(buf[:0], t.request...)
	putDigits(buf[t.bodyID:t.bodyID+idDigits], number)
	copy(buf[t.headerID:], buf[t.bodyID:t.bodyID+idDigits])
	mac, err := t.signed.Clone()
	if err != nil { // newTemplate's hash can be cloned
		panic(err)
	}
	mac.Write(buf[t.bodyID:])
	var sum [sha256.Size]byte
	hex.Encode(buf[t.signature:], mac.Sum(sum[:0]))
	return buf
}

// putDigits writes the number with leading zeros.
func putDigits(digits []byte, number uint32) {
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = '0' + byte(number%10)
		number /= 10
	}
}

// parseDigits reads what putDigits wrote.
func parseDigits(digits []byte) (uint32, error) {
	n, err := strconv.ParseUint(string(digits), 10, 32)
	if err != nil || len(digits) != idDigits {
		return 0, fmt.Errorf("%q is not the number of an event", digits)
	}
	return uint32(n), nil
}

// bodyFront is n bytes of a JSON object that can be followed by the end of a
// string. It has words, numbers and random ids, so that it can be
// compressed about as well as real webhooks can, and is the same in every run.
func bodyFront(n int) string {
	const head, last = `{"action":"opened"`, `,"delivery":"`
	words := strings.Fields("repository sender organization commit branch created updated labels assignee " +
		"milestone comments the quick review was requested by another member merged after checks had passed")
	random := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString(head)
	for field := 0; ; field++ {
		next := fmt.Sprintf(`,"%s_%d":{"id":%d,"node":"%016x","text":"%s %s %s"}`,
			words[random.IntN(len(words))], field, random.Uint32(), random.Uint64(),
			words[random.IntN(len(words))], words[random.IntN(len(words))], words[random.IntN(len(words))])
		const pad = `,"pad":""`
		if left := n - len(last) - b.Len(); len(next)+len(pad) > left {
			if left >= len(pad) {
				b.WriteString(`,"pad":"` + strings.Repeat("x", left-len(pad)) + `"`)
			} else {
				b.WriteString(strings.Repeat(" ", left))
			}
			break
		}
		b.WriteString(next)
	}
	b.WriteString(last)
	return b.String()
}
