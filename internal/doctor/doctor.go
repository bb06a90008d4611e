// Package doctor says what is wrong or risky about a running config. It judges facts that others have
// collected, and looks nowhere itself.
package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/storebook"
	"github.com/caddywebhooks/caddy-webhooks/internal/traffic"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// Facts are what is known at one moment.
type Facts struct {
	Now time.Time

	// Config is the running config, Endpoints are its endpoints by name.
	Config    *lanes.Config
	Endpoints []Endpoint

	// Store is what the store tells.
	Store Store

	// Attempts are counted since the start of the process.
	Attempts map[retrystore.Lane]lanes.Attempts

	// MaxPending is how many open deliveries a destination may have, MaxStored how many bytes an
	// endpoint may have in the store.
	MaxPending int
	MaxStored  int64

	// Memory is the memory for incoming bodies.
	Memory inflight.Usage

	// Routes are findings about requests that go past the endpoints.
	Routes []Route
}

// Route is a finding about requests that go past an endpoint.
type Route struct{ Level, Endpoint, Message, Fix string }

// Store is what the store tells of itself.
type Store struct {
	// Stats are its counts, or Err why there are none.
	Stats retrystore.Stats
	Err   error

	// Condition is the store's, and Replaced says how its data was replaced; empty if it was not.
	Condition retrystore.Condition
	Replaced  string

	// Warnings are risks of its setup; WarningsErr is why they are not known.
	Warnings    []string
	WarningsErr error

	// Disk is the disk of a store that lies on one, or DiskErr why it is not known; nil for other stores.
	Disk    *retrystore.Disk
	DiskErr error

	// Left is what earlier configs have left in other stores.
	Left []storebook.Left
}

// Endpoint is what is known of one endpoint.
type Endpoint struct {
	Name, Provider string
	Row            *verify.Provider

	// Custom is whether the configuration describes the provider.
	Custom bool

	// Traffic is what came, and Uses how the secrets were used, in their order.
	Traffic traffic.Snapshot
	Uses    []traffic.SecretUse

	// Secrets are those that the next load of the config would have, or SecretsErr why it would fail.
	Secrets    []string
	SecretsErr error

	// Outdated are secrets whose placeholder has another value by now.
	Outdated []Outdated

	// Doubts are about the globs of event types; Wishes are the types that the destinations ask for.
	Doubts []string
	Wishes string

	// Twins are destinations that differ only by their addresses.
	Twins []string

	// AddressRules are the settings that look at the sender's address.
	AddressRules []string

	// PlainPublic is whether a server of the endpoint takes plain HTTP from beyond this machine and its
	// network, TakesHTTP whether the endpoint does, PublicHTTPS whether public_url says HTTPS.
	PlainPublic, TakesHTTP, PublicHTTPS bool

	// Tolerance is for signed times; ToleranceSet means that it is not the default, and SignedTime that
	// times are signed.
	Tolerance                time.Duration
	ToleranceSet, SignedTime bool

	// DedupeOff is whether nothing is deduplicated.
	DedupeOff bool
}

// TwinsAdvice is what to do about destinations that differ only by their addresses.
const TwinsAdvice = "If they are replicas of one application, put all addresses behind one `forward`: `forward <address> <address>`, or a reverse_proxy in its `handle`. If each is to get every event, give each a `name`."

// Outdated is a secret that is in use although its placeholder has another value.
type Outdated struct {
	Index       int // from 1
	Placeholder string
}

// diagnosis collects the findings.
type diagnosis struct {
	Facts
	checks []api.Check
}

// Diagnose says what is wrong or risky, worst first.
func Diagnose(f Facts) []api.Check {
	d := &diagnosis{Facts: f}
	d.checkStore()
	d.checkLeft()
	d.checkMemory()
	if f.Store.Err == nil {
		d.checkQueues(f.Store.Stats)
		d.checkStored(f.Store.Stats)
		for _, lane := range f.Config.Stats(f.Store.Stats).Destinations {
			d.checkLane(lane)
		}
	}
	d.checkRoutes()
	for i := range f.Endpoints {
		d.checkEndpoint(&f.Endpoints[i])
	}
	slices.SortStableFunc(d.checks, func(a, b api.Check) int { return cmp.Compare(api.LevelOrder(a.Level), api.LevelOrder(b.Level)) })
	return d.checks
}

func (d *diagnosis) add(level, name, subject, message, fix string) {
	d.checks = append(d.checks, api.Check{Name: name, Level: level, Subject: subject, Message: message, Fix: fix})
}

// ago tells how long something is past.
func (d *diagnosis) ago(t time.Time) string { return wording.Span(d.Now.Sub(t)) + " ago" }

// queueWarning is the part of max_pending and max_stored from which on the doctor warns.
const queueWarning = 0.8

// checkQueues compares the open deliveries of each destination with their bound.
func (d *diagnosis) checkQueues(stats retrystore.Stats) {
	for _, lane := range stats.Lanes {
		if !d.Config.HasEndpoint(lane.Endpoint) {
			continue // see checkLane
		}
		open := lane.Pending + lane.Leased
		part := float64(open) / float64(d.MaxPending)
		level, message := api.LevelWarn, fmt.Sprintf("%d deliveries are waiting, %.0f%% of max_pending (%d)", open, 100*part, d.MaxPending)
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
	for _, of := range d.Config.Stored(stats) {
		part := float64(of.Bytes) / float64(d.MaxStored)
		level, message := api.LevelWarn, fmt.Sprintf("%s of events are stored, %.0f%% of max_stored (%s)",
			humanize.IBytes(uint64(of.Bytes)), 100*part, humanize.IBytes(uint64(d.MaxStored)))
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
