package verify

import (
	"slices"
	"strings"
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

// TestDocumentedTypesHaveSources: every list of types names its source.
func TestDocumentedTypesHaveSources(t *testing.T) {
	lines := strings.Split(typesText, "\n")
	for i, line := range lines {
		if strings.HasSuffix(line, ":") && !strings.HasPrefix(line, "#") && !strings.HasPrefix(lines[i+1], "# https://") {
			t.Errorf("%s is followed by %q, want its source", line, lines[i+1])
		}
	}
}

// TestVectorsAreOfDocumentedTypes: the webhooks that are recorded are of types in the list,
// or the list lacks some.
func TestVectorsAreOfDocumentedTypes(t *testing.T) {
	invented := []string{"straße.gebaut", "a.b", "n", "large", "esc"} // for what else is in the body
	for name, types := range documentedTypes(typesText) {
		for _, x := range loadVectors(t, name) {
			matches := func(known string) bool {
				start, end, family := strings.Cut(known, "*")
				return known == x.EventType || family && strings.HasPrefix(x.EventType, start) && strings.HasSuffix(x.EventType, end)
			}
			if x.EventType != "" && !slices.Contains(invented, x.EventType) && !slices.ContainsFunc(types, matches) {
				t.Errorf("%s, %s: %s is not among its types", name, x.Name, x.EventType)
			}
		}
	}
}
