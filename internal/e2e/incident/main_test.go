// Package incident has several things go wrong at once, with a real Prometheus watching, and an operator who repairs them as
// docs/runbook.md says.
package incident

import (
	"os"
	"testing"

	_ "github.com/caddywebhooks/caddy-webhooks" // the module under test
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
