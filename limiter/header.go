package limiter

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxInteger is the largest Integer of a structured field (RFC 9651, 3.3.1).
const maxInteger = 999_999_999_999_999

// SetHeader sets the header fields that tell a client how it stands, replacing
// fields of the same name. A Decision without tiers sets none. now is the time
// of the answer.
//
//   - Retry-After, on refusal only: RetryAfter in whole seconds, rounded up (RFC 9110, 10.2.3).
//   - X-RateLimit-Limit, -Remaining and -Reset describe one tier: the one that
//     refused, else the tightest, that is the one with the fewest remaining, of equals the one
//     asked first. No standard defines them. Reset is the time at which the burst is whole again, in Unix seconds, rounded up, as
//     GitHub and most other services do. Clients that want a delay have
//     Retry-After and RateLimit.
//   - RateLimit and RateLimit-Policy list every tier, as
//     draft-ietf-httpapi-ratelimit-headers-11 has it: "ip";r=0;t=1 and
//     "ip";q=50;w=10. r is what remains and t in how many seconds, rounded up,
//     more will; t is left out when the burst is whole. q is the burst and w
//     the seconds in which it comes back, rounded up. t of the tier that refused equals
//     Retry-After, which the draft wants not to be shorter.
func (d Decision) SetHeader(header http.Header, now time.Time) {
	if len(d.Tiers) == 0 {
		return
	}
	if !d.Allowed {
		header.Set("Retry-After", strconv.FormatInt(seconds(d.RetryAfter), 10))
	}
	tier := d.shown()
	header.Set("X-RateLimit-Limit", strconv.FormatInt(tier.Limit.Burst, 10))
	header.Set("X-RateLimit-Remaining", strconv.FormatInt(tier.Remaining, 10))
	header.Set("X-RateLimit-Reset", strconv.FormatInt(resetAt(now, tier.Reset), 10))

	var limits, policies strings.Builder
	for i := range d.Tiers {
		tier := &d.Tiers[i]
		if i > 0 {
			limits.WriteString(", ")
			policies.WriteString(", ")
		}
		name := `"` + string(tier.Tier) + `"`
		limits.WriteString(name)
		parameter(&limits, "r", tier.Remaining)
		if tier.Next > 0 {
			parameter(&limits, "t", seconds(tier.Next))
		}
		policies.WriteString(name)
		parameter(&policies, "q", tier.Limit.Burst)
		parameter(&policies, "w", seconds(tier.Limit.Window()))
	}
	header.Set("RateLimit", limits.String())
	header.Set("RateLimit-Policy", policies.String())
}

// shown returns the tier that fields with room for one describe.
func (d *Decision) shown() *Status {
	shown := &d.Tiers[0]
	for i := range d.Tiers {
		tier := &d.Tiers[i]
		if !d.Allowed && tier.Tier == d.Tier {
			return tier
		}
		if tier.Remaining < shown.Remaining {
			shown = tier
		}
	}
	return shown
}

func parameter(field *strings.Builder, name string, value int64) {
	field.WriteString(";" + name + "=" + strconv.FormatInt(min(value, maxInteger), 10))
}

// seconds rounds up.
func seconds(d time.Duration) int64 { return ceilDiv(int64(d), int64(time.Second)) }

// resetAt adds without the year 2262, where the nanoseconds of a Time end.
func resetAt(now time.Time, wait time.Duration) int64 {
	whole, rest := int64(wait/time.Second), wait%time.Second
	return now.Unix() + whole + ceilDiv(int64(now.Nanosecond())+int64(rest), int64(time.Second))
}
