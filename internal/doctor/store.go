package doctor

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
)

// What should be free on the disk of a file store.
const (
	lowDisk   = 0.1      // of the whole
	emptyDisk = 64 << 20 // bytes
)

// checkStore looks at the result of asking the store for its stats, and at what else the store and its
// disk tell.
func (d *diagnosis) checkStore() {
	stats := d.Store.Stats
	if err := d.Store.Err; err != nil {
		d.add(api.LevelError, "store", "store", "it does not answer: "+err.Error()+"; webhooks are answered 503, so providers keep them and try again",
			"See that the store's server or disk is there; Caddy's log has the errors. It is used again as soon as it answers.")
		return
	}
	before := len(d.checks)
	d.checkCondition()
	d.checkDisk()
	d.checkWarnings()
	if len(d.checks) > before {
		return
	}
	message := "it answers"
	if stats.Bytes > 0 {
		message += ", and holds " + humanize.IBytes(uint64(stats.Bytes))
	}
	d.add(api.LevelOK, "store", "store", message, "")
}

// checkMemory reports webhooks that found no memory for their bodies.
func (d *diagnosis) checkMemory() {
	u := d.Memory
	if u.LastRefused.IsZero() || d.Now.Sub(u.LastRefused) > recently {
		return
	}
	d.add(api.LevelWarn, "memory", "bodies", fmt.Sprintf("%s of %s are held by webhooks on their way in; %s refused since the start, the last %s, as others held what their address may have",
		humanize.IBytes(uint64(u.Used)), humanize.IBytes(uint64(u.Limit)), wording.Plural(int(u.Refused), "webhook"), d.ago(u.LastRefused)),
		"If the senders are the provider's, raise max_body_memory in the global option webhooks; behind a proxy, name it in the server's trusted_proxies, or all count as one address. If they are strangers, nothing needs to be done; a rate_limit ip keeps them out earlier.")
}

// checkCondition reports what the store knows to be wrong with itself.
func (d *diagnosis) checkCondition() {
	c := d.Store.Condition
	if c.Refusing != nil {
		d.add(api.LevelError, "store", "store", c.Refusing.Error()+"; new webhooks are answered 503, and what is stored is delivered",
			"Repair what the message says. Webhooks are taken again as soon as that is done, without a reload.")
	}
	for _, loss := range []string{c.Loss, d.Store.Replaced} {
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

// checkWarnings tells what makes the store less safe.
func (d *diagnosis) checkWarnings() {
	if err := d.Store.WarningsErr; err != nil {
		d.add(api.LevelWarn, "store", "store", "its server is not as it should be, or could not be asked: "+err.Error(), "Caddy's log may say more.")
	}
	for _, warning := range d.Store.Warnings {
		d.add(api.LevelWarn, "store", "store", warning, "")
	}
}

// checkDisk looks at the disk of a store in files.
func (d *diagnosis) checkDisk() {
	disk := d.Store.Disk
	switch {
	case disk == nil:
	case errors.Is(d.Store.DiskErr, errors.ErrUnsupported):
	case d.Store.DiskErr != nil:
		d.add(api.LevelWarn, "disk", disk.Path, "the disk's space cannot be read: "+d.Store.DiskErr.Error(), "See that the directory is there and readable.")
	case disk.Total > 0:
		d.judgeDisk(disk.Path, disk.Free, disk.Total)
	}
}

// checkLeft reports what earlier configs have left behind.
func (d *diagnosis) checkLeft() {
	for _, l := range d.Store.Left {
		level := api.LevelError
		if l.Pending == 0 {
			level = api.LevelWarn
		}
		d.add(level, "left behind", "store", l.String(), l.Remedy())
	}
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

// checkRoutes looks for requests that go past the endpoints.
func (d *diagnosis) checkRoutes() {
	if len(d.Endpoints) == 0 {
		d.add(api.LevelWarn, "endpoints", "config", "there is no endpoint in the running config",
			"Put a `webhooks` directive into a site. One in a named route, &(name), counts where a site invokes it.")
	}
	for _, r := range d.Routes {
		d.add(r.Level, "route", r.Endpoint, r.Message, r.Fix)
	}
}
