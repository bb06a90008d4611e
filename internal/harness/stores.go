package harness

import (
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/process"
)

// WithStore returns the options with another store. It panics unless they name exactly one.
func WithStore(options, store string) string {
	_, was, _ := strings.Cut(options, "store ")
	line, _, _ := strings.Cut(was, "\n")
	if strings.HasSuffix(line, "{") {
		block, _, _ := strings.Cut(was, "\n}")
		line = block + "\n}"
	}
	return Edited(options, "store "+line+"\n", "store "+store+"\n")
}

// WithoutWebhooks returns the options up to the global option webhooks. It panics if there is none.
func WithoutWebhooks(options string) string {
	before, _, found := strings.Cut(options, "webhooks {")
	if !found {
		panic("harness: there is no global option webhooks in the config:\n" + options)
	}
	return before
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
