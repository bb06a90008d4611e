package redisclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// MaxSkew is how far the clocks of Redis and of this machine may differ without a warning.
const MaxSkew = time.Second

// Report is what Check found.
type Report struct {
	// Version is that of the server, of several the oldest, such as "7.0.15".
	// What servers that are not Redis say to be compatible with counts.
	Version string
	// Mode is standalone, sentinel or cluster, as the client is.
	Mode string
	// Masters is how many servers take writes, Replicas how many replicas the
	// master with the fewest of them has now.
	Masters, Replicas int
	// Warnings are risks that somebody should know of, Notes what is as it may be.
	// Of a Cluster each names the masters it is about.
	Warnings, Notes []string
}

// Check says whether Redis can keep webhooks, and at what risk. On a Cluster it looks at every master. It
// only asks, and changes nothing.
//
// An error that is ErrUnreachable may be gone later; any other error is a matter of the configuration,
// says what to change, and joins everything that was found. The Report is what is known in either case.
func Check(ctx context.Context, client redis.UniversalClient, needs Needs) (Report, error) {
	c := &checker{needs: needs, replicas: -1}
	report := Report{Mode: modeOf(client)}
	err := eachMaster(ctx, client, func(ctx context.Context, node *redis.Client) error {
		return c.master(ctx, node, report.Mode)
	})
	report.Version, report.Masters, report.Replicas = c.version.text, c.masters, max(c.replicas, 0)
	report.Warnings, report.Notes = c.warnings.texts(c.masters), c.notes.texts(c.masters)
	return report, err
}

// failoverName is what go-redis has for the address of the master that sentinels name.
const failoverName = "FailoverClient"

func modeOf(client redis.UniversalClient) string {
	switch c := client.(type) {
	case *redis.ClusterClient:
		return "cluster"
	case *redis.Client:
		if c.Options().Addr == failoverName {
			return "sentinel"
		}
	}
	return "standalone"
}

// eachMaster calls f for all masters at once, and returns what is wrong with them.
func eachMaster(ctx context.Context, client redis.UniversalClient, f func(context.Context, *redis.Client) error) error {
	switch c := client.(type) {
	case *redis.Client:
		return joinFaults(explain(c.Options().Addr, f(ctx, c)))
	case *redis.ClusterClient:
		var mu sync.Mutex
		var errs []error
		err := c.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
			found := explain(node.Options().Addr, f(ctx, node))
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, found...)
			return nil
		})
		return joinFaults(append(errs, explain(strings.Join(c.Options().Addrs, ", "), err)...))
	}
	return fmt.Errorf("redis: a client of type %T cannot be checked", client)
}

// checker collects what is found of the masters, which are looked at at the same time.
type checker struct {
	needs Needs

	mu       sync.Mutex
	masters  int
	replicas int // -1: none seen yet
	version  version
	warnings findings
	notes    findings
}

// master looks at one server.
func (c *checker) master(ctx context.Context, node *redis.Client, mode string) error {
	text, err := node.Info(ctx).Result()
	if missing(err) {
		c.note(&c.warnings, node, "INFO is not permitted to our user, so that its version, role and persistence are not known: allow it with +info")
	} else if err != nil {
		return err
	}
	info := parseInfo(text)
	// The kind of server comes first: of a wrong kind nothing else matters.
	if err := wrongKind(info, mode); err != nil {
		return err
	}
	c.count(info)
	errs := []error{c.needs.probe(ctx, node, c)}
	errs = append(errs, c.policy(ctx, node, info))
	if text != "" {
		errs = append(errs, tooOld(info))
		c.persistence(ctx, node, info)
	}
	errs = append(errs, c.clock(ctx, node))
	return errors.Join(errs...)
}

func (c *checker) count(info map[string]string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.masters++
	replicas, _ := strconv.Atoi(info["connected_slaves"])
	if c.replicas < 0 || replicas < c.replicas {
		c.replicas = replicas
	}
	if v := parseVersion(info["redis_version"]); c.version.text == "" || v.before(c.version) {
		c.version = v
	}
}

// note adds a finding about a server.
func (c *checker) note(to *findings, node *redis.Client, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	to.add(node.Options().Addr, text)
}

// wrongKind reports a server that is not what the client takes it for.
func wrongKind(info map[string]string, mode string) error {
	switch kind := info["redis_mode"]; {
	case kind == "sentinel":
		return fault("this is a sentinel and no Redis: give the name of the master that it watches")
	case kind == "cluster" && mode != "cluster":
		return fault("this is a node of a Cluster: say that it is a cluster")
	case info["role"] == "slave":
		return fault(fmt.Sprintf("this is a read-only replica: give the address of its master, %s:%s, or that of the sentinels",
			info["master_host"], info["master_port"]))
	}
	return nil
}

// oldest is the version that all is tested with from.
var oldest = version{text: "6.2", major: 6, minor: 2}

func tooOld(info map[string]string) error {
	v := parseVersion(info["redis_version"])
	if v.text != "" && v.before(oldest) {
		return fault(fmt.Sprintf("its version is %s: at least %s is needed", v.text, oldest.text))
	}
	return nil
}

// policy reports a server that throws away what it was given to keep. Where INFO does
// not tell its policy CONFIG may.
func (c *checker) policy(ctx context.Context, node *redis.Client, info map[string]string) error {
	policy := info["maxmemory_policy"]
	if policy == "" {
		config, err := node.ConfigGet(ctx, "maxmemory-policy").Result()
		if err != nil && away(err) {
			return err
		}
		policy = config["maxmemory-policy"]
	}
	switch policy {
	case "noeviction":
		return nil
	case "":
		c.note(&c.warnings, node, "it does not tell its maxmemory-policy, as neither INFO nor CONFIG GET is permitted: allow +info, and make sure that it evicts no keys (noeviction)")
		return nil
	default:
		return fault(fmt.Sprintf("its maxmemory-policy is %s: when its memory is full it would throw webhooks away that were acknowledged; "+
			"run CONFIG SET maxmemory-policy noeviction, and set it where the server is configured", policy))
	}
}

// persistence notes what a crash of the server loses.
func (c *checker) persistence(ctx context.Context, node *redis.Client, info map[string]string) {
	replicated := info["connected_slaves"] != "" && info["connected_slaves"] != "0"
	aof, known := info["aof_enabled"]
	switch {
	case !known:
		c.note(&c.warnings, node, "it does not tell whether it has an append-only file: without one, a crash loses webhooks that were acknowledged")
	case aof != "1" && !replicated:
		c.note(&c.warnings, node, "it has neither an append-only file nor a replica: a crash loses webhooks that were acknowledged; "+
			"run CONFIG SET appendonly yes, or add a replica, and set it where the server is configured")
	case aof != "1":
		c.note(&c.notes, node, "it has no append-only file: what its replicas have not got yet is lost with it; min_replicas makes webhooks wait for them")
	default:
		c.appendOnly(ctx, node)
	}
	if info["aof_last_write_status"] == "err" {
		c.note(&c.warnings, node, "it cannot write to its append-only file: look into its log")
	}
}

// appendOnly notes how often the file is flushed to disk. Managed services often
// forbid CONFIG: then it is said that nobody knows.
func (c *checker) appendOnly(ctx context.Context, node *redis.Client) {
	config, err := node.ConfigGet(ctx, "appendfsync").Result()
	if err != nil {
		c.note(&c.notes, node, "CONFIG GET is not permitted, so that how often it flushes its append-only file (appendfsync) is not known: allow it with +config|get")
		return
	}
	switch config["appendfsync"] {
	case "everysec":
		c.note(&c.notes, node, "appendfsync is everysec: a crash of its machine loses up to a second of webhooks, of which some may have been acknowledged")
	case "no":
		c.note(&c.warnings, node, "appendfsync is no: a crash of its machine loses what the system has not written yet, often half a minute of webhooks; "+
			"run CONFIG SET appendfsync everysec, or always")
	}
}

// clock notes a clock that is not ours.
func (c *checker) clock(ctx context.Context, node *redis.Client) error {
	before := time.Now()
	server, err := node.Time(ctx).Result()
	if missing(err) {
		return nil // the probe has said so, if it matters
	}
	if err != nil {
		return err
	}
	// The server read its clock somewhere between before and now.
	after := time.Now()
	skew := max(server.Sub(after), before.Sub(server))
	if skew > MaxSkew {
		word := "ahead of"
		if server.Before(before) {
			word = "behind"
		}
		c.note(&c.warnings, node, fmt.Sprintf("its clock is %s %s ours: set both by NTP", skew.Round(100*time.Millisecond), word))
	}
	return nil
}

// parseInfo reads the answer of INFO.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":"); ok {
			info[name] = value
		}
	}
	return info
}

// version is a version of a server. Without text it is not known.
type version struct {
	text         string
	major, minor int
}

func parseVersion(text string) version {
	v := version{text: text}
	words := strings.SplitN(text, ".", 3)
	v.major, _ = strconv.Atoi(words[0])
	if len(words) > 1 {
		v.minor, _ = strconv.Atoi(words[1])
	}
	return v
}

func (v version) before(other version) bool {
	return v.major < other.major || v.major == other.major && v.minor < other.minor
}

// findings are texts and the servers that they are about.
type findings map[string][]string

func (f *findings) add(server, text string) {
	if *f == nil {
		*f = findings{}
	}
	(*f)[text] = append((*f)[text], server)
}

// texts returns them in a stable order. They name their servers if there are several.
func (f findings) texts(servers int) []string {
	var all []string
	for text, about := range f {
		if servers > 1 {
			slices.Sort(about)
			text = strings.Join(about, ", ") + ": " + text
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return all
}
