package forward

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// middle is a source of randomness that makes jitter vanish.
func middle() float64 { return 0.5 }

func TestClassify(t *testing.T) {
	retryIn := func(wait time.Duration) retrystore.Settlement {
		return retrystore.Settlement{State: retrystore.Pending, NextAttemptAt: noon.Add(wait)}
	}
	delivered := retrystore.Settlement{State: retrystore.Delivered}
	failure := errors.New("connection refused")

	tests := map[string]struct {
		dest     Destination
		attempts int // finished before this one
		budget   retrystore.Budget
		answer   Answer
		err      error
		want     retrystore.Settlement
	}{
		// 2xx delivered
		"200":                          {answer: Answer{Status: 200}, want: delivered},
		"202":                          {answer: Answer{Status: 202}, want: delivered},
		"299":                          {answer: Answer{Status: 299}, want: delivered},
		"200 on the last attempt":      {attempts: 15, answer: Answer{Status: 200}, want: delivered},
		"200 in dead_on by accident":   {dest: Destination{DeadOn: []int{200}}, answer: Answer{Status: 200}, want: delivered},
		"200 but the answer broke off": {answer: Answer{Status: 200}, err: failure, want: retryIn(time.Second)},

		// a destination without statuses
		"taken":                      {answer: Answer{Taken: true}, want: delivered},
		"taken on the last attempt":  {attempts: 15, answer: Answer{Taken: true}, want: delivered},
		"taken, then an error":       {answer: Answer{Taken: true}, err: failure, want: retryIn(time.Second)},
		"refused":                    {answer: Answer{Refused: "too_large"}, want: dead("too_large")},
		"refused, and an error":      {answer: Answer{Refused: "too_large"}, err: failure, want: retryIn(time.Second)},
		"neither taken nor a status": {err: failure, want: retryIn(time.Second)},

		// a status in dead_on dead
		"410":                     {answer: Answer{Status: 410}, want: dead("status_410")},
		"410 not in dead_on":      {dest: Destination{DeadOn: []int{404}}, answer: Answer{Status: 410}, want: retryIn(time.Second)},
		"404 in dead_on":          {dest: Destination{DeadOn: []int{400, 404}}, answer: Answer{Status: 404}, want: dead("status_404")},
		"dead_on empty":           {dest: Destination{DeadOn: []int{}}, answer: Answer{Status: 410}, want: retryIn(time.Second)},
		"dead_on before attempts": {attempts: 15, answer: Answer{Status: 410}, want: dead("status_410")},
		"dead_on but an error":    {dest: Destination{DeadOn: []int{502}}, answer: Answer{Status: 502}, err: failure, want: retryIn(time.Second)},
		"503 in dead_on":          {dest: Destination{DeadOn: []int{503}}, answer: Answer{Status: 503, RetryAfter: "9"}, want: dead("status_503")},

		// 429/503 with Retry-After waits that long, capped by max_delay
		"429 seconds":           {answer: Answer{Status: 429, RetryAfter: "120"}, want: retryIn(2 * time.Minute)},
		"503 seconds":           {answer: Answer{Status: 503, RetryAfter: "1"}, attempts: 8, want: retryIn(time.Second)},
		"503 date":              {answer: Answer{Status: 503, RetryAfter: noon.Add(90 * time.Second).Format(http.TimeFormat)}, want: retryIn(90 * time.Second)},
		"429 capped":            {answer: Answer{Status: 429, RetryAfter: "86400"}, want: retryIn(time.Hour)},
		"429 date capped":       {answer: Answer{Status: 429, RetryAfter: noon.Add(24 * time.Hour).Format(http.TimeFormat)}, want: retryIn(time.Hour)},
		"429 beyond counting":   {answer: Answer{Status: 429, RetryAfter: "99999999999999999999"}, want: retryIn(time.Hour)},
		"429 negative":          {answer: Answer{Status: 429, RetryAfter: "-5"}, want: retryIn(time.Second)},
		"429 garbage":           {answer: Answer{Status: 429, RetryAfter: "soon"}, want: retryIn(time.Second)},
		"429 zero":              {answer: Answer{Status: 429, RetryAfter: "0"}, want: retryIn(time.Second)},
		"429 date passed":       {answer: Answer{Status: 429, RetryAfter: noon.Add(-time.Hour).Format(http.TimeFormat)}, want: retryIn(time.Second)},
		"429 alone":             {answer: Answer{Status: 429}, want: retryIn(time.Second)},
		"500 with Retry-After":  {answer: Answer{Status: 500, RetryAfter: "120"}, want: retryIn(time.Second)},
		"error and Retry-After": {answer: Answer{Status: 503, RetryAfter: "120"}, err: failure, want: retryIn(time.Second)},
		"429 on the last":       {attempts: 15, answer: Answer{Status: 429, RetryAfter: "5"}, want: dead(ReasonMaxAttempts)},
		"429 beyond max_age": {dest: Destination{Retry: Retry{MaxAge: time.Minute}}, budget: retrystore.Budget{Since: noon},
			answer: Answer{Status: 429, RetryAfter: "61"}, want: dead(ReasonMaxAge)},

		// everything else retries
		"status 0":    {want: retryIn(time.Second)},
		"101":         {answer: Answer{Status: 101}, want: retryIn(time.Second)},
		"302":         {answer: Answer{Status: 302}, want: retryIn(time.Second)},
		"400":         {answer: Answer{Status: 400}, want: retryIn(time.Second)},
		"401":         {answer: Answer{Status: 401}, want: retryIn(time.Second)},
		"404":         {answer: Answer{Status: 404}, want: retryIn(time.Second)},
		"499":         {answer: Answer{Status: 499}, want: retryIn(time.Second)},
		"500":         {answer: Answer{Status: 500}, want: retryIn(time.Second)},
		"599":         {answer: Answer{Status: 599}, want: retryIn(time.Second)},
		"error":       {err: failure, want: retryIn(time.Second)},
		"third retry": {attempts: 3, answer: Answer{Status: 500}, want: retryIn(8 * time.Second)},

		// … until max_attempts
		"last but one": {attempts: 14, answer: Answer{Status: 500}, want: retryIn(time.Hour)},
		"last":         {attempts: 15, answer: Answer{Status: 500}, want: dead(ReasonMaxAttempts)},
		"only one":     {dest: Destination{Retry: Retry{MaxAttempts: 1}}, err: failure, want: dead(ReasonMaxAttempts)},
		"after a replay the budget is fresh": {attempts: 16, budget: retrystore.Budget{Attempts: 16, Since: noon.Add(-time.Minute)},
			answer: Answer{Status: 500}, want: retryIn(time.Second)},
		"last after a replay": {attempts: 31, budget: retrystore.Budget{Attempts: 16, Since: noon},
			answer: Answer{Status: 500}, want: dead(ReasonMaxAttempts)},

		// … or max_age
		"would start at max_age": {budget: retrystore.Budget{Since: noon.Add(time.Second - DefaultMaxAge)},
			answer: Answer{Status: 500}, want: retryIn(time.Second)},
		"would start after max_age": {budget: retrystore.Budget{Since: noon.Add(999*time.Millisecond - DefaultMaxAge)},
			answer: Answer{Status: 500}, want: dead(ReasonMaxAge)},
		"success after max_age": {budget: retrystore.Budget{Since: noon.Add(-2 * DefaultMaxAge)}, answer: Answer{Status: 200}, want: delivered},
		"clock jumped back":     {budget: retrystore.Budget{Since: noon.Add(time.Hour)}, answer: Answer{Status: 500}, want: retryIn(time.Second)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			d := &retrystore.Delivery{Attempts: test.attempts, Budget: test.budget}
			got := test.dest.Classify(d, test.answer, test.err, noon, middle)
			if fmt.Sprint(got) != fmt.Sprint(test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// Jitter must not make us come back before the application asked us to.
func TestRetryAfterHasNoJitter(t *testing.T) {
	var dest Destination
	for _, f := range []float64{0, 0.3, 0.999} {
		s := dest.Classify(&retrystore.Delivery{}, Answer{Status: 429, RetryAfter: "100"}, nil, noon, func() float64 { return f })
		if got := s.NextAttemptAt.Sub(noon); got != 100*time.Second {
			t.Errorf("waits %s, want 100s", got)
		}
	}
}

func FuzzParseRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "1", "007", "-1", "+1", "1.5", "1e3", " 1", "99999999999999999999",
		"9223372036", "9223372037", "Sun, 01 Mar 2026 12:00:01 GMT", "Sunday, 01-Mar-26 12:00:01 GMT", "Sun Mar  1 12:00:01 2026", "Fri, 31 Dec 9999 23:59:59 GMT"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		wait, ok := ParseRetryAfter(value, noon)
		if ok != (wait > 0) || wait < 0 {
			t.Fatalf("ParseRetryAfter(%q) = %s, %v", value, wait, ok)
		}
		if n, err := strconv.ParseUint(value, 10, 63); err == nil && n < uint64(math.MaxInt64/time.Second) {
			if want := time.Duration(n) * time.Second; wait != want {
				t.Fatalf("ParseRetryAfter(%q) = %s, want %s", value, wait, want)
			}
		}
	})
}

func TestParseRetryAfterDates(t *testing.T) {
	for _, value := range []string{"Sun, 01 Mar 2026 12:00:10 GMT", "Sunday, 01-Mar-26 12:00:10 GMT", "Sun Mar  1 12:00:10 2026", "10"} {
		if wait, ok := ParseRetryAfter(value, noon); !ok || wait != 10*time.Second {
			t.Errorf("ParseRetryAfter(%q) = %s, %v, want 10s", value, wait, ok)
		}
	}
}

// TestAnswered tells destinations that have no statuses from those that gave no answer.
func TestAnswered(t *testing.T) {
	for name, test := range map[string]struct {
		answer                     Answer
		answered, succeeded, alive bool
	}{
		"taken":   {Answer{Taken: true}, true, true, true},
		"refused": {Answer{Refused: "too_large"}, true, false, true},
		"200":     {Answer{Status: 200}, true, true, true},
		"500":     {Answer{Status: 500}, true, false, false},
		"nothing": {Answer{}, false, false, true},
	} {
		if got := answered(test.answer, nil); got != test.answered {
			t.Errorf("%s: answered is %v", name, got)
		}
		if got := succeeded(test.answer, nil); got != test.succeeded {
			t.Errorf("%s: succeeded is %v", name, got)
		}
		if got := alive(test.answer, nil); got != test.alive {
			t.Errorf("%s: alive is %v", name, got)
		}
	}
}
