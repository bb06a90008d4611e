package verify

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Request is what a scheme may look at: the webhook as the provider sent it,
// before any rewrite, and with trusted proxies already resolved.
type Request struct {
	Method string      // "POST"
	Scheme string      // "http" or "https", as the provider saw it
	Host   string      // the Host header, with a port where the provider sent one
	URI    string      // the request line's target: path and query
	Header http.Header // names in canonical form, as net/http makes them
	Body   []byte      // the raw bytes; Verify neither changes nor keeps them

	// Document is where Verifier and Source keep what they find in Body; see there. nil:
	// each call parses Body anew.
	Document *Document

	// MaxText bounds, in bytes, the text that is read from an encoded body: the sum of
	// a hundred times its size and 64 KiB does, too. What is beyond is not read, as if the
	// body were damaged. 0 means 1 MiB.
	MaxText int64

	// Client is the sender's address, as far as it is known: the one that a trusted proxy
	// names, if there is one. Each address has a budget for fetching keys; the zero Addr has
	// one, too.
	Client netip.Addr

	// Context ends Verify's wait for a key that has to be fetched; nil: only the time
	// limit of fetching does.
	Context context.Context
}

// URL returns the whole URL that the provider called: scheme, host, path and query.
func (r *Request) URL() string { return r.Scheme + "://" + r.Host + r.target() }

// target is path and query, also when the request line had the whole URL
// (RFC 9112, section 3.2.2): what it says of scheme and host is not believed.
func (r *Request) target() string {
	if strings.HasPrefix(r.URI, "/") {
		return r.URI
	}
	_, rest, found := strings.Cut(r.URI, "://")
	if !found {
		return r.URI // "*" and the like
	}
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[i:]
	}
	return ""
}

func (r *Request) path() string {
	path, _, _ := strings.Cut(r.target(), "?")
	return path
}

func (r *Request) query() string {
	_, query, _ := strings.Cut(r.target(), "?")
	return query
}

// hostWithPort is the host with the scheme's default port where it has none.
func (r *Request) hostWithPort() string {
	switch {
	case r.hostWithoutPort() != r.Host:
		return r.Host
	case r.Scheme == "https":
		return r.Host + ":443"
	default:
		return r.Host + ":80"
	}
}

// hostWithoutPort is the host without any port. The colons of an IPv6 address
// are inside brackets. What has more of them is no host and port, and stays:
// otherwise h:1:2 would pass for h:1.
func (r *Request) hostWithoutPort() string {
	colon := strings.LastIndexByte(r.Host, ':')
	bracket := strings.LastIndexByte(r.Host, ']')
	if colon < 0 || colon < bracket || strings.Contains(r.Host[bracket+1:colon], ":") {
		return r.Host
	}
	return r.Host[:colon]
}

// setQuery gives the URI's query exactly one parameter of that name: the first
// is replaced where it stands, further ones are removed, and it is appended if
// there was none. The other parameters keep their spelling.
func (r *Request) setQuery(name, value string) {
	pair := url.QueryEscape(name) + "=" + url.QueryEscape(value)
	path, query, found := strings.Cut(r.URI, "?")
	if !found || query == "" {
		r.URI = path + "?" + pair
		return
	}
	var kept []string
	written := false
	for old := range strings.SplitSeq(query, "&") {
		key, _, _ := strings.Cut(old, "=")
		switch {
		case !unescapesTo(key, name):
			kept = append(kept, old)
		case !written:
			kept = append(kept, pair)
			written = true
		}
	}
	if !written {
		kept = append(kept, pair)
	}
	r.URI = path + "?" + strings.Join(kept, "&")
}
