package intake

import (
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Destination is a place to which events of some types go.
type Destination struct {
	// Name is unique in the endpoint.
	Name string

	// Wants reports whether events of a type go there. Priority is how urgent they are there.
	Wants    func(eventType string) bool
	Priority func(eventType string) int
}

// chooseDestinations returns the destinations that want the event. If the type cannot be read, a
// destination that asks for types may want the event: it is stored for that one as a dead letter, which
// can be replayed. Those come last. Of a batch, a destination may want any event, and gets the whole
// batch.
func (e *Endpoint) chooseDestinations(in *Inbound) *reply {
	var unsure []retrystore.Target
	for _, d := range e.Destinations {
		t := retrystore.Target{Destination: d.Name, Priority: d.Priority(in.eventType)}
		for _, further := range in.furtherTypes {
			t.Priority = max(t.Priority, d.Priority(further))
		}
		switch {
		case d.Wants(in.eventType), slices.ContainsFunc(in.furtherTypes, d.Wants):
			in.targets = append(in.targets, t)
		case in.eventType == "", slices.Contains(in.furtherTypes, ""):
			t.Dead = forward.ReasonTypeUnknown
			unsure = append(unsure, t)
		}
	}
	in.targets = append(in.targets, unsure...)
	if len(in.targets) == 0 {
		return acknowledge(OutcomeIgnored, e.Row)
	}
	return nil
}

// accept stores the event and starts its delivery. No other step acknowledges a webhook.
func (e *Endpoint) accept(in *Inbound) *reply {
	var waiting *relay
	var done Done
	if e.RespondUpstream && in.targets[0].Dead == "" {
		waiting = newRelay()
		done = waiting.done
	}
	receipt, err := e.Accept(e.Waits.Now(), &retrystore.Submission{
		Key:     e.eventKey(in),
		KeyTTL:  e.KeyTTL,
		Event:   e.newEvent(in),
		Targets: in.targets,
	}, done)
	switch {
	case err != nil:
		return storeRefused(err)
	case receipt.Duplicate:
		return acknowledge(OutcomeDuplicate, e.Row)
	}
	if waiting != nil {
		if a := waiting.wait(e.RespondTimeout); a != nil {
			return a
		}
	}
	return acknowledge(OutcomeAccepted, e.Row)
}
