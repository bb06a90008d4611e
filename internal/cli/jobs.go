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

	"github.com/spf13/cobra"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
)

func jobsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs [<job id>]",
		Short: "Shows bulk work, under way and ended; cancels it",
		Long: `
jobs lists what replay --all-dead and purge --all-dead began, newest first. Jobs
go on across reloads of the configuration, and end with Caddy.`,
		Example:           "  caddy webhooks jobs\n  caddy webhooks jobs 5pcqtwkjhr --follow\n  caddy webhooks jobs 5pcqtwkjhr --cancel",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeJobs,
	}
	cancel := cmd.Flags().Bool("cancel", false, "End the job; what it did stays done")
	follow := cmd.Flags().Bool("follow", false, "Show its progress until it ends")
	return adminCommand(cmd, func(ctx context.Context, admin adminClient, args []string) error {
		switch {
		case len(args) == 0 && (*cancel || *follow):
			return errors.New("--cancel and --follow want the id of a job")
		case *cancel && *follow:
			return errors.New("give --cancel or --follow, not both")
		case len(args) == 0:
			var all api.Jobs
			if done, err := admin.call(http.MethodGet, "jobs", "", &all); done || err != nil {
				return err
			}
			printJobs(admin.out, all.Jobs, time.Now())
			return nil
		}
		return admin.oneJob(ctx, args[0], *cancel, *follow)
	})
}

// job asks for a job, or cancels it.
func (c adminClient) job(method, id string) (j api.Job, err error) {
	answer, err := c.ask(method, "/webhooks/jobs/"+url.PathEscape(id), "")
	if err != nil {
		return j, err
	}
	return j, json.Unmarshal(answer, &j)
}

// oneJob shows a job. If it is to be cancelled or followed, it does that first.
func (c adminClient) oneJob(ctx context.Context, id string, cancel, follow bool) error {
	method := http.MethodGet
	if cancel {
		method = http.MethodDelete
	}
	j, err := c.job(method, id)
	if err != nil {
		return err
	}
	if follow {
		ctx, stop := interruptible(ctx)
		defer stop()
		if j, err = c.follow(ctx, j, false); err != nil {
			return err
		}
	}
	if c.json {
		return printJSON(c.out, j)
	}
	printJobs(c.out, []api.Job{j}, time.Now())
	if j.Error != "" {
		fmt.Fprintln(c.out, clean(j.Error))
	}
	return nil
}

func printJobs(s screen, jobs []api.Job, now time.Time) {
	if len(jobs) == 0 {
		fmt.Fprintln(s, "There are no jobs.")
		return
	}
	t := table{columns: []column{
		{title: "ID"}, {title: "WORK"}, {title: "STATE"}, {title: "DONE", right: true}, {title: "OF", right: true},
		{title: "RATE", right: true}, {title: "BEGAN", right: true}, {title: "TOOK", right: true}, {title: "SELECTED", least: 12},
	}}
	for _, j := range jobs {
		took := now.Sub(j.StartedAt)
		if j.EndedAt != nil {
			took = j.EndedAt.Sub(j.StartedAt)
		}
		rate := j.Rate
		if rate == fullSpeed {
			rate = "full"
		}
		var selected []string
		for _, field := range slices.Sorted(maps.Keys(j.Filter)) {
			selected = append(selected, field+"="+j.Filter[field])
		}
		t.add(j.ID, j.Operation, stateCell(j.State), j.Done, j.Matched, rate,
			wording.Span(now.Sub(j.StartedAt))+" ago", wording.Span(took), strings.Join(selected, " "))
	}
	t.print(s)
}

const (
	pollEvery = 200 * time.Millisecond
	// pollPatience is how long Caddy may fail to answer while a job is followed: during a reload it may close
	// its admin API and open it again.
	pollPatience = 10 * time.Second
)

// follow shows a job's progress until the job ends, and returns its last state. When ctx ends, follow cancels the
// job and waits for its end, or returns at once if cancel is false.
func (c adminClient) follow(ctx context.Context, j api.Job, cancel bool) (api.Job, error) {
	bar := progress{out: c.notes, quiet: c.json, what: j.Operation}
	defer bar.clear()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	answered := time.Now()
	for j.State == api.JobRunning {
		bar.total = j.Matched
		bar.update(j.Seen, time.Now())
		method := http.MethodGet
		select {
		case <-ticker.C:
		case <-ctx.Done():
			if !cancel {
				return j, nil
			}
			method = http.MethodDelete
		}
		now, err := c.job(method, j.ID)
		switch {
		case err == nil:
			j, answered = now, time.Now()
		case strings.Contains(err.Error(), api.NoSuchJob):
			return j, no(fmt.Sprintf("job %s is gone: Caddy was started again meanwhile; the same command goes on with what is left", j.ID))
		case ExitCode(err) == ExitNo, time.Since(answered) > pollPatience:
			return j, err
		default:
			<-ticker.C
		}
	}
	return j, nil
}
