// Package process tests the built Caddy as a separate process: killed, reloaded, stopped and starved of disk, under load,
// against an oracle that counts what was lost and what was repeated.
package process

import (
	"os"
	"testing"

	_ "github.com/caddywebhooks/caddy-webhooks" // the module under test
	"github.com/caddywebhooks/caddy-webhooks/internal/e2e/proxy"
)

func TestMain(m *testing.M) { os.Exit(proxy.Main(m)) }
