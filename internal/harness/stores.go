package harness

import (
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// WithStore gives the options of a test another store.
func WithStore(options, store string) string {
	head, _, _ := strings.Cut(options, "store ")
	return head + "store " + store + "\n}"
}

// Restarts ends this process's part, as the end of Caddy does, and starts another one
// with the same data directory, and a config with these options.
func Restarts(c *Caddy, options, directives string) {
	c.T.Helper()
	if err := caddy.Stop(); err != nil {
		c.T.Fatal(err)
	}
	process.Draining.Wait()
	process.Book = process.NewBook(c.States)
	c.Options = options
	if err := c.Load(directives); err != nil {
		c.T.Fatal(err)
	}
}

// Reloads loads a config with these options, and waits for the end of the one before.
func Reloads(c *Caddy, options, directives string) {
	c.T.Helper()
	c.Options = options
	if err := c.Load(directives); err != nil {
		c.T.Fatal(err)
	}
	process.Draining.Wait()
}
