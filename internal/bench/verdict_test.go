package main

import (
	"math"
	"slices"
	"testing"
	"time"
)

// TestJudge wants every delivery that is missing, or there twice, to be seen.
func TestJudge(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(ms int64) int64 { return start.UnixNano() + ms*1e6 }
	answers := func(status int16, numbers ...uint32) (all []exchange) {
		for _, n := range numbers {
			all = append(all, exchange{number: n, status: status, due: at(0), sent: at(0), answered: at(10)})
		}
		return all
	}
	for name, c := range map[string]struct {
		fanOut            int
		exchanges         []exchange
		deliveries        []delivery
		lost, repeated    int
		refused           bool
		sustained, inTime number
	}{
		"all arrive":                   {1, answers(202, 1, 2), []delivery{{at(5), 1, 0}, {at(500), 2, 0}}, 0, 0, false, 4, 1},
		"one is lost":                  {1, answers(202, 1, 2), []delivery{{at(100), 1, 0}}, 1, 0, false, 10, 0},
		"one comes twice":              {1, answers(202, 1), []delivery{{at(100), 1, 0}, {at(200), 1, 0}}, 0, 1, false, 10, 0},
		"two destinations, one misses": {2, answers(202, 1), []delivery{{at(100), 1, 1}}, 1, 0, false, 5, 0},
		"refused":                      {1, append(answers(202, 1), answers(503, 2)...), []delivery{{at(100), 1, 0}}, 0, 0, true, 10, 0},
		"of the warm-up, or held":      {1, answers(202, 9), []delivery{{at(1), 1, 0}, {at(100), 9, 0}, {at(2), 9, 1}}, 0, 0, false, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := &trial{Workload: workload{FanOut: c.fanOut}, Seconds: 1}
			got.countAnswers(c.exchanges, 202)
			got.judge(file, c.exchanges, c.deliveries, start)
			if got.Lost != c.lost || got.Repeated != c.repeated || (len(got.Refused) > 0) != c.refused {
				t.Errorf("lost %d, repeated %d, refused %v", got.Lost, got.Repeated, got.Refused)
			}
			if wrong := c.lost+c.repeated > 0 || c.refused; (got.wrong() != nil) != wrong {
				t.Errorf("wrong: %v", got.wrong())
			}
			if math.Abs(float64(got.SustainedRate-c.sustained)) > .01 || got.DeliverRate != c.inTime {
				t.Errorf("sustained %v, delivered meanwhile %v", got.SustainedRate, got.DeliverRate)
			}
		})
	}
}

func TestPercentiles(t *testing.T) {
	var ns []int64
	for i := range int64(1000) {
		ns = append(ns, (i+1)*int64(time.Millisecond))
	}
	slices.Reverse(ns)
	if got, want := percentilesOf(ns), (percentiles{.5, .99, .999, 1}); got != want {
		t.Errorf("got %v", got)
	}
	if got := percentilesOf(nil); got.P50.known() {
		t.Errorf("of nothing: %v", got)
	}
	if got := percentilesOf([]int64{1e9}); got != (percentiles{1, 1, 1, 1}) {
		t.Errorf("of one: %v", got)
	}
}

// TestRatioOfRounds compares rounds with each other, not medians: a machine that
// slows down in the middle changes no ratio.
func TestRatioOfRounds(t *testing.T) {
	r := new(results)
	for round, speed := range []number{100, 50, 10} {
		r.Trials = append(r.Trials,
			trial{System: respond.Name, Mode: closedLoop, Round: round, AcceptRate: 2 * speed},
			trial{System: fileHeld.Name, Mode: closedLoop, Round: round, AcceptRate: speed},
			trial{System: fileHeld.Name, Mode: closedLoop, Round: round, AcceptRate: 1, Probe: syncProbe},
			trial{System: fileHeld.Name, Mode: closedLoop, Round: round, AcceptRate: 1, Sweep: "body"},
		)
	}
	if got := r.ratio(fileHeld.Name, respond.Name, acceptRate); got != (spread{.5, .5, .5, 3}) {
		t.Errorf("ratio %+v", got)
	}
	r.judgeGoals()
	if g := r.Goals[0]; !g.met() || g.Got.Rounds != 3 {
		t.Errorf("goal %+v", g)
	}
	if g := r.Goals[2]; g.Got.Rounds != 0 || g.met() {
		t.Errorf("what was not measured is met: %+v", g)
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []number
		want   spread
	}{
		{[]number{3, 1, 2}, spread{2, 1, 3, 3}},
		{[]number{4, 1, 2, 3}, spread{2.5, 1, 4, 4}},
		{[]number{unknown, 7}, spread{7, 7, 7, 1}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%v: %+v", c.values, got)
		}
	}
	if got := spreadOf(nil); got.Rounds != 0 || got.Median.known() {
		t.Errorf("of nothing: %+v", got)
	}
}

func TestCommonRate(t *testing.T) {
	for _, c := range []struct{ accept, sustained, want float64 }{
		{20_000, 9_870, 4_900}, {20_000, 13, 6.5}, {3, 0.5, 1}, {1234, math.NaN(), 610},
	} {
		if got := commonRate([]trial{{AcceptRate: 1e6, SustainedRate: unknown}, {AcceptRate: number(c.accept), SustainedRate: number(c.sustained)}}); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
