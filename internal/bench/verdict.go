package main

import (
	"fmt"
	"time"
)

// countAnswers tells those that are as hoped from the others.
func (t *trial) countAnswers(exchanges []exchange, want int16) {
	t.Events = len(exchanges)
	t.Backlog = unknown
	for _, e := range exchanges {
		if e.status == want {
			t.Accepted++
			continue
		}
		if t.Refused == nil {
			t.Refused = make(map[string]int)
		}
		t.Refused[fmt.Sprint(e.status, " ", e.word)]++
	}
	t.AcceptRate = number(t.Accepted) / t.Seconds
}

func (t *trial) addLatencies(exchanges []exchange) {
	answers, late := make([]int64, len(exchanges)), make([]int64, len(exchanges))
	for i, e := range exchanges {
		answers[i], late[i] = e.answered-e.due, e.sent-e.due
	}
	t.Answer, t.SendLate = percentilesOf(answers), percentilesOf(late)
}

// judge compares what was accepted with what arrived at the application, event by event.
func (t *trial) judge(s system, exchanges []exchange, deliveries []delivery, start time.Time) {
	t.DeliverRate, t.SustainedRate, t.ToDelivery = unknown, unknown, percentilesOf(nil)
	if !s.delivers() {
		return
	}
	accepted := make(map[uint32]int64, len(exchanges)) // when each was answered
	sendingEnd := start.UnixNano()
	for _, e := range exchanges {
		sendingEnd = max(sendingEnd, e.answered)
		if e.status == s.wantStatus() {
			accepted[e.number] = e.answered
		}
	}
	fanOut := t.Workload.FanOut
	if s.passes {
		fanOut = 1
	}
	type arrival struct{ number, destination uint32 }
	seen := make(map[arrival]bool, len(accepted)*fanOut)
	var waits []int64
	last, inTime := start.UnixNano(), 0
	for _, d := range deliveries {
		answered, ok := accepted[d.number]
		if !ok || int(d.destination) >= fanOut {
			continue // of the warm-up, or held
		}
		if seen[arrival{d.number, d.destination}] {
			t.Repeated++
			continue
		}
		seen[arrival{d.number, d.destination}] = true
		waits = append(waits, max(0, d.at-answered))
		last = max(last, d.at)
		if d.at <= sendingEnd {
			inTime++
		}
	}
	t.Delivered = len(seen)
	t.Lost = len(accepted)*fanOut - len(seen)
	t.DeliverRate = number(inTime) / t.Seconds
	t.ToDelivery = percentilesOf(waits)
	elapsed := time.Duration(max(last, sendingEnd) - start.UnixNano())
	t.SustainedRate = number(float64(t.Delivered) / float64(fanOut) / elapsed.Seconds())
}

// wrong says what should not have happened, or nothing.
func (t *trial) wrong() error {
	if len(t.Refused) == 0 && t.Lost == 0 && t.Repeated == 0 {
		return nil
	}
	return fmt.Errorf("%s, %s, round %d: of %d events %d were accepted, %d deliveries lost, %d repeated; other answers: %v",
		t.System, t.Mode, t.Round, t.Events, t.Accepted, t.Lost, t.Repeated, t.Refused)
}
