//go:build !race

package verify

const (
	// heavySize is the size of heavy bodies: what the module takes by default.
	heavySize = 1 << 20
	// maxHeavyTime is how many times what encoding/json takes for a list of that size they may take.
	maxHeavyTime = 10
	// heavyAllowance is what may be allocated besides, in bytes, whatever the body.
	heavyAllowance = 64 << 10
)
