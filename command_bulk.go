package caddywebhooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// bulkCommand is what replay and purge have in common: they take delivery ids,
// or every dead letter that flags select.
type bulkCommand struct {
	verb, done       string // "replay", "replayed"
	allDead, dryRun  bool
	endpoint, target string
	one              func(id string) (method, path string)
	given            func(flag string) bool // an empty value may be a mistake, so it is passed on
}

// bulkTimeout bounds a bulk call, in which every delivery is a durable write.
const bulkTimeout = time.Hour

func replayCommand() *cobra.Command {
	b := &bulkCommand{verb: "replay", done: "replayed", one: func(id string) (string, string) {
		return http.MethodPost, "deliveries/" + url.PathEscape(id) + "/replay"
	}}
	return b.command("Delivers dead letters again, from the start of their retry policy")
}

func purgeCommand() *cobra.Command {
	b := &bulkCommand{verb: "purge", done: "deleted", one: func(id string) (string, string) {
		return http.MethodDelete, "deliveries/" + url.PathEscape(id)
	}}
	return b.command("Deletes deliveries for good; their events stay known as duplicates")
}

func (b *bulkCommand) command(short string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     b.verb + " <delivery id>... | --all-dead [--endpoint <name>] [--destination <name>]",
		Short:   short,
		Example: "  caddy webhooks " + b.verb + " --all-dead --endpoint stripe --dry-run",
	}
	cmd.Flags().BoolVar(&b.allDead, "all-dead", false, "Every dead letter that the other flags select")
	cmd.Flags().StringVar(&b.endpoint, "endpoint", "", "Only of this endpoint")
	cmd.Flags().StringVar(&b.target, "destination", "", "Only of this destination")
	cmd.Flags().BoolVar(&b.dryRun, "dry-run", false, "Only count them")
	b.given = cmd.Flags().Changed
	return adminCommand(cmd, b.run)
}

func (b *bulkCommand) run(admin adminClient, ids []string) error {
	switch {
	case b.allDead == (len(ids) > 0):
		return errors.New("give delivery ids, or --all-dead")
	case !b.allDead && (b.dryRun || b.given("endpoint") || b.given("destination")):
		return errors.New("--endpoint, --destination and --dry-run go with --all-dead")
	case b.allDead:
		return b.runAll(admin)
	}
	for _, id := range ids {
		method, path := b.one(id)
		var result map[string]string
		done, err := admin.call(method, path, "", &result)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if !done {
			fmt.Fprintf(admin.out, "%s %s\n", id, b.done)
		}
	}
	return nil
}

func (b *bulkCommand) runAll(admin adminClient) error {
	request := bulkRequest{Filter: map[string]string{"state": "dead"}, DryRun: b.dryRun}
	if b.given("endpoint") {
		request.Filter["endpoint"] = b.endpoint
	}
	if b.given("destination") {
		request.Filter["destination"] = b.target
	}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	admin.timeout = bulkTimeout
	var result bulkResult
	if done, err := admin.call(http.MethodPost, b.verb, string(body), &result); done || err != nil {
		return err
	}
	fmt.Fprintf(admin.out, "%d dead letters, %d %s\n", result.Matched, result.Done, b.done)
	return nil
}
