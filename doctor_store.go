package caddywebhooks

import (
	"context"
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/inflight"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// What the disk of a file store should have left.
const (
	lowDisk   = 0.1      // of the whole
	emptyDisk = 64 << 20 // bytes
)

// checkStore looks at what came of asking the store for its stats, and at what
// the store and its disk tell besides.
func (d *diagnosis) checkStore(ctx context.Context, stats retrystore.Stats, err error) {
	if err != nil {
		d.add(api.LevelError, "store", "store", "it does not answer: "+err.Error()+"; webhooks are answered 503, so providers keep them and try again",
			"See that the store's server or disk is there; Caddy's log has the errors. It is used again as soon as it answers.")
		return
	}
	before := len(d.checks)
	d.checkCondition()
	d.checkDisk()
	d.checkWarnings(ctx)
	if len(d.checks) > before {
		return
	}
	message := "it answers"
	if stats.Bytes > 0 {
		message += ", and holds " + humanize.IBytes(uint64(stats.Bytes))
	}
	d.add(api.LevelOK, "store", "store", message, "")
}

// checkMemory tells of webhooks that found no memory for their bodies.
func (d *diagnosis) checkMemory(u inflight.Usage) {
	if u.LastRefused.IsZero() || d.now.Sub(u.LastRefused) > recently {
		return
	}
	d.add(api.LevelWarn, "memory", "bodies", fmt.Sprintf("%s of %s are held by webhooks on their way in; %s refused since the start, the last %s, as others held what their address may have",
		humanize.IBytes(uint64(u.Used)), humanize.IBytes(uint64(u.Limit)), plural(int(u.Refused), "webhook"), d.ago(u.LastRefused)),
		"If the senders are the provider's, raise max_body_memory in the global option webhooks; behind a proxy, name it in the server's trusted_proxies, or all count as one address. If they are strangers, nothing needs to be done; a rate_limit ip keeps them out earlier.")
}

// conditionOf is the condition of the app's store; zero if it tells none.
func (a *App) conditionOf() retrystore.Condition {
	if c, ok := retrystore.As[retrystore.Conditioned](a.store); ok {
		return c.Condition()
	}
	return retrystore.Condition{}
}

// checkCondition tells what the store knows to be wrong with itself.
func (d *diagnosis) checkCondition() {
	c := d.app.conditionOf()
	if c.Refusing != nil {
		d.add(api.LevelError, "store", "store", c.Refusing.Error()+"; new webhooks are answered 503, and what is stored is delivered",
			"Repair what the message says. Webhooks are taken again as soon as that is done, without a reload.")
	}
	for _, loss := range []string{c.Loss, d.app.use.Replaced()} {
		if loss != "" {
			d.add(api.LevelError, "store", "store", "its data has been gone or replaced: "+loss,
				"Ask the providers to send again what is missing, or restore a backup. This is reported until the store is opened anew.")
		}
	}
	if c.Damaged > 0 {
		d.add(api.LevelWarn, "store", "store", fmt.Sprintf("%d keys, entries or records were found damaged and set aside; the log names them", c.Damaged),
			"See that nobody else writes to the store. Dead letters with the reason corrupt_record show what is left of damaged events.")
	}
}

// checkWarnings asks a store that can tell what makes it less safe.
func (d *diagnosis) checkWarnings(ctx context.Context) {
	warner, ok := retrystore.As[retrystore.Warner](d.app.store)
	if !ok {
		return
	}
	warnings, err := warner.Warnings(ctx)
	if err != nil {
		d.add(api.LevelWarn, "store", "store", "its server is not as it should be, or could not be asked: "+err.Error(), "Caddy's log may say more.")
	}
	for _, warning := range warnings {
		d.add(api.LevelWarn, "store", "store", warning, "")
	}
}

// checkDisk looks at the disk of a store that lies on one.
func (d *diagnosis) checkDisk() {
	user, ok := d.app.opener.(retrystore.DiskUser)
	if !ok {
		return
	}
	disk, err := user.Disk()
	if errors.Is(err, errors.ErrUnsupported) || err == nil && disk.Total == 0 {
		return
	}
	if err != nil {
		d.add(api.LevelWarn, "disk", disk.Path, "the disk's space cannot be read: "+err.Error(), "See that the directory is there and readable.")
		return
	}
	d.judgeDisk(disk.Path, disk.Free, disk.Total)
}

func (d *diagnosis) judgeDisk(path string, free, total uint64) {
	level := api.LevelOK
	switch {
	case free < emptyDisk:
		level = api.LevelError
	case float64(free) < lowDisk*float64(total):
		level = api.LevelWarn
	default:
		return
	}
	d.add(level, "disk", path, fmt.Sprintf("its disk has %s left of %s; once it is full, webhooks are answered 503",
		humanize.IBytes(free), humanize.IBytes(total)),
		"Make room on the disk, or move the store to a larger one. The file itself does not shrink; dead letters that nobody needs make room in it: `caddy webhooks purge --all-dead --until 30d`.")
}
