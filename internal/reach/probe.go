package reach

import (
	"cmp"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
)

// maxProbes bounds the requests for one handler: matchers may name any number of paths.
const maxProbes = 32

// Ways are the ways of requests to a handler.
type Ways struct {
	// Probes are requests that the matchers on the way ask for, as a provider would send them:
	// one for each path and host that they name.
	Probes []*http.Request
	// Unchecked names matchers of ways for which no request could be made up, such as expression.
	Unchecked []string
	// Doubts are about paths that cannot be what was meant.
	Doubts []string
}

// Find returns the ways to the handler.
func Find(server *caddyhttp.Server, handler caddyhttp.MiddlewareHandler) Ways {
	f := &finder{server: server, handler: handler}
	f.list(server.Routes, way{wishes: []wish{{}}})
	return f.ways
}

// way leads to a handler: what matchers want of a request, and what proves that it does.
type way struct {
	wishes   []wish
	checks   []func(*http.Request) bool
	strips   string   // what was stripped from the path so far
	matchers []string // the names of those on the way
	doubts   []string
}

// wish is what is asked of a request.
type wish struct {
	method, host, path, remote string
	header                     http.Header
	query                      url.Values
	isTLS                      bool
}

type finder struct {
	server  *caddyhttp.Server
	handler caddyhttp.MiddlewareHandler
	ways    Ways
	depth   int
}

// list looks for the handler in routes and in what is below them.
func (f *finder) list(routes caddyhttp.RouteList, to way) {
	for i := range routes {
		f.route(&routes[i], to)
		if prefix := stripped(&routes[i]); prefix != "" { // as handle_path does before its block
			to = to.strip(prefix)
		}
	}
}

func (f *finder) route(route *caddyhttp.Route, to way) {
	to = to.through(route.MatcherSets)
	for _, h := range route.Handlers {
		switch h := h.(type) {
		case *caddyhttp.Subroute:
			f.list(h.Routes, to)
		case *caddyhttp.Invoke:
			f.invoke(h, to)
		case *rewrite.Rewrite:
			if h.StripPathPrefix != "" {
				to = to.strip(h.StripPathPrefix)
			}
		}
		if h == f.handler {
			f.found(to)
		}
	}
}

// invoke follows named routes; those that invoke themselves end somewhere.
func (f *finder) invoke(h *caddyhttp.Invoke, to way) {
	const deepest = 8
	if route, ok := f.server.NamedRoutes[h.Name]; ok && f.depth < deepest {
		f.depth++
		f.route(route, to)
		f.depth--
	}
}

// found keeps the requests that pass each matcher on the way, looked at alone.
func (f *finder) found(to way) {
	f.ways.Doubts = append(f.ways.Doubts, to.doubts...)
	before := len(f.ways.Probes)
	defer func() {
		if len(f.ways.Probes) == before && before < maxProbes {
			f.ways.Unchecked = append(f.ways.Unchecked, to.matchers...)
		}
	}()
	for _, wish := range to.wishes {
		r := wish.request(len(f.server.TLSConnPolicies) > 0)
		passes := !slices.ContainsFunc(to.checks, func(check func(*http.Request) bool) bool {
			return !check(prepare(f.server, httptest.NewRecorder(), r))
		})
		if passes && len(f.ways.Probes) < maxProbes {
			f.ways.Probes = append(f.ways.Probes, r)
		}
	}
}

// stripped is the prefix that a route strips from every path, as a part of a handle_path.
func stripped(route *caddyhttp.Route) string {
	if len(route.MatcherSets) > 0 || len(route.Handlers) != 1 {
		return ""
	}
	if h, ok := route.Handlers[0].(*rewrite.Rewrite); ok {
		return h.StripPathPrefix
	}
	return ""
}

func (to way) strip(prefix string) way {
	to.strips += strings.TrimSuffix(prefix, "/")
	return to
}

// through adds what one of the sets asks for, each a way of its own.
func (to way) through(sets caddyhttp.MatcherSets) way {
	if len(sets) == 0 {
		return to
	}
	var wishes []wish
	for _, before := range to.wishes {
		for _, set := range sets {
			wishes = append(wishes, asked(set, before, to.strips)...)
		}
	}
	prefix := to.strips
	to.matchers, to.doubts = slices.Clone(to.matchers), slices.Clone(to.doubts)
	for _, set := range sets {
		for _, matcher := range set {
			to.matchers = append(to.matchers, matcherName(matcher))
			to.doubts = append(to.doubts, doubts(pathsOf(matcher), prefix)...)
		}
	}
	to.wishes = wishes[:min(len(wishes), maxProbes)]
	to.checks = append(slices.Clone(to.checks), func(r *http.Request) bool {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, prefix)
		matches, err := sets.AnyMatchWithError(r)
		return err == nil && matches
	})
	return to
}

// asked is what a set of matchers wants, on top of what was wanted before.
func asked(set caddyhttp.MatcherSet, before wish, strips string) []wish {
	wishes := []wish{before}
	each := func(values []string, apply func(*wish, string)) {
		if len(values) == 0 {
			return
		}
		var more []wish
		for _, w := range wishes {
			for _, value := range values {
				apply(&w, value)
				more = append(more, w)
			}
		}
		wishes = more[:min(len(more), maxProbes)]
	}
	path := func(w *wish, path string) { w.path = strips + path }
	for _, matcher := range set {
		switch m := matcher.(type) {
		case caddyhttp.MatchPath:
			each(literals(m), path)
		case *caddyhttp.MatchPath:
			each(literals(*m), path)
		case *caddyhttp.MatchPathRE:
			each(examples(m.Pattern), path)
		case caddyhttp.MatchHost:
			each(literals(m), func(w *wish, host string) { w.host = host })
		case *caddyhttp.MatchHost:
			each(literals(*m), func(w *wish, host string) { w.host = host })
		case caddyhttp.MatchMethod:
			each(methods(m), func(w *wish, method string) { w.method = method })
		case *caddyhttp.MatchMethod:
			each(methods(*m), func(w *wish, method string) { w.method = method })
		case *caddyhttp.MatchHeader:
			each([]string{""}, func(w *wish, _ string) { w.header = filled(w.header, http.Header(*m)) })
		case *caddyhttp.MatchQuery:
			each([]string{""}, func(w *wish, _ string) { w.query = filled(w.query, url.Values(*m)) })
		case *caddyhttp.MatchProtocol:
			each([]string{string(*m)}, func(w *wish, protocol string) { w.isTLS = protocol == "https" })
		case *caddyhttp.MatchRemoteIP:
			each(addresses(m.Ranges), func(w *wish, address string) { w.remote = address })
		case *caddyhttp.MatchClientIP:
			each(addresses(m.Ranges), func(w *wish, address string) { w.remote = address })
		}
	}
	return wishes
}

// methods prefers the one that nearly all providers use.
func methods(allowed []string) []string {
	if slices.Contains(allowed, http.MethodPost) {
		return []string{http.MethodPost}
	}
	return allowed
}

// addresses is one of the first range.
func addresses(ranges []string) []string {
	for _, text := range ranges {
		if prefix, err := netip.ParsePrefix(text); err == nil {
			return []string{prefix.Addr().String()}
		}
		if addr, err := netip.ParseAddr(text); err == nil {
			return []string{addr.String()}
		}
	}
	return nil
}

// filled has the first of the values that a matcher wants for each name.
func filled[M ~map[string][]string](have, want M) M {
	out := make(M, len(have)+len(want))
	for name, values := range have {
		out[name] = values
	}
	for name, values := range want {
		if len(values) > 0 {
			out[name] = literals(values[:1])
		}
	}
	return out
}

// request is what a provider would send.
func (w wish) request(isTLS bool) *http.Request {
	target := &url.URL{Path: cmp.Or(w.path, "/"), RawQuery: w.query.Encode()}
	r := &http.Request{
		Method: cmp.Or(w.method, http.MethodPost), URL: target, RequestURI: target.RequestURI(),
		Host: cmp.Or(w.host, "localhost"), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header.Clone(), Body: http.NoBody,
		RemoteAddr: netip.AddrPortFrom(netip.MustParseAddr(cmp.Or(w.remote, "192.0.2.1")), 1).String(),
	}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	if isTLS || w.isTLS {
		r.TLS = &tls.ConnectionState{HandshakeComplete: true, ServerName: r.Host}
	}
	return r
}
