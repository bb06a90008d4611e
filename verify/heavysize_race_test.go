//go:build race

package verify

// The race detector makes everything slow: smaller bodies show as much there. It also has pools
// forget what they keep, at random, so that memory is not what is measured then.
const (
	heavySize      = 64 << 10
	maxHeavyTime   = 100
	heavyAllowance = 1 << 30
)
