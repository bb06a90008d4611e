// Package openapi compares what a running Caddy answers with docs/openapi.yaml.
package openapi

import (
	"os"
	"testing"

	_ "github.com/caddywebhooks/caddy-webhooks" // the module under test
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
