package main

import (
	"net"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
)

// TestUsualPorts takes the ports of the environment, and says which variable
// helps where one is taken.
func TestUsualPorts(t *testing.T) {
	for _, variable := range []string{"PORT", "APP_PORT", "ADMIN_PORT"} {
		port, err := caddyproc.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv(variable, port)
	}
	if _, err := usualPorts(); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	for _, variable := range []string{"ADMIN_PORT", "APP_PORT", "PORT"} {
		t.Setenv(variable, port)
		if _, err := usualPorts(); err == nil || !strings.Contains(err.Error(), "make run "+variable+"=<port>") || !strings.Contains(err.Error(), "port "+port) {
			t.Errorf("%s is taken: %v", variable, err)
		}
	}
}
