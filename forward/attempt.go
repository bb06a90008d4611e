package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// maxError bounds the text of an error that is kept with an attempt, in bytes.
const maxError = 512

// errNoAnswer is recorded when a Sender reports neither status nor error.
var errNoAnswer = errors.New("no answer")

// errGoexit is recorded when a Sender ended its goroutine.
var errGoexit = errors.New("the handler ended its goroutine (runtime.Goexit)")

// conclude tells the breaker and the store what came of the attempt at j.d that
// began at the given time. made is false when nothing came of it, because of
// shutdown; then j.d was given back.
func (l *lane) conclude(j job, at time.Time, answer Answer, err error) (_ Answer, s retrystore.Settlement, made bool) {
	d, end := j.d, l.opts.Now()

	// Shutdown is not an outcome, and looks like many: an error, a panic, a
	// status 0 or 499 without an error. So it is asked for before classifying.
	// Only a success that came through all the same is one.
	if l.ctx.Err() != nil && !succeeded(answer, err) {
		l.release(d)
		return Answer{}, s, false
	}

	l.judge(alive(answer, err), j.generation, at, end)
	s = l.dest.Classify(d, answer, err, end, l.opts.Rand)
	s.Attempt = retrystore.Attempt{
		At:       at,
		Duration: end.Sub(at),
		Status:   answer.Status,
		Error:    errorText(cmp.Or(err, answer.Cause)),
		Answer:   answer.Body[:min(len(answer.Body), retrystore.MaxAnswer)],
	}
	l.tellObserver(func(o Observer) { o.Attempted(d, s) })
	l.settle(d, s, j.leaseEnd)
	return answer, s, true
}

// send calls the Sender within the attempt's time, and turns every way of
// having no answer into an error.
func (l *lane) send(d *retrystore.Delivery) (answer Answer, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.dest.Timeout)
	defer cancel()
	answer, err = l.sendSafely(ctx, d)

	// A request that ran out of time comes back as an error, as status 0 or as
	// 499. Any other status without an error is the application's answer, if
	// only just in time.
	none := err != nil || answer.Status < 100
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && (none || answer.Status == statusClientClosed) {
		return Answer{}, fmt.Errorf("timeout after %s", l.dest.Timeout)
	}
	if none && err == nil {
		err = errNoAnswer
	}
	return answer, err
}

// statusClientClosed is what proxies report for a request whose client, here
// the attempt, went away. It is in no RFC.
const statusClientClosed = 499

// sendSafely turns a panic of the Sender into an error.
func (l *lane) sendSafely(ctx context.Context, d *retrystore.Delivery) (answer Answer, err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		answer, err = Answer{}, fmt.Errorf("panic: %v", p)
		// ErrAbortHandler is how handlers say that the answer broke off.
		if p != http.ErrAbortHandler && l.ctx.Err() == nil {
			safe.Count("dispatcher: sender")
			l.log.Error("sender panicked", zap.String("delivery_id", d.ID),
				zap.String("error", errorText(err)), zap.ByteString("stack", debug.Stack()))
		}
	}()
	return l.dest.Sender.Send(ctx, d)
}

// settle tells the store the outcome of an attempt. While the store fails it
// tries again, and keeps the slot, for as long as the lease lasts.
func (l *lane) settle(d *retrystore.Delivery, s retrystore.Settlement, leaseEnd time.Time) {
	again := backoff{min: outageMin, max: outageMax}
	for {
		err := l.tell(func(ctx context.Context) error { return l.queue.Settle(ctx, d, s) })
		switch {
		case err == nil:
			l.tellObserver(func(o Observer) { o.Settled(d, s) })
			l.logSettled(d, s)
			if s.State == retrystore.Pending {
				l.askAt(s.NextAttemptAt)
			}
			return
		case errors.Is(err, retrystore.ErrLeaseLost), errors.Is(err, retrystore.ErrNotFound):
			l.tellObserver(func(o Observer) { o.LeaseLost(d) })
			l.log.Warn("lease was lost before the outcome was stored; the delivery may be made twice",
				append(l.fields(d, s), zap.Error(err))...)
			return
		case errors.Is(err, retrystore.ErrClosed):
			l.giveUp(d, s, err)
			return
		}

		if again.idle() {
			l.log.Error("cannot store the outcome of an attempt; will keep trying while the lease lasts",
				zap.String("delivery_id", d.ID), zap.Error(err))
		}
		wait := again.next()
		if l.opts.Now().Add(wait).After(leaseEnd) || !l.sleep(wait) {
			l.giveUp(d, s, err)
			return
		}
	}
}

// giveUp leaves an outcome untold. The delivery is tried again when its lease
// lapses, which the pump knows: a lease is longer than pollInterval, and every
// claim says when the next one lapses.
func (l *lane) giveUp(d *retrystore.Delivery, s retrystore.Settlement, err error) {
	l.log.Error("outcome of an attempt was not stored; the delivery is made again when its lease lapses",
		append(l.fields(d, s), zap.Error(err))...)
}

// release gives d back to the store, unattempted. If that fails the lease
// lapses by itself.
func (l *lane) release(d *retrystore.Delivery) {
	err := l.tell(func(ctx context.Context) error { return l.queue.Release(ctx, d) })
	if err != nil {
		l.log.Warn("cannot release a delivery; it becomes due when its lease lapses",
			zap.String("delivery_id", d.ID), zap.Error(err))
	}
}

// tell calls the store with a context that outlives shutdown: what happened
// must be told then too.
func (l *lane) tell(call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), storeTimeout)
	defer cancel()
	var err error
	if panicked := safe.Do(l.log, "dispatcher: store", func() { err = call(ctx) }); panicked != nil {
		return panicked
	}
	return err
}

// sleep waits, and reports false if attempts were given up meanwhile.
func (l *lane) sleep(wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// logSettled writes the one line about a settled attempt.
func (l *lane) logSettled(d *retrystore.Delivery, s retrystore.Settlement) {
	level := zapcore.InfoLevel
	if s.State == retrystore.Dead {
		level = zapcore.WarnLevel
	}
	if entry := l.log.Check(level, "delivery settled"); entry != nil {
		entry.Write(l.fields(d, s)...)
	}
}

// fields describe a settlement: no body, no header, no secret. The logger has
// endpoint and destination.
func (l *lane) fields(d *retrystore.Delivery, s retrystore.Settlement) []zap.Field {
	fields := make([]zap.Field, 0, 12)
	fields = append(fields, zap.String("delivery_id", d.ID))
	if e := d.Event; e != nil {
		fields = append(fields, zap.String("event_id", e.EventID), zap.String("event_type", e.EventType),
			zap.String("correlation_id", e.CorrelationID))
	}
	fields = append(fields, zap.Int("attempt", d.Attempts+1), zap.String("outcome", OutcomeName(s.State)),
		zap.Int("status", s.Attempt.Status), zap.Duration("duration", s.Attempt.Duration))
	if s.Attempt.Error != "" {
		fields = append(fields, zap.String("attempt_error", s.Attempt.Error))
	}
	switch s.State {
	case retrystore.Pending:
		fields = append(fields, zap.Time("next_attempt_at", s.NextAttemptAt))
	case retrystore.Dead:
		fields = append(fields, zap.String("reason", s.Reason))
	}
	return fields
}

// errorText is what is kept of an error: valid UTF-8, and bounded.
func errorText(err error) string {
	text := ErrorText(err)
	return strings.ToValidUTF8(text[:min(len(text), maxError)], "")
}

// ErrorText is the text of an attempt's error, empty for none, without the URL that
// net/http puts into errors, whose query may hold a secret.
func ErrorText(err error) (text string) {
	if err == nil {
		return ""
	}
	// The error may come from any handler: one whose Error method panics, such
	// as a nil pointer in an interface, must not take the process down.
	defer func() {
		if recover() != nil {
			text = "error without text"
		}
	}()
	if u := (*url.Error)(nil); errors.As(err, &u) {
		return u.Op + ": " + u.Err.Error()
	}
	return err.Error()
}
