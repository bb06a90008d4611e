package process

import (
	"net/http"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/statefiles"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Tests replace these: the clock that signed times are compared with, and the transport that fetches
// providers' public keys. nil stands for the usual one.
var (
	Clock        func() time.Time
	KeyTransport http.RoundTripper
)

// Keys are the providers' public keys. They outlive a config. Fetched keys are written to a directory in
// Caddy's data directory, where the next start finds them: so neither a reload nor a restart waits for the
// providers' key servers.
var Keys = NewKeys()

// NewKeys returns a pool that has fetched nothing yet in this process.
func NewKeys() *verify.KeyPool {
	return verify.NewKeyPool(verify.KeyPoolOptions{
		Transport: keyServers{},
		Now: func() time.Time {
			if Clock != nil {
				return Clock()
			}
			return time.Now()
		},
		Storage: statefiles.New(func() string { return filepath.Join(caddy.AppDataDir(), "webhooks", "keys") }),
		Warn: func(err error) {
			caddy.Log().Named("webhooks.keys").Warn("fetched keys cannot be stored; the next start fetches them again", zap.Error(err))
		},
	})
}

// keyServers fetches from the Internet, or wherever a test says.
type keyServers struct{}

func (keyServers) RoundTrip(r *http.Request) (*http.Response, error) {
	if KeyTransport != nil {
		return KeyTransport.RoundTrip(r)
	}
	return http.DefaultTransport.RoundTrip(r)
}
