// Package safe starts the goroutines of this module. A panic in a goroutine ends
// the process, whoever started it: here a panic is logged with its stack, counted by
// place, and ends only what had panicked. Every `go`, WaitGroup.Go and AfterFunc of
// the module goes through this package; a test sees to that.
//
// A place is a short constant name such as "redis store: sender". It is in the log
// line and the label of the metric, so it must not depend on data.
package safe

import (
	"context"
	"fmt"
	"log"
	"maps"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"
)

// PanicError is a panic as an error.
type PanicError struct {
	Place string
	Value any // what was panicked with
}

// Error implements error.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in %s: %v", e.Place, e.Value) }

var (
	mu     sync.Mutex
	panics = make(map[string]uint64)
)

// Panics returns how many panics there were in this process, by place.
func Panics() map[string]uint64 {
	mu.Lock()
	defer mu.Unlock()
	return maps.Clone(panics)
}

// Forget begins to count anew, for tests that want to see only their own.
func Forget() {
	mu.Lock()
	defer mu.Unlock()
	clear(panics)
}

// Count counts a panic that its caller has recovered and logged.
func Count(place string) {
	mu.Lock()
	defer mu.Unlock()
	panics[place]++
}

// Do runs f. If f panics, Do logs and counts the panic and returns it as a
// *PanicError; otherwise it returns nil. A nil logger means the standard one.
func Do(logger *zap.Logger, place string, f func()) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = note(logger, place, value)
		}
	}()
	f()
	return nil
}

// note logs and counts a panic. Called while the stack of the panic is still there.
func note(logger *zap.Logger, place string, value any) error {
	// A handler's way to say that it broke its answer off: nothing is wrong.
	if value != http.ErrAbortHandler {
		Count(place)
		text, stack := text(value), debug.Stack()
		if logger != nil {
			logger.Error("panic; what it was about has failed, and the rest goes on",
				zap.String("place", place), zap.String("error", text), zap.ByteString("stack", stack))
		} else {
			log.Printf("panic in %s: %s\n%s", place, text, stack)
		}
	}
	return &PanicError{Place: place, Value: value}
}

// maxText bounds what is logged of the value of a panic, in bytes.
const maxText = 1024

// text prints the value of a panic, whose own methods may panic, too.
func text(value any) (s string) {
	defer func() {
		if recover() != nil {
			s = fmt.Sprintf("a %T that cannot be printed", value)
		}
	}()
	s = fmt.Sprint(value)
	return s[:min(len(s), maxText)]
}

// Go runs f in a goroutine.
func Go(logger *zap.Logger, place string, f func()) {
	go func() { _ = Do(logger, place, f) }()
}

// AfterFunc runs f in a goroutine after d, as time.AfterFunc does.
func AfterFunc(d time.Duration, logger *zap.Logger, place string, f func()) *time.Timer {
	return time.AfterFunc(d, func() { _ = Do(logger, place, f) })
}

// Bounds of the pause before a loop that panicked runs again.
const (
	minPause = 10 * time.Millisecond
	maxPause = 5 * time.Second
)

// Loop runs f until it returns, and again whenever it panicked: after a pause that
// doubles up to 5 seconds as long as panics follow each other, unless stop is closed.
func Loop(stop <-chan struct{}, logger *zap.Logger, place string, f func()) {
	for pause := minPause; ; pause = min(2*pause, maxPause) {
		began := time.Now()
		if Do(logger, place, f) == nil {
			return
		}
		if time.Since(began) > time.Minute {
			pause = minPause
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-stop:
			timer.Stop()
			return
		}
	}
}

// Group is a sync.WaitGroup whose goroutines survive panics. The zero value is
// ready. It must not be copied.
type Group struct{ sync.WaitGroup }

// Go runs f in a goroutine that Wait waits for.
func (g *Group) Go(logger *zap.Logger, place string, f func()) {
	g.WaitGroup.Go(func() { _ = Do(logger, place, f) })
}

// AfterContext runs f in a goroutine once ctx has ended, as context.AfterFunc does.
func AfterContext(ctx context.Context, logger *zap.Logger, place string, f func()) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = Do(logger, place, f) })
}

// Wait calls wait, and returns when it does or the time is over.
func Wait(wait func(), limit time.Duration) {
	done := make(chan struct{})
	Go(nil, "app: wait", func() { defer close(done); wait() })
	select {
	case <-done:
	case <-time.After(limit):
	}
}
