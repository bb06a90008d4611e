package envelope

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
)

// If a destination leads back to its own endpoint, the endpoint answers `duplicate`, which is a success:
// the event would count as delivered and be nowhere. So each attempt lists the endpoints that the webhook
// came through, and an endpoint refuses a webhook that came through it before.

// Via is the header that lists the marks of the endpoints that a webhook came through.
const Via = "Webhook-Via"

// MaxVia is how many endpoints a webhook may come through. A webhook with more is in a loop, among
// processes that do not know each other's marks.
const MaxVia = 16

// viaKey makes the marks of this process. Nobody else can guess a mark, which would have webhooks of
// others refused.
var viaKey = []byte(rand.Text())

// viaMark is the mark of an endpoint of this process.
func viaMark(endpoint string) string {
	mac := hmac.New(sha256.New, viaKey)
	mac.Write([]byte(endpoint))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// answerMark is what an endpoint with that mark puts into the same header of its successes. From it the
// sender of a delivery sees that the event came back, even if a proxy removed the headers that tell the
// endpoint. An application that repeats a request's headers sends another text.
func answerMark(via string) string {
	mac := hmac.New(sha256.New, viaKey)
	mac.Write([]byte("answer of " + via))
	return hex.EncodeToString(mac.Sum(nil)[:8])
}

// AddVia adds this endpoint to the ones that the webhook came through.
func (n Headers) AddVia(h http.Header) {
	if before := h[Via]; len(before) > 0 {
		h[Via] = []string{strings.Join(before, ", ") + ", " + n.via}
		return
	}
	h[Via] = []string{n.via}
}

// WentRound reports whether a webhook with that header has come through the endpoint before, or through so
// many endpoints that it must be in a loop.
func (n Headers) WentRound(h http.Header) bool {
	marks := 0
	for _, line := range h[Via] {
		for mark := range strings.SplitSeq(line, ",") {
			if marks++; marks >= MaxVia || strings.TrimSpace(mark) == n.via {
				return true
			}
		}
	}
	return false
}

// MarkAnswer adds the endpoint's mark to the header of a success; see CameBack.
func (n Headers) MarkAnswer(h http.Header) { h[Via] = []string{n.answers} }

// CameBack reports whether an attempt was answered by the endpoint itself, or by one that the event
// had come through before.
func (n Headers) CameBack(answer, event http.Header) bool {
	got := answer.Get(Via)
	if got == "" {
		return false
	}
	for _, line := range event[Via] {
		for mark := range strings.SplitSeq(line, ",") {
			if got == answerMark(strings.TrimSpace(mark)) {
				return true
			}
		}
	}
	return got == n.answers
}
