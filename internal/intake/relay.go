package intake

import (
	"net/http"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/envelope"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// MaxRelay bounds an answer's body that is relayed. If the body is longer, the provider gets the usual
// acknowledgement.
const MaxRelay = 1 << 20

// relay carries the application's answer to the provider that waits for it.
type relay struct {
	answers chan *reply // has room for one answer, so that a late one blocks nobody
}

func newRelay() *relay { return &relay{answers: make(chan *reply, 1)} }

// done gets the result of the attempt; see Done. Only a complete success is relayed: after a failure the
// delivery is retried, so the provider must not send the event again.
func (r *relay) done(a forward.Answer, s retrystore.Settlement, made bool) {
	if !made || s.State != retrystore.Delivered || a.Header == nil || len(a.Body) > MaxRelay {
		r.answers <- nil
		return
	}
	header := make(http.Header, len(a.Header))
	for name, values := range a.Header {
		if _, own := notRelayed[name]; !own {
			header[name] = values
		}
	}
	r.answers <- &reply{
		code: a.Status, word: OutcomeDelivered, header: header,
		raw: &verify.Answer{ContentType: a.Header.Get("Content-Type"), Body: string(a.Body)},
	}
}

// notRelayed are headers of the application's answer that belong to its connection with us, or that Caddy
// writes itself.
var notRelayed = map[string]struct{}{
	"Connection": {}, "Keep-Alive": {}, "Transfer-Encoding": {}, "Trailer": {}, "Upgrade": {},
	"Content-Length": {}, "Content-Type": {}, "Date": {}, envelope.Via: {},
}

// wait returns the application's answer, or nil if the provider is to be told only that the event is
// stored.
func (r *relay) wait(limit time.Duration) *reply {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case a := <-r.answers:
		return a
	case <-timer.C:
		return nil
	}
}
