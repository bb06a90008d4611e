package oracle

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Secret is what the providers sign with.
const Secret = "oracle-secret"

// Scheme is how a provider signs, written from its documentation with the
// standard library only: the proxy's own code would repeat its own mistakes.
type Scheme struct {
	Name string // of the provider, as configs spell it
	// Resigned is the header that a later attempt has anew; empty: none.
	Resigned string

	sign func(e *Event, at time.Time)
	// verify does what the application's own library would do.
	verify func(r *http.Request, body []byte, now time.Time) error
}

func (s *Scheme) check(e *Event, r *http.Request, body []byte) error {
	if err := s.verify(r, body, time.Now()); err != nil {
		return err
	}
	if s.Resigned == "" || r.Header.Get(s.Resigned) == e.Header.Get(s.Resigned) {
		return nil
	}
	if r.Header.Get("Webhook-Attempt") == "1" && time.Since(received(r)) < 25*time.Second {
		return fmt.Errorf("signed anew although it is the first attempt, soon after it came")
	}
	if got, want := r.Header.Get("Webhook-Original-"+s.Resigned), e.Header.Get(s.Resigned); got != want {
		return fmt.Errorf("with the original %s %q: it was sent with %q", s.Resigned, got, want)
	}
	return nil
}

func received(r *http.Request) time.Time {
	at, _ := time.Parse(time.RFC3339Nano, r.Header.Get("Webhook-Received-At"))
	return at
}

func mac(content ...string) string {
	h := hmac.New(sha256.New, []byte(Secret))
	for _, part := range content {
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// GitHub signs the body alone: "Validating webhook deliveries" in GitHub's documentation.
var GitHub = &Scheme{
	Name: "github",
	sign: func(e *Event, _ time.Time) {
		e.Header.Set("X-GitHub-Delivery", e.ID)
		e.Header.Set("X-GitHub-Event", e.Type)
		e.Header.Set("X-Hub-Signature-256", "sha256="+mac(string(e.Body)))
	},
	verify: func(r *http.Request, body []byte, _ time.Time) error {
		if got, want := r.Header.Get("X-Hub-Signature-256"), "sha256="+mac(string(body)); got != want {
			return fmt.Errorf("with signature %q: want %q", got, want)
		}
		return nil
	},
}

// Stripe signs a timestamp and the body, and its libraries refuse what is older
// than five minutes: "Verify webhook signatures manually" in Stripe's documentation.
var Stripe = &Scheme{
	Name: "stripe", Resigned: "Stripe-Signature",
	sign: func(e *Event, at time.Time) {
		stamp := strconv.FormatInt(at.Unix(), 10)
		e.Header.Set("Stripe-Signature", "t="+stamp+",v1="+mac(stamp, ".", string(e.Body)))
	},
	verify: func(r *http.Request, body []byte, now time.Time) error {
		header := r.Header.Get("Stripe-Signature")
		var stamp string
		var signatures []string
		for part := range strings.SplitSeq(header, ",") {
			switch name, value, _ := strings.Cut(part, "="); name {
			case "t":
				stamp = value
			case "v1":
				signatures = append(signatures, value)
			}
		}
		seconds, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil {
			return fmt.Errorf("with Stripe-Signature %q", header)
		}
		if age := now.Sub(time.Unix(seconds, 0)); age.Abs() > 5*time.Minute {
			return fmt.Errorf("signed %s ago: Stripe's libraries would refuse it", age)
		}
		want := mac(stamp, ".", string(body))
		for _, got := range signatures {
			if got == want {
				return nil
			}
		}
		return fmt.Errorf("with Stripe-Signature %q: want v1=%s", header, want)
	},
}
