package intake

// verifySignature checks that the webhook is from the provider.
func (e *Endpoint) verifySignature(in *Inbound) *reply {
	result, err := in.verifier.Verify(&in.signed)
	if err != nil {
		return signatureRefused(err)
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
