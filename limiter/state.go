package limiter

import (
	"slices"
	"time"
)

// State is what is remembered of one key, and the arithmetic of both
// algorithms: whole numbers only, so nothing drifts. Backends keep it (or its
// fields, where a script does the arithmetic); it is not safe for concurrent
// use. The zero State is that of a key never used.
//
// Time is in microseconds of any clock; a moment is rounded down. If the
// clock was put back, tokens that were spent later than now count as spent now. Nothing
// comes back for the step backwards, and from now on tokens come back as always. So a
// clock that was years ahead locks no client out.
//
// A State that everything has come back to is the same as a zero one in every
// respect, so it may be forgotten.
//
// A State sees the clock when it is looked at, and a backend may look more
// often than it is asked: a step backwards between two uses of a key may or may
// not be seen, and a key that was fresh before the step may or may not be fresh after it.
//
// # A changed limit
//
// A key's new Limit holds from its next Tune on; until then tokens come back under the old
// one. Spent tokens stay spent, as far as the new Burst can hold them:
//
//   - TokenBucket: what is missing stays missing, but never more than the new
//     Burst: at worst the bucket is empty. If the Rate changes, a token that has
//     flowed back in part counts as missing altogether.
//   - SlidingWindow: every request keeps its time (the end of its slot, or now if
//     that is earlier) and is counted for the new window.
//   - From TokenBucket to SlidingWindow: the missing tokens, rounded up, are requests made now.
//   - From SlidingWindow to TokenBucket: the requests in the window are missing
//     tokens, but never more than the new Burst.
type State struct {
	// Limit is the limit under which the other fields were counted.
	Limit Limit
	// At is the time of the latest Tune or Return.
	At int64
	// Born is when the key was last fresh or had its Limit changed: receipts from before are void.
	Born int64
	// Spent is, for TokenBucket, what is missing at At. A token is as many
	// parts as Limit.Rate has microseconds in lowest terms, so that in a
	// microsecond a whole number of them (the Rate's count) flows back.
	Spent int64
	// Log is, for SlidingWindow, the requests still counted, oldest first.
	Log []Mark
}

// Mark is how many requests were made in a slot.
type Mark struct {
	Slot  int64 // the time divided by the slot's length, rounded down
	Count int64 // from 1 up
}

// Tune brings the State to the time now and under the limit, which must be
// valid and Normal. The other methods count from there.
func (s *State) Tune(limit Limit, now int64) {
	s.settle(now)
	if s.fresh() {
		s.Limit, s.Born = limit, now
	} else if s.Limit != limit {
		s.retune(limit)
		s.Born = now
	}
}

// fresh reports whether nothing is missing at At.
func (s *State) fresh() bool { return s.Spent == 0 && len(s.Log) == 0 }

// settle adds the tokens that have come back by now.
func (s *State) settle(now int64) {
	elapsed := max(now-s.At, 0)
	s.At, s.Born = now, min(s.Born, now)
	if s.Spent > 0 {
		if elapsed >= ceilDiv(s.Spent, s.Limit.Rate.count) { // compared first: the product could overflow
			s.Spent = 0
		} else {
			s.Spent -= elapsed * s.Limit.Rate.count
		}
	}
	if len(s.Log) > 0 {
		s.settleLog(now)
	}
}

func (s *State) settleLog(now int64) {
	grain, window := s.Limit.grain(), s.Limit.window()
	gone := 0
	for gone < len(s.Log) && slotEnd(s.Log[gone].Slot, grain)+window <= now {
		gone++
	}
	if gone > 0 {
		s.Log = slices.Delete(s.Log, 0, gone)
	}
	// What a clock that has gone back calls the future was made now.
	current, later := now/grain, int64(0)
	for n := len(s.Log); n > 0 && s.Log[n-1].Slot > current; n-- {
		later += s.Log[n-1].Count
		s.Log = s.Log[:n-1]
	}
	s.count(current, later)
}

// slotEnd is the last microsecond of a slot.
func slotEnd(slot, grain int64) int64 { return slot*grain + grain - 1 }

// count adds n requests to a slot, which must be none before the latest in the Log.
func (s *State) count(slot, n int64) {
	if n == 0 {
		return
	}
	if last := len(s.Log) - 1; last >= 0 && s.Log[last].Slot == slot {
		s.Log[last].Count += n
		return
	}
	s.Log = append(s.Log, Mark{slot, n})
}

// retune puts a State that is settled and not fresh under another limit.
func (s *State) retune(limit Limit) {
	old := s.Limit
	s.Limit = limit
	if old.Algorithm == SlidingWindow && limit.Algorithm == SlidingWindow {
		from, to := old.grain(), limit.grain()
		marks := s.Log
		s.Log = make([]Mark, 0, len(marks))
		for _, m := range marks {
			s.count(slotEnd(m.Slot, from)/to, m.Count)
		}
		s.settleLog(s.At) // the new window may be shorter, and the end of a long slot is yet to come
		return
	}
	if old.Algorithm == TokenBucket && limit.Algorithm == TokenBucket && old.Rate == limit.Rate {
		s.Spent = min(s.Spent, limit.Burst*limit.Rate.micros)
		return
	}
	requests := ceilDiv(s.Spent, old.Rate.micros) + total(s.Log) // one of them is 0
	s.Spent, s.Log = 0, nil
	if limit.Algorithm == SlidingWindow {
		s.count(s.At/limit.grain(), requests)
	} else {
		s.Spent = min(requests, limit.Burst) * limit.Rate.micros
	}
}

func total(log []Mark) (n int64) {
	for _, m := range log {
		n += m.Count
	}
	return n
}

// Remaining is how many requests may be made at once.
func (s *State) Remaining() int64 {
	if s.Limit.Algorithm == SlidingWindow {
		return max(s.Limit.Burst-total(s.Log), 0)
	}
	return s.Limit.Burst - ceilDiv(s.Spent, s.Limit.Rate.micros)
}

// Next is how many microseconds it takes for Remaining to grow, 0 if it is Burst.
func (s *State) Next() int64 {
	if s.fresh() {
		return 0
	}
	if s.Limit.Algorithm == SlidingWindow {
		// As many must go as are above Burst, and one more.
		surplus := max(total(s.Log)-s.Limit.Burst, 0) + 1
		for _, m := range s.Log {
			if surplus -= m.Count; surplus <= 0 {
				return s.expires(m) - s.At
			}
		}
	}
	// The token that is missing in part, or the last of those missing altogether.
	part := s.Spent % s.Limit.Rate.micros
	if part == 0 {
		part = s.Limit.Rate.micros
	}
	return ceilDiv(part, s.Limit.Rate.count)
}

// Reset is how many microseconds it takes for the State to be as a zero one.
func (s *State) Reset() int64 { return s.FreshAt() - s.At }

// FreshAt is the time at which the State will be as a zero one, At or later.
func (s *State) FreshAt() int64 {
	if n := len(s.Log); n > 0 {
		return s.expires(s.Log[n-1])
	}
	return s.At + ceilDiv(s.Spent, s.Limit.Rate.count)
}

// expires is when the requests of a slot are no longer counted.
func (s *State) expires(m Mark) int64 {
	return slotEnd(m.Slot, s.Limit.grain()) + s.Limit.window()
}

// Spend takes a token at the time of the Tune before it. Remaining must not be 0.
func (s *State) Spend() Receipt {
	r := Receipt{At: s.At}
	if s.Limit.Algorithm == SlidingWindow {
		r.Slot = s.At / s.Limit.grain()
		s.count(r.Slot, 1)
	} else {
		s.Spent += s.Limit.Rate.micros
	}
	return r
}

// Return gives a token back that was taken under the limit, now.
//
//   - SlidingWindow: the request is no longer counted, as if it had never been made.
//   - TokenBucket: one token is put back, unless the bucket has been full since:
//     then it has come back by itself. That is as if it had never been taken,
//     except where the bucket came within a token of full in between and was taken from
//     again: then the key has a part of a token too many.
//   - If the key's limit has changed since, nothing happens.
func (s *State) Return(r Receipt, limit Limit, now int64) {
	s.settle(now)
	if s.fresh() || s.Limit != limit || r.At < s.Born {
		return
	}
	if limit.Algorithm == TokenBucket {
		s.Spent = max(s.Spent-limit.Rate.micros, 0)
		return
	}
	for i := range s.Log {
		if s.Log[i].Slot != r.Slot {
			continue
		}
		if s.Log[i].Count--; s.Log[i].Count == 0 {
			s.Log = slices.Delete(s.Log, i, i+1)
		}
		return
	}
}

// Status returns how the key stands since the latest Tune, for the answer to an Ask.
func (s *State) Status(ask Ask) Status {
	ask.Limit = s.Limit
	return Status{
		Ask:       ask,
		Remaining: s.Remaining(),
		Next:      time.Duration(s.Next()) * time.Microsecond,
		Reset:     time.Duration(s.Reset()) * time.Microsecond,
	}
}
