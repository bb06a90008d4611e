//go:build linux

package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// A machine that is busy with other work stalls the proxy and its store: attempts run out of time although
// the application answered at once, and results take seconds to be stored. That is no fault of the proxy,
// but it must be measured, not guessed: many times a second, heartbeats ask each of them for something
// that takes no time. An answer that takes long is a stall, which is counted like a fault. On an idle
// machine there are none, except while strace holds the proxy up.
const (
	heartbeat = 100 * time.Millisecond
	stallFrom = 300 * time.Millisecond // how long an answer may take
	// A success shortly before a stall may not have been stored in it; and an attempt
	// that began in it may be over its time when it is answered.
	stallBefore = time.Second
	stallAfter  = 2500 * time.Millisecond
)

// heartbeats asks until ctx ends.
func (w *world) heartbeats(ctx context.Context) {
	var group sync.WaitGroup
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	group.Go(func() { w.beat(ctx, func() bool { return true }) }) // only this program
	for _, n := range w.nodes {
		group.Go(func() { w.beat(ctx, func() bool { return isThere(client, "http://"+n.Address+"/heartbeat") }) })
	}
	if f, ok := w.store.(*fileStore); ok && w.plan.Disk != diskSmall { // which is in memory
		group.Go(func() {
			if err := w.beatDisk(ctx, filepath.Dir(f.path)); err != nil {
				w.books.Problem("heartbeats of the disk: %v", err)
			}
		})
	}
	if r, ok := w.store.(*redisStore); ok {
		for _, server := range r.servers {
			client := server.Client()
			group.Go(func() {
				w.beat(ctx, func() bool { return client.Ping(context.WithoutCancel(ctx)).Err() == nil })
			})
		}
	}
	group.Wait()
}

// isThere asks a node. One that was killed before it came to answer was there: it
// may have been kept waiting until then.
func isThere(client *http.Client, url string) bool {
	response, err := client.Get(url)
	if err != nil {
		return !errors.Is(err, syscall.ECONNREFUSED)
	}
	_ = response.Body.Close()
	return true
}

// beatDisk syncs a file of its own beside the store's: a disk that others keep busy
// keeps results waiting as well. No strace looks at it, so faults that are planned do not
// show. It grows, as the store's does, up to a size.
func (w *world) beatDisk(ctx context.Context, dir string) error {
	const most = 64 << 10
	file, err := os.Create(filepath.Join(dir, "heartbeat"))
	if err != nil {
		return err
	}
	defer file.Close()
	line, size := make([]byte, 512), 0
	w.beat(ctx, func() bool {
		if size += len(line); size > most {
			size = len(line)
			if file.Truncate(0) != nil {
				return false
			}
		}
		_, err := file.WriteAt(line, int64(size-len(line)))
		return err == nil && file.Sync() == nil
	})
	return nil
}

// beat notes the answers that take long, and when this program itself was woken
// late: the applications are part of it. No answer is no stall: what is down does not stall.
func (w *world) beat(ctx context.Context, ask func() bool) {
	for ctx.Err() == nil {
		asked := time.Now()
		answered := ask()
		if took := time.Since(asked); answered && took > stallFrom {
			w.stalled(asked, asked.Add(took))
		}
		slept := time.Now()
		select {
		case <-ctx.Done():
		case <-time.After(heartbeat):
		}
		if late := time.Since(slept) - heartbeat; late > stallFrom {
			w.stalled(slept.Add(heartbeat), slept.Add(heartbeat+late))
		}
	}
}

func (w *world) stalled(from, to time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stalls = append(w.stalls, oracle.Fault{Name: "stall", From: from, To: to, Before: stallBefore, After: stallAfter})
}

// unplanned are the stalls that no planned pause has made, and how long they
// lasted, counting no time twice.
func (w *world) unplanned() (stalls []oracle.Fault, total time.Duration) {
	var planned []oracle.Fault
	for _, f := range w.slow {
		if f.Name == faultPause || f.Name == faultRedisPause || f.Name == faultMasterPause || f.Name == faultReplicasPause {
			planned = append(planned, f)
		}
	}
	for _, s := range w.stalls {
		parts := []oracle.Fault{s}
		for _, p := range planned {
			parts = without(parts, p.From, p.To)
		}
		for _, part := range parts {
			if part.To.Sub(part.From) >= stallFrom {
				stalls = append(stalls, part)
			}
		}
	}
	slices.SortFunc(stalls, func(a, b oracle.Fault) int { return a.From.Compare(b.From) })
	var end time.Time
	for _, s := range stalls {
		if end.After(s.From) {
			s.From = end
		}
		if s.To.After(s.From) {
			total += s.To.Sub(s.From)
			end = s.To
		}
	}
	return stalls, total
}

// without cuts a time out of faults: what is before it stays, and what is after it.
func without(faults []oracle.Fault, from, to time.Time) (left []oracle.Fault) {
	for _, f := range faults {
		if !f.From.Before(to) || !f.To.After(from) {
			left = append(left, f)
			continue
		}
		if before := f; f.From.Before(from) {
			before.To = from
			left = append(left, before)
		}
		if after := f; f.To.After(to) {
			after.From = to
			left = append(left, after)
		}
	}
	return left
}
