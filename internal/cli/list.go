package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
)

// selection has the values of the flags that select deliveries, by the names of the API's fields.
type selection map[string]*string

// selectionFlags are the fields of the API's filter that have a flag, in the order of the help.
var selectionFlags = []struct {
	field, usage string
	isTime       bool
}{
	{field: "endpoint", usage: "Only of this endpoint"},
	{field: "destination", usage: "Only for this destination"},
	{field: "type", usage: "Only events of this type"},
	{field: "event_id", usage: "Only this event, by the provider's id"},
	{field: "since", usage: "Only received since: a time (RFC 3339), or how long ago, such as 2h or 3d", isTime: true},
	{field: "until", usage: "Only received before: a time (RFC 3339), or how long ago", isTime: true},
}

// flags adds the flags to a command.
func (s selection) flags(cmd *cobra.Command) {
	for _, f := range selectionFlags {
		s[f.field] = cmd.Flags().String(flagName(f.field), "", f.usage)
	}
	completeFlag(cmd, "endpoint", completeEndpoints)
	completeFlag(cmd, "destination", completeDestinations)
	for _, name := range []string{"type", "event-id", "since", "until"} {
		completeFlag(cmd, name, cobra.NoFileCompletions)
	}
}

func flagName(field string) string { return strings.ReplaceAll(field, "_", "-") }

// fields returns the filter that the flags make. It keeps empty values, because the API refuses them: an empty
// value is likely a mistake, such as a script's variable that is not set.
func (s selection) fields(cmd *cobra.Command, now time.Time) (map[string]string, error) {
	fields, times := make(map[string]string), make(map[string]time.Time)
	for _, f := range selectionFlags {
		if !cmd.Flags().Changed(flagName(f.field)) {
			continue
		}
		value := *s[f.field]
		if f.isTime && value != "" {
			at, err := moment(value, now)
			if err != nil {
				return nil, fmt.Errorf("--%s %q: want a time such as 2026-01-02T03:04:05Z, or how long ago, such as 90m, 2h or 3d", f.field, value)
			}
			value, times[f.field] = at.Format(time.RFC3339Nano), at
		}
		if f.field == "type" && strings.Contains(value, "*") {
			return nil, fmt.Errorf("--type %q: wildcards are not taken here: give the whole type", value)
		}
		fields[f.field] = value
	}
	if until, ok := times["until"]; ok && until.Before(times["since"]) {
		return nil, errors.New("--until is before --since, so that nothing lies between: exchange them")
	}
	return fields, nil
}

// checkEndpoint refuses the name of an endpoint that is not in the running config and of which nothing is stored.
func (c adminClient) checkEndpoint(name string) error {
	if name == "" {
		return nil
	}
	var known []string
	for _, path := range []string{"endpoints", "stats"} {
		answer, err := c.ask(http.MethodGet, "/webhooks/"+path, "")
		if err != nil {
			return err
		}
		var view struct {
			Endpoints    []api.Endpoint `json:"endpoints"`
			Destinations []api.Lane     `json:"destinations"`
		}
		if err := c.decode(answer, &view); err != nil {
			return err
		}
		for _, e := range view.Endpoints {
			known = append(known, e.Name)
		}
		if slices.Contains(known, name) || slices.ContainsFunc(view.Destinations, func(l api.Lane) bool { return l.Endpoint == name }) {
			return nil
		}
	}
	return fmt.Errorf("no endpoint %q is configured, and nothing of one is stored; there are: %s", clean(name), strings.Join(known, ", "))
}

// given reports whether any of the flags was given.
func (s selection) given(cmd *cobra.Command) bool {
	return slices.ContainsFunc(slices.Collect(maps.Keys(s)), func(field string) bool { return cmd.Flags().Changed(flagName(field)) })
}

// moment reads a time, or how long before now it is.
func moment(text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	ago, err := caddy.ParseDuration(text)
	if ago < 0 {
		return now, errors.New("that is in the future")
	}
	return now.Add(-ago), err
}

func listCommand() *cobra.Command {
	selected := make(selection)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists deliveries, newest first",
		Long: `
list shows what is stored: deliveries that are pending, being tried, or dead
letters. Those that were delivered leave the list once every destination of
their event has it, unless the option 'retain delivered' keeps them. With
hundreds of thousands stored, looking for a type or an event takes seconds;
--since and --until shorten that.`,
		Example: "  caddy webhooks list --state dead\n" +
			"  caddy webhooks list --endpoint stripe --since 2h --limit 10\n" +
			"  caddy webhooks list --state dead --json | jq -r .deliveries[].id",
		Args: cobra.NoArgs,
	}
	state := cmd.Flags().String("state", "", "pending, leased, delivered or dead; several with commas")
	limit := cmd.Flags().Int("limit", 0, "How many at most, up to 1000 (default 50)")
	cursor := cmd.Flags().String("cursor", "", "Where the previous page ended")
	selected.flags(cmd)
	completeFlag(cmd, "state", completeStates)
	completeFlag(cmd, "limit", cobra.NoFileCompletions)
	completeFlag(cmd, "cursor", cobra.NoFileCompletions)
	return adminCommand(cmd, func(ctx context.Context, admin adminClient, _ []string) error {
		fields, err := selected.fields(cmd, time.Now())
		if err != nil {
			return err
		}
		query := make(url.Values)
		for field, value := range fields {
			query.Set(field, value)
		}
		for name, value := range map[string]string{"state": *state, "limit": fmt.Sprint(*limit), "cursor": *cursor} {
			if cmd.Flags().Changed(name) {
				query.Set(name, value)
			}
		}
		wanted := api.DefaultPage
		if cmd.Flags().Changed("limit") {
			wanted = *limit
		}
		list, err := admin.search(ctx, query, wanted)
		if err == nil && len(list.Deliveries) == 0 {
			err = admin.checkEndpoint(query.Get("endpoint"))
		}
		switch {
		case err != nil:
			return err
		case admin.json:
			return printJSON(admin.out, list)
		}
		printList(admin.out, list, time.Now())
		return nil
	})
}

// search keeps asking for pages until it has the wanted number of deliveries or there are no more. One page may not
// do: the API ends it early when it has looked at many deliveries that the query does not select. When ctx ends, or
// with Ctrl-C, search returns what it has found so far.
func (c adminClient) search(ctx context.Context, query url.Values, wanted int) (all api.List, err error) {
	ctx, stop := interruptible(ctx)
	defer stop()
	all.Deliveries = []api.Delivery{} // [] in JSON, not null
	began, told := time.Now(), false
	for {
		answer, err := c.ask(http.MethodGet, "/webhooks/deliveries?"+query.Encode(), "")
		if err != nil {
			return all, err
		}
		var page api.List
		if err := json.Unmarshal(answer, &page); err != nil {
			return all, err
		}
		all.Deliveries, all.Next = append(all.Deliveries, page.Deliveries...), page.Next
		if len(all.Deliveries) >= wanted || all.Next == "" || ctx.Err() != nil {
			break
		}
		query.Set("limit", fmt.Sprint(wanted-len(all.Deliveries)))
		query.Set("cursor", all.Next)
		if !told && c.notes.live && time.Since(began) > time.Second {
			told = true
			fmt.Fprintf(c.notes, "\rlooking for more; Ctrl-C shows what was found by then")
		}
	}
	if told {
		fmt.Fprint(c.notes, "\r\x1b[K")
	}
	return all, nil
}

func showCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:               "show <delivery id>",
		Short:             "Shows one delivery: attempts, headers (secrets masked), body",
		Example:           "  caddy webhooks show 000000000000g00tq8p2jvmkbs\n  caddy webhooks show 000000000000g00tq8p2jvmkbs --json | jq -r .body",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeDeliveries("", 1),
	}
	return adminCommand(cmd, func(_ context.Context, admin adminClient, args []string) error {
		var detail api.Detail
		if done, err := admin.call(http.MethodGet, "deliveries/"+url.PathEscape(args[0]), "", &detail); done || err != nil {
			return err
		}
		printDetail(admin.out, detail)
		return nil
	})
}

// stateStyle is the colour of a state: green is done, yellow is on its way, red needs somebody.
func stateStyle(state string) style {
	switch state {
	case "dead", "open", api.JobFailed, api.LevelError:
		return red
	case "pending", "leased", "half_open", api.JobRunning, api.JobCancelled, api.LevelWarn:
		return yellow
	case "delivered", "closed", api.JobDone, api.LevelOK:
		return green
	}
	return unstyled
}

func stateCell(state string) cell { return cell{state, stateStyle(state)} }

func printList(s screen, list api.List, now time.Time) {
	switch {
	case len(list.Deliveries) == 0 && list.Next != "":
		fmt.Fprintln(s, "None was found by now.") // interrupted
	case len(list.Deliveries) == 0:
		fmt.Fprintln(s, "No deliveries are stored that match.")
	default:
		t := table{columns: []column{
			{title: "ID"}, {title: "STATE"}, {title: "DESTINATION", least: 10}, {title: "TYPE", least: 5},
			{title: "TRIES", right: true}, {title: "AGE", right: true}, {title: "RESULT", least: 12, below: true},
		}}
		for _, d := range list.Deliveries {
			t.add(d.ID, stateCell(d.State), d.Endpoint+"/"+d.Destination, d.EventType,
				d.Attempts, ageOf(d.ReceivedAt, now), lastResult(d, now))
		}
		t.print(s)
	}
	if list.Next != "" {
		fmt.Fprintf(s, "more: --cursor %s\n", list.Next)
	}
}

// ageOf is how old an event is. An event that cannot be read has no time: its age is ?.
func ageOf(received, now time.Time) string {
	if received.Unix() <= 0 {
		return "?"
	}
	return wording.Span(now.Sub(received))
}

// lastResult says in a few words what came of the last attempt, and when the next one is.
func lastResult(d api.Delivery, now time.Time) string {
	var words []string
	switch {
	case d.LastError != "":
		words = append(words, firstLine(d.LastError))
	case d.LastStatus != 0:
		words = append(words, fmt.Sprintf("status %d", d.LastStatus))
	}
	if d.Reason != "" && d.Reason != fmt.Sprintf("status_%d", d.LastStatus) {
		words = append(words, d.Reason)
	}
	if d.NextAttemptAt != nil && d.NextAttemptAt.After(now) {
		words = append(words, "again in "+wording.Span(d.NextAttemptAt.Sub(now)))
	}
	return strings.Join(words, ", ")
}

func printDetail(s screen, d api.Detail) {
	top := table{columns: []column{{}, {}}}
	row := func(name string, value cell) {
		if value.text != "" {
			top.add(cell{name, dim}, value)
		}
	}
	row("id", cell{text: d.ID})
	row("state", cell{strings.TrimSuffix(d.State+", "+d.Reason, ", "), stateStyle(d.State)})
	row("endpoint", cell{text: d.Endpoint + " (" + d.Provider + ")"})
	row("destination", cell{text: d.Destination})
	row("event", cell{text: strings.TrimSpace(d.EventID + " " + d.EventType)})
	row("received", cell{text: d.ReceivedAt.Format(time.RFC3339Nano)})
	if d.NextAttemptAt != nil {
		row("next attempt", cell{text: d.NextAttemptAt.Format(time.RFC3339Nano)})
	}
	row("correlation id", cell{text: d.CorrelationID})
	top.print(s)

	fmt.Fprintf(s, "\nattempts: %d\n", d.Attempts)
	attempts := table{columns: []column{{}, {}, {right: true}, {right: true}, {}, {}}}
	for _, a := range d.History {
		status := cell{fmt.Sprint(a.Status), red}
		switch {
		case a.Status == 0:
			status = cell{"none", red}
		case a.Status < 300:
			status.style = green
		}
		attempts.add("", a.At.Format(time.RFC3339Nano), a.Duration, status, a.Error, firstLine(a.Answer))
	}
	attempts.print(s)

	fmt.Fprintf(s, "\n%s %s\nHost: %s\n", clean(d.Method), clean(d.URI), clean(d.Host))
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		for _, value := range d.Headers[name] {
			fmt.Fprintf(s, "%s: %s\n", clean(name), clean(value))
		}
	}
	if d.BodyDropped {
		fmt.Fprint(s, "\n(body not kept: see the option 'retain delivered')")
	}
	for line := range strings.Lines(d.Body + d.BodyBase64) {
		fmt.Fprintf(s, "\n%s", clean(strings.TrimRight(line, "\r\n")))
	}
	fmt.Fprintln(s)
}
