package intake

// verifySignature finds out whether the webhook is from the provider.
func (e *Endpoint) verifySignature(in *Inbound) *reply {
	result, err := in.verifier.Verify(&in.signed)
	if err != nil {
		return signatureRefused(err)
	}
	in.isVerified, in.verified = true, result
	return nil
}

// identify reads what the webhook says of its event.
func (e *Endpoint) identify(in *Inbound) *reply {
	in.eventID, in.eventType = in.verifier.Identify(&in.signed)
	if in.verified.ID != "" {
		in.eventID = in.verified.ID
	}
	in.furtherTypes = in.verifier.FurtherTypes(&in.signed)
	return nil
}
