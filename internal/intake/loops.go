package intake

import (
	"net/http"
)

var loopDetected = &reply{code: http.StatusLoopDetected, word: OutcomeLoop, reason: "own_delivery",
	message: "this endpoint has delivered this webhook itself: its forward leads back to it"}

// checkLoop refuses what this process has delivered from this endpoint.
func (e *Endpoint) checkLoop(in *Inbound) *reply {
	if e.Headers.WentRound(in.r.Header) {
		return loopDetected
	}
	return nil
}

// checkOwnDelivery refuses what another process has delivered from this endpoint
// out of the same store, also where a proxy on the way took out the marks.
func (e *Endpoint) checkOwnDelivery(in *Inbound) *reply {
	id := in.r.Header.Get(e.Headers.ID)
	if id == "" {
		return nil
	}
	// An error says nothing of a loop, but for a store that is not open yet; whether it works is for accept to see.
	switch endpoint, err := e.EndpointOf(e.Waits.Now(), id); {
	case err != nil:
		return unavailable(retrySoon, "store_unavailable", err)
	case endpoint == e.Name:
		return loopDetected
	}
	return nil
}
