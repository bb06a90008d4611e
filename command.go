package caddywebhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "webhooks",
		Usage: "list|show|replay|purge|stats|verify|sign|send",
		Short: "Inspects and repairs webhook deliveries, and sends test webhooks",
		Long: `
list, show, replay, purge and stats talk to the admin API of a running Caddy. verify says
why a webhook was refused. sign and send make webhooks as a provider would, to try an endpoint.`,
		CobraFunc: func(cmd *cobra.Command) {
			cmd.AddCommand(listCommand(), showCommand(), replayCommand(), purgeCommand(), statsCommand(),
				verifyCommand(), signCommand(), sendCommand())
			cmd.Args = cobra.NoArgs // else a misspelled command would look like success
			cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		},
	})
}

// adminCommand adds the flags of the commands that talk to a running Caddy.
func adminCommand(cmd *cobra.Command, run func(admin adminClient, args []string) error) *cobra.Command {
	cmd.Flags().String("address", "", "Address of the admin API; default: from --config, else Caddy's default")
	cmd.Flags().StringP("config", "c", "", "Configuration file to read the admin address from")
	cmd.Flags().StringP("adapter", "a", "", "Config adapter of that file")
	cmd.Flags().Bool("json", false, "Print the API's JSON instead of a table")
	cmd.SilenceUsage = true
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		address, _ := cmd.Flags().GetString("address")
		config, _ := cmd.Flags().GetString("config")
		adapter, _ := cmd.Flags().GetString("adapter")
		asJSON, _ := cmd.Flags().GetBool("json")
		address, err := caddycmd.DetermineAdminAPIAddress(address, nil, config, adapter)
		if err != nil {
			return err
		}
		return run(adminClient{address: strings.TrimPrefix(address, "http://"), timeout: adminTimeout, json: asJSON, out: cmd.OutOrStdout()}, args)
	}
	return cmd
}

// adminClient talks to the admin API for one command.
type adminClient struct {
	address string
	timeout time.Duration
	json    bool // print answers as they are
	out     io.Writer
}

const adminTimeout = time.Minute

// call sends a request and decodes the answer into result. With --json it
// prints the answer instead and reports done.
func (c adminClient) call(method, path string, body string, result any) (done bool, err error) {
	type reply struct {
		response *http.Response
		err      error
	}
	replies := make(chan reply, 1)
	go func() { // AdminAPIRequest knows no timeout
		var payload io.Reader
		if body != "" {
			payload = strings.NewReader(body)
		}
		response, err := caddycmd.AdminAPIRequest(c.address, method, "/webhooks/"+path, nil, payload)
		replies <- reply{response, err}
	}()
	var r reply
	select {
	case r = <-replies:
	case <-time.After(c.timeout):
		return false, fmt.Errorf("no answer from the admin API at %s within %s", c.address, c.timeout)
	}
	if r.err != nil {
		return false, plainAdminError(c.address, r.err)
	}
	defer r.response.Body.Close()
	if c.json {
		_, err := io.Copy(c.out, r.response.Body)
		return true, err
	}
	return false, json.NewDecoder(r.response.Body).Decode(result)
}

// plainAdminError takes the API's own message out of what Caddy wraps around it.
func plainAdminError(address string, err error) error {
	_, text, ok := strings.Cut(err.Error(), "caddy responded with error: HTTP ")
	if !ok {
		return fmt.Errorf("cannot reach the admin API at %s: %w (is Caddy running? give --address)", address, err)
	}
	_, text, _ = strings.Cut(text, ": ")
	var message struct {
		Error string `json:"error"`
	}
	if json.Unmarshal([]byte(text), &message) == nil && message.Error != "" {
		return errors.New(message.Error)
	}
	return err
}

func listCommand() *cobra.Command {
	query := make(map[string]*string)
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "Lists deliveries, newest first",
		Example: "  caddy webhooks list --state dead\n  caddy webhooks list --endpoint stripe --limit 10 --json",
		Args:    cobra.NoArgs,
	}
	for name, usage := range map[string]string{
		"state":       "pending, leased, delivered or dead; several with commas",
		"endpoint":    "Name of an endpoint",
		"destination": "Name of a destination",
		"type":        "Type of the event",
		"event_id":    "The provider's id of the event",
		"since":       "Received at or after this time (RFC 3339)",
		"until":       "Received before this time (RFC 3339)",
		"limit":       "How many at most, up to 1000 (default 50)",
		"cursor":      "Where the previous page ended",
	} {
		query[name] = cmd.Flags().String(strings.ReplaceAll(name, "_", "-"), "", usage)
	}
	return adminCommand(cmd, func(admin adminClient, _ []string) error {
		values := make(url.Values)
		for name, value := range query {
			if *value != "" {
				values.Set(name, *value)
			}
		}
		var list listView
		if done, err := admin.call(http.MethodGet, "deliveries?"+values.Encode(), "", &list); done || err != nil {
			return err
		}
		printList(admin.out, list)
		return nil
	})
}

func showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show <delivery id>",
		Short: "Shows one delivery: its attempts, headers (secrets masked) and body",
		Args:  cobra.ExactArgs(1),
	}
	return adminCommand(cmd, func(admin adminClient, args []string) error {
		var detail detailView
		if done, err := admin.call(http.MethodGet, "deliveries/"+url.PathEscape(args[0]), "", &detail); done || err != nil {
			return err
		}
		printDetail(admin.out, detail)
		return nil
	})
}

func statsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Counts deliveries by destination and state",
		Args:  cobra.NoArgs,
	}
	return adminCommand(cmd, func(admin adminClient, _ []string) error {
		var stats statsView
		if done, err := admin.call(http.MethodGet, "stats", "", &stats); done || err != nil {
			return err
		}
		printStats(admin.out, stats)
		return nil
	})
}

// The tables for people.

func newTable(out io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(out, 0, 4, 2, ' ', 0) }

func printList(out io.Writer, list listView) {
	table := newTable(out)
	fmt.Fprintln(table, "ID\tSTATE\tDESTINATION\tTYPE\tATTEMPTS\tRECEIVED\tLAST RESULT")
	for _, d := range list.Deliveries {
		fmt.Fprintf(table, "%s\t%s\t%s/%s\t%s\t%d\t%s\t%s\n", d.ID, d.State, d.Endpoint, d.Destination,
			clean(d.EventType), d.Attempts, d.ReceivedAt.Format(time.RFC3339), clean(lastResult(d)))
	}
	_ = table.Flush()
	if list.Next != "" {
		fmt.Fprintf(out, "more: --cursor %s\n", list.Next)
	}
}

// lastResult says in a word or two why a delivery stands where it stands.
func lastResult(d deliveryView) string {
	result := d.LastError
	if result == "" && d.LastStatus != 0 {
		result = fmt.Sprintf("status %d", d.LastStatus)
	}
	if d.Reason != "" {
		result = strings.TrimPrefix(result+", "+d.Reason, ", ")
	}
	return result
}

func printDetail(out io.Writer, d detailView) {
	table := newTable(out)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(table, "%s\t%s\n", name, clean(value))
		}
	}
	row("id", d.ID)
	row("state", strings.TrimSuffix(d.State+", "+d.Reason, ", "))
	row("endpoint", d.Endpoint+" ("+d.Provider+")")
	row("destination", d.Destination)
	row("event", strings.TrimSpace(d.EventID+" "+d.EventType))
	row("received", d.ReceivedAt.Format(time.RFC3339Nano))
	if d.NextAttemptAt != nil {
		row("next attempt", d.NextAttemptAt.Format(time.RFC3339Nano))
	}
	row("correlation id", d.CorrelationID)
	_ = table.Flush()

	fmt.Fprintf(out, "\nattempts: %d\n", d.Attempts)
	for _, a := range d.History {
		fmt.Fprintf(table, "  %s\t%s\t%d\t%s\t%s\n", a.At.Format(time.RFC3339Nano), a.Duration, a.Status, clean(a.Error), clean(firstLine(a.Answer)))
	}
	_ = table.Flush()

	fmt.Fprintf(out, "\n%s %s\nHost: %s\n", clean(d.Method), clean(d.URI), clean(d.Host))
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		for _, value := range d.Headers[name] {
			fmt.Fprintf(out, "%s: %s\n", clean(name), clean(value))
		}
	}
	for line := range strings.Lines(d.Body + d.BodyBase64) {
		fmt.Fprintf(out, "\n%s", clean(strings.TrimRight(line, "\r\n")))
	}
	fmt.Fprintln(out)
}

// clean replaces control characters: what providers and applications sent must
// not reach into the operator's terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

func printStats(out io.Writer, stats statsView) {
	table := newTable(out)
	fmt.Fprintln(table, "DESTINATION\tPENDING\tRETRYING\tIN FLIGHT\tDEAD\tOLDEST\tBREAKER")
	for _, lane := range stats.Destinations {
		oldest := ""
		if lane.OldestPending != nil {
			oldest = time.Since(*lane.OldestPending).Round(time.Second).String()
		}
		name := lane.Endpoint + "/" + lane.Destination
		if !lane.Configured {
			name += " (not in the running config)"
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%s\t%s\n", name, lane.Pending, lane.Retrying, lane.Leased, lane.Dead, oldest, lane.Breaker)
	}
	_ = table.Flush()
	fmt.Fprintf(out, "event keys remembered: %d, store: %s\n", stats.EventKeys, humanize.IBytes(uint64(stats.StoreBytes)))
}
