package verify

import (
	"slices"
	"testing"
)

// TestDocumentedTypes: each list belongs to a row whose webhooks have a type, and
// says nothing twice.
func TestDocumentedTypes(t *testing.T) {
	for name, types := range documentedTypes(typesText) {
		p, ok := Lookup(name)
		switch {
		case !ok:
			t.Errorf("there is no provider %q", name)
		case len(p.EventType) == 0:
			t.Errorf("%s has types, but nowhere to read them from", name)
		case !slices.Equal(p.Types, types):
			t.Errorf("%s has not got its types", name)
		}
		sorted := slices.Sorted(slices.Values(types))
		if len(slices.Compact(sorted)) != len(types) || slices.Contains(types, "") {
			t.Errorf("%s has a type twice, or an empty one", name)
		}
	}
	for _, name := range []string{"stripe", "github", "shopify"} {
		if p, _ := Lookup(name); len(p.Types) == 0 {
			t.Errorf("the types of %s are not known", name)
		}
	}
}
