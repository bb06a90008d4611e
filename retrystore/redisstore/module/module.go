// Package module is the store in Redis as a module of Caddy, webhooks.stores.redis: its settings, their
// grammar, and what connects package redisstore to a server.
package module

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/internal/grammar"
	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/redisstore"
)

func init() {
	caddy.RegisterModule(new(Store))
}

// Store keeps events in Redis (6.2 or later) or Valkey, so that several
// Caddy nodes share them: events, event keys and rate limits. A node that dies
// leaves its work to the others. The nodes need the same endpoints.
//
// An acknowledged event is as safe as Redis keeps its writes: with
// `appendfsync always`, or with min_replicas and replicas that are not lost
// together. maxmemory-policy must be noeviction.
type Store struct {
	// Where Redis is: redis://, rediss:// (TLS) or unix:// URLs, or host:port. One
	// server; or some nodes of the Cluster; or the Sentinels. Global placeholders such as
	// {env.REDIS_URL} are expanded, here and below. Required.
	URLs []string `json:"urls,omitempty"`

	// Whether Redis is a Cluster.
	Cluster bool `json:"cluster,omitempty"`

	// The name by which Sentinels know the master. Default: no Sentinels.
	Sentinel string `json:"sentinel,omitempty"`

	// The user to log in as, unless the URLs name one. Default: Redis's default user.
	Username string `json:"username,omitempty"`

	// The password to log in with, unless the URLs have one. Default: none.
	Password string `json:"password,omitempty"`

	// The user to log in to the Sentinels as. Default: Redis's default user.
	SentinelUsername string `json:"sentinel_username,omitempty"`

	// The password to log in to the Sentinels with. Default: none; that of the
	// master is not used for them.
	SentinelPassword string `json:"sentinel_password,omitempty"`

	// For rediss:// URLs: a PEM file with the certificates of the authorities to
	// trust. Default: the system's.
	TLSCA string `json:"tls_ca,omitempty"`

	// For rediss:// URLs where Redis asks clients for a certificate: the PEM file
	// with ours. It needs tls_key. Default: none.
	TLSCertificate string `json:"tls_certificate,omitempty"`

	// The PEM file with the private key of tls_certificate. Default: none.
	TLSKey string `json:"tls_key,omitempty"`

	// What the names of all keys begin with. Those who share a Redis but not
	// their events need different ones. Default: wh.
	Prefix string `json:"prefix,omitempty"`

	// Into how many parts events are cut. Each lies in one slot of a Cluster, so that is
	// how many masters can share the load. It cannot be changed while
	// events are stored. Default: 16 for a Cluster, else 1.
	Shards int `json:"shards,omitempty"`

	// How many replicas must have an event before it is acknowledged; if they do
	// not have it within replica_timeout, the provider is answered 503. Default: 0.
	MinReplicas int `json:"min_replicas,omitempty"`

	// How long to wait for the replicas of min_replicas. Default: 200ms.
	ReplicaTimeout caddy.Duration `json:"replica_timeout,omitempty"`

	client redisclient.Options // with placeholders expanded
}

// CaddyModule returns the Caddy module information.
func (*Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "webhooks.stores.redis",
		New: func() caddy.Module { return new(Store) },
	}
}

// Provision expands the placeholders and checks the settings. It connects to nothing.
func (s *Store) Provision(caddy.Context) error {
	switch {
	case len(s.URLs) == 0:
		return errors.New("store redis: the URL is missing, such as redis://localhost:6379")
	case s.Shards < 0 || s.MinReplicas < 0 || s.ReplicaTimeout < 0:
		return errors.New("store redis: shards, min_replicas and replica_timeout want positive numbers")
	}
	if s.Prefix == "" {
		s.Prefix = redisstore.DefaultPrefix
	}
	if s.ReplicaTimeout == 0 {
		s.ReplicaTimeout = caddy.Duration(redisstore.DefaultReplicaTimeout)
	}
	if err := s.checkForm(); err != nil {
		return err
	}
	urls, err := grammar.Expand("store redis", s.URLs)
	if err != nil {
		return err
	}
	s.client = redisclient.Options{Addresses: urls, Cluster: s.Cluster}
	for _, setting := range []struct {
		name, value string
		into        *string
	}{
		{"sentinel", s.Sentinel, &s.client.SentinelMaster},
		{"username", s.Username, &s.client.Username},
		{"password", s.Password, &s.client.Password},
		{"sentinel_username", s.SentinelUsername, &s.client.SentinelUsername},
		{"sentinel_password", s.SentinelPassword, &s.client.SentinelPassword},
		{"tls_ca", s.TLSCA, &s.client.CAFile},
		{"tls_certificate", s.TLSCertificate, &s.client.CertificateFile},
		{"tls_key", s.TLSKey, &s.client.KeyFile},
		{"prefix", s.Prefix, &s.Prefix},
	} {
		if setting.value == "" {
			continue
		}
		expanded, err := grammar.Expand("store redis: "+setting.name, []string{setting.value})
		if err != nil {
			return err
		}
		*setting.into = expanded[0]
	}
	client, err := redisclient.New(s.client) // for its errors: it connects when it is used
	if err != nil {
		return fmt.Errorf("store redis: %w", err)
	}
	return client.Close()
}

// Key tells configs that may share one open store: those with equal settings.
// Others open one of their own beside it, which Redis does not mind.
func (s *Store) Key() (string, error) {
	settings, err := json.Marshal(struct {
		Client         redisclient.Options
		Prefix         string
		Shards         int
		MinReplicas    int
		ReplicaTimeout caddy.Duration
	}{s.client, s.Prefix, s.Shards, s.MinReplicas, s.ReplicaTimeout})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("redis:%x", sha256.Sum256(settings)), nil // the password is among them
}

// Place implements retrystore.Placer: what the same data is reached by, without credentials.
func (s *Store) Place() (id, name string) {
	where, err := redisclient.Place(s.client)
	if err != nil { // not after Provision
		where = "which cannot be named"
	}
	name = fmt.Sprintf("redis %s, prefix %s", where, s.Prefix)
	return name, name
}

// checkForm refuses what the store would refuse only when it is opened.
func (s *Store) checkForm() error {
	settings := redisstore.Options{Shards: s.Shards}
	if !grammar.Refers(s.Prefix) {
		settings.Prefix = s.Prefix
	}
	if err := settings.Validate(); err != nil {
		return fmt.Errorf("store redis: %w", err)
	}
	if tls := s.TLSCA+s.TLSCertificate+s.TLSKey != ""; tls && !slices.ContainsFunc(s.URLs, func(url string) bool { return strings.HasPrefix(url, "rediss:") || grammar.Refers(url) }) {
		return errors.New("store redis: tls_ca and tls_certificate are for addresses that ask for TLS: write rediss:// instead of redis://, or remove them")
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner = (*Store)(nil)
	_ retrystore.Opener = (*Store)(nil)
	_ retrystore.Placer = (*Store)(nil)
)
