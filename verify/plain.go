package verify

import (
	"io"
	"slices"
	"strings"
)

// Some providers sign what they compress afterwards. Such a body is as good as signed:
// there is one text that it can be, whatever wrote it down as gzip.

// gzipped reports whether the body is gzip, and said to be: without the header an
// application would take the bytes as they are.
func (r *Request) gzipped() bool {
	codings := r.Header["Content-Encoding"]
	if len(codings) != 1 || len(r.Body) == 0 || r.Body[0] != 0x1f {
		return false
	}
	coding := strings.ToLower(strings.TrimSpace(codings[0]))
	return coding == "gzip" || coding == "x-gzip" // RFC 9110, section 8.4.1.3
}

// writePlain writes what a gzipped body is the compressed form of to w, without
// holding it.
func (r *Request) writePlain(w io.Writer) *Error {
	if err := gunzipTo(w, r.Body, r.maxText()); err != nil {
		return invalidSignature(DetailUndecodedBody, "Content-Encoding gzip: "+err.Error())
	}
	return nil
}

// Plain returns the body that the provider's signature is about: r.Body, but without
// gzip where the provider signs what it compresses afterwards. Call it after Verify only.
func (v *Verifier) Plain(r *Request) []byte {
	plain := func(s *scheme) bool {
		return slices.ContainsFunc(s.contents, func(t template) bool { return t.uses(partPlainBody) })
	}
	if !slices.ContainsFunc(v.schemes, plain) || !r.gzipped() {
		return r.Body
	}
	return r.plain()
}

// plain is what a gzipped body is the compressed form of.
func (r *Request) plain() []byte {
	readers <- struct{}{}
	defer func() { <-readers }()
	var text messageBuffer
	if err := r.writePlain(&text); err != nil {
		return r.Body // which was not what Verify went by
	}
	return text
}
