package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
)

const defaultWatch = 2 * time.Second

func statsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "stats",
		Short: "Counts deliveries by destination and state",
		Long: `
stats counts what is stored for each destination and says how its breaker
stands. With --watch it does so again and again, with rates, until Ctrl-C.`,
		Example: "  caddy webhooks stats\n  caddy webhooks stats --watch\n  caddy webhooks stats --watch 10s",
	}
	const watch = "watch"
	cmd.Flags().String(watch, "", "Show them again at this interval (default 2s)")
	cmd.Flags().Lookup(watch).NoOptDefVal = defaultWatch.String()
	completeFlag(cmd, watch, cobra.NoFileCompletions)
	cmd.ValidArgsFunction = cobra.NoFileCompletions
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if cmd.Flags().Changed(watch) && len(args) == 1 {
			return cmd.Flags().Set(watch, args[0]) // --watch 5s; a flag with an optional value takes only --watch=5s
		}
		return cobra.NoArgs(cmd, args)
	}
	return adminCommand(cmd, func(ctx context.Context, admin adminClient, _ []string) error {
		if !cmd.Flags().Changed(watch) {
			_, err := admin.printStats("")
			return err
		}
		text := cmd.Flag(watch).Value.String()
		interval, err := time.ParseDuration(text)
		if err != nil || interval < 100*time.Millisecond {
			return fmt.Errorf("--watch %q: want an interval of at least 100ms, such as 5s", text)
		}
		return admin.watchStats(ctx, interval)
	})
}

// interruptible is ctx until the first Ctrl-C; a second one ends the process.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	safe.AfterContext(ctx, nil, "command: signal", stop)
	return ctx, stop
}

// printStats shows the stats once, and below them the last line unless it is empty.
func (c adminClient) printStats(last string) (api.Stats, error) {
	var stats api.Stats
	done, err := c.call(http.MethodGet, "stats", "", &stats)
	if done || err != nil {
		return stats, err
	}
	printStats(c.out, stats, time.Now())
	if last != "" {
		fmt.Fprintln(c.out, last)
	}
	return stats, nil
}

// watchStats shows the stats until ctx ends. It returns an error only if the first round fails. Later it keeps
// asking a Caddy that does not answer, because somebody who watches wants to see it come back.
func (c adminClient) watchStats(ctx context.Context, interval time.Duration) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	var before flow
	for first := true; ; first = false {
		now := c.readFlow()
		err := c.drawStats(now.since(before))
		if err != nil && first {
			return err
		}
		if before = now; err != nil {
			fmt.Fprintln(c.notes, clean(err.Error()))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// drawStats shows one round: on a terminal in place of the last one, otherwise below it.
func (c adminClient) drawStats(rates string) error {
	if c.json || !c.out.live {
		_, err := c.printStats(rates)
		if !c.json && err == nil {
			fmt.Fprintln(c.out)
		}
		return err
	}
	c.out.measure()
	var frame bytes.Buffer
	buffered := c
	buffered.out.Writer = &frame
	if _, err := buffered.printStats(rates); err != nil {
		return err
	}
	fmt.Fprint(c.out, redraw(frame.String(), c.out.height))
	return nil
}

// redraw writes text over what the terminal shows, from its top left corner:
// each line clears its rest and the last one what is below, so nothing flickers.
func redraw(text string, height int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if height > 1 && len(lines) > height-1 { // a taller one would scroll
		rest := len(lines) - (height - 2)
		lines = append(lines[:height-2], fmt.Sprintf("… and %s", wording.Plural(rest, "line")))
	}
	return "\x1b[H" + strings.Join(lines, "\x1b[K\n") + "\x1b[K\n\x1b[J"
}

// flow has counters of the running Caddy at one time, from which rates are made.
type flow struct {
	at                          time.Time // zero: not known
	accepted, delivered, failed float64
}

// readFlow takes the counters from the metrics, if the admin API has them.
func (c adminClient) readFlow() flow {
	text, err := c.ask(http.MethodGet, "/metrics", "")
	if err != nil {
		return flow{}
	}
	f := flow{at: time.Now()}
	for line := range strings.Lines(string(text)) {
		// Quotes within a label's value are escaped, so these cannot be part of one.
		var into *float64
		switch {
		case strings.HasPrefix(line, "webhook_processed_total{") && strings.Contains(line, `status="accepted"`):
			into = &f.accepted
		case strings.HasPrefix(line, "webhook_delivery_attempts_total{") && strings.Contains(line, `outcome="delivered"`):
			into = &f.delivered
		case strings.HasPrefix(line, "webhook_delivery_attempts_total{"):
			into = &f.failed
		default:
			continue
		}
		if value, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' ')+1:]), 64); err == nil {
			*into += value
		}
	}
	return f
}

// since says how much went through per second; nothing if that is not known, such as after a restart, when the
// counters begin at zero.
func (f flow) since(before flow) string {
	seconds := f.at.Sub(before.at).Seconds()
	if f.at.IsZero() || before.at.IsZero() || seconds <= 0 || f.accepted < before.accepted || f.delivered < before.delivered || f.failed < before.failed {
		return ""
	}
	return fmt.Sprintf("per second: %.1f accepted, %.1f delivered, %.1f attempts failed",
		(f.accepted-before.accepted)/seconds, (f.delivered-before.delivered)/seconds, (f.failed-before.failed)/seconds)
}

func printStats(s screen, stats api.Stats, now time.Time) {
	t := table{columns: []column{
		{title: "DESTINATION", least: 20}, {title: "PENDING", right: true}, {title: "RETRYING", right: true},
		{title: "IN FLIGHT", right: true}, {title: "DEAD", right: true}, {title: "OLDEST", right: true}, {title: "BREAKER"},
	}}
	count := func(n int, how style) cell {
		if n == 0 {
			how = unstyled
		}
		return cell{fmt.Sprint(n), how}
	}
	for _, lane := range stats.Destinations {
		oldest := ""
		if lane.OldestPending != nil {
			oldest = wording.Span(now.Sub(*lane.OldestPending))
		}
		breaker := stateCell(lane.Breaker)
		switch {
		case !lane.Configured:
			breaker = cell{"not in config", yellow}
		case lane.Breaker == "":
			breaker = cell{"off", dim}
		}
		t.add(lane.Endpoint+"/"+lane.Destination, count(lane.Pending, yellow), count(lane.Retrying, yellow),
			lane.Leased, count(lane.Dead, red), oldest, breaker)
	}
	t.print(s)
	if len(stats.Ignored) > 0 {
		ignored := table{columns: []column{{title: "NO DESTINATION WANTED", least: 20}, {title: "WEBHOOKS", right: true}, {title: "THE LAST'S TYPE"}}}
		for _, i := range stats.Ignored {
			ignored.add(i.Endpoint, count(i.Webhooks, yellow), i.LastType)
		}
		ignored.print(s)
	}
	var last []string
	if stats.EventKeys >= 0 {
		last = append(last, fmt.Sprintf("event keys remembered: %d", stats.EventKeys))
	}
	if stats.StoreBytes > 0 {
		last = append(last, "store: "+humanize.IBytes(uint64(stats.StoreBytes)))
	}
	if len(last) > 0 {
		fmt.Fprintln(s, strings.Join(last, ", "))
	}
}

func printJSON(s screen, v any) error {
	encoder := json.NewEncoder(s)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return errors.Join(errors.New("printing JSON"), err)
	}
	return nil
}
