package harness

import (
	"bytes"
	"slices"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/cli"
)

// Command is the one of that name below `caddy webhooks`.
func Command(name string) *cobra.Command {
	all := cli.Commands()
	return all[slices.IndexFunc(all, func(c *cobra.Command) bool { return c.Name() == name })]
}

// RunCommand runs a command as `caddy webhooks …` does.
func RunCommand(cmd *cobra.Command, args ...string) (string, error) {
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	cmd.SetArgs(append([]string{}, args...)) // cobra takes the test's own arguments for nil
	err := cmd.Execute()
	return out.String(), err
}
