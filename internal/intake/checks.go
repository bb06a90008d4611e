package intake

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/internal/rawpath"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func (e *Endpoint) requireHTTPS(in *Inbound) *reply {
	if in.scheme != "https" && e.RequireHTTPS {
		return httpsRequired
	}
	return nil
}

// checkMethod lets through the methods of webhooks and handshakes.
func (e *Endpoint) checkMethod(in *Inbound) *reply {
	if slices.Contains(e.handshakeMethods, in.r.Method) {
		return nil
	}
	return e.checkWebhookMethod(in)
}

func (e *Endpoint) checkWebhookMethod(in *Inbound) *reply {
	allowed := e.Row.Methods
	if slices.Contains(allowed, in.r.Method) {
		return nil
	}
	return methodNotAllowed(slices.Concat(allowed, e.handshakeMethods))
}

// checkPath refuses a path that matches the endpoint's only after it was unescaped and cleaned, such as
// /internal/..%2fgithub. Most signatures do not cover the path, and the application gets it as it was
// sent: it could route the webhook to another part of itself. Another letter case passes: matchers ignore
// case, so the provider may have been given the URL in that spelling.
func (e *Endpoint) checkPath(in *Inbound) *reply {
	if odd := rawpath.Odd(in.path); odd != "" {
		return signatureRefused(&verify.Error{Reason: verify.AmbiguousRequest, Detail: verify.DetailAmbiguousPath, About: "path with " + odd})
	}
	return nil
}

// hopByHop are the names that a Connection header may list besides headers of this connection (RFC 9110,
// section 7.6.1).
var hopByHop = []string{
	"close", "keep-alive", "upgrade", "te", "trailer", "trailers", "transfer-encoding", "http2-settings",
	"proxy-connection", "proxy-authenticate", "proxy-authorization",
}

// checkConnection refuses a Connection header that names headers of the webhook. Proxies remove
// these headers, so the application would get less than was verified.
func (e *Endpoint) checkConnection(in *Inbound) *reply {
	for _, list := range in.r.Header["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.TrimSpace(name)
			if _, there := in.r.Header[http.CanonicalHeaderKey(name)]; there && !slices.Contains(hopByHop, strings.ToLower(name)) {
				return signatureRefused(&verify.Error{Reason: verify.AmbiguousRequest, Detail: verify.DetailAmbiguousHeader, About: "header Connection"})
			}
		}
	}
	return nil
}

func (e *Endpoint) checkContentType(in *Inbound) *reply {
	if len(e.ContentTypes) == 0 || in.r.ContentLength == 0 {
		return nil
	}
	if types := in.r.Header["Content-Type"]; len(types) == 1 && slices.Contains(e.ContentTypes, types[0]) {
		return nil // nearly all requests: nothing to parse
	}
	if !slices.Contains(e.ContentTypes, in.mediaType()) {
		return unsupportedMediaType
	}
	return nil
}

// maxContentType bounds a Content-Type that is parsed, in bytes: each parameter takes memory.
const maxContentType = 1 << 10

// mediaType is the request's content type without parameters, lower-case. It is empty if there are
// several, as the application might read another one than we do.
func (in *Inbound) mediaType() string {
	types := in.r.Header["Content-Type"]
	if len(types) != 1 || len(types[0]) > maxContentType {
		return ""
	}
	media, _, err := mime.ParseMediaType(types[0])
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return media
}
