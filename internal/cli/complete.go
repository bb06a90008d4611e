package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// completeTime is how long the shell waits for the running Caddy. If none answers, nothing is suggested and
// no error is printed: it would end up in the line that the operator is typing.
const completeTime = 500 * time.Millisecond

const maxSuggested = 30

func completeFlag(cmd *cobra.Command, flag string, complete cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // the command has no such flag, or it was registered before: a mistake in this package
	}
}

// suggest asks the running Caddy for what may be suggested, and reports whether it answered.
func suggest(cmd *cobra.Command, path string, answer any) bool {
	admin, err := newAdminClient(cmd)
	if err != nil {
		return false
	}
	admin.timeout = completeTime
	text, err := admin.ask(http.MethodGet, "/webhooks/"+path, "")
	return err == nil && json.Unmarshal(text, answer) == nil
}

// completeStates completes the last state of a list with commas.
func completeStates(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndexByte(typed, ',')+1]
	var states []string
	for _, state := range []string{"pending", "leased", "delivered", "dead"} {
		if !slices.Contains(strings.Split(before, ","), state) {
			states = append(states, before+state)
		}
	}
	return states, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func completeEndpoints(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var view api.Endpoints
	suggest(cmd, "endpoints", &view)
	var names []string
	for _, e := range view.Endpoints {
		names = append(names, cobra.CompletionWithDesc(e.Name, e.Provider))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeDestinations suggests the destinations of the endpoint that --endpoint names; without it, all.
func completeDestinations(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	var view api.Endpoints
	suggest(cmd, "endpoints", &view)
	endpoint := cmd.Flag("endpoint").Value.String()
	var names []string
	for _, e := range view.Endpoints {
		if endpoint == "" || endpoint == e.Name {
			names = append(names, e.Destinations...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}

// completeDeliveries suggests ids of deliveries that are in the state; empty: in any. The command takes as many
// ids as most says; 0: any number.
func completeDeliveries(state string, most int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		query := url.Values{"limit": {fmt.Sprint(maxSuggested)}}
		if state != "" {
			query.Set("state", state)
		}
		var list api.List
		suggest(cmd, "deliveries?"+query.Encode(), &list)
		var ids []string
		for _, d := range list.Deliveries {
			if !slices.Contains(args, d.ID) {
				ids = append(ids, cobra.CompletionWithDesc(d.ID, clean(d.State+" "+d.Endpoint+"/"+d.Destination+" "+d.EventType)))
			}
		}
		return ids, cobra.ShellCompDirectiveNoFileComp
	}
}

func completeJobs(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var ids []string
	if len(args) == 0 {
		var view api.Jobs
		suggest(cmd, "jobs", &view)
		for _, j := range view.Jobs {
			ids = append(ids, cobra.CompletionWithDesc(j.ID, j.State+" "+j.Operation))
		}
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

// completeProvider suggests providers for the first argument, and nothing for the second, which is a URL.
func completeProvider(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	var names []string
	if len(args) == 0 {
		for _, p := range verify.Providers() {
			names = append(names, cobra.CompletionWithDesc(p.Name, p.Title))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
