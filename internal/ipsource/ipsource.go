// Package ipsource is the module of Caddy http.ip_sources.webhook_provider: the addresses that a provider
// publishes for its webhooks.
package ipsource

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

func init() {
	caddy.RegisterModule(new(Source))
}

// ID is the module's among Caddy's.
const ID = "http.ip_sources.webhook_provider"

// Defaults and bounds of fetching a provider's list.
const (
	defaultListInterval = 24 * time.Hour
	minListInterval     = time.Minute // GitHub answers 60 requests an hour
	defaultListTimeout  = 10 * time.Second
)

// Source is the address ranges that a webhook provider publishes for
// its webhooks. It begins with a dated snapshot that is built in, and follows
// the list that the provider publishes for machines: fetched shortly after
// the start and on an interval, in the background, by the proxy that the
// environment names if there is one.
//
// A list that cannot be fetched, or cannot be true, changes nothing: the
// ranges that are in use stay, with one warning in the log until it works
// again. Cannot be true: something in it is no address or CIDR, it is empty,
// it has more than 10 000 ranges or 1 MiB, or a range is wider than an IPv4 /8
// or an IPv6 /16. Ranges survive a reload of the config.
//
// It stands behind `allow_ips provider` of the `webhooks` directive, and can be
// used wherever Caddy takes an IP source. Addresses are a shield against
// strangers, not a proof: the signature is.
type Source struct {
	// Whose ranges: the name of a provider in the table, such as "stripe",
	// "github" or "svix". It is an error if that provider publishes none. Required.
	Provider string `json:"provider,omitempty"`

	// How often the list is fetched, give or take up to a tenth. At least 1m;
	// default: 24h. Negative: never, the snapshot is all there is. After a
	// failure the next try comes after 10m, or the interval if that is shorter.
	Interval caddy.Duration `json:"interval,omitempty"`

	// Where the list is fetched instead of from the provider, for a mirror. It
	// has the same format as the provider's. Global placeholders are expanded.
	// With http:// anybody on the way can change the list.
	URL string `json:"url,omitempty"`

	// How long one fetch may take, all in all. Default: 10s.
	Timeout caddy.Duration `json:"timeout,omitempty"`

	list    *publishedList
	listKey string // in publishedLists; empty: list is our own
	stop    context.CancelFunc
	stopped chan struct{}
}

// CaddyModule returns the Caddy module information.
func (*Source) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  ID,
		New: func() caddy.Module { return new(Source) },
	}
}

// Provision takes the snapshot, or what an earlier config has fetched, and
// starts the fetching. It does not wait for it.
func (s *Source) Provision(ctx caddy.Context) error {
	provider, ok := verify.Lookup(s.Provider)
	if !ok && s.Provider != verify.CustomName {
		return grammar.UnknownProvider(s.Provider)
	}
	ranges, err := Of(provider)
	if err != nil {
		return err
	}
	if err := s.setDefaults(ranges); err != nil {
		return err
	}
	if s.Interval < 0 || s.URL == "" {
		s.list = newPublishedList(ranges.Snapshot)
		return nil
	}
	source, err := listURL(s.URL)
	if err != nil {
		return err
	}
	s.listKey = publishedListKey(s.Provider, source)
	pooled, _, err := publishedLists.LoadOrNew(s.listKey, func() (caddy.Destructor, error) {
		return newPublishedList(ranges.Snapshot), nil
	})
	if err != nil {
		s.listKey = ""
		return err
	}
	s.list = pooled.(*publishedList)
	f := &listFetcher{
		list: s.list, source: source, format: ranges.List,
		interval: time.Duration(s.Interval),
		client:   newListClient(time.Duration(s.Timeout)),
		logger:   ctx.Logger().With(zap.String("provider", s.Provider), zap.String("host", source.Host)),
	}
	var running context.Context
	running, s.stop = context.WithCancel(ctx)
	s.stopped = make(chan struct{})
	safe.Go(f.logger, "ip source", func() {
		defer close(s.stopped)
		safe.Loop(running.Done(), f.logger, "ip source", func() { f.run(running) })
	})
	return nil
}

func (s *Source) setDefaults(ranges *verify.Ranges) error {
	if s.Interval == 0 {
		s.Interval = caddy.Duration(defaultListInterval)
	}
	if s.Interval > 0 && time.Duration(s.Interval) < minListInterval {
		return fmt.Errorf("interval is %s: want at least %s, or a negative one for never", time.Duration(s.Interval), minListInterval)
	}
	if s.Timeout == 0 {
		s.Timeout = caddy.Duration(defaultListTimeout)
	}
	if s.Timeout < 0 {
		return fmt.Errorf("timeout is %s: want a duration above zero", time.Duration(s.Timeout))
	}
	if s.URL == "" {
		s.URL = ranges.List.URL
	}
	return nil
}

// Cleanup stops the fetching and waits for its end.
func (s *Source) Cleanup() error {
	if s.stop != nil {
		s.stop()
		<-s.stopped
	}
	if s.listKey == "" {
		return nil
	}
	key := s.listKey
	s.listKey = ""
	_, err := publishedLists.Delete(key)
	return err
}

// GetIPRanges returns the ranges in use. It never waits.
func (s *Source) GetIPRanges(*http.Request) []netip.Prefix {
	return *s.list.ranges.Load()
}

// Of is what p publishes, or an error that says what to do if p publishes nothing. p is nil for
// provider custom.
func Of(p *verify.Provider) (*verify.Ranges, error) {
	name := verify.CustomName
	if p != nil {
		if p.Ranges != nil {
			return p.Ranges, nil
		}
		name = p.Name
	}
	return nil, fmt.Errorf("provider %s publishes no addresses that its webhooks come from: "+
		"name addresses, CIDRs or an IP source module instead, or rely on the signature", name)
}

// listURL expands and checks the address of a list. It may hold a password, so
// errors do not repeat it.
func listURL(text string) (*url.URL, error) {
	text, err := caddy.NewReplacer().ReplaceOrErr(text, true, true)
	if err != nil {
		return nil, fmt.Errorf("url: %w", err)
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("url: want an address that begins with https:// or http://")
	}
	return u, nil
}

// Interface guards
var (
	_ caddy.Provisioner       = (*Source)(nil)
	_ caddy.CleanerUpper      = (*Source)(nil)
	_ caddyhttp.IPRangeSource = (*Source)(nil)
)
