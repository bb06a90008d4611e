// Package providers takes webhooks of every provider through a running Caddy: proof, handshakes, keys, what tells
// events apart, and that no secret is read anywhere.
package providers

import (
	"os"
	"testing"

	_ "github.com/caddywebhooks/caddy-webhooks" // the module under test
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
