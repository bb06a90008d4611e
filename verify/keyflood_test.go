package verify

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"
)

// TestGenuineKeysAreFetchedInAFlood: for up to an hour 10 forged webhooks a second come, each
// with a new well-formed name, while the provider sends one every five seconds and
// changes its key every 200 s. None of its own is refused, wherever they come from.
func TestGenuineKeysAreFetchedInAFlood(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		senders int
		from    string
		minutes int
	}{
		"from one address":                  {1, "192.0.2.1", 5},
		"from the provider's own, a proxy":  {1, address(0).String(), 5},
		"from a hundred addresses":          {100, "192.0.2.1", 5},
		"from another address each":         {1 << 20, "192.0.2.1", 60},
		"from the provider's among hundred": {100, address(5).String(), 5},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFloodTest(t)
			for second := range 60 * c.minutes {
				for i := range 10 {
					f.forged(t, address((10*second+i)%c.senders))
				}
				if second%200 == 0 {
					f.publish(t, fmt.Sprintf("genuine-%d", second))
				}
				if second%5 == 0 {
					if err := f.genuine(t, c.from); err != nil {
						t.Fatalf("second %d: %v", second, err)
					}
				}
				f.clock.Move(time.Second)
			}
			if n := len(f.entries); n > maxEntries {
				t.Errorf("%d keys are remembered", n)
			}
		})
	}
}

// TestGenuineKeysAreFetchedInAHeavyFlood: at 1,000 forged ones a second a key that is new
// is fetched at once where its webhooks come from an address that leaves something to
// others or is known, else soon; then it stays. What is fetched meanwhile is bounded.
func TestGenuineKeysAreFetchedInAHeavyFlood(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		senders int
		from    string
		known   bool // the address sent a verified webhook before
		refused int  // at most
	}{
		"from one address":                          {1, "192.0.2.1", false, 0},
		"from one address, behind a proxy":          {1, address(0).String(), false, 5},
		"from one, behind a proxy that is known":    {1, address(0).String(), true, 5},
		"from a hundred addresses":                  {100, "192.0.2.1", false, 0},
		"from a hundred, the provider's among them": {100, address(7).String(), false, 5},
		"from ever others":                          {1 << 20, "192.0.2.1", false, 5},
		"from ever others, the provider is known":   {1 << 20, "192.0.2.1", true, 0},
		"from one IPv6 network":                     {-1, "2001:db8:1::1", false, 0},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f := newFloodTest(t)
			if c.known {
				if err := f.genuine(t, c.from); err != nil {
					t.Fatal(err)
				}
			}
			refused, before := 0, f.answers.asked.Load()
			const seconds = 40
			for second := range seconds {
				for i := range 1000 {
					n := 1000*second + i
					sender := address(n % max(1, c.senders))
					if c.senders < 0 {
						sender = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", n%65536))
					}
					f.forged(t, sender)
					f.clock.Move(time.Millisecond)
					if n == 30_000 {
						f.publish(t, "rotated")
					}
					if n > 5000 && n%1999 == 0 { // about every 2 s
						if err := f.genuine(t, c.from); errors.Is(err, errTooManyFetches) {
							refused++
						} else if err != nil {
							t.Fatal(err)
						}
					}
				}
			}
			if refused > c.refused {
				t.Errorf("%d genuine webhooks were refused, want %d at most", refused, c.refused)
			}
			if asked := f.answers.asked.Load() - before; asked > seconds*100+1000 {
				t.Errorf("%d keys were fetched in %d s", asked, seconds)
			}
			if err := f.genuine(t, c.from); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNamesThatAreRepeated: a flood that asks for each of its names several times spends
// other budgets than the provider, which asks more often for its one.
func TestNamesThatAreRepeated(t *testing.T) {
	t.Parallel()
	f := newFloodTest(t)
	refused, fetched := 0, -1
	for n := range 60_000 { // a minute of 1,000 a second: each name 8 times, from ever other addresses
		f.ask(t, fmt.Sprintf("forged-%d", n/8), address(n))
		f.clock.Move(time.Millisecond)
		if n > 5000 && n%500 == 0 && fetched < 0 {
			if err := f.genuine(t, "192.0.2.1"); err == nil {
				fetched = n
			} else if refused++; !errors.Is(err, errTooManyFetches) {
				t.Fatal(err)
			}
		}
	}
	if fetched < 0 || refused > 32 {
		t.Errorf("refused %d times, fetched after %d ms", refused, fetched)
	}
}

// TestSlowKeyServers: while the key server does not answer, addresses that ask for many keys
// do not hold all the places.
func TestSlowKeyServers(t *testing.T) {
	f := newFloodTest(t)
	f.answers.wait = make(chan struct{})
	var group sync.WaitGroup
	for range 500 {
		f.names++
		name := fmt.Sprintf("forged-%d", f.names)
		group.Go(func() { f.ask(t, name, address(1)) })
	}
	eventually(t, func() bool { return f.answers.asked.Load() == int64(usualPace.maxRunning/2) })
	answered := make(chan error, 1)
	group.Go(func() { answered <- f.genuine(t, "192.0.2.1") })
	eventually(t, func() bool { return f.answers.asked.Load() == int64(usualPace.maxRunning/2)+1 })
	close(f.answers.wait)
	group.Wait()
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// TestKnownKeysNeedNoBudget: a key that was fetched once is fetched again when it
// expires, whatever else is asked for, and from any address.
func TestKnownKeysNeedNoBudget(t *testing.T) {
	f := newFloodTest(t)
	if err := f.genuine(t, "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	for day := range 10 {
		f.clock.Move(49 * time.Hour) // nobody has asked for so long that it is no good any more
		for i := range 2000 {
			f.forged(t, address(i))
		}
		if _, err := f.keySource.key(t.Context(), namedKey(f.key), "a", address(1), noDoubt); err != nil {
			t.Fatalf("day %d: %v", day, err)
		}
	}
}

// TestMissingKeysAreRemembered: a name that the provider does not know is not asked for
// again at once; it is after a while.
func TestMissingKeysAreRemembered(t *testing.T) {
	f := newFloodTest(t)
	for range 100 {
		f.ask(t, "missing", address(1))
	}
	if asked := f.answers.asked.Load(); asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	f.publish(t, "missing")
	f.ask(t, "missing", address(1))
	f.clock.Move(missingPause)
	if err := f.genuine(t, "192.0.2.1"); err != nil {
		t.Error(err)
	}
}

// TestRotationUnderAFloodOfUnknownIDs: of a key set a new key is found within refetchPause, and
// until then its webhooks are not called forged.
func TestRotationUnderAFloodOfUnknownIDs(t *testing.T) {
	f := newFloodTest(t)
	set := keySetAt(keyHost + "jwks")
	f.answers.published[set.url] = jwksOf(t, "old")
	ask := func(id string, i int) error {
		_, err := f.keySource.key(t.Context(), set, id, address(i), noDoubt)
		return err
	}
	rotated, waited := false, 0
	for second := range 600 {
		for i := range 10 {
			if err := ask(fmt.Sprintf("forged-%d", 10*second+i), i); err == nil {
				t.Fatal("a forged id has a key")
			}
			if err := ask("old", i); err != nil && !rotated {
				t.Fatal(err)
			}
		}
		if second == 301 {
			f.answers.published[set.url], rotated = jwksOf(t, "new"), true
		}
		if rotated {
			switch err := ask("new", 0); {
			case errors.Is(err, errKeyNotYet):
				waited++
			case err != nil:
				t.Fatal(err)
			}
		}
		f.clock.Move(time.Second)
	}
	if limit := int(refetchPause / time.Second); waited > limit {
		t.Errorf("it took %d s, want %d", waited, limit)
	}
	if asked, most := f.answers.asked.Load(), int64(600*time.Second/refetchPause)+1; asked > most {
		t.Errorf("asked %d times in ten minutes, want at most %d", asked, most)
	}
}

// TestTrustedAddressesAreBounded, and the one that was not heard of for longest goes.
func TestTrustedAddressesAreBounded(t *testing.T) {
	f := newFloodTest(t)
	for i := range maxTrusted + 10 {
		f.trust(address(i))
		f.clock.Move(time.Second)
	}
	if len(f.trusted) != maxTrusted {
		t.Errorf("%d addresses", len(f.trusted))
	}
	for i, want := range map[int]bool{9: false, 10: true, maxTrusted + 9: true} {
		if _, known := f.trusted[address(i)]; known != want {
			t.Errorf("address %d: %t", i, known)
		}
	}
}

// TestRepeatsForgets: counts are never too low within a period, and the memory is given back.
func TestRepeatsForgets(t *testing.T) {
	var r repeats
	now := testTime
	for i, want := range []int{0, 1, 2, 2, 3, 3, 3, 3, 4} {
		if got := r.level("name", now); got != want {
			t.Errorf("asked for %d times: level %d, want %d", i, got, want)
		}
		r.add("name", now)
	}
	for range 300 {
		r.add("name", now)
	}
	if got := r.level("name", now.Add(repeatPeriod)); got != levels-1 {
		t.Errorf("level %d, want %d", got, levels-1)
	}
	if r.level("other", now) != 0 || r.level("name", now.Add(2*repeatPeriod)) != 0 {
		t.Error("counted too much")
	}
	if r.level("name", now.Add(4*repeatPeriod)); r.young != nil {
		t.Error("the memory is kept")
	}
}

// TestKeyServersThatCount: where the provider counts what is fetched (10,000 a day, at
// eBay), an hour's flood costs few of these, and a new key of its own is found all the same.
func TestKeyServersThatCount(t *testing.T) {
	t.Parallel()
	f := newFloodTest(t)
	named := func(name string) *fetch {
		location := namedKey(name)
		location.metered = true
		return location
	}
	refused := 0
	for n := range 36_000 {
		_, _ = f.keySource.key(t.Context(), named(fmt.Sprintf("forged-%d", n)), "a", address(n), noDoubt)
		f.clock.Move(100 * time.Millisecond)
		if n%9000 == 1000 {
			f.publish(t, fmt.Sprintf("genuine-%d", n))
		}
		if n > 1000 && n%50 == 0 {
			switch _, err := f.keySource.key(t.Context(), named(f.key), "a", netip.MustParseAddr("192.0.2.1"), noDoubt); {
			case errors.Is(err, errTooManyFetches):
				refused++
			case err != nil:
				t.Fatal(err)
			}
		}
	}
	if asked := f.answers.asked.Load(); refused > 8 || asked > 500 {
		t.Errorf("refused %d genuine webhooks with four new keys, fetched %d keys", refused, asked)
	} else {
		t.Logf("refused %d, fetched %d", refused, asked)
	}
}
