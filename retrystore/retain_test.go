package retrystore

import (
	"testing"
	"time"
)

func TestRetention(t *testing.T) {
	for r, want := range map[Retention]Retention{
		{}:                         {},
		{Bodies: true}:             {},
		{Count: -1, Age: -1}:       {},
		{Count: 5}:                 {Count: 5},
		{Age: time.Hour}:           {Count: DefaultRetained, Age: time.Hour},
		{Count: 5, Age: time.Hour}: {Count: 5, Age: time.Hour},
	} {
		if got := r.Normal(); got != want {
			t.Errorf("%+v is normally %+v, want %+v", r, got, want)
		}
		if on := want != (Retention{}); r.On() != on {
			t.Errorf("%+v is on: %v, want %v", r, r.On(), on)
		}
	}
}
