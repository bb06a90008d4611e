package caddywebhooks

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/filestore"
)

// leastTimeout is below what any answer takes.
const leastTimeout = time.Millisecond

func (f *Forward) unmarshalTimeout(d *caddyfile.Dispenser) error {
	if err := grammar.Duration(d, &f.Timeout); err != nil {
		return err
	}
	if time.Duration(f.Timeout) < leastTimeout {
		return d.Errf("timeout is %s: want at least %s", time.Duration(f.Timeout), leastTimeout)
	}
	return nil
}

func (f *Forward) unmarshalDeadOn(d *caddyfile.Dispenser) error {
	if err := grammar.Statuses(d, &f.DeadOn); err != nil {
		return err
	}
	return grammar.At(d, f.checkDeadOn())
}

func (f *Forward) checkDeadOn() error {
	for _, code := range f.DeadOn {
		if code < 300 || code > 599 {
			return fmt.Errorf("dead_on %d: want statuses from 300 to 599", code)
		}
	}
	return nil
}

func (s *FileStore) checkMaxSize() error {
	if s.MaxSize != 0 && s.MaxSize < filestore.MinBytes {
		return fmt.Errorf("store: max_size is %d bytes: want at least %d, 16 MiB", s.MaxSize, filestore.MinBytes)
	}
	return nil
}

// maxShards is what the store takes at most, one for each value of a byte.
const maxShards = 256

// checkForm refuses what the store would refuse only when it is opened.
func (s *RedisStore) checkForm() error {
	tls := s.TLSCA+s.TLSCertificate+s.TLSKey != ""
	switch {
	case s.Shards > maxShards:
		return fmt.Errorf("store redis: shards is %d: want 1 to %d", s.Shards, maxShards)
	case !grammar.Refers(s.Prefix) && (len(s.Prefix) > 64 || strings.ContainsAny(s.Prefix, " \t\r\n{}")):
		return errors.New("store redis: prefix: want 1 to 64 characters without braces and spaces")
	case tls && !slices.ContainsFunc(s.URLs, func(url string) bool { return strings.HasPrefix(url, "rediss:") || grammar.Refers(url) }):
		return errors.New("store redis: tls_ca and tls_certificate are for addresses that ask for TLS: write rediss:// instead of redis://, or remove them")
	}
	return nil
}
