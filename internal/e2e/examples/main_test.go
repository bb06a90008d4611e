// Package examples runs every example as its comment says, and sees to it that the documents name what there is.
package examples

import (
	"os"
	"testing"

	_ "github.com/caddywebhooks/caddy-webhooks" // the module under test
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
