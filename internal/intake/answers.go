package intake

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// reply is what the provider gets. The pipeline's steps return one to end the
// request, or nil to go on.
type reply struct {
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

// The answers without details. Answers with details are made in the steps that give them.
var (
	httpsRequired = &reply{code: http.StatusBadRequest, word: OutcomeHTTPSRequired,
		message: "this endpoint accepts HTTPS only"}
	bodyIncomplete = &reply{code: http.StatusBadRequest, word: OutcomeIncomplete,
		message: "the request body ended early"}
	bodyTimeout = &reply{code: http.StatusRequestTimeout, word: OutcomeTimeout,
		message: "the request body took too long to arrive"}
	payloadTooLarge = &reply{code: http.StatusRequestEntityTooLarge, word: OutcomeTooLarge,
		message: "the request body is larger than this endpoint accepts"}
	unsupportedMediaType = &reply{code: http.StatusUnsupportedMediaType, word: OutcomeMediaType,
		message: "this endpoint does not accept that content type"}
)

// Seconds that a provider is asked to wait. A store that is full drains
// slowly; anything else is expected back soon.
const (
	retrySoon  = 5
	retryLater = 30
)

// unavailable is the answer while nothing can be stored. The provider may always retry: it keeps the event
// until we can store it.
func unavailable(seconds int, reason string, cause error) *reply {
	return &reply{
		code: http.StatusServiceUnavailable, word: OutcomeUnavailable, retryAfter: seconds,
		message: "the event cannot be accepted right now; send it again later",
		reason:  reason, cause: cause,
	}
}

// storeRefused is the answer for an error of the store.
func storeRefused(err error) *reply {
	if errors.Is(err, retrystore.ErrFull) {
		return unavailable(retryLater, "store_full", err)
	}
	return unavailable(retrySoon, "store_unavailable", err)
}

// acknowledge is a success as the provider's row defines it. Where the provider takes any 2xx, 202 marks a
// webhook that was stored, 200 one that was not.
func acknowledge(word string, p *verify.Provider) *reply {
	a := &reply{code: p.Success.Status(), word: word}
	switch {
	case p.Accepted.Status != 0:
		a.code, a.raw = p.Accepted.Status, &p.Accepted
	case word != OutcomeAccepted && p.Success == verify.Any2xx:
		a.code = http.StatusOK
	}
	return a
}

// handshake answers as the provider expects; a status of 403 or above refuses the handshake.
func handshake(canned verify.Answer) *reply {
	a := &reply{code: canned.Status, word: OutcomeHandshake, raw: &canned}
	if canned.Status >= 400 {
		a.word, a.reason = OutcomeHandshakeRefused, "handshake_token"
	}
	return a
}

// ok distinguishes successes from refusals and from failures of the next handler.
func (a *reply) ok() bool { return a.code < 400 && a.word != OutcomeFailed }

// body is the JSON form of every answer that the endpoint makes itself.
type answerBody struct {
	Status        string `json:"status,omitempty"`
	Error         string `json:"error,omitempty"`
	Message       string `json:"message,omitempty"`
	Tier          string `json:"tier,omitempty"`
	EventID       string `json:"event_id,omitempty"`
	CorrelationID string `json:"correlation_id,omitempty"`
}

// write sends the answer. An error of writing means that the provider has gone away, which is its own
// affair.
func (a *reply) write(w http.ResponseWriter, in *Inbound) error {
	header := w.Header()
	setHeader(header, "Webhook-Status", a.word)
	in.endExpectation(header)
	if a.retryAfter > 0 {
		setHeader(header, "Retry-After", strconv.Itoa(a.retryAfter))
	}
	if a.allow != "" {
		setHeader(header, "Allow", a.allow)
	}
	for name, values := range a.header {
		header[name] = values
	}

	var body []byte
	if a.raw != nil {
		maps.Copy(header, a.raw.Header())
		body = []byte(a.raw.Body)
	} else {
		var err error
		if body, err = json.Marshal(a.json(in)); err != nil {
			return err
		}
		setHeader(header, "Content-Type", "application/json")
	}
	if a.code == http.StatusNoContent { // has no body, RFC 9110, section 15.3.5
		header.Del("Content-Type")
		w.WriteHeader(a.code)
		return nil
	}
	setHeader(header, "Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(a.code)
	_, _ = w.Write(body)
	return nil
}

// send writes the endpoint's answer. To the provider a 2xx means that its event is safe. So no other
// handler may turn a refusal into a 2xx: the event would be stored nowhere, and the provider would never
// send it again.
func (e *Endpoint) send(in *Inbound, a *reply) error {
	if a.ok() {
		if a.word != OutcomeHandshake && len(e.Destinations) > 0 {
			e.Headers.MarkAnswer(in.w.Header())
		}
		return a.write(in.w, in)
	}
	err := a.write(e.Server.PastInterceptors(in.w), in)
	e.Server.WatchStatus(in.w, in.r, func(status int) {
		e.SawChanged(a.code, status)
		e.Logger.Error("a handler around the endpoint made a success of its refusal: the provider takes the event for stored, and it is stored nowhere",
			zap.String("endpoint", e.Name), zap.String("correlation_id", in.correlationID), zap.Int("refused_with", a.code), zap.Int("status", status))
	})
	return err
}

// setHeader is e.Set for a name that is in canonical form already.
func setHeader(h http.Header, name, value string) { h[name] = []string{value} }

func (a *reply) json(in *Inbound) answerBody {
	b := answerBody{CorrelationID: in.correlationID, Message: a.message}
	if a.ok() {
		b.Status, b.EventID = a.word, in.eventID
	} else {
		b.Error, b.Tier = a.word, a.tier
	}
	return b
}

// signatureRefused gives the caller no details, and tells the operator why.
func signatureRefused(err error) *reply {
	a := &reply{code: http.StatusUnauthorized, word: string(verify.InvalidSignature), cause: err}
	if failure, ok := errors.AsType[*verify.Error](err); ok {
		if failure.Reason == verify.KeyUnavailable {
			return unavailable(retrySoon, failure.Detail, err)
		}
		a.code, a.word, a.reason = failure.Status(), string(failure.Reason), failure.Detail
	}
	a.message = "the webhook could not be verified"
	return a
}

// methodNotAllowed lists the methods that the provider uses.
func methodNotAllowed(allowed []string) *reply {
	return &reply{
		code: http.StatusMethodNotAllowed, word: OutcomeMethod,
		message: "this endpoint does not accept that method",
		allow:   strings.Join(allowed, ", "),
	}
}
