// Package cli is the command `caddy webhooks`. doctor, stats, list, show, replay, purge and jobs ask the
// admin API of a running Caddy; verify, sign, send and providers need none. Each is in the file of its name, but
// show is in list.go, replay and purge are in bulk.go, sign is in send.go. What they share:
//
//	cli.go       the command itself, and the client of the admin API
//	exit.go      exit codes, and errors that are answers
//	input.go     headers, bodies, options and URLs from flags
//	complete.go  what the shell suggests
//	terminal.go  colours, widths, and text that cannot upset a terminal; table.go, progress.go
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
)

// Command returns `caddy webhooks`, for caddycmd.RegisterCommand.
func Command() caddycmd.Command {
	return caddycmd.Command{
		Name:  "webhooks",
		Usage: "<command>",
		Short: "Inspects and repairs webhook deliveries, and sends test webhooks",
		Long: `
doctor, stats, list, show, replay, purge and jobs talk to the admin API of a
running Caddy. verify says why a webhook was refused. sign and send make
webhooks as a provider would, to try an endpoint. providers lists whom this
Caddy knows.

` + exitCodesHelp,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(Commands()...)
			cmd.Example = "  caddy webhooks doctor\n  caddy webhooks list --state dead\n  caddy webhooks replay --all-dead --endpoint stripe --rate 10/s"
			cmd.SetUsageTemplate(strings.ReplaceAll(cmd.UsageTemplate(), ".FlagUsages ", ".FlagUsagesWrapped 80 "))
			cmd.Args = noSuchCommand // else a misspelled command would look like success
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
			withExitCodes(cmd)
		},
	}
}

// Commands returns new commands, those below `caddy webhooks`. Their errors are returned as they are: only Command
// makes exit codes of them, see ExitCode.
func Commands() []*cobra.Command {
	return []*cobra.Command{
		doctorCommand(), statsCommand(), listCommand(), showCommand(), replayCommand(), purgeCommand(),
		jobsCommand(), verifyCommand(), signCommand(), sendCommand(), providersCommand(),
	}
}

// adminRun is the work of a command that asks a running Caddy. It ends early when ctx ends.
type adminRun func(ctx context.Context, admin adminClient, args []string) error

// adminCommand makes a command that asks a running Caddy: it adds the flags that say which one.
func adminCommand(cmd *cobra.Command, run adminRun) *cobra.Command {
	cmd.Flags().String("address", "", "Address of the admin API; default: that of --config, else Caddy's")
	cmd.Flags().StringP("config", "c", "", "Configuration file to read the admin address from")
	cmd.Flags().StringP("adapter", "a", "", "Config adapter of that file")
	cmd.Flags().Bool("json", false, "Print the API's JSON instead of text for people")
	cmd.SilenceUsage = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		admin, err := newAdminClient(cmd)
		if err != nil {
			return err
		}
		return run(cmd.Context(), admin, args)
	}
	return cmd
}

func newAdminClient(cmd *cobra.Command) (adminClient, error) {
	flag := func(name string) string { return cmd.Flag(name).Value.String() }
	address, err := adminAddress(withAdminPort(flag("address")), flag("config"), flag("adapter"))
	if err != nil {
		return adminClient{}, err
	}
	return adminClient{
		address: strings.TrimPrefix(address, "http://"),
		timeout: Timeout,
		json:    flag("json") == "true",
		out:     newScreen(cmd.OutOrStdout()),
		notes:   newScreen(cmd.ErrOrStderr()),
		in:      cmd.InOrStdin(),
	}, nil
}

// withAdminPort adds Caddy's default port to an address without one.
func withAdminPort(address string) string {
	if address == "" || strings.HasPrefix(address, "unix/") || strings.Contains(strings.TrimPrefix(address, "http://"), ":") {
		return address
	}
	return address + ":2019"
}

// adminAddress finds the address of the admin API as Caddy's own commands do. It refuses a config that says
// `admin off`: Caddy's commands would then ask whichever Caddy runs at the default address.
func adminAddress(address, config, adapter string) (string, error) {
	if address != "" || config == "" {
		return caddycmd.DetermineAdminAPIAddress(address, nil, config, adapter)
	}
	raw, file, _, err := caddycmd.LoadConfig(config, adapter)
	if err != nil {
		return "", err
	}
	var settings struct {
		Admin caddy.AdminConfig `json:"admin"`
	}
	if err := json.Unmarshal(raw, &settings); err == nil && settings.Admin.Disabled {
		return "", fmt.Errorf("%s says `admin off`: without the admin API nobody can ask the Caddy that runs with it; give it an address for this machine only, such as `admin localhost:2019` or `admin unix//run/caddy/admin.sock`", file)
	}
	return caddycmd.DetermineAdminAPIAddress("", raw, config, adapter)
}

// adminClient talks to the admin API for one command.
type adminClient struct {
	address string
	timeout time.Duration
	json    bool // print answers as they are
	out     screen
	notes   screen // progress and questions, which do not belong to the answer
	in      io.Reader
}

// Timeout is how long a command waits for the admin API to answer a request.
const Timeout = time.Minute

// call sends a request and decodes the answer into result. With --json it
// prints the answer instead and reports done.
func (c adminClient) call(method, path, body string, result any) (done bool, err error) {
	answer, err := c.ask(method, "/webhooks/"+path, body)
	if err != nil {
		return false, err
	}
	if c.json {
		_, err := c.out.Write(answer)
		return true, err
	}
	return false, c.decode(answer, result)
}

// decode reads an answer of the admin API.
func (c adminClient) decode(answer []byte, result any) error {
	if err := json.Unmarshal(answer, result); err != nil {
		return fmt.Errorf("what answers at %s is not Caddy's admin API with webhooks: its answer is no JSON of it (%w)", c.address, err)
	}
	return nil
}

// ask sends a request to the admin API and returns the answer.
func (c adminClient) ask(method, path, body string) ([]byte, error) {
	type reply struct {
		answer []byte
		err    error
	}
	replies := make(chan reply, 1)
	safe.Go(nil, "command: admin API", func() { // AdminAPIRequest has no timeout
		var payload io.Reader
		if body != "" {
			payload = strings.NewReader(body)
		}
		// AdminAPIRequest makes a client for each request, so a connection that stays open is never used again.
		once := http.Header{"Connection": {"close"}}
		response, err := caddycmd.AdminAPIRequest(c.address, method, path, once, payload)
		if err != nil {
			replies <- reply{err: err}
			return
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		replies <- reply{answer, err}
	})
	select {
	case r := <-replies:
		if r.err != nil {
			return nil, plainAdminError(c.address, r.err)
		}
		return r.answer, nil
	case <-time.After(c.timeout):
		return nil, fmt.Errorf("no answer from the admin API at %s within %s", c.address, c.timeout)
	}
}

// plainAdminError takes the API's own message out of what Caddy wraps around it. That the API cannot find
// something, or cannot do it now, is an answer (a refusal); every other error is none.
func plainAdminError(address string, err error) error {
	_, text, ok := strings.Cut(err.Error(), "caddy responded with error: HTTP ")
	if !ok {
		return fmt.Errorf("cannot reach the admin API at %s: %w (is Caddy running? give --address)", address, err)
	}
	code, text, _ := strings.Cut(text, ": ")
	var message struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(text), &message) == nil && message.Error != "" {
		err = errors.New(clean(message.Error))
	}
	switch status, _ := strconv.Atoi(code); status {
	case http.StatusNotFound, http.StatusConflict:
		return refusal{err}
	}
	return err
}
