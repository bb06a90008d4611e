package verify

// Answer is what a provider gets back.
type Answer struct {
	Status      int    // HTTP status; 0 only in the zero Answer
	ContentType string // empty: no Content-Type header
	Body        string
}

// Handshake is a request by which a provider tries out an endpoint.
type Handshake struct {
	Signed bool   // whether it counts only after Verify accepted it
	When   Source // a request is this handshake if When has
	Equals string // this value
	Answer Answer // what to answer it with
	Echo   Source // if not zero, the value here is the answer's body
}

// Handshake returns the answer to r if it is a handshake. Call it before
// Verify with verified false, and after Verify accepted r with verified true:
// the provider's row says which handshakes are signed.
func (v *Verifier) Handshake(r *Request, verified bool) (Answer, bool) {
	d := &document{request: r}
	for _, h := range v.provider.Handshakes {
		if h.Signed != verified {
			continue
		}
		if value, ok := h.When.extract(d); !ok || value != h.Equals {
			continue
		}
		answer := h.Answer
		if !h.Echo.IsZero() {
			body, ok := h.Echo.extract(d)
			if !ok {
				continue
			}
			answer.Body = body
		}
		return answer, true
	}
	return Answer{}, false
}
