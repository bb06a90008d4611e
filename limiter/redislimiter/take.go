package redislimiter

import (
	"context"
	"fmt"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// Take implements limiter.Backend. Its errors are those of Check and of the
// context, and ErrUnavailable while Redis is away.
//
// On a Cluster, the ip tier is in another slot than the others. A Take for
// several slots, which webhooks never make, takes one token after the other, and gives them
// back if a later one is refused. In between another request may be refused that would have
// been allowed.
func (l *Limiter) Take(ctx context.Context, asks ...limiter.Ask) (limiter.Decision, error) {
	if err := limiter.Check(asks); err != nil {
		return limiter.Decision{}, err
	}
	if len(asks) == 0 {
		return limiter.Decision{Allowed: true}, nil
	}
	tiers := make([]limiter.Status, len(asks))
	for i, ask := range asks {
		ask.Limit = ask.Limit.Normal()
		tiers[i].Ask = ask
	}
	allowed, err := l.takeAll(ctx, tiers)
	switch {
	case ctx.Err() != nil:
		return limiter.Decision{}, ctx.Err()
	case err != nil:
		l.unavailable.Add(1)
		return limiter.Decision{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case !allowed:
		return limiter.Refuse(tiers), nil
	}
	return limiter.Decision{Allowed: true, Tiers: tiers}, nil
}

// group is the tiers of an ask that are in one place.
type group struct {
	place place
	keys  []string
	tiers []*limiter.Status
}

// groups cuts the tiers by what one script can take. Only on a Cluster, and only
// if the ip tier is among others, there is more than one.
func (l *Limiter) groups(tiers []limiter.Status) []group {
	groups := make([]group, 0, 1)
next:
	for i := range tiers {
		s := &tiers[i]
		key, p := l.keyOf(s.Tier, s.Scope, s.Key)
		for j := range groups {
			if g := &groups[j]; g.place == p || len(l.circuits) == 1 {
				g.keys, g.tiers = append(g.keys, key), append(g.tiers, s)
				continue next
			}
		}
		groups = append(groups, group{p, []string{key}, []*limiter.Status{s}})
	}
	return groups
}

// takeAll takes a token of every tier, or of none, and says how they stand.
func (l *Limiter) takeAll(ctx context.Context, tiers []limiter.Status) (bool, error) {
	groups := l.groups(tiers)
	for i := range groups {
		allowed, err := l.takeGroup(ctx, &groups[i], true)
		if allowed && err == nil {
			continue
		}
		// Those before it get theirs back, and all stand as if none had been taken.
		for j := range groups[:i] {
			if returned := l.giveBack(ctx, &groups[j]); returned != nil && err == nil {
				err = returned
			}
		}
		for j := range groups {
			if j != i && err == nil {
				_, err = l.takeGroup(ctx, &groups[j], false)
			}
		}
		return false, err
	}
	return true, nil
}

// takeGroup takes a token of every tier of a group or of none; or, if it is not to
// take, only looks.
func (l *Limiter) takeGroup(ctx context.Context, g *group, take bool) (bool, error) {
	const perTier = 4
	args := make([]any, 1, 1+perTier*len(g.tiers))
	args[0] = 0
	if take {
		args[0] = 1
	}
	for _, s := range g.tiers {
		args = appendLimit(args, &s.Limit)
	}
	answer, err := l.run(ctx, g.place, takeScript, g.keys, args)
	if err != nil {
		return false, err
	}
	if len(answer) != 3+perTier*len(g.tiers) {
		return false, fmt.Errorf("redislimiter: the script answered with %d numbers for %d tiers", len(answer), len(g.tiers))
	}
	l.damage.found(answer[len(answer)-1], g.keys)
	allowed, now := answer[0] == 1, answer[1]
	for i, s := range g.tiers {
		of := answer[2+perTier*i:]
		s.Remaining = of[0]
		s.Next, s.Reset = time.Duration(of[1])*time.Microsecond, time.Duration(of[2])*time.Microsecond
		s.Receipt = limiter.Receipt{}
		if allowed && take {
			s.Receipt = limiter.Receipt{At: now, Slot: of[3]}
		}
	}
	return allowed, nil
}

func appendLimit(args []any, limit *limiter.Limit) []any {
	count, micros := limit.Rate.Fraction()
	sliding := 0
	if limit.Algorithm == limiter.SlidingWindow {
		sliding = 1
	}
	return append(args, limit.Burst, count, micros, sliding)
}

// Return implements limiter.Backend. While Redis is away nothing is given back,
// which is ErrUnavailable. On a Cluster, tiers in different slots are given back one after the other.
func (l *Limiter) Return(ctx context.Context, d limiter.Decision) error {
	if !d.Allowed {
		return nil
	}
	ours := make([]limiter.Status, 0, len(d.Tiers))
	for _, s := range d.Tiers {
		if limiter.Check([]limiter.Ask{s.Ask}) == nil { // else not a Decision of ours
			s.Limit = s.Limit.Normal()
			ours = append(ours, s)
		}
	}
	groups := l.groups(ours)
	for i := range groups {
		if err := l.giveBack(ctx, &groups[i]); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	return nil
}

// giveBack gives back what was taken of a group.
func (l *Limiter) giveBack(ctx context.Context, g *group) error {
	args := make([]any, 0, 6*len(g.tiers))
	for _, s := range g.tiers {
		args = append(appendLimit(args, &s.Limit), s.Receipt.At, s.Receipt.Slot)
	}
	answer, err := l.run(ctx, g.place, returnScript, g.keys, args)
	if err == nil && len(answer) == 2 {
		l.damage.found(answer[1], g.keys)
	}
	return err
}
