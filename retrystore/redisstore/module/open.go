package module

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/limiter"
	"github.com/caddywebhooks/caddy-webhooks/limiter/redislimiter"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/redisstore"
)

// readTime bounds how long Redis may take to answer.
const readTime = 3 * time.Second

// Open connects, and refuses a Redis that would lose events.
func (s *Store) Open(o retrystore.Options) (_ retrystore.Store, err error) {
	logger := o.Logger.Named("store.redis")
	settings := s.client
	settings.Logger, settings.ClientName = logger, "caddy-webhooks:"+o.Node
	settings.ReadTimeout = readTime + time.Duration(s.ReplicaTimeout) // WAIT answers after that
	connected := make(chan struct{}, 1)
	settings.Connected = func() {
		select {
		case connected <- struct{}{}:
		default:
		}
	}
	client, err := redisclient.New(settings)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = client.Close()
		}
	}()
	known := newMemory(s, logger)
	check := &checks{settings: s, client: client, logger: logger}
	store, err := redisstore.Open(context.Background(), client, redisstore.Options{
		Prefix:         s.Prefix,
		Shards:         s.Shards,
		MinReplicas:    s.MinReplicas,
		ReplicaTimeout: time.Duration(s.ReplicaTimeout),
		Check:          check.run,
		Reconnected:    connected,
		Recall:         known.recall,
		Remember:       known.remember,
		Logger:         logger,
	})
	if err != nil {
		return nil, err
	}
	limits, err := redislimiter.New(client, redislimiter.Options{Prefix: s.Prefix, Logger: logger})
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &openStore{Store: store, settings: s, client: client, limits: limits}, nil
}

// risks are what is said of the server, and what our settings make of it.
func (s *Store) risks(report redisclient.Report) []string {
	warnings := report.Warnings
	switch {
	case report.Masters == 0:
	case report.Replicas > s.MinReplicas && (s.Sentinel != "" || s.Cluster):
		warnings = append(warnings, fmt.Sprintf("min_replicas is %d, but a master has %d replicas: if one of them that has not got an event yet is made master, the event is lost although it was acknowledged; `min_replicas %d` prevents that, but while a replica is away webhooks are answered 503",
			s.MinReplicas, report.Replicas, report.Replicas))
	case report.Replicas < s.MinReplicas:
		warnings = append(warnings, fmt.Sprintf("min_replicas is %d, but a master has %d replicas: every webhook is answered 503", s.MinReplicas, report.Replicas))
	}
	return warnings
}

// openStore is a store together with what shares its connection.
type openStore struct {
	*redisstore.Store
	settings *Store
	client   redis.UniversalClient
	limits   *redislimiter.Limiter
}

// Warnings are for the doctor: what is risky about the server now.
func (s *openStore) Warnings(ctx context.Context) ([]string, error) {
	report, err := redisclient.Check(ctx, s.client, redisclient.Needs{})
	return s.settings.risks(report), err
}

// Condition is the store's, with what was found damaged among the rate limits.
func (s *openStore) Condition() retrystore.Condition {
	condition := s.Store.Condition()
	condition.Damaged += s.limits.Damaged()
	return condition
}

// Limits counts the rate limits of all nodes.
func (s *openStore) Limits() limiter.Backend { return s.limits }

// Close closes the store and the limits, then the connection.
func (s *openStore) Close() error {
	return errors.Join(s.Store.Close(), s.limits.Close(), s.client.Close())
}

// Interface guards
var (
	_ retrystore.Store       = (*openStore)(nil)
	_ retrystore.Conditioned = (*openStore)(nil)
	_ retrystore.Retainer    = (*openStore)(nil)
	_ retrystore.Warner      = (*openStore)(nil)
	_ limiter.Sharer         = (*openStore)(nil)
)
