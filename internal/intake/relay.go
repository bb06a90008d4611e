package intake

import (
	"net/http"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/envelope"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// MaxRelay bounds an answer's body that is relayed. A longer one is not: the
// provider gets the usual acknowledgement then.
const MaxRelay = 1 << 20

// relay carries the application's answer to the provider that waits for it.
type relay struct {
	answers chan *reply // holds one, so that who is late blocks nobody
}

func newRelay() *relay { return &relay{answers: make(chan *reply, 1)} }

// done is told what comes of the attempt; see Done. Only a
// success that came whole is relayed: what failed will be delivered later, so the
// provider must not send it again.
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

// notRelayed are the headers of the application's answer that belong to its
// connection with us, or that Caddy writes itself.
var notRelayed = map[string]struct{}{
	"Connection": {}, "Keep-Alive": {}, "Transfer-Encoding": {}, "Trailer": {}, "Upgrade": {},
	"Content-Length": {}, "Content-Type": {}, "Date": {}, envelope.Via: {},
}

// wait returns the application's answer, or nil if the provider should be told
// that the event is stored, and no more.
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
