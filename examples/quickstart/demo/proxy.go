package main

import (
	"cmp"
	"fmt"
	"net"
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

// ports are those of a playground.
type ports struct{ site, app, admin string }

// defaultPorts are those that the quickstart config names.
var defaultPorts = ports{site: "8080", app: "9000", admin: "2019"}

// usualPorts are the default ones, or what the environment says instead. All of
// them are free.
func usualPorts() (ports, error) {
	p := defaultPorts
	for _, port := range []struct {
		variable, what string
		into           *string
	}{
		{"PORT", "Caddy", &p.site}, {"APP_PORT", "the application", &p.app}, {"ADMIN_PORT", "Caddy's admin API", &p.admin},
	} {
		*port.into = cmp.Or(os.Getenv(port.variable), *port.into)
		probe, err := net.Listen("tcp", "localhost:"+*port.into)
		if err != nil {
			return p, fmt.Errorf("port %s, for %s, is taken or cannot be had (%w); take another: make run %s=<port>", *port.into, port.what, err, port.variable)
		}
		if err := probe.Close(); err != nil {
			return p, err
		}
	}
	return p, nil
}

// newPlayground prepares a Caddy on these ports.
func newPlayground(binary, config string, p ports) *caddyproc.Process {
	return &caddyproc.Process{
		Binary: binary, Config: config, Address: "localhost:" + p.site, Log: os.Stderr,
		Env: []string{"PORT=" + p.site, "APP_PORT=" + p.app, "ADMIN_PORT=" + p.admin},
	}
}
