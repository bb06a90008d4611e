// Package runbook does what docs/runbook.md says, in the situations that it is for, and sees to it that alerts fire.
package runbook

import (
	"os"
	"testing"

	_ "github.com/caddywebhooks/caddy-webhooks" // the module under test
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
