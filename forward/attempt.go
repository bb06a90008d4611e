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

// conclude tells the breaker and the store the result of the attempt at j.d, which
// began at the given time. made is false if shutdown ended the attempt without a
// result; then conclude has given j.d back.
func (l *lane) conclude(j job, at time.Time, answer Answer, err error) (_ Answer, s retrystore.Settlement, made bool) {
	d, end := j.d, l.opts.Now()

	// Shutdown is not an outcome, but an attempt that it cut off looks like one: an
	// error, a panic, a status 0 or 499 without an error. So check for shutdown before
	// classifying. Only a success counts in spite of shutdown.
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

// send calls the Sender within the attempt's time. If there is no answer, for whatever
// reason, it returns an error.
func (l *lane) send(d *retrystore.Delivery) (answer Answer, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, l.dest.Timeout)
	defer cancel()
	answer, err = l.sendSafely(ctx, d)

	// A request that ran out of time comes back as an error, as status 0 or as
	// 499. Any other status without an error is the application's answer, even if it
	// came at the last moment.
	none := !answered(answer, err)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) && (none || answer.Status == statusClientClosed) {
		return Answer{}, fmt.Errorf("timeout after %s", l.dest.Timeout)
	}
	if none && err == nil {
		err = errNoAnswer
	}
	return answer, err
}

// statusClientClosed is the status that proxies report if the client, here the attempt,
// has closed the request. No RFC defines it.
const statusClientClosed = 499

// sendSafely turns a panic of the Sender into an error.
func (l *lane) sendSafely(ctx context.Context, d *retrystore.Delivery) (answer Answer, err error) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		answer, err = Answer{}, fmt.Errorf("panic: %v", p)
		// Handlers panic with ErrAbortHandler if the answer broke off.
		if p != http.ErrAbortHandler && l.ctx.Err() == nil {
			safe.Count("dispatcher: sender")
			l.log.Error("sender panicked", zap.String("delivery_id", d.ID),
				zap.String("error", errorText(err)), zap.ByteString("stack", debug.Stack()))
		}
	}()
	return l.dest.Sender.Send(ctx, d)
}

// settle tells the store the outcome of an attempt. If the store fails, settle retries
// until the lease ends. It keeps the slot meanwhile.
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

// giveUp logs that the store does not know the outcome. The delivery is retried when its
// lease lapses. The pump claims it then: a lease is longer than pollInterval, and every
// claim says when the next lease lapses.
func (l *lane) giveUp(d *retrystore.Delivery, s retrystore.Settlement, err error) {
	l.log.Error("outcome of an attempt was not stored; the delivery is made again when its lease lapses",
		append(l.fields(d, s), zap.Error(err))...)
}

// release gives d back to the store without an attempt. If that fails, the delivery
// becomes due when its lease lapses.
func (l *lane) release(d *retrystore.Delivery) {
	err := l.tell(func(ctx context.Context) error { return l.queue.Release(ctx, d) })
	if err != nil {
		l.log.Warn("cannot release a delivery; it becomes due when its lease lapses",
			zap.String("delivery_id", d.ID), zap.Error(err))
	}
}

// tell calls the store with a context that outlives shutdown: the store must learn the
// outcomes of the last attempts, too.
func (l *lane) tell(call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), storeTimeout)
	defer cancel()
	var err error
	if panicked := safe.Do(l.log, "dispatcher: store", func() { err = call(ctx) }); panicked != nil {
		return panicked
	}
	return err
}

// sleep waits. It returns false if the lane gave up its attempts meanwhile.
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

// fields describe a settlement, without body, headers or secrets. The logger adds endpoint
// and destination.
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

// errorText is the text of an error for the history: valid UTF-8 of maxError bytes at most.
func errorText(err error) string {
	text := ErrorText(err)
	return strings.ToValidUTF8(text[:min(len(text), maxError)], "")
}

// ErrorText is the text of an attempt's error; empty if err is nil. It leaves out the URL
// that net/http puts into errors, because the URL's query may hold a secret.
func ErrorText(err error) (text string) {
	if err == nil {
		return ""
	}
	// The error may come from any handler. Its Error method may panic, for example if it is
	// a nil pointer in an interface. That must not end the process.
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
