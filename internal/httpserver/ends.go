package httpserver

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
)

// The access log is written when everything else is done: by then handlers around the endpoint have
// answered in its place (`handle_errors`), compressed, or added fields (`log_append`). Caddy does not tell
// handlers when that is, so we wrap the HTTP server's own handler, which is Caddy. HTTP/3 has no such
// place: there the line is written when the endpoint is done.

// requestEnd is the work that is left for the end of a request. Only the request's goroutine uses it.
type requestEnd struct {
	started time.Time
	lines   []func()
}

type requestEndKey struct{}

// endOf is the requestEnd of the request; nil if its server does not tell when it is done.
func endOf(r *http.Request) *requestEnd {
	end, _ := r.Context().Value(requestEndKey{}).(*requestEnd)
	return end
}

// AtEnd calls do when the server is done with the request, or at once if the server does not tell when
// that is. It must be called in the request's goroutine.
func AtEnd(r *http.Request, do func()) {
	if end := endOf(r); end != nil {
		end.lines = append(end.lines, do)
		return
	}
	do()
}

// endingServer is Caddy with some work after each request.
type endingServer struct{ http.Handler }

// ServeHTTP implements http.Handler.
func (s endingServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	end := &requestEnd{started: time.Now()}
	defer func() {
		for _, write := range end.lines {
			write()
		}
	}()
	s.Handler.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestEndKey{}, end)))
}

// endingMu guards the handlers of servers: a server may have several listeners.
var endingMu sync.Mutex

// announceEnds wraps the handler of the connection's server, once. It is called for each
// connection, before any of its requests is served.
func announceEnds(ctx context.Context, _ net.Conn) context.Context {
	server, ok := ctx.Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return ctx
	}
	endingMu.Lock()
	defer endingMu.Unlock()
	if _, done := server.Handler.(endingServer); !done && server.Handler != nil {
		server.Handler = endingServer{server.Handler}
	}
	return ctx
}

// outermostRecorder is the recorder with which Caddy counts the whole answer, where it logs access.
func outermostRecorder(w http.ResponseWriter) (found caddyhttp.ResponseRecorder) {
	for {
		if recorder, ok := w.(caddyhttp.ResponseRecorder); ok {
			found = recorder
		}
		wrapper, ok := w.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			return found
		}
		w = wrapper.Unwrap()
	}
}

// extraLogFields are those that other handlers add to the access log, with secrets hidden.
// Caddy lets handlers add fields and not read them, hence the reflection; values that are
// neither text nor numbers come as they print.
func extraLogFields(ctx context.Context, values redact.Values) (fields []zap.Field) {
	extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields)
	if !ok {
		return nil
	}
	list := reflect.ValueOf(extra).Elem().FieldByName("fields")
	if !list.IsValid() || list.Type() != reflect.TypeFor[[]zapcore.Field]() {
		return nil
	}
	for i := range list.Len() {
		f := list.Index(i)
		field := zap.Field{
			Key:     f.FieldByName("Key").String(),
			Type:    zapcore.FieldType(f.FieldByName("Type").Uint()),
			Integer: f.FieldByName("Integer").Int(),
			String:  values.Text(f.FieldByName("String").String()),
		}
		switch value := f.FieldByName("Interface"); {
		case field.Type == zapcore.TimeType:
			field = zap.Time(field.Key, time.Unix(0, field.Integer))
		case !value.IsNil():
			field = zap.String(field.Key, values.Text(fmt.Sprint(value.Elem())))
		}
		fields = append(fields, field)
	}
	return fields
}
