package main

import (
	"os"
	"path/filepath"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
)

// newProxy prepares a Caddy on free ports, with a store of its own in dir.
func newProxy(binary, config, dir string, app *application) (*caddyproc.Process, error) {
	port, err := caddyproc.FreePort()
	if err != nil {
		return nil, err
	}
	adminPort, err := caddyproc.FreePort()
	if err != nil {
		return nil, err
	}
	return &caddyproc.Process{
		Binary: binary, Config: config, Address: "localhost:" + port,
		Env: []string{
			"PORT=" + port, "ADMIN_PORT=" + adminPort, "APP_PORT=" + app.port,
			"STORE=" + filepath.Join(dir, "deliveries.db"),
			"XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir,
		},
	}, nil
}

// newPlayground prepares a Caddy on the ports that the quickstart config names.
func newPlayground(binary, config string) *caddyproc.Process {
	return &caddyproc.Process{Binary: binary, Config: config, Address: "localhost:8080", Log: os.Stderr}
}
