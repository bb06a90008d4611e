package module

import (
	"errors"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
)

func init() {
	grammar.Declare("the block of the store, in the global option: store redis <url>... { … }",
		"password", "username", "prefix", "shards", "min_replicas", "cluster", "sentinel", "tls_ca", "tls_certificate")
}

// UnmarshalCaddyfile sets up the store. Syntax:
//
//	redis <url>... {
//	    cluster
//	    sentinel        <master> [<username> <password>]
//	    username        <name>
//	    password        <password>
//	    tls_ca          <file>
//	    tls_certificate <certificate file> <key file>
//	    prefix          <prefix>
//	    shards          <number>
//	    min_replicas    <number> [<timeout>]
//	}
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the backend's name
	lines := grammar.Lines{
		"cluster":         func(d *caddyfile.Dispenser) error { s.Cluster = true; return grammar.NoArgs(d) },
		"sentinel":        s.unmarshalSentinel,
		"username":        func(d *caddyfile.Dispenser) error { return grammar.OneArg(d, &s.Username) },
		"password":        func(d *caddyfile.Dispenser) error { return grammar.OneArg(d, &s.Password) },
		"tls_ca":          func(d *caddyfile.Dispenser) error { return grammar.OneArg(d, &s.TLSCA) },
		"tls_certificate": s.unmarshalCertificate,
		"prefix":          func(d *caddyfile.Dispenser) error { return grammar.OneArg(d, &s.Prefix) },
		"shards":          func(d *caddyfile.Dispenser) error { return grammar.Number(d, &s.Shards, 1) },
		"min_replicas":    s.unmarshalMinReplicas,
	}
	if err := errors.Join(lines.CheckOpening(d, "store redis <url>...", 0), grammar.CheckBrace(d)); err != nil {
		return err
	}
	if s.URLs = d.RemainingArgs(); len(s.URLs) == 0 {
		return d.Err("store redis wants a URL, such as redis://localhost:6379")
	}
	start := *d // errors about the settings as a whole name its first line
	if err := lines.Parse(d); err != nil {
		return err
	}
	if err := s.checkAdapted(); err != nil {
		return start.WrapErr(err)
	}
	return nil
}

// checkAdapted refuses, where the line is known, what Provision would refuse
// without. Placeholders and files may be another process's.
func (s *Store) checkAdapted() error {
	if err := s.checkForm(); err != nil {
		return err
	}
	values := []string{s.Sentinel, s.Username, s.Password, s.SentinelUsername, s.SentinelPassword, s.Prefix}
	if slices.ContainsFunc(slices.Concat(s.URLs, values), grammar.Refers) || s.TLSCA+s.TLSCertificate+s.TLSKey != "" {
		return nil
	}
	c := *s // with defaults, which are not for the config that comes out
	return c.Provision(caddy.Context{})
}

func (s *Store) unmarshalSentinel(d *caddyfile.Dispenser) error {
	switch args := d.RemainingArgs(); len(args) {
	case 3:
		s.SentinelUsername, s.SentinelPassword = args[1], args[2]
		fallthrough
	case 1:
		s.Sentinel = args[0]
		return nil
	}
	return d.Err("sentinel wants the name of the master, and may have the Sentinels' own user and password")
}

func (s *Store) unmarshalCertificate(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 2 {
		return d.Err("tls_certificate wants two files: the certificate and its key")
	}
	s.TLSCertificate, s.TLSKey = args[0], args[1]
	return nil
}

// unmarshalMinReplicas reads `min_replicas <number> [<timeout>]`.
func (s *Store) unmarshalMinReplicas(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 2 {
		timeout, err := caddy.ParseDuration(args[1])
		if err != nil || timeout <= 0 {
			return d.Errf("min_replicas %s: want a duration above zero, such as 200ms", grammar.ShownValue(args[1]))
		}
		s.ReplicaTimeout = caddy.Duration(timeout)
		args = args[:1]
	}
	if len(args) != 1 {
		return d.Err("min_replicas wants a number, and may have a timeout, such as 1 200ms")
	}
	return grammar.NumberFrom(d, "min_replicas", args[0], &s.MinReplicas, 1)
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Store)(nil)
