package grammar

import (
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func init() {
	Declare("the block of how provider custom signs: verify <algorithm> { … }",
		"signature", "format", "content", "body_digest", "key", "key_prefix", "private_key_prefix", "timestamp", "id", "type")
}

// Scheme reads how provider "custom" signs:
//
//	verify <algorithm> {
//	    signature          <source>
//	    format             <format>
//	    content            <template> [<alternative>...]
//	    body_digest        <source>
//	    key                raw|base64|hex
//	    key_prefix         <text>
//	    private_key_prefix <text>
//	    timestamp          <source> [s|ms|rfc3339]
//	    id                 <source>
//	    type               <source>
//	}
func Scheme(d *caddyfile.Dispenser, s *verify.Scheme) error {
	start := *d // errors about the scheme as a whole name its first line
	lines := Lines{
		"signature":          func(d *caddyfile.Dispenser) error { return source(d, &s.Signature) },
		"format":             func(d *caddyfile.Dispenser) error { return OneArg(d, &s.Format) },
		"content":            func(d *caddyfile.Dispenser) error { return contents(d, s) },
		"body_digest":        func(d *caddyfile.Dispenser) error { return source(d, &s.BodyDigest) },
		"key":                func(d *caddyfile.Dispenser) error { return OneArg(d, &s.Key) },
		"key_prefix":         func(d *caddyfile.Dispenser) error { return OneArg(d, &s.KeyPrefix) },
		"private_key_prefix": func(d *caddyfile.Dispenser) error { return OneArg(d, &s.PrivateKeyPrefix) },
		"timestamp":          func(d *caddyfile.Dispenser) error { return timestamp(d, &s.Timestamp) },
		"id":                 func(d *caddyfile.Dispenser) error { return source(d, &s.ID) },
		"type":               func(d *caddyfile.Dispenser) error { return source(d, &s.Type) },
	}
	if err := lines.CheckOpening(d, "verify <algorithm>", 1); err != nil {
		return err
	}
	if at := *d; !at.NextArg() {
		return d.Err("verify wants one value, the algorithm, such as hmac-sha256: verify hmac-sha256 { … }")
	}
	if err := OneArg(d, &s.Algorithm); err != nil {
		return err
	}
	if err := lines.Parse(d); err != nil {
		return err
	}
	if err := s.Validate(); err != nil {
		return start.WrapErr(err)
	}
	return nil
}

func source(d *caddyfile.Dispenser, into *verify.Source) (err error) {
	if *into, err = verify.ParseSource(d.RemainingArgs()); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func timestamp(d *caddyfile.Dispenser, into *verify.Timestamp) (err error) {
	if *into, err = verify.ParseTimestamp(d.RemainingArgs()); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// templateVariables undoes what the Caddyfile adapter makes of the variables that
// are spelled like its own short placeholders.
var templateVariables = strings.NewReplacer(
	"{http.request.method}", "{method}",
	"{http.request.uri.path}", "{path}",
	"{http.request.header.", "{header.",
	"{http.request.uri.query.", "{query.",
)

func contents(d *caddyfile.Dispenser, s *verify.Scheme) error {
	var all []string
	if err := SomeArgs(d, &all); err != nil {
		return err
	}
	for i, template := range all {
		all[i] = templateVariables.Replace(template)
	}
	s.Content, s.Alternatives = all[0], all[1:]
	return nil
}
