// Package redisclient connects to Redis, or to Valkey: a server alone, the
// master that sentinels name, or a Cluster ([New]), and says what is wrong or
// risky with it ([Check]).
//
// # What is set otherwise than go-redis does, and why
//
//   - Commands are not repeated: MaxRetries is off. Who sends a command knows
//     whether it may run twice, and for how long it is worth to wait; three
//     silent repetitions would hide an outage until it is three times as long.
//     A Cluster's client follows MOVED and ASK, which is part of the protocol.
//     go-redis counts those together with repetitions after lost connections,
//     timeouts, LOADING, READONLY, CLUSTERDOWN and TRYAGAIN (MaxRedirects, 3):
//     there, a command that must not run twice needs a NoRetry of its own (a
//     Cmder may have that method), and every one a context that ends.
//   - A connection is dialled once and not five times, so that a Redis that is
//     away is noticed at once. When as many dials as PoolSize have failed in a
//     row, go-redis answers with the last error without dialling, and tries
//     again every second: it may see a Redis that is back up to a second late.
//   - Contexts end waiting for an answer, and dialling with TLS, too.
//   - CLIENT SETINFO is not sent, and CLIENT SETNAME may fail: a user that is
//     allowed little would be refused the connection for its name.
//   - Maintenance notifications are off: a command that only Redis Enterprise
//     knows would be sent on every new connection.
//   - The protocol is RESP2. Nothing of RESP3 is used, and with RESP3 every
//     command looks for notifications first. HELLO is still sent, and a proxy
//     that does not know it is spoken to without.
//   - On a Cluster go-redis would ask for COMMAND to route by, and again with
//     every single command if that is not permitted. Commands are routed by
//     their first key instead; one without keys goes to any one node, so
//     SCRIPT LOAD, FLUSHALL and the like are for ForEachMaster.
package redisclient

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.uber.org/zap"
)

// Options say where Redis is and how to speak to it. A zero field means its default.
type Options struct {
	// Addresses are URLs: redis://[user:password@]host[:port][/db], rediss:// for
	// TLS, unix://[user:password@]/path[?db=n]; or host[:port], or /path of a socket.
	// Special characters of a password are percent-encoded in a URL.
	// As parameters they take db=n and, with TLS, skip_verify=true.
	//
	// With Cluster they are some of its nodes, with SentinelMaster the sentinels
	// (port 26379 if not given); otherwise there is exactly one. All of them have
	// the same scheme and database; credentials may be given in one or in all.
	Addresses []string
	// Cluster says that Redis is a Cluster. It has only database 0.
	Cluster bool
	// SentinelMaster is the name by which sentinels know the master. Default: no sentinels.
	SentinelMaster string

	// Username and Password are those of Redis, and prevail over those of the
	// addresses. With SentinelMaster, too, they and the addresses' are the master's.
	Username, Password string
	// SentinelUsername and SentinelPassword are those of the sentinels. Default: none.
	SentinelUsername, SentinelPassword string

	// CAFile has the PEM certificates of the authorities that may vouch for the
	// server. It is for rediss:// only. Default: those of the system.
	CAFile string
	// CertificateFile and KeyFile are what we prove ourselves with, in PEM. They
	// are for rediss:// only. Default: nothing.
	CertificateFile, KeyFile string

	// ClientName is shown by CLIENT LIST, if the user may set it. Default: none.
	ClientName string
	// PoolSize is how many connections there may be to a server, apart from 10
	// for pipelines. Default: 10 per processor, but at least 64.
	PoolSize int
	// DialTimeout bounds connecting, and waiting for a connection of the pool. Default: 2s.
	DialTimeout time.Duration
	// ReadTimeout bounds waiting for an answer, WriteTimeout sending a command. Default: 3s.
	ReadTimeout, WriteTimeout time.Duration

	// Connected is called after each new connection to a server. It must return at
	// once. Default: nobody is told.
	Connected func() `json:"-"` // settings are compared by their JSON

	// Logger gets, at debug level, what go-redis logs: that connections broke, or
	// what sentinels said. All of it reaches the callers as errors as well. go-redis has one
	// logger in a process: the latest given here. Default: nobody gets it.
	Logger *zap.Logger
}

// New returns a client that has not connected yet: an unreachable Redis is no
// error. Errors are those of the Options; they show no credentials. The caller closes the client.
func New(o Options) (redis.UniversalClient, error) {
	target, err := parseAddresses(&o)
	if err != nil {
		return nil, err
	}
	secure, err := o.tlsConfig(target.tls, target.skipVerify)
	if err != nil {
		return nil, err
	}
	u := o.universal(target)
	u.Dialer = dialer(u.DialTimeout, target.network, secure)
	setLogger(o.Logger)
	if o.Cluster {
		cluster := u.Cluster()
		cluster.DisableRoutingPolicies = true
		return redis.NewClusterClient(cluster), nil
	}
	if o.SentinelMaster != "" {
		return redis.NewFailoverClient(u.Failover()), nil
	}
	simple := u.Simple()
	simple.Network = target.network
	return redis.NewClient(simple), nil
}

// universal is what the three kinds of clients have in common.
func (o *Options) universal(target target) *redis.UniversalOptions {
	u := &redis.UniversalOptions{
		Addrs:            target.addresses,
		MasterName:       o.SentinelMaster,
		DB:               target.db,
		Username:         target.username,
		Password:         target.password,
		SentinelUsername: o.SentinelUsername,
		SentinelPassword: o.SentinelPassword,

		Protocol:                 2,
		MaxRetries:               -1,
		DialTimeout:              orDefault(o.DialTimeout, 2*time.Second),
		DialerRetries:            1,
		ReadTimeout:              orDefault(o.ReadTimeout, 3*time.Second),
		WriteTimeout:             orDefault(o.WriteTimeout, 3*time.Second),
		ContextTimeoutEnabled:    true,
		PoolSize:                 orDefault(o.PoolSize, max(10*runtime.GOMAXPROCS(0), 64)),
		PoolTimeout:              orDefault(o.DialTimeout, 2*time.Second),
		ConnMaxIdleTime:          5 * time.Minute, // some services drop what is idle for 10, without a word
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if name := printable(o.ClientName); name != "" || o.Connected != nil {
		u.OnConnect = func(ctx context.Context, c *redis.Conn) error {
			if o.Connected != nil {
				o.Connected()
			}
			if name == "" {
				return nil
			}
			err := c.ClientSetName(ctx, name).Err()
			var refused redis.Error
			if errors.As(err, &refused) {
				return nil
			}
			return err
		}
	}
	return u
}

func orDefault[T int | time.Duration](value, standard T) T {
	if value <= 0 {
		return standard
	}
	return value
}

// printable replaces what CLIENT SETNAME refuses: all but '!' to '~'.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < '!' || r > '~' {
			return '-'
		}
		return r
	}, name)
}

// tlsConfig returns how to speak TLS, or nil.
func (o *Options) tlsConfig(wanted, skipVerify bool) (*tls.Config, error) {
	if !wanted {
		if o.CAFile != "" || o.CertificateFile != "" || o.KeyFile != "" {
			return nil, errors.New("redis: certificates are given, but the address does not ask for TLS: write rediss://")
		}
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: skipVerify}
	if o.CAFile != "" {
		pem, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("redis: certificates of the authorities: %w", err)
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("redis: %s holds no certificate in PEM", o.CAFile)
		}
	}
	if (o.CertificateFile == "") != (o.KeyFile == "") {
		return nil, errors.New("redis: a certificate needs its key, and a key its certificate: give both files")
	}
	if o.CertificateFile != "" {
		pair, err := tls.LoadX509KeyPair(o.CertificateFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("redis: our certificate and key: %w", err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// dialer is go-redis's own, but a context ends the handshake of TLS as well,
// and the name in the certificate is that of the node that is dialled: the nodes
// of a Cluster and the master behind sentinels are not the address we were given.
func dialer(timeout time.Duration, network string, secure *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	plain := &net.Dialer{
		Timeout: timeout,
		// Below the time after which routers forget idle connections.
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3},
	}
	if secure == nil {
		return func(ctx context.Context, _, address string) (net.Conn, error) {
			return plain.DialContext(ctx, network, address)
		}
	}
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		connection, err := plain.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		config := secure.Clone()
		config.ServerName, _, _ = net.SplitHostPort(address)
		encrypted := tls.Client(connection, config)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			_ = connection.Close()
			return nil, fmt.Errorf("TLS handshake with %s: %w", address, err)
		}
		return encrypted, nil
	}
}
