package process

import (
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// retainingStore notes what it is asked to keep.
type retainingStore struct {
	retrystore.Store
	asked []retrystore.Retention
}

func (s *retainingStore) Retain(r retrystore.Retention) { s.asked = append(s.asked, r) }

// TestRetentionsOfTwoConfigs: what the old config keeps is kept until it has ended.
func TestRetentionsOfTwoConfigs(t *testing.T) {
	var set RetentionSet
	store := new(retainingStore)
	old, off, other := &retrystore.Retention{Count: 10, Age: time.Hour, Bodies: true}, new(retrystore.Retention), &retrystore.Retention{Count: 5}
	want := func(what string, r retrystore.Retention) {
		t.Helper()
		if len(store.asked) == 0 || store.asked[len(store.asked)-1] != r {
			t.Errorf("%s: asked %+v, want at last %+v", what, store.asked, r)
		}
	}
	all := retrystore.Retention{Count: 10, Age: time.Hour, Bodies: true}
	add := func(config *retrystore.Retention) {
		t.Helper()
		if err := set.Add("a", store, config, *config); err != nil {
			t.Fatal(err)
		}
	}
	add(old)
	want("first", all)
	add(off)
	want("beside one that keeps nothing", all)
	set.Remove("a", off) // refused
	want("alone again", all)
	add(other)
	want("together", retrystore.Retention{Count: 10, Bodies: true})
	set.Remove("a", old)
	want("the new one", retrystore.Retention{Count: 5})
	add(off)
	set.Remove("a", other)
	want("none", retrystore.Retention{})
	asked := len(store.asked)
	set.Remove("a", off)
	set.Remove("a", off)
	set.Remove("b", off)
	if len(store.asked) != asked || len(set.stores) != 0 {
		t.Error("the end of the last config told the store something, or left something behind")
	}
	if err := set.Add("c", struct{ retrystore.Store }{}, old, *old); err == nil {
		t.Error("a store that cannot keep anything was asked to, and no error")
	}
	if err := set.Add("c", struct{ retrystore.Store }{}, off, *off); err != nil {
		t.Error(err)
	}
}
