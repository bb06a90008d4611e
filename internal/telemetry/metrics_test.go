package telemetry

import (
	"fmt"
	"testing"
)

// TestEventTypesAreBounded sends more types than an endpoint gets labels for.
func TestEventTypesAreBounded(t *testing.T) {
	labels := typeLabels{seen: make(map[string]map[string]struct{})}
	for i := range 3 * maxEventTypes {
		want := fmt.Sprint("type", i)
		if i >= maxEventTypes {
			want = "other"
		}
		if got := labels.label("a", fmt.Sprint("type", i)); got != want {
			t.Fatalf("type %d has the label %s, want %s", i, got, want)
		}
	}
	if got := labels.label("a", "type0"); got != "type0" {
		t.Errorf("a known type has the label %s", got)
	}
	if got := labels.label("b", "type299"); got != "type299" {
		t.Errorf("another endpoint's type has the label %s", got)
	}
	if got := labels.label("a", ""); got != "" {
		t.Errorf("no type has the label %s", got)
	}
}
