package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

// bulkCommand is replay or purge: either of some deliveries, by their ids, or of every dead letter that the
// flags select.
type bulkCommand struct {
	verb, done              string // "replay", "replayed"
	allDead, dryRun, detach bool
	yes, asks               bool // asks: before it begins, because it cannot be undone
	rate                    string
	selected                selection
	one                     func(id string) (method, path string)
	cmd                     *cobra.Command
}

// fullSpeed is the rate of a job that is limited by the store only.
const fullSpeed = "1000000/s"

func replayCommand() *cobra.Command {
	b := &bulkCommand{verb: api.Replay, done: "replayed", one: func(id string) (string, string) {
		return http.MethodPost, "deliveries/" + url.PathEscape(id) + "/replay"
	}}
	return b.command("Delivers dead letters again, from the start of their retry policy",
		"  caddy webhooks replay 000000000000g00tq8p2jvmkbs\n"+
			"  caddy webhooks replay --all-dead --endpoint stripe --since 6h --dry-run\n"+
			"  caddy webhooks replay --all-dead --endpoint stripe --rate 10/s")
}

func purgeCommand() *cobra.Command {
	b := &bulkCommand{verb: api.Purge, done: "deleted", asks: true, one: func(id string) (string, string) {
		return http.MethodDelete, "deliveries/" + url.PathEscape(id)
	}}
	cmd := b.command("Deletes deliveries for good; their events stay known as duplicates",
		"  caddy webhooks purge 000000000000g00tq8p2jvmkbs\n"+
			"  caddy webhooks purge --all-dead --until 30d\n"+
			"  caddy webhooks purge --all-dead --endpoint old --yes")
	cmd.Flags().BoolVarP(&b.yes, "yes", "y", false, "Do not ask; needed with --all-dead where there is no terminal")
	return cmd
}

func (b *bulkCommand) command(short, example string) *cobra.Command {
	b.selected = make(selection)
	b.cmd = &cobra.Command{
		Use:   b.verb + " <delivery id>... | --all-dead [flags]",
		Short: short,
		Long: "\nWith --all-dead the running Caddy does the work, and this command shows how far\n" +
			"it is. Ctrl-C ends the work; what is done by then stays done, and the same\n" +
			"command goes on with the rest.",
		Example:           example,
		ValidArgsFunction: completeDeliveries("dead", 0),
	}
	flags := b.cmd.Flags()
	flags.BoolVar(&b.allDead, "all-dead", false, "Every dead letter that the other flags select")
	flags.BoolVar(&b.dryRun, "dry-run", false, "Only count them")
	flags.BoolVar(&b.detach, "detach", false, "Do not wait for the end; caddy webhooks jobs shows it")
	flags.StringVar(&b.rate, "rate", "", "How many at a time, such as 10/s or 100/m; default: as fast as the store can")
	b.selected.flags(b.cmd)
	completeFlag(b.cmd, "rate", cobra.NoFileCompletions)
	return adminCommand(b.cmd, b.run)
}

func (b *bulkCommand) run(ctx context.Context, admin adminClient, ids []string) error {
	switch {
	case b.allDead && len(ids) > 0:
		return fmt.Errorf("give delivery ids or --all-dead, not both: %q is one more", clean(ids[0]))
	case !b.allDead && len(ids) == 0:
		return errors.New("give delivery ids, or --all-dead")
	case !b.allDead && (b.dryRun || b.detach || b.yes || b.cmd.Flags().Changed("rate") || b.selected.given(b.cmd)):
		return errors.New("--dry-run, --rate, --detach, --yes and the flags that select go with --all-dead")
	case b.allDead:
		return b.runAll(ctx, admin)
	}
	for _, id := range ids {
		method, path := b.one(id)
		var result map[string]string
		done, err := admin.call(method, path, "", &result)
		if err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
		if !done {
			fmt.Fprintf(admin.out, "%s %s\n", clean(id), b.done)
		}
	}
	return nil
}

func (b *bulkCommand) runAll(ctx context.Context, admin adminClient) error {
	request := api.BulkRequest{DryRun: b.dryRun, Rate: b.rate}
	var err error
	if request.Filter, err = b.selected.fields(b.cmd, time.Now()); err != nil {
		return err
	}
	if err := admin.checkEndpoint(request.Filter["endpoint"]); err != nil {
		return err
	}
	request.Filter["state"] = "dead"
	switch {
	case b.dryRun:
		var result api.BulkResult
		if done, err := admin.call(http.MethodPost, b.verb, compact(request), &result); done || err != nil {
			return err
		}
		fmt.Fprintf(admin.out, "%s would be %s\n", wording.Plural(result.Matched, "dead letter"), b.done)
		return nil
	case !b.cmd.Flags().Changed("rate"):
		request.Rate = fullSpeed
	default:
		if _, err := limiter.ParseRate(b.rate); err != nil {
			return fmt.Errorf("--rate: %w", err)
		}
	}
	if b.asks && !b.yes {
		if err := b.confirm(admin, request); err != nil {
			return err
		}
	}
	return b.start(ctx, admin, request)
}

// confirm counts what is selected, shows the number and asks the operator. Its error means no.
func (b *bulkCommand) confirm(admin adminClient, request api.BulkRequest) error {
	if !isTerminal(admin.in) {
		return errors.New("this deletes for good: give --yes, or --dry-run to see how many it is about")
	}
	request.DryRun, request.Rate = true, ""
	answer, err := admin.ask(http.MethodPost, "/webhooks/"+b.verb, compact(request))
	if err != nil {
		return err
	}
	var found api.BulkResult
	if err := json.Unmarshal(answer, &found); err != nil {
		return err
	}
	fmt.Fprintf(admin.notes, "Delete %s for good? [y/N] ", wording.Plural(found.Matched, "dead letter"))
	line, _ := bufio.NewReader(admin.in).ReadString('\n')
	if word := strings.ToLower(strings.TrimSpace(line)); word != "y" && word != "yes" {
		return no("nothing was deleted")
	}
	return nil
}

// start has the running Caddy do the work, and waits until it is done unless --detach is given.
func (b *bulkCommand) start(ctx context.Context, admin adminClient, request api.BulkRequest) error {
	ctx, stop := interruptible(ctx) // before the job begins: Ctrl-C then always cancels it
	defer stop()
	answer, err := admin.ask(http.MethodPost, "/webhooks/"+b.verb, compact(request))
	if err != nil {
		return err
	}
	var j api.Job
	if err := json.Unmarshal(answer, &j); err != nil {
		return err
	}
	if b.detach {
		if admin.json {
			return printJSON(admin.out, j)
		}
		fmt.Fprintf(admin.out, "job %s has begun; see %s\n", j.ID, sameCaddy("`caddy webhooks jobs "+j.ID+"`", b.cmd))
		return nil
	}
	if j, err = admin.follow(ctx, j, true); err != nil {
		return err
	}
	if admin.json {
		if err := printJSON(admin.out, j); err != nil {
			return err
		}
	}
	return b.sumUp(admin, j)
}

// sumUp prints how the job ended. Its error says that not all of the work was done.
func (b *bulkCommand) sumUp(admin adminClient, j api.Job) error {
	switch j.State {
	case api.JobCancelled:
		return no(fmt.Sprintf("cancelled: %s of %d %s; the same command goes on with what is left",
			wording.Plural(j.Done, "dead letter"), j.Matched, b.done))
	case api.JobFailed:
		return no(fmt.Sprintf("%s of %d %s, then: %s; the same command goes on with what is left",
			wording.Plural(j.Done, "dead letter"), j.Matched, b.done, clean(j.Error)))
	}
	if admin.json {
		return nil
	}
	fmt.Fprintf(admin.out, "%s %s\n", wording.Plural(j.Done, "dead letter"), b.done)
	if passed := j.Seen - j.Done; passed > 0 {
		fmt.Fprintf(admin.out, "%d more were replayed or deleted by others meanwhile\n", passed)
	}
	return nil
}

// compact is the body of a request. Its values are strings, maps and flags: it cannot fail.
func compact(request api.BulkRequest) string {
	body, _ := json.Marshal(request)
	return string(body)
}
