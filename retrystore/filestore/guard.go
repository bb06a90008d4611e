package filestore

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// hold is an undecided key. Like leases, holds are in memory only: they end
// with the process, and with it their holders do. While a commit writes something about
// a key (Store.deciding), its hold stays as it is.
type hold struct {
	token uint64
	until int64 // monotonic milliseconds
}

var errZeroKey = errors.New("the zero key cannot be held")

// HoldKey holds a key; see retrystore.Guard.
func (s *Store) HoldKey(ctx context.Context, key retrystore.Key, lease time.Duration) (retrystore.Hold, error) {
	if err := ctx.Err(); err != nil {
		return retrystore.Hold{}, err
	}
	if key.IsZero() {
		return retrystore.Hold{}, errZeroKey
	}
	h, err := s.tryHold(ctx, key, lease)
	if errors.Is(err, errKeysFull) && s.purgeSome() {
		h, err = s.tryHold(ctx, key, lease)
	}
	return h, err
}

// lockKey locks mu when no write about the key is under way, so that the result of such a
// write is known. After an error mu is not locked.
func (s *Store) lockKey(ctx context.Context, key retrystore.Key) error {
	s.mu.Lock()
	for r := s.deciding[key]; r != nil; r = s.deciding[key] {
		s.mu.Unlock()
		select {
		case <-r.done:
		case <-ctx.Done():
			return ctx.Err()
		case <-s.stopped:
			return retrystore.ErrClosed
		}
		s.mu.Lock()
	}
	return nil
}

func (s *Store) tryHold(ctx context.Context, key retrystore.Key, lease time.Duration) (retrystore.Hold, error) {
	if err := s.lockKey(ctx, key); err != nil {
		return retrystore.Hold{}, err
	}
	defer s.mu.Unlock()
	if s.closed {
		return retrystore.Hold{}, retrystore.ErrClosed
	}
	if _, seen := s.duplicate(key); seen {
		return retrystore.Hold{Key: key, State: retrystore.HoldCommitted}, nil
	}
	// What could not be committed afterwards must not be worked on.
	if err := s.outage.refusal(); err != nil {
		return retrystore.Hold{}, err
	}
	now := s.instant()
	if other, held := s.holds[key]; held && other.until > now.mono {
		return retrystore.Hold{Key: key, State: retrystore.HoldTaken, Until: s.options.Now().Add(time.Duration(other.until-s.instant().mono) * time.Millisecond)}, nil
	} else if !held && s.rememberedKeys() >= s.options.MaxKeys {
		return retrystore.Hold{}, errKeysFull
	}
	s.token++
	s.holds[key] = hold{token: s.token, until: now.mono + lease.Milliseconds()}
	return retrystore.Hold{Key: key, Token: s.token, Until: s.options.Now().Add(lease)}, nil
}

// rememberedKeys counts towards MaxKeys. The caller holds mu.
func (s *Store) rememberedKeys() int { return s.index.keys.size() + s.reservedKeys + len(s.holds) }

// RenewKey extends a hold; see retrystore.Guard.
func (s *Store) RenewKey(ctx context.Context, h *retrystore.Hold, lease time.Duration) error {
	if err := s.lockKey(ctx, h.Key); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.holding(*h); err != nil {
		return err
	}
	s.holds[h.Key] = hold{token: h.Token, until: s.instant().mono + lease.Milliseconds()}
	h.Until = s.options.Now().Add(lease)
	return nil
}

// ReleaseKey frees a key; see retrystore.Guard.
func (s *Store) ReleaseKey(ctx context.Context, h retrystore.Hold) error {
	if err := s.lockKey(ctx, h.Key); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.holding(h); err != nil {
		return err
	}
	delete(s.holds, h.Key)
	return nil
}

// CommitKey remembers a key; see retrystore.Guard. The key goes straight to the
// slot in which it expires, as that of an event that is settled.
func (s *Store) CommitKey(ctx context.Context, h retrystore.Hold, ttl time.Duration) error {
	if ttl <= 0 {
		return fmt.Errorf("event key %s has no lifetime", h.Key)
	}
	s.mu.Lock()
	err := s.holding(h)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.submit(ctx, &request{
		done: make(chan struct{}),
		hold: h, expiry: expiryAfter(s.options.Now(), ttl),
	})
}

// holding fences. The caller holds mu.
func (s *Store) holding(h retrystore.Hold) error {
	if s.closed {
		return retrystore.ErrClosed
	}
	if !s.owns(h) {
		return leaseLost(h.Key)
	}
	return nil
}

// owns says that nobody else has taken the key since. The caller holds mu.
func (s *Store) owns(h retrystore.Hold) bool {
	latest, ok := s.holds[h.Key]
	return ok && latest.token == h.Token
}

func leaseLost(key retrystore.Key) error {
	return fmt.Errorf("event key %s: %w", key, retrystore.ErrLeaseLost)
}

// undecided says that somebody holds the key. The caller holds mu.
func (s *Store) undecided(key retrystore.Key) error {
	h, held := s.holds[key]
	if now := s.instant().mono; held && h.until > now {
		return fmt.Errorf("%w: event key %s is held for another %d ms by a caller who decides about it",
			retrystore.ErrUnavailable, key, h.until-now)
	}
	return nil
}

// decide puts the key of r into the batch. The caller holds mu.
func (s *Store) decide(b *batch, r *request) {
	if !s.owns(r.hold) {
		r.finish(leaseLost(r.hold.Key))
		return
	}
	b.waiting = append(b.waiting, r)
	if r.first = s.deciding[r.hold.Key]; r.first == nil {
		s.deciding[r.hold.Key] = r
		b.remember(r.hold.Key, r.expiry)
	}
}

// decided makes a committed key known. The caller holds mu.
func (s *Store) decided(r *request) {
	delete(s.holds, r.hold.Key)
	s.index.keys.set(r.hold.Key, rememberedKey{expiry: r.expiry})
}

// dropLapsedHolds forgets the holds whose holders never came back.
func (s *Store) dropLapsedHolds() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.instant().mono
	for key, h := range s.holds {
		if h.until <= now {
			delete(s.holds, key)
		}
	}
}

// expiryAfter is when a key expires, in Unix seconds. Rounded up: a key may be
// remembered a second longer, never shorter.
func expiryAfter(now time.Time, ttl time.Duration) uint32 {
	return uint32(min(now.Add(ttl+time.Second-1).Unix(), math.MaxUint32))
}
