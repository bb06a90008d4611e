package verify

import (
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"time"
)

// fetchBudgets bound the fetches for unverified webhooks that name an unknown key. Any sender
// can send such webhooks, each with another name, as fast as it likes. So fetches are not
// first come, first served:
//
//   - An address may use no more of a budget than it leaves to others. An address that
//     sends all it can gets half of the budget, and the next one a quarter at once. Of n
//     such addresses each gets about 1/(n+1), and as much is always free. An IPv6
//     address stands for its /64.
//   - Addresses from which a webhook was verified before share budgets of their own.
//   - A name that was asked for before, and not fetched, has another budget: there is one
//     for names asked for once, one for two or three times, one for four to seven, and so
//     on. A flood of new names spends none of these. A flood that repeats its names has to
//     send as many webhooks for each name as the provider sends for its one.
//
// So a key is fetched at once while an address sends forged webhooks, however
// many; while hundreds of addresses do, if the key's webhooks come from an address that is
// known or (as behind a proxy that hides them) after a few of them. It is not
// guaranteed against an attacker with hundreds of addresses who sends each of many names more
// often than the provider sends its name, more than a few names a second, and before the
// provider has sent its first webhook. A key that was fetched once needs no budget at all.
//
// What the provider gets to see of a flood is bounded as well: at most four times the
// rate of usualPace or meteredPace, if all budgets are spent. It is not safe for concurrent use.
type fetchBudgets struct {
	budgets [2][levels]budget // for strangers and those that are known
	asked   repeats
}

// levels is how many budgets there are by how often a name was asked for.
const levels = 9

// pace is what may be fetched: burst at once, and from then on as much again in each
// decay. maxRunning is how many may be under way at once.
type pace struct {
	burst, maxRunning float64
	decay             time.Duration
}

// A burst of 200 that decays in 8 s is 25 fetches a second for all strangers together,
// and 12 for one address. Where the provider counts (eBay allows 10,000 a day) it is one
// in 20 s. Names that were asked for before have an eighth of it for each level.
var (
	usualPace   = pace{burst: 200, maxRunning: 16, decay: 8 * time.Second}
	meteredPace = pace{burst: 50, maxRunning: 8, decay: 1000 * time.Second}
)

const repeatedShare = 8

// maxShares is how many addresses a budget counts before it forgets those that have
// spent next to nothing.
const maxShares = 4096

// budget is spent by addresses, and fills up with time.
type budget struct {
	all  share
	each map[netip.Addr]*share
}

// share is what one address has of a budget: what it spent, which decays, and what it
// has under way.
type share struct {
	spent   float64
	at      time.Time
	running float64
}

// budgetPlace is a fetch that is under way.
type budgetPlace struct{ all, own *share }

// free ends it; nil is fine.
func (p *budgetPlace) free() {
	if p != nil {
		p.all.running--
		p.own.running--
	}
}

// take allows a fetch for an address, until the place is freed; nil: not now.
func (b *fetchBudgets) take(f *fetch, from netip.Addr, trusted bool, now time.Time) *budgetPlace {
	budgets := &b.budgets[0]
	if trusted {
		budgets = &b.budgets[1]
	}
	for level := b.asked.level(f.name, now); level >= 0; level-- {
		p := usualPace
		if f.metered {
			p = meteredPace
		}
		if level > 0 {
			p.burst, p.maxRunning = p.burst/repeatedShare, 4
		}
		if place := budgets[level].take(p, from, now); place != nil {
			return place
		}
	}
	b.asked.add(f.name, now)
	return nil
}

func (b *budget) take(p pace, from netip.Addr, now time.Time) *budgetPlace {
	if b.each == nil {
		b.each = make(map[netip.Addr]*share)
	}
	own := b.each[from]
	if own == nil {
		own = &share{at: now}
	}
	b.all.pass(p, now)
	own.pass(p, now)
	if own.spent+1 > p.burst-b.all.spent || own.running+1 > p.maxRunning-b.all.running {
		return nil
	}
	if len(b.each) >= maxShares {
		b.forget(p, now)
	}
	b.each[from] = own
	for _, s := range []*share{&b.all, own} {
		s.spent++
		s.running++
	}
	return &budgetPlace{&b.all, own}
}

// pass lets what was spent decay.
func (s *share) pass(p pace, now time.Time) {
	if elapsed := now.Sub(s.at); elapsed > 0 {
		s.spent *= math.Exp(-float64(elapsed) / float64(p.decay))
	}
	s.at = now
}

// forget drops the shares of those that have spent next to nothing. There are never
// more of the others than a few times burst.
func (b *budget) forget(p pace, now time.Time) {
	for address, s := range b.each {
		if s.pass(p, now); s.spent < 0.01 && s.running == 0 {
			delete(b.each, address)
		}
	}
}

// repeats counts how often names were asked for in the last few minutes, roughly and
// never too low: a counting Bloom filter, which has its memory only while it is needed.
// At 1,000 new names a second some 2 in 100 of them count as asked for before.
type repeats struct {
	seed        maphash.Seed
	young, old  []uint8 // counts of this period and the one before
	periodStart time.Time
}

const (
	repeatCells  = 1 << 20
	repeatHashes = 4
	repeatPeriod = 2 * time.Minute
)

// level is 0 for a name that was not asked for, 1 for once, 2 for two or three times,
// 3 for four to seven, and so on.
func (r *repeats) level(name string, now time.Time) int {
	if r.turn(now); r.young == nil {
		return 0
	}
	count := uint8(math.MaxUint8)
	for _, i := range r.cells(name) {
		count = min(count, r.count(i))
	}
	return bits.Len8(count)
}

// add counts the name once more.
func (r *repeats) add(name string, now time.Time) {
	if r.turn(now); r.young == nil {
		r.seed, r.periodStart = maphash.MakeSeed(), now
		r.young, r.old = make([]uint8, repeatCells), make([]uint8, repeatCells)
	}
	cells := r.cells(name)
	count := uint8(math.MaxUint8)
	for _, i := range cells {
		count = min(count, r.count(i))
	}
	for _, i := range cells { // no cell is raised further than this name needs
		if r.count(i) == count && count < math.MaxUint8 {
			r.young[i]++
		}
	}
}

func (r *repeats) count(i uint32) uint8 {
	return uint8(min(int(r.young[i])+int(r.old[i]), math.MaxUint8))
}

func (r *repeats) cells(name string) (cells [repeatHashes]uint32) {
	h := maphash.String(r.seed, name)
	for i := range cells {
		cells[i] = (uint32(h) + uint32(i)*(uint32(h>>32)|1)) % repeatCells
	}
	return cells
}

// turn forgets the counts of the period before the last one, and gives the memory
// back when nothing was counted for two.
func (r *repeats) turn(now time.Time) {
	switch elapsed := now.Sub(r.periodStart); {
	case r.young == nil || elapsed >= 0 && elapsed < repeatPeriod:
	case elapsed < 0 || elapsed >= 2*repeatPeriod:
		r.young, r.old = nil, nil
	default:
		r.young, r.old = r.old, r.young
		clear(r.young)
		r.periodStart = now
	}
}

// clientKey is whose budget an address spends: its own, or that of its /64. Clients
// whose address is not known are one.
func clientKey(addr netip.Addr) netip.Addr {
	addr = addr.Unmap().WithZone("")
	if !addr.Is6() {
		return addr
	}
	prefix, _ := addr.Prefix(64) // no error: an IPv6 address has 64 bits
	return prefix.Addr()
}
