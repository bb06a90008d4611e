package intake

// The words of answers: what became of a webhook. They are in the body or the header Webhook-Status of
// the answer, in logs, metrics and placeholders. What is wrong with a signature has the words of package
// verify (verify.Reason) besides.
const (
	OutcomeAccepted  = "accepted"  // stored, or done by the next handler
	OutcomeDuplicate = "duplicate" // it was there before
	OutcomeIgnored   = "ignored"   // no destination wants it
	OutcomeDelivered = "delivered" // stored and delivered while the provider waited
	OutcomeHandshake = "handshake" // no event: the provider tried the endpoint out

	OutcomeHandshakeRefused = "handshake_refused"
	OutcomeHTTPSRequired    = "https_required"
	OutcomeIPBlocked        = "ip_blocked"
	OutcomeIPNotAllowed     = "ip_not_allowed"
	OutcomeMethod           = "method_not_allowed"
	OutcomeMediaType        = "unsupported_media_type"
	OutcomeTooLarge         = "payload_too_large"
	OutcomeIncomplete       = "body_incomplete"
	OutcomeTimeout          = "body_timeout"
	OutcomeRateLimited      = "rate_limit_exceeded"
	OutcomeLoop             = "loop"
	OutcomeUnavailable      = "unavailable"

	OutcomeInProgress = "in_progress" // guard mode: the first one is still being worked on
	OutcomeFailed     = "failed"      // guard mode: the next handler did not answer with a success
)

// Reasons that say more than the word does.
const (
	// ReasonNoHandler is that of a webhook that no handler stood ready to work on.
	ReasonNoHandler = "no_handler"

	// ReasonBrokenOff is that of a webhook that got no whole answer.
	ReasonBrokenOff = "broken_off"

	// ReasonOffered is why a handshake with a secret was refused: the secret could not be kept.
	ReasonOffered = "offered_secret"
)
