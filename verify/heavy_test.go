//go:build unix

package verify

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// work is what something costs. It hardly depends on what else the machine does.
type work struct {
	allocated uint64        // bytes
	cpu       time.Duration // of the process
}

func workOf(do func()) work {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := cpuTime()
	do()
	spent := cpuTime() - start
	runtime.ReadMemStats(&after)
	return work{after.TotalAlloc - before.TotalAlloc, spent}
}

func cpuTime() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		panic(err)
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}

// take does with a webhook what the module does before it is verified, and afterwards if it is.
func take(v *Verifier, r *Request) (verified bool) {
	v.Handshake(r, false)
	v.OfferedSecret(r)
	if _, err := v.Verify(r); err != nil {
		return false
	}
	v.Handshake(r, true)
	v.Identify(r)
	v.FurtherTypes(r)
	for _, source := range v.provider.Identity {
		source.Extract(r)
	}
	return true
}

// The bounds on what a body of heavySize costs.
const (
	maxStrangersMemory = 8*heavySize + heavyAllowance                        // bytes allocated, in all, for what is refused
	maxVerifiedMemory  = 24*heavySize + 2*(maxWindow+1<<20) + heavyAllowance // the same where somebody has shown a token, or the URL alone is signed
)

// TestHeavyBodies sends to each kind of row the bodies that cost most, with the headers of its
// webhooks. Memory is bounded by a small multiple of the body, and time by a multiple of what
// the standard library takes to parse as much. It is the time of the processor, and the least of several,
// so that it does not matter what else the machine does.
func TestHeavyBodies(t *testing.T) {
	control := controlWork(t).cpu
	tried, seen := 0, map[string]bool{}
	var longest time.Duration
	var longestOf string
	eachVector(t, func(t *testing.T, x *vector) {
		v, r := x.verifier(t), x.request(t)
		if kind := kindOfRow(v, r); seen[kind] {
			return
		} else {
			seen[kind] = true
		}
		if _, err := v.Verify(r); err != nil { // has the key fetched
			t.Fatal(err)
		}
		for name, body := range heavyBodies(t, r) {
			heavy := *r
			heavy.Body, heavy.MaxText = body, heavySize
			tried++
			verified := false
			spent := workOf(func() { verified = take(v, &heavy) })
			for range 4 {
				if spent.cpu <= maxHeavyTime*control {
					break
				}
				spent.cpu = min(spent.cpu, workOf(func() { take(v, &heavy) }).cpu)
			}
			if spent.cpu > longest {
				longest, longestOf = spent.cpu, t.Name()+", "+name
			}
			limit := uint64(maxStrangersMemory)
			if verified {
				limit = maxVerifiedMemory
			}
			if spent.allocated > limit {
				t.Errorf("%s (verified: %t): %d bytes were allocated, want at most %d", name, verified, spent.allocated, limit)
			}
			if spent.cpu > maxHeavyTime*control {
				t.Errorf("%s (verified: %t): it took %s, where encoding/json takes %s", name, verified, spent.cpu, control)
			}
		}
	})
	t.Logf("%d kinds of rows, %d bodies, the longest took %s, where encoding/json takes %s: %s", len(seen), tried, longest, control, longestOf)
	if len(seen) < 30 || tried < 2000 {
		t.Errorf("only %d kinds of rows and %d bodies were tried", len(seen), tried)
	}
}

func controlWork(t *testing.T) work {
	list := []byte("[" + strings.TrimSuffix(filled("0,"), ",") + "]")
	least := work{cpu: time.Hour}
	for range 5 {
		w := workOf(func() {
			var all any
			if err := json.Unmarshal(list, &all); err != nil {
				t.Fatal(err)
			}
		})
		if w.cpu < least.cpu {
			least = w
		}
	}
	return least
}

// kindOfRow is alike for rows of which the same code reads r: they differ in names only.
func kindOfRow(v *Verifier, r *Request) string {
	var kinds []string
	add := func(format string, a ...any) {
		if kind := fmt.Sprintf(format, a...); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	for _, s := range v.schemes {
		if s.special != nil {
			add("%T of %s", s.special, s.Signature.From)
		}
		for _, c := range s.contents {
			for _, p := range c.parts {
				switch {
				case p.kind == partCanonical:
					add("%s", v.provider.Name)
				case p.kind == partSource && p.source.inBody():
					add("content of %s", p.source.From)
				case p.kind == partPlainBody, p.kind == partFormSorted:
					add("content %d", p.kind)
				}
			}
		}
		if s.looseBody {
			add("loose body, %T, %t, %t", s.keys[0].key, s.takesFields, s.takesMembers)
		}
		if s.Signature.From != FromHeader {
			add("signature in %s", s.Signature.From)
		}
	}
	for _, source := range slices.Concat(v.provider.EventID, v.provider.EventType, v.provider.Identity) {
		if source.From == FromForm || source.From == FromFormJSON {
			add("identity in %s", source.From)
		}
	}
	slices.Sort(kinds)
	return fmt.Sprint(kinds, len(v.handshakes) > 0, kindOf(r.Body), v.batch.some)
}
