// Package hostile sends a running Caddy what attackers, broken proxies and slow clients send.
package hostile

import (
	"os"
	"testing"

	_ "github.com/caddywebhooks/caddy-webhooks" // the module under test
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
