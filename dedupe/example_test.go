package dedupe_test

import (
	"fmt"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/dedupe"
)

// An event is told by its id, where the signature covers the id, and else by the id and
// what was signed.
func Example() {
	keyer := dedupe.NewKeyer("shop")
	key := keyer.Values("evt_1")
	fmt.Println(key == dedupe.NewKeyer("shop").Values("evt_1"))
	fmt.Println(key == dedupe.NewKeyer("billing").Values("evt_1"))
	fmt.Println(keyer.Values("a", "bc") == keyer.Values("ab", "c"))

	first := dedupe.Signed{Body: []byte(`{"amount":1}`)}
	second := dedupe.Signed{Body: []byte(`{"amount":2}`)}
	fmt.Println(keyer.Tied(first, "evt_1") == keyer.Tied(second, "evt_1"))

	// A key must outlast the time in which the same request would be accepted again.
	fmt.Println(dedupe.MinTTL(5 * time.Minute))
	// Output:
	// true
	// false
	// false
	// false
	// 10m0s
}
