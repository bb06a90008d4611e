// Package stores is about what is kept: in a file, in Redis, across reloads, restarts and changes of the store.
package stores

import (
	"os"
	"testing"

	_ "github.com/caddywebhooks/caddy-webhooks" // the module under test
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
