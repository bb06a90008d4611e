package intake

import (
	"net/http"
)

var loopDetected = &reply{code: http.StatusLoopDetected, word: OutcomeLoop, reason: "own_delivery",
	message: "this endpoint has delivered this webhook itself: its forward leads back to it"}

// checkLoop refuses a request that this process has delivered from this endpoint.
func (e *Endpoint) checkLoop(in *Inbound) *reply {
	if e.Headers.WentRound(in.r.Header) {
		return loopDetected
	}
	return nil
}

// checkOwnDelivery refuses a request that another process has delivered from this endpoint out of the same
// store, even if a proxy on the way has removed the marks.
func (e *Endpoint) checkOwnDelivery(in *Inbound) *reply {
	id := in.r.Header.Get(e.Headers.ID)
	if id == "" {
		return nil
	}
	// An error is no sign of a loop. Only a store that is not open yet is an answer here; accept finds out
	// whether the store works.
	switch endpoint, err := e.EndpointOf(e.Waits.Now(), id); {
	case err != nil:
		return unavailable(retrySoon, "store_unavailable", err)
	case endpoint == e.Name:
		return loopDetected
	}
	return nil
}
