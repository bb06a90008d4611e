package caddywebhooks

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// doctorTime bounds how long the doctor waits for the store.
const doctorTime = 5 * time.Second

// diagnosis collects what the doctor finds in the running config.
type diagnosis struct {
	app    *App
	now    time.Time
	checks []api.Check
}

// adminDoctor looks at the running config, the store and what came in, and says
// what is wrong or risky, worst first.
func adminDoctor(app *App, r *http.Request, _ string) (any, error) {
	ctx, cancel := context.WithTimeout(r.Context(), doctorTime)
	defer cancel()
	d := &diagnosis{app: app, now: time.Now()}
	stats, err := app.store.Stats(ctx)
	d.checkStore(ctx, stats, err)
	d.checkLeft(ctx)
	d.checkMemory(bodies.Usage())
	if err == nil {
		d.checkQueues(stats)
		d.checkStored(stats)
		for _, lane := range newStatsView(app, stats).Destinations {
			d.checkLane(lane)
		}
	}
	d.checkRoutes()
	for _, name := range slices.Sorted(maps.Keys(app.endpoints)) {
		d.checkEndpoint(app.endpoints[name])
	}
	slices.SortStableFunc(d.checks, func(a, b api.Check) int { return cmp.Compare(api.LevelOrder[a.Level], api.LevelOrder[b.Level]) })
	return api.Doctor{Checks: d.checks}, nil
}

func (d *diagnosis) add(level, name, subject, message, fix string) {
	d.checks = append(d.checks, api.Check{Name: name, Level: level, Subject: subject, Message: message, Fix: fix})
}

// ago tells how long something is past.
func (d *diagnosis) ago(t time.Time) string { return span(d.now.Sub(t)) + " ago" }

// queueWarning is from which part of max_pending and max_stored on the doctor warns.
const queueWarning = 0.8

// checkQueues compares the open deliveries of each destination with their bound.
func (d *diagnosis) checkQueues(stats retrystore.Stats) {
	for _, lane := range stats.Lanes {
		if _, ok := d.app.endpoints[lane.Endpoint]; !ok {
			continue // see checkLane
		}
		open := lane.Pending + lane.Leased
		part := float64(open) / float64(d.app.MaxPending)
		level, message := api.LevelWarn, fmt.Sprintf("%d deliveries are waiting, %.0f%% of max_pending (%d)", open, 100*part, d.app.MaxPending)
		switch {
		case part < queueWarning:
			continue
		case part >= 1:
			level = api.LevelError
			message += ": new webhooks are dead letters for it (" + retrystore.ReasonFull + ") where another destination has room, else answered 503"
		}
		d.add(level, "queue", lane.String(), message,
			"Find out why it is slower than what comes in (`caddy webhooks stats --watch`); raise max_pending if there is room. Once it takes events again: `caddy webhooks replay --all-dead --endpoint "+
				lane.Endpoint+" --destination "+lane.Destination+" --rate 10/s`.")
	}
}

// checkStored compares what each endpoint has stored with its bound.
func (d *diagnosis) checkStored(stats retrystore.Stats) {
	for _, of := range newStoredViews(d.app, stats) {
		part := float64(of.Bytes) / float64(d.app.MaxStored)
		level, message := api.LevelWarn, fmt.Sprintf("%s of events are stored, %.0f%% of max_stored (%s)",
			humanize.IBytes(uint64(of.Bytes)), 100*part, humanize.IBytes(uint64(d.app.MaxStored)))
		switch {
		case part < queueWarning:
			continue
		case part >= 1:
			level = api.LevelError
			message += ": new webhooks are answered 503"
		}
		d.add(level, "stored", of.Endpoint, message,
			"See what it is: `caddy webhooks stats`. Dead letters go by `caddy webhooks replay --all-dead --endpoint "+of.Endpoint+" --rate 10/s`, or, if nobody needs them, `caddy webhooks purge --all-dead --endpoint "+of.Endpoint+" --dry-run`; raise max_stored if there is room.")
	}
}
