package intake

import (
	"fmt"
	"net/url"
	"strings"
)

// PublicURL is the URL that the provider calls, where the request does not show it. The zero PublicURL
// changes nothing.
type PublicURL struct {
	scheme, host string
	path         string // escaped; empty: the path of the request
	isPrefix     bool   // path is put before the path of the request
}

// ParsePublicURL reads the setting. An empty text is the zero PublicURL.
func ParsePublicURL(text string) (PublicURL, error) {
	if text == "" {
		return PublicURL{}, nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return PublicURL{}, fmt.Errorf("public_url: %q is no URL: want what the provider calls, such as https://example.com/hooks/twilio", text)
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return PublicURL{}, fmt.Errorf("public_url: %q lacks scheme or host: want what the provider calls, such as https://example.com", text)
	case u.User != nil:
		return PublicURL{}, fmt.Errorf("public_url: https://%s has a user: a URL with user and password is sent as the header Authorization; leave them out", u.Host)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return PublicURL{}, fmt.Errorf("public_url: %q has a query or a fragment: want scheme, host and path only; the query is that of each webhook", text)
	}
	p := PublicURL{scheme: u.Scheme, host: u.Host}
	p.path, p.isPrefix = strings.CutSuffix(u.EscapedPath(), "/*")
	return p, nil
}

// HTTPS reports whether the provider uses HTTPS, as far as the setting says.
func (p PublicURL) HTTPS() bool { return p.scheme == "https" }

// see corrects what in believes the provider sent.
func (p PublicURL) see(in *Inbound) {
	if p.scheme == "" {
		return
	}
	in.scheme, in.signed.Scheme, in.signed.Host = p.scheme, p.scheme, p.host
	path, query, hasQuery := strings.Cut(in.signed.URI, "?")
	switch {
	case p.isPrefix:
		path = p.path + path
	case p.path != "":
		path = p.path
	}
	if in.signed.URI = path; hasQuery {
		in.signed.URI += "?" + query
	}
}
