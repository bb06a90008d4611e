package intake

import (
	"net/http"
	"slices"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// challengeOf is the challenge of a 401 (RFC 9110, section 11.6.1), where the provider sends user and
// password. Some providers send these only after they were asked for.
func challengeOf(row *verify.Provider) string {
	if slices.ContainsFunc(row.Schemes, func(s verify.Scheme) bool { return s.Algorithm == "basic" }) {
		return `Basic realm="webhooks", charset="UTF-8"`
	}
	return ""
}

// verifySignature checks that the webhook is from the provider.
func (e *Endpoint) verifySignature(in *Inbound) *reply {
	result, err := in.verifier.Verify(&in.signed)
	if err != nil {
		refused := signatureRefused(err)
		if e.challenge != "" && refused.code == http.StatusUnauthorized {
			refused.header = http.Header{"Www-Authenticate": {e.challenge}}
		}
		return refused
	}
	in.isVerified, in.verified = true, result
	return nil
}

// identify reads the event's id and type.
func (e *Endpoint) identify(in *Inbound) *reply {
	in.eventID, in.eventType = in.verifier.Identify(&in.signed)
	if in.verified.ID != "" {
		in.eventID = in.verified.ID
	}
	in.furtherTypes = in.verifier.FurtherTypes(&in.signed)
	return nil
}
