package intake

// The words of answers: what happened to a webhook. They are in the body or the Webhook-Status header of
// the answer, in logs, metrics and placeholders. For a wrong signature there are also the words of package
// verify (verify.Reason).
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

// Reasons that say more than the outcome's word.
const (
	// ReasonNoHandler means that no handler was ready to work on the webhook.
	ReasonNoHandler = "no_handler"

	// ReasonBrokenOff means that the webhook's answer was not completed.
	ReasonBrokenOff = "broken_off"

	// ReasonOffered means that a handshake with a secret was refused because the secret could not be kept.
	ReasonOffered = "offered_secret"
)
