package caddywebhooks

import (
	"os"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestMain runs all tests and then searches what they logged for what nobody
// should read there.
func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
