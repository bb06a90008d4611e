package caddywebhooks

import (
	"net/http"
	"reflect"
	"strings"

	"go.uber.org/zap"
)

// A 2xx tells the provider that its event is safe. So a refusal must not become one on its way
// out: the event would be stored nowhere, and the provider would never send it again.

// send writes the endpoint's answer.
func (h *Handler) send(a *answer, in *inbound) error {
	if a.ok() {
		if a.word != "handshake" {
			h.markAnswer(in.w.Header())
		}
		return a.write(in.w, in)
	}
	err := a.write(pastInterceptors(in.w), in)
	h.watchAnswer(in, a.code)
	return err
}

// pastInterceptors returns the writer of the whole answer where there is an `intercept`, which may
// replace a status; w where there is none. Writers between the two are passed over as well: that
// of `encode` keeps a status until something is written, and would take another one until then.
func pastInterceptors(w http.ResponseWriter) http.ResponseWriter {
	past, intercepted := w, false
	for {
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		outer := wrapper.Unwrap()
		if isInterceptor(w) {
			// It has a recorder within it, which is what it unwraps to.
			if recorder, ok := outer.(interface{ Unwrap() http.ResponseWriter }); ok {
				outer = recorder.Unwrap()
			}
			past, intercepted = outer, true
		}
		w = outer
	}
	if !intercepted {
		return past
	}
	if recorder := outermostRecorder(past); recorder != nil {
		return recorder
	}
	return w
}

// isInterceptor tells by its package: the type has no name outside of it.
func isInterceptor(w http.ResponseWriter) bool {
	t := reflect.TypeOf(w)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return strings.HasSuffix(t.PkgPath(), "/caddyhttp/intercept")
}

// watchAnswer says it where a refusal went out as a success all the same. That can be seen only
// where the server logs access, since Caddy then keeps the status that went out.
func (h *Handler) watchAnswer(in *inbound, code int) {
	recorder := outermostRecorder(in.w)
	if recorder == nil {
		return
	}
	check := func() {
		if status := recorder.Status(); status >= 200 && status < 300 {
			h.traffic.sawChanged(h.now(), code, status)
			h.logger.Error("a handler around the endpoint made a success of its refusal: the provider takes the event for stored, and it is stored nowhere",
				zap.String("endpoint", h.Name), zap.String("correlation_id", in.correlationID), zap.Int("refused_with", code), zap.Int("status", status))
		}
	}
	if end, ok := in.r.Context().Value(requestEndKey{}).(*requestEnd); ok {
		end.lines = append(end.lines, check)
		return
	}
	check()
}
