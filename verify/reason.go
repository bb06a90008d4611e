package verify

import (
	"fmt"
	"net/http"
)

// Reason is why a webhook was refused, in the words that answers and metrics
// share. It tells the caller nothing that helps to forge one.
type Reason string

// The reasons. Error.Detail says more, to the operator only.
const (
	// MissingSignature: there is no signature where the provider puts it.
	MissingSignature Reason = "missing_signature"
	// InvalidSignature: there is one, but it does not prove the content.
	InvalidSignature Reason = "invalid_signature"
	// TimestampExpired: correctly signed, but longer ago than the tolerance.
	TimestampExpired Reason = "timestamp_expired"
	// InvalidTimestamp: the signed timestamp is missing, malformed, or (correctly
	// signed) further in the future than the tolerance.
	InvalidTimestamp Reason = "invalid_timestamp"
	// AmbiguousRequest: another program could read another value than we do where a single
	// field, member or header is signed, or says what event this is.
	AmbiguousRequest Reason = "ambiguous_request"
	// KeyUnavailable: the provider's public key cannot be fetched now, so nothing is
	// known of the webhook. The provider should send it again.
	KeyUnavailable Reason = "key_unavailable"
)

// Status returns the HTTP status that answers a webhook refused for r: 401
// where the signature is at fault, 400 where the timestamp or the form of the request is, 503 where we are.
func (r Reason) Status() int {
	switch r {
	case KeyUnavailable:
		return http.StatusServiceUnavailable
	case TimestampExpired, InvalidTimestamp, AmbiguousRequest:
		return http.StatusBadRequest
	default:
		return http.StatusUnauthorized
	}
}

// The finer reasons of Error.Detail. The set is small and fixed, so they may be
// metric labels.
const (
	DetailNoSignature         = "no_signature"          // not there, or empty
	DetailNoSecretYet         = "no_secret_yet"         // the provider hands the secret over, and it is not configured
	DetailMalformedSignature  = "malformed_signature"   // not in the scheme's format, or over a bound
	DetailNoMatchingSignature = "no_matching_signature" // well-formed, but of other content or another key
	DetailMissingPart         = "missing_part"          // a signed header or field is absent, or there several times
	DetailMalformedPart       = "malformed_part"        // a signed value is one that no sender can mean
	DetailAmbiguousField      = "ambiguous_field"       // a field is there several times, or under a name that some take for the same
	DetailAmbiguousMember     = "ambiguous_member"      // the same of a member of JSON, or the JSON is not UTF-8
	DetailAmbiguousHeader     = "ambiguous_header"      // the same of a header
	DetailAmbiguousPath       = "ambiguous_path"        // the path is another one before it is unescaped and cleaned
	DetailAmbiguousContent    = "ambiguous_content"     // correctly signed, but the signature is as good for other values than those
	DetailMislabelledBody     = "mislabelled_body"      // the Content-Type says another kind of body, charset or boundary
	DetailUndecodedBody       = "undecoded_body"        // what is signed is the body before compression, and it is damaged or too long
	DetailUnsignedBody        = "unsigned_body"         // the signature would not cover this body
	DetailHandshakeContent    = "handshake_content"     // correctly signed, but a handshake signs the same for anybody
	DetailBodyDigestMismatch  = "body_digest_mismatch"  // correctly signed, but the signed digest is of another body
	DetailOtherRecipient      = "other_recipient"       // correctly signed, but for somebody else, by the provider's settings
	DetailForeignKeyAddress   = "foreign_key_address"   // it wants its key fetched from where the provider has none
	DetailUnknownKey          = "unknown_key"           // the provider publishes no key of that id
	DetailKeyNotFetched       = "key_not_fetched"       // the provider's key could not be fetched
	DetailKeyFetchLimited     = "key_fetch_limited"     // it was not fetched, since webhooks name too many keys that nobody knows
	DetailKeyNotYet           = "key_not_yet"           // the provider's keys were fetched just before and had none of that id
	DetailMissingTimestamp    = "missing_timestamp"     // not there, empty, or there several times
	DetailMalformedTimestamp  = "malformed_timestamp"   // not in the scheme's unit
	DetailStaleTimestamp      = "stale_timestamp"       // correctly signed, too old
	DetailFutureTimestamp     = "future_timestamp"      // correctly signed, too far ahead
)

// Error is why Verify refused a webhook. It contains no secret and no
// signature, neither the received nor the expected one, and may be logged.
type Error struct {
	Reason Reason // what the provider is answered with
	Detail string // for the operator: one of the Detail constants
	About  string // for the operator: what it is about, such as "header Stripe-Signature"
}

// Error returns all three parts in one line.
func (e *Error) Error() string {
	if e.About == "" {
		return fmt.Sprintf("%s: %s", e.Reason, e.Detail)
	}
	return fmt.Sprintf("%s: %s (%s)", e.Reason, e.Detail, e.About)
}

// Status returns the HTTP status of the answer, as Reason.Status does.
func (e *Error) Status() int { return e.Reason.Status() }

// rank orders the errors of a provider's alternative schemes by how far
// verification got. The furthest one is what the operator wants to know.
func (e *Error) rank() int {
	switch e.Detail {
	case DetailNoSignature:
		return 0
	case DetailMissingPart, DetailMalformedPart, DetailUndecodedBody, DetailUnsignedBody:
		return 1
	case DetailMalformedSignature:
		return 2
	case DetailMissingTimestamp, DetailMalformedTimestamp:
		return 3
	case DetailNoMatchingSignature, DetailUnknownKey:
		return 4
	case DetailAmbiguousContent:
		return 5 // what another scheme says of the time, say, is as true
	case DetailKeyNotFetched, DetailKeyFetchLimited, DetailKeyNotYet:
		return 7 // whatever else: it may be right
	default: // the signature was right, something else was not
		return 6
	}
}

func invalidSignature(detail, about string) *Error {
	return &Error{Reason: InvalidSignature, Detail: detail, About: about}
}

func ambiguous(detail, about string) *Error {
	return &Error{Reason: AmbiguousRequest, Detail: detail, About: about}
}

func invalidTimestamp(detail, about string) *Error {
	return &Error{Reason: InvalidTimestamp, Detail: detail, About: about}
}
