package main

import (
	"encoding/json"
	"math"
	"slices"
	"time"
)

// number is a measured value, or unknown.
type number float64

// unknown is what could not be measured here. What is computed from it is unknown, too.
var unknown = number(math.NaN())

func (n number) known() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// MarshalJSON writes null for what is unknown.
func (n number) MarshalJSON() ([]byte, error) {
	if !n.known() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (n *number) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		*n = unknown
		return nil
	}
	return json.Unmarshal(text, (*float64)(n))
}

// spread is what several rounds measured.
type spread struct {
	Median number `json:"median"`
	Min    number `json:"min"`
	Max    number `json:"max"`
	Rounds int    `json:"rounds"`
}

// spreadOf leaves out what is unknown.
func spreadOf(values []number) spread {
	values = slices.DeleteFunc(slices.Clone(values), func(n number) bool { return !n.known() })
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return spread{unknown, unknown, unknown, 0}
	}
	return spread{(values[(n-1)/2] + values[n/2]) / 2, values[0], values[n-1], n}
}

// percentiles of durations, in seconds.
type percentiles struct {
	P50  number `json:"p50"`
	P99  number `json:"p99"`
	P999 number `json:"p99.9"`
	Max  number `json:"max"`
}

// percentilesOf takes durations in ns, and sorts them. The nearest rank counts:
// each is a duration that was measured.
func percentilesOf(ns []int64) percentiles {
	slices.Sort(ns)
	at := func(share float64) number {
		if len(ns) == 0 {
			return unknown
		}
		rank := int(math.Ceil(share * float64(len(ns))))
		return number(time.Duration(ns[max(rank, 1)-1]).Seconds())
	}
	return percentiles{at(.5), at(.99), at(.999), at(1)}
}
