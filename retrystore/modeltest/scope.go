package modeltest

// Scope bounds what an exploration does, so that it comes to an end.
type Scope struct {
	Name string
	// Events is how many may be there at once; Attempts how often one may fail.
	Events, Attempts int
	// Keys is how many event keys there are; Keyless accepts without a key too.
	Keys    int
	Keyless bool
	// Targets are the shapes of events, as Accept takes them. The lanes of claims
	// are those named here.
	Targets []string
	// Bound is MaxPending of every Accept; 0 for none.
	Bound int
	// Alone accepts also with a MaxBytes that anything stored reaches.
	Alone bool
	// Claims are the bounds of claims, Max and MaxRetries.
	Claims [][2]int
	// Results are what attempts may end with.
	Results []Result
	// Hold, ByHand, Lease, Time and Restart admit guard mode; Replay and Delete;
	// Renew and Release; the passing of time; crash, flush and opening again.
	Hold, ByHand, Lease, Time, Restart bool
	// Depth is how many operations from the empty store states may be away that
	// are left again; 0 leaves every state that can be reached.
	Depth int
	// Pairs does every two operations at once that are not about time and
	// restarts, besides each alone.
	Pairs bool

	deep func(*Scope) // bounds it for a deep exploration, which has no Depth
}

// ops are the operations to do in a state of these worlds: the same ones, but
// for names, in all states of one signature. keys is the order of the keys.
func (sc *Scope) ops(worlds []*state, keys []int, name int) []Op {
	s := worlds[0]
	single := sc.accepts(s, keys, name)
	single = append(single, sc.claims()...)
	for i := range s.events {
		single = append(single, sc.deliveryOps(&s.events[i])...)
	}
	if sc.Hold {
		for _, k := range keys {
			single = append(single, Hold(k))
			if s.key(k).hold != 0 {
				single = append(single, Commit(k), Free(k), RenewKey(k))
			}
		}
	}
	all := single
	if sc.Pairs {
		all = append([]Op{}, single...)
		for i, a := range single {
			for _, b := range single[i:] {
				if a.kind == KindAccept && b.kind == KindAccept {
					if b.event++; len(s.events)+2 > sc.Events && !s.duplicates(a) && !s.duplicates(b) {
						continue
					}
				}
				all = append(all, Both(a, b))
			}
		}
	}
	if sc.Time {
		all = append(all, Advance())
	}
	if sc.Restart {
		all = append(all, Reopen(), Crash())
		if s.rules.Forgets {
			all = append(all, Flush())
		}
	}
	return all
}

// duplicates says that an Accept stores nothing.
func (s *state) duplicates(o Op) bool { return o.key != 0 && s.remembers(o.key) }

func (sc *Scope) accepts(s *state, keys []int, name int) (all []Op) {
	room := len(s.events) < sc.Events
	for _, k := range keys {
		for _, targets := range sc.Targets {
			if room || s.remembers(k) {
				all = append(all, AcceptBound(name, k, targets, sc.Bound))
			}
			if sc.Alone && room {
				all = append(all, AcceptAlone(name, k, targets))
			}
			if s.remembers(k) {
				break // one repetition is like another
			}
		}
	}
	if sc.Keyless && room {
		for _, targets := range sc.Targets {
			all = append(all, AcceptBound(name, 0, targets, sc.Bound))
		}
	}
	return all
}

func (sc *Scope) claims() (all []Op) {
	seen := make(map[string]bool)
	for _, targets := range sc.Targets {
		for _, t := range (Op{targets: targets}).shapes() {
			if seen[t.lane] {
				continue
			}
			seen[t.lane] = true
			for _, c := range sc.Claims {
				all = append(all, Claim(t.lane, c[0], c[1]))
			}
		}
	}
	return all
}

func (sc *Scope) deliveryOps(e *event) (all []Op) {
	if e.finished() {
		return nil
	}
	for i := range e.deliveries {
		d := &e.deliveries[i]
		if d.token != 0 {
			for _, r := range sc.Results {
				if r == Delivered || d.attempts < sc.Attempts {
					all = append(all, Settle(e.name, i, r))
				}
			}
			if sc.Lease {
				all = append(all, Renew(e.name, i), Release(e.name, i))
			}
		}
		// A removed one cannot be found, which Look tries only of whole events.
		if sc.ByHand && (d.state != removed || i == 0) {
			all = append(all, Replay(e.name, i), Delete(e.name, i))
		}
	}
	return all
}
