package caddywebhooks

import (
	"fmt"
	"net/url"
	"strings"
)

// publicURL is what the provider calls, where what arrives here does not tell. The zero
// publicURL changes nothing.
type publicURL struct {
	scheme, host string
	path         string // escaped; empty: as it arrives
	isPrefix     bool   // the path that arrives follows path
}

// newPublicURL expands and checks the setting. An empty text is the zero publicURL.
func newPublicURL(text string) (publicURL, error) {
	if text == "" {
		return publicURL{}, nil
	}
	expanded, err := expand("public_url", []string{text})
	if err != nil {
		return publicURL{}, err
	}
	u, err := url.Parse(expanded[0])
	switch {
	case err != nil:
		return publicURL{}, fmt.Errorf("public_url: %q is no URL: want what the provider calls, such as https://example.com/hooks/twilio", expanded[0])
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return publicURL{}, fmt.Errorf("public_url: %q lacks scheme or host: want what the provider calls, such as https://example.com", expanded[0])
	case u.User != nil:
		return publicURL{}, fmt.Errorf("public_url: https://%s has a user: a URL with user and password is sent as the header Authorization; leave them out", u.Host)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return publicURL{}, fmt.Errorf("public_url: %q has a query or a fragment: want scheme, host and path only; the query is that of each webhook", expanded[0])
	}
	p := publicURL{scheme: u.Scheme, host: u.Host}
	p.path, p.isPrefix = strings.CutSuffix(u.EscapedPath(), "/*")
	return p, nil
}

// see makes in what the provider sent.
func (p publicURL) see(in *inbound) {
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
