// Package httpserver is what an endpoint needs of the Caddy server around it: the access log, which must
// not show secrets, the end of a request, and handlers that change answers on their way out.
package httpserver

import (
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddywebhooks/caddy-webhooks/internal/redact"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Some providers send the secret itself. Caddy copies a request for its logs before any handler sees it,
// so nothing can be removed from that copy. Instead Caddy is told to write nothing about an endpoint's
// requests that may carry a secret, and about requests of its server that do carry one. The same lines of
// the same loggers are written here, with the secrets hidden.

// Log writes Caddy's lines about requests with secrets. A nil Log leaves all
// of them to Caddy. It is safe for concurrent use.
type Log struct {
	server *caddyhttp.Server
	access *zap.Logger
	failed *zap.Logger
	mask   *redact.Mask
	always bool      // for every request, whatever it seems to carry
	watch  *logWatch // has the secrets of the server's endpoints, to find them in places where people put them by mistake
}

// Secrets is what must not stand in the log of an endpoint's server.
type Secrets struct {
	// Places are where the endpoint's requests have secrets, or values that its handshakes are answered
	// with.
	Places []verify.Source

	// Values are the secrets themselves.
	Values []string

	// Bearer reports whether every request of the endpoint carries a secret as it is.
	Bearer bool
}

// NewLog returns nil where the endpoint's requests carry no secret that Caddy would log. It must be
// called while the routes of the server are provisioned.
func NewLog(ctx caddy.Context, secrets Secrets) (*Log, error) {
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	mask := redact.New(secrets.Places)
	if server == nil || !secrets.Bearer && !mask.OfRequests() {
		return nil, nil
	}
	if server.Logs == nil {
		// As without access logs, but now Caddy lets requests choose the loggers for failures, too.
		server.Logs = &caddyhttp.ServerLogConfig{SkipUnmappedHosts: true}
	}
	server.RegisterConnContext(announceEnds)
	logger := ctx.Logger(new(caddyhttp.App)) // whose lines they are
	l := &Log{
		server: server, access: logger.Named("log.access"), failed: logger.Named("log.error"),
		mask: mask, always: secrets.Bearer,
	}
	var err error
	l.watch, err = watchLogs(ctx, l, secrets)
	return l, err
}

// Line is a request whose log lines we write ourselves.
type Line struct {
	log     *Log
	r       *http.Request
	w       http.ResponseWriter
	read    func() int // how many bytes of the body were read
	uri     string
	header  http.Header
	started time.Time
	loggers []string // by which Caddy would have logged it
	err     error    // what was returned
}

// Begin silences Caddy about the request, which was sent with that URI. read tells how many bytes of
// the body were read. Begin returns nil where there is no need to silence Caddy.
func (l *Log) Begin(w http.ResponseWriter, r *http.Request, uri string, read func() int) *Line {
	if l == nil || !l.always && !l.mask.Carries(r.Header, uri) {
		return nil
	}
	takeOver(r)
	return l.take(w, r, uri, read)
}

func (l *Log) take(w http.ResponseWriter, r *http.Request, uri string, read func() int) *Line {
	taken := &Line{log: l, r: r, w: w, read: read, uri: uri, header: r.Header, started: time.Now()}
	taken.loggers = l.loggers(r)
	silence(r)
	return taken
}

// silence leaves Caddy no logger for the request's lines.
func silence(r *http.Request) {
	caddyhttp.SetVar(r.Context(), caddyhttp.AccessLoggerNameVarKey, []any{})
}

// End is called when the endpoint, or the server's routes, are done. The lines are written when the server
// is done.
func (r *Line) End(err error) {
	r.err = err
	if names := namedLoggers(r.r); len(names) > 0 {
		r.loggers = names // by a handler after the endpoint
		silence(r.r)
	}
	if end := endOf(r.r); end != nil {
		r.started = end.started
	}
	AtEnd(r.r, r.write)
}

// write writes what Caddy would have.
func (r *Line) write() {
	values := r.log.watch.all().And(redact.NewValues(r.log.mask.Of(r.header, r.uri)))
	duration := time.Since(r.started)
	if r.err != nil {
		r.writeFailure(values, duration)
	}
	ctx := r.r.Context()
	if skip, _ := caddyhttp.GetVar(ctx, caddyhttp.LogSkipVar).(bool); skip || !r.log.logsAccess(r.r.Host) {
		return
	}
	status, size := 0, 0
	if recorder := outermostRecorder(r.w); recorder != nil {
		status, size = recorder.Status(), recorder.Size()
	}
	level := zapcore.InfoLevel
	if status >= 500 {
		level = zapcore.ErrorLevel
	}
	if name, ok := caddyhttp.GetVar(ctx, caddyhttp.LogLevelVar).(string); ok {
		if chosen, err := zapcore.ParseLevel(name); err == nil && chosen >= zapcore.DebugLevel && chosen <= zapcore.ErrorLevel {
			level = chosen
		}
	}
	message := "handled request"
	if nobody, _ := caddyhttp.GetVar(ctx, "unhandled").(bool); nobody {
		message = "NOP" // as Caddy says
	}
	r.each(r.log.access, level, message, func() []zap.Field {
		user := ""
		if replacer, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
			user, _ = replacer.GetString("http.auth.user.id")
		}
		answer := r.w.Header().Clone()
		values.Header(answer)
		return append([]zap.Field{
			r.request(values),
			zap.Int("bytes_read", r.read()),
			zap.String("user_id", user),
			zap.Duration("duration", duration),
			zap.Int("size", size),
			zap.Int("status", status),
			zap.Object("resp_headers", caddyhttp.LoggableHTTPHeader{
				Header: answer, ShouldLogCredentials: r.log.server.Logs.ShouldLogCredentials,
			}),
		}, extraLogFields(ctx, values)...)
	})
}

// writeFailure is for what a handler returned.
func (r *Line) writeFailure(values redact.Values, duration time.Duration) {
	level, message := zapcore.ErrorLevel, r.err.Error()
	fields := []zap.Field{zap.String("error", values.Text(message))}
	if failure, ok := errors.AsType[caddyhttp.HandlerError](r.err); ok {
		if failure.Err != nil {
			message = failure.Err.Error()
		}
		if failure.StatusCode < 500 {
			level = zapcore.DebugLevel
		}
		fields = []zap.Field{
			zap.Int("status", failure.StatusCode), zap.String("err_id", failure.ID), zap.String("err_trace", failure.Trace),
		}
	}
	if errors := r.log.server.Errors; errors != nil && len(errors.Routes) > 0 {
		level = zapcore.DebugLevel // handled by the site's own routes
	}
	r.each(r.log.failed, level, values.Text(message), func() []zap.Field {
		return append([]zap.Field{r.request(values), zap.Duration("duration", duration)}, fields...)
	})
}

// each writes a line to each of the request's loggers.
func (r *Line) each(logger *zap.Logger, level zapcore.Level, message string, fields func() []zap.Field) {
	var made []zap.Field
	for _, name := range r.loggers {
		entry := logger.Named(name).Check(level, message)
		if entry == nil {
			continue
		}
		if made == nil {
			made = fields()
		}
		entry.Write(made...)
	}
}

// request is the log field that describes the request, as Caddy writes it.
func (r *Line) request(values redact.Values) zap.Field {
	masked := r.r.WithContext(r.r.Context())
	masked.Header = r.log.mask.Header(r.header)
	values.Header(masked.Header)
	masked.RequestURI = values.URI(r.log.mask.URI(r.uri))
	if original, ok := r.r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		masked.Method, masked.RemoteAddr = original.Method, original.RemoteAddr
	}
	return zap.Object("request", caddyhttp.LoggableHTTPRequest{
		Request: masked, ShouldLogCredentials: r.log.server.Logs.ShouldLogCredentials,
	})
}

// loggers are the names of Caddy's loggers for the request; an empty name is the logger without a further
// name.
func (l *Log) loggers(r *http.Request) []string {
	if names := namedLoggers(r); names != nil {
		return names
	}
	for _, host := range hostPatterns(r.Host) {
		for pattern, names := range l.server.Logs.LoggerNames {
			if strings.ToLower(pattern) == host {
				return names
			}
		}
	}
	return []string{l.server.Logs.DefaultLoggerName}
}

// namedLoggers are the loggers that a handler such as `log_name` chose; nil: no handler did.
func namedLoggers(r *http.Request) (names []string) {
	chosen, _ := caddyhttp.GetVar(r.Context(), caddyhttp.AccessLoggerNameVarKey).([]any)
	for _, name := range chosen {
		if text, ok := name.(string); ok {
			names = append(names, text)
		}
	}
	return names
}

// logsAccess reports whether Caddy writes an access log for the host.
func (l *Log) logsAccess(host string) bool {
	logs := l.server.Logs
	named := func(pattern string) bool { return slices.Contains(hostPatterns(host), strings.ToLower(pattern)) }
	for pattern := range logs.LoggerNames {
		if named(pattern) {
			return true
		}
	}
	return !slices.ContainsFunc(logs.SkipHosts, named) && !logs.SkipUnmappedHosts
}

// hostPatterns are the host without its port, lower-case, and the wildcards that match it in Caddy:
// *.example.com, *.*.com and so on.
func hostPatterns(host string) []string {
	if bare, _, err := net.SplitHostPort(host); err == nil {
		host = bare
	}
	patterns := []string{strings.ToLower(host)}
	labels := strings.Split(patterns[0], ".")
	for i := range labels {
		if labels[i] != "" {
			labels[i] = "*"
			patterns = append(patterns, strings.Join(labels, "."))
		}
	}
	return patterns
}
