package modeltest

// guard is an operation on a key: to hold it, or of its holder. It changes s.
func (s *state) guard(o Op) []outcome {
	k := s.key(o.key)
	live := s.held(o.key)
	if o.kind == KindHold {
		switch {
		case s.remembers(o.key):
			return []outcome{{answerCommitted, s}}
		case live:
			return []outcome{{takenText(k.until - s.now), s}}
		}
		k.hold, k.until = o.lease(0), s.now+holdTicks
		return []outcome{{grantedText(holdTicks), s}}
	}
	if k.hold == 0 || k.hold != o.token {
		return []outcome{{answerLost, s}}
	}
	var all []outcome
	if !live {
		// It lapsed and no other caller took it: the backend decides whether it is
		// still valid.
		lost := s.clone()
		lost.key(o.key).hold = 0
		all = append(all, outcome{answerLost, lost})
	}
	switch o.kind {
	case KindFree:
		k.hold = 0
		return append(all, outcome{answerOK, s})
	case KindRenewKey:
		k.until = s.now + holdTicks
		return append(all, outcome{untilText(holdTicks), s})
	}
	*k = keyState{expires: s.now + keyTicks}
	s.flush()
	return append(all, outcome{answerOK, s})
}
