package deliver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestAnswerOfHandlers tables what a chain may leave behind.
func TestAnswerOfHandlers(t *testing.T) {
	plain := errors.New("plain")
	for name, test := range map[string]struct {
		err    error
		status int
		failed bool
	}{
		"refusal":            {caddyhttp.Error(403, plain), 403, false},
		"wrapped refusal":    {fmt.Errorf("route: %w", caddyhttp.Error(403, plain)), 403, false},
		"refusal, no words":  {caddyhttp.HandlerError{StatusCode: 429}, 429, false},
		"own 502":            {caddyhttp.Error(502, plain), 502, false},
		"proxy's 502":        {caddyhttp.HandlerError{StatusCode: 502, Err: plain, Trace: "reverseproxy.statusError (reverseproxy.go:1)"}, 0, true},
		"proxy's 429":        {caddyhttp.HandlerError{StatusCode: 429, Err: plain, Trace: "reverseproxy.statusError (reverseproxy.go:1)"}, 429, false},
		"cancelled":          {caddyhttp.Error(500, context.Canceled), 0, true},
		"out of time":        {caddyhttp.Error(500, context.DeadlineExceeded), 0, true},
		"no status":          {caddyhttp.HandlerError{Err: plain}, 0, true},
		"status of no error": {caddyhttp.Error(204, plain), 0, true},
		"status of nothing":  {caddyhttp.Error(999, plain), 0, true},
		"plain":              {plain, 0, true},
	} {
		w := &answerRecorder{header: http.Header{"Retry-After": {"7"}}}
		a, err := w.answer(test.err)
		if a.Status != test.status || (err != nil) != test.failed || a.Header != nil {
			t.Errorf("%s: answer %+v, error %v", name, a, err)
		}
		if !test.failed && (a.RetryAfter != "7" || a.Cause == nil) {
			t.Errorf("%s: Retry-After %q, cause %v", name, a.RetryAfter, a.Cause)
		}
	}
	// What was written before the error is what was answered.
	w := &answerRecorder{header: make(http.Header), keep: 10}
	http.Error(w, "no", http.StatusConflict)
	if a, err := w.answer(caddyhttp.Error(410, plain)); a.Status != 409 || err != nil || a.Header != nil {
		t.Errorf("answer %+v, error %v", a, err)
	}
}
