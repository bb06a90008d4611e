package references

import (
	"slices"
	"testing"
)

func TestVariables(t *testing.T) {
	routes := []byte(`[{"handle":[{"uri":"/{env.B}/{env.A}{env.B}","x":"\\{env.NOT} {file.C} {env.}"}]}]`)
	if got := Variables(routes); !slices.Equal(got, []string{"A", "B"}) {
		t.Errorf("variables %q, want A and B", got)
	}
}
