package caddywebhooks

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
)

// Some providers send the secret itself. Caddy copies a request for its logs before any
// handler sees it, so nothing can be taken out of that copy. Instead, for the requests of an
// endpoint that may carry a secret, and for those of its server that do carry one, Caddy is
// told to write nothing, and what it would have written is written here: the same lines of
// the same loggers, with the secrets hidden.

// maskedLog writes Caddy's lines about requests with secrets. A nil maskedLog leaves all
// of them to Caddy. It is safe for concurrent use.
type maskedLog struct {
	server *caddyhttp.Server
	access *zap.Logger
	failed *zap.Logger
	mask   *redact.Mask
	always bool      // for every request, whatever it seems to carry
	watch  *logWatch // has the secrets of the server's endpoints, to be found wherever somebody puts them by mistake
}

// newMaskedLog returns nil where the endpoint's requests carry no secret that Caddy would log.
func (h *Handler) newMaskedLog(ctx caddy.Context) (*maskedLog, error) {
	server, _ := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	mask := redact.New(h.loggedPlaces())
	if server == nil || !h.verifier.Bearer() && !mask.OfRequests() {
		return nil, nil
	}
	if server.Logs == nil {
		// Without access logs, as before; but now Caddy lets requests choose the loggers
		// for failures, too.
		server.Logs = &caddyhttp.ServerLogConfig{SkipUnmappedHosts: true}
	}
	server.RegisterConnContext(announceEnds)
	logger := ctx.Logger(new(caddyhttp.App)) // whose lines they are
	l := &maskedLog{
		server: server, access: logger.Named("log.access"), failed: logger.Named("log.error"),
		mask: mask, always: h.verifier.Bearer(),
	}
	var err error
	l.watch, err = watchLogs(ctx, l, h.loggedPlaces(), h.configuredSecrets)
	return l, err
}

// loggedRequest is a request whose lines are ours to write.
type loggedRequest struct {
	log     *maskedLog
	r       *http.Request
	w       http.ResponseWriter
	read    func() int // how many bytes of the body were read
	uri     string
	header  http.Header
	started time.Time
	loggers []string // by which Caddy would have logged it
	err     error    // what was returned
}

// begin silences Caddy about the request. nil: there is no need to.
func (l *maskedLog) begin(in *inbound) *loggedRequest {
	if l == nil || !l.always && !l.mask.Carries(in.r.Header, in.signed.URI) {
		return nil
	}
	takeOver(in.r)
	return l.take(in.w, in.r, in.signed.URI, func() int { return len(in.signed.Body) })
}

func (l *maskedLog) take(w http.ResponseWriter, r *http.Request, uri string, read func() int) *loggedRequest {
	taken := &loggedRequest{log: l, r: r, w: w, read: read, uri: uri, header: r.Header, started: time.Now()}
	taken.loggers = l.loggers(r)
	silence(r)
	return taken
}

// silence leaves Caddy no logger for the request's lines.
func silence(r *http.Request) {
	caddyhttp.SetVar(r.Context(), caddyhttp.AccessLoggerNameVarKey, []any{})
}

// end is called when the endpoint, or the server's routes, are done. The lines are written when the server is.
func (r *loggedRequest) end(err error) {
	r.err = err
	if names := namedLoggers(r.r); len(names) > 0 {
		r.loggers = names // by a handler after the endpoint
		silence(r.r)
	}
	if end, ok := r.r.Context().Value(requestEndKey{}).(*requestEnd); ok {
		r.started = end.started
		end.lines = append(end.lines, r.write)
		return
	}
	r.write() // a server that does not tell when it is done
}

// write writes what Caddy would have.
func (r *loggedRequest) write() {
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
func (r *loggedRequest) writeFailure(values redact.Values, duration time.Duration) {
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
func (r *loggedRequest) each(logger *zap.Logger, level zapcore.Level, message string, fields func() []zap.Field) {
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

// request is the field that Caddy describes the request in.
func (r *loggedRequest) request(values redact.Values) zap.Field {
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

// loggers are the names that Caddy's loggers have for the request; an empty one is the
// logger without a further name.
func (l *maskedLog) loggers(r *http.Request) []string {
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

// namedLoggers are those that a handler, such as `log_name`, chose; nil: none did.
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
func (l *maskedLog) logsAccess(host string) bool {
	logs := l.server.Logs
	named := func(pattern string) bool { return slices.Contains(hostPatterns(host), strings.ToLower(pattern)) }
	for pattern := range logs.LoggerNames {
		if named(pattern) {
			return true
		}
	}
	return !slices.ContainsFunc(logs.SkipHosts, named) && !logs.SkipUnmappedHosts
}

// hostPatterns are the host without its port, lower-case, and the wildcards that Caddy
// takes it for: *.example.com, *.*.com and so on.
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
