package retrystore_test

import (
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// able has an ability, and wraps another store.
type able struct {
	retrystore.Store
	generation string
}

func (s able) Condition() retrystore.Condition { return retrystore.Condition{Generation: s.generation} }
func (s able) Unwrap() retrystore.Store        { return s.Store }

// plain wraps a store, and has no ability of its own.
type plain struct{ retrystore.Store }

func (s plain) Unwrap() retrystore.Store { return s.Store }

// closed hides what is inside.
type closed struct{ retrystore.Store }

// TestAs finds an ability however deep it is wrapped, the outermost first.
func TestAs(t *testing.T) {
	inner := able{generation: "inner"}
	for name, test := range map[string]struct {
		store retrystore.Store
		want  string
	}{
		"itself":       {inner, "inner"},
		"wrapped":      {plain{plain{inner}}, "inner"},
		"two of them":  {plain{able{plain{inner}, "outer"}}, "outer"},
		"none":         {plain{plain{}}, ""},
		"does not say": {closed{inner}, ""},
		"no store":     {nil, ""},
	} {
		got := ""
		c, ok := retrystore.As[retrystore.Conditioned](test.store)
		if ok {
			got = c.Condition().Generation
		}
		if got != test.want || ok != (test.want != "") {
			t.Errorf("%s: found %q (%t), want %q", name, got, ok, test.want)
		}
	}
}
