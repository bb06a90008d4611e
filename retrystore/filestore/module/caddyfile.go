package module

import (
	"errors"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
)

func init() {
	grammar.Declare("the block of the store, in the global option: store file <path> { … }",
		"max_keys", "max_size")
}

// maxSize bounds what max_size may be: more is a slip.
const maxSize = 1 << 50

// UnmarshalCaddyfile sets up the store. Syntax:
//
//	file [<path>] {
//	    max_keys <number>
//	    max_size <size>
//	}
func (s *Store) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the backend's name
	lines := grammar.Lines{
		"max_keys": func(d *caddyfile.Dispenser) error { return grammar.Number(d, &s.MaxKeys, 1) },
		"max_size": func(d *caddyfile.Dispenser) error {
			if err := grammar.Size(d, &s.MaxSize, maxSize); err != nil {
				return err
			}
			return grammar.At(d, s.checkMaxSize())
		},
	}
	if err := errors.Join(lines.CheckOpening(d, "store file <path>", 0), grammar.CheckBrace(d)); err != nil {
		return err
	}
	if d.NextArg() {
		s.Path = d.Val()
		if strings.HasPrefix(s.Path, "~") {
			return d.Err("store file: ~ stands for a home directory in shells only: write {env.HOME}/… or the whole path")
		}
	}
	if d.NextArg() {
		return d.Errf("unexpected argument %s after the path", grammar.ShownValue(d.Val()))
	}
	return lines.Parse(d)
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Store)(nil)
