package caddywebhooks

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddywebhooks/caddy-webhooks/internal/cli"
)

func init() {
	caddycmd.RegisterCommand(cli.Command())
}
