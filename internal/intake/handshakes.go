package intake

func (e *Endpoint) shakeHandsUnsigned(in *Inbound) *reply { return e.shakeHands(in, false) }
func (e *Endpoint) shakeHandsSigned(in *Inbound) *reply   { return e.shakeHands(in, true) }

func (e *Endpoint) shakeHands(in *Inbound, verified bool) *reply {
	reply, ok := in.verifier.Handshake(&in.signed, verified)
	if !ok {
		return nil
	}
	if secret, offered := in.verifier.OfferedSecret(&in.signed); offered {
		if err := e.Offered(in, secret); err != nil {
			return unavailable(retryLater, ReasonOffered, err)
		}
	}
	return handshake(reply)
}
