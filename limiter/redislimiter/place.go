package redislimiter

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

const (
	// spread is over how many places of a Cluster the keys of the ip tier are dealt.
	spread = 16

	// longest is how long a scope and a key may be together to stand in the name
	// of a key as they are. What is longer is hashed: a client chooses its key, and Redis would keep it.
	longest = 64
)

// place is a group of keys that are in one slot of a Cluster. The provider and the
// global tier, which are asked together, share place 0; keys of the ip tier,
// which every request asks for alone, are spread over the other places.
type place int

// placeCount is the number of places.
const placeCount = 1 + spread

// tag is what the keys of a place begin with.
func tag(prefix string, p place) string {
	if p == 0 {
		return "{" + prefix + ":l}"
	}
	return "{" + prefix + ":l" + strconv.Itoa(int(p)-1) + "}"
}

// checkPrefix refuses a prefix that would end the tag early.
func checkPrefix(prefix string) error {
	if prefix == "" || strings.ContainsAny(prefix, "{}") {
		return fmt.Errorf("redislimiter: the prefix %q is empty or has a brace", prefix)
	}
	return nil
}

// keyOf returns the key of a tier, scope and key, and the place that it is always in:
//
//	<tag>i<length of the scope>:<scope><key>    i, p or g for the tier
//	<tag>i#<hash>                               if they are long
func (l *Limiter) keyOf(tier limiter.Tier, scope, key string) (string, place) {
	letter := string(tier[:1])
	name := letter + strconv.Itoa(len(scope)) + ":" + scope + key
	if len(scope)+len(key) > longest {
		// 128 bits: two keys with the same one cannot be found.
		sum := sha256.Sum256([]byte(name))
		name = letter + "#" + base64.RawURLEncoding.EncodeToString(sum[:16])
	}
	p := place(0)
	if tier == limiter.IP {
		h := fnv.New32a()
		_, _ = h.Write([]byte(name))
		p = place(1 + h.Sum32()%spread)
	}
	return l.tags[p] + name, p
}
