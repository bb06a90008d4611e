package httpserver

import (
	"net/http"
	"reflect"
	"strings"
)

// To the provider a 2xx means that its event is safe. So no other handler may turn a refusal into a 2xx:
// the event would be stored nowhere, and the provider would never send it again.

// pastInterceptors returns the writer behind an `intercept`, which may replace a status; w if there is
// none. Writers between the two are passed over as well: the one of `encode` keeps a status until
// something is written, and would accept another one until then.
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
