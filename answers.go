package caddywebhooks

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/httpserver"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// answer is what the provider gets. The pipeline's steps return one to end the
// request, or nil to go on.
type answer struct {
	code    int    // HTTP status; 0 if the next handler gave none
	word    string // "status" or "error" of the body, and the Webhook-Status header
	message string // for errors: one sentence for a person; nothing an attacker could use

	retryAfter int            // seconds; 0: no Retry-After header
	allow      string         // for 405
	tier       string         // for 429
	raw        *verify.Answer // instead of the JSON body
	reason     string         // for the operator's log; never sent
	cause      error          // for the operator's log; never sent
	header     http.Header    // further headers
}

// The answers that need no details. Those with details are made where they arise.
var (
	httpsRequired = &answer{code: http.StatusBadRequest, word: "https_required",
		message: "this endpoint accepts HTTPS only"}
	bodyIncomplete = &answer{code: http.StatusBadRequest, word: "body_incomplete",
		message: "the request body ended early"}
	bodyTimeout = &answer{code: http.StatusRequestTimeout, word: "body_timeout",
		message: "the request body took too long to arrive"}
	payloadTooLarge = &answer{code: http.StatusRequestEntityTooLarge, word: "payload_too_large",
		message: "the request body is larger than this endpoint accepts"}
	unsupportedMediaType = &answer{code: http.StatusUnsupportedMediaType, word: "unsupported_media_type",
		message: "this endpoint does not accept that content type"}
)

// Seconds that a provider is asked to wait. A store that is full drains
// slowly; anything else is expected back soon.
const (
	retrySoon  = 5
	retryLater = 30
)

// unavailable is the answer while nothing can be stored. It is always
// retryable: the provider keeps the event until we can.
func unavailable(seconds int, reason string, cause error) *answer {
	return &answer{
		code: http.StatusServiceUnavailable, word: "unavailable", retryAfter: seconds,
		message: "the event cannot be accepted right now; send it again later",
		reason:  reason, cause: cause,
	}
}

// storeRefused is the answer for an error of the store.
func storeRefused(err error) *answer {
	if errors.Is(err, retrystore.ErrFull) {
		return unavailable(retryLater, "store_full", err)
	}
	return unavailable(retrySoon, "store_unavailable", err)
}

// acknowledge is a success, as the provider's row has it. Where any 2xx is one to the provider,
// 202 tells what was accepted from what was not stored (again).
func acknowledge(word string, p *verify.Provider) *answer {
	a := &answer{code: p.Success.Status(), word: word}
	switch {
	case p.Accepted.Status != 0:
		a.code, a.raw = p.Accepted.Status, &p.Accepted
	case word != "accepted" && p.Success == verify.Any2xx:
		a.code = http.StatusOK
	}
	return a
}

// handshake answers as the provider wants it; 403 and above refuses it.
func handshake(reply verify.Answer) *answer {
	a := &answer{code: reply.Status, word: "handshake", raw: &reply}
	if reply.Status >= 400 {
		a.word, a.reason = "handshake_refused", "handshake_token"
	}
	return a
}

// ok tells successes from refusals, and from failures of the next handler.
func (a *answer) ok() bool { return a.code < 400 && a.word != outcomeFailed }

// body is the JSON form of every answer of ours.
type answerBody struct {
	Status        string `json:"status,omitempty"`
	Error         string `json:"error,omitempty"`
	Message       string `json:"message,omitempty"`
	Tier          string `json:"tier,omitempty"`
	EventID       string `json:"event_id,omitempty"`
	CorrelationID string `json:"correlation_id,omitempty"`
}

// write sends the answer. Errors of a provider that went away are its own.
func (a *answer) write(w http.ResponseWriter, in *inbound) error {
	h := w.Header()
	setHeader(h, "Webhook-Status", a.word)
	in.endExpectation(h)
	if a.retryAfter > 0 {
		setHeader(h, "Retry-After", strconv.Itoa(a.retryAfter))
	}
	if a.allow != "" {
		setHeader(h, "Allow", a.allow)
	}
	for name, values := range a.header {
		h[name] = values
	}

	var body []byte
	if a.raw != nil {
		maps.Copy(h, a.raw.Header())
		body = []byte(a.raw.Body)
	} else {
		var err error
		if body, err = json.Marshal(a.json(in)); err != nil {
			return err
		}
		setHeader(h, "Content-Type", "application/json")
	}
	if a.code == http.StatusNoContent { // has no body, RFC 9110, section 15.3.5
		h.Del("Content-Type")
		w.WriteHeader(a.code)
		return nil
	}
	setHeader(h, "Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.code)
	_, _ = w.Write(body)
	return nil
}

// send writes the endpoint's answer.
func (h *Handler) send(a *answer, in *inbound) error {
	if a.ok() {
		if a.word != "handshake" {
			h.markAnswer(in.w.Header())
		}
		return a.write(in.w, in)
	}
	err := a.write(httpserver.PastInterceptors(in.w), in)
	httpserver.WatchStatus(in.w, in.r, func(status int) {
		h.traffic.SawChanged(traffic.Changed{At: h.now(), Code: a.code, Status: status})
		h.logger.Error("a handler around the endpoint made a success of its refusal: the provider takes the event for stored, and it is stored nowhere",
			zap.String("endpoint", h.Name), zap.String("correlation_id", in.correlationID), zap.Int("refused_with", a.code), zap.Int("status", status))
	})
	return err
}

// setHeader is h.Set for a name that is in canonical form already.
func setHeader(h http.Header, name, value string) { h[name] = []string{value} }

func (a *answer) json(in *inbound) answerBody {
	b := answerBody{CorrelationID: in.correlationID, Message: a.message}
	if a.ok() {
		b.Status, b.EventID = a.word, in.eventID
	} else {
		b.Error, b.Tier = a.word, a.tier
	}
	return b
}
