package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// system is a Caddy with one of these configs, which takes the webhooks.
type system struct {
	Name    string
	Explain string
	store   string // file or redis; empty for the baselines
	held    bool   // deliveries wait: only accepting is measured
	passes  bool   // the application is asked before the answer
}

// The systems. The first two are baselines: the same Caddy without webhooks.
var (
	respond = system{Name: "respond", Explain: "A: Caddy's `respond 202`"}
	proxy   = system{Name: "reverse_proxy", Explain: "B: Caddy's `reverse_proxy` to the application", passes: true}

	fileHeld  = system{Name: "file, held", Explain: "accepted only: deliveries are held by `rate 1/s`", store: "file", held: true}
	file      = system{Name: "file", Explain: "accepted and delivered, the embedded store", store: "file"}
	redisHeld = system{Name: "redis, held", Explain: "accepted only, stored in Redis", store: "redis", held: true}
	inRedis   = system{Name: "redis", Explain: "accepted and delivered, stored in Redis", store: "redis"}
)

var allSystems = []system{respond, proxy, fileHeld, file, redisHeld, inRedis}

// delivers says whether events get to the application.
func (s system) delivers() bool { return s.passes || s.store != "" && !s.held }

// wantStatus is how the system answers when all is well.
func (s system) wantStatus() int16 {
	if s.passes {
		return 200 // the application's own
	}
	return 202
}

// workload is what the system has to do.
type workload struct {
	Connections int    `json:"connections"`
	BodyBytes   int    `json:"body_bytes"`
	Endpoints   int    `json:"endpoints"` // that take events in turn
	FanOut      int    `json:"fan_out"`   // destinations of each event
	Pending     int    `json:"pending"`   // events that are stored already, held at another destination
	LogLevel    string `json:"log_level"`
	RedisSync   string `json:"redis_sync"` // appendfsync
}

// mode is how the client sends.
type mode string

const (
	closedLoop mode = "closed loop" // as fast as it is answered
	fixedRate  mode = "fixed rate"
)

// step is one thing to measure.
type step struct {
	System   system
	Workload workload
	Mode     mode
	Rate     float64       // events/s, at a fixed rate
	Duration time.Duration // of sending
	Round    int
	sweep    string // that it belongs to
	probe    probe  // what is looked at besides, at the cost of the speed
	soak     *soakPlan
}

// caddyfile is the config that the step wants.
func (s step) caddyfile(at site) string {
	if s.soak != nil {
		return s.soak.caddyfile(s.System, s.Workload, at)
	}
	return caddyfile(s.System, s.Workload, at)
}

// manners are those of the application.
func (s step) manners() []string {
	if s.soak != nil {
		return []string{soakManners}
	}
	return nil
}

// probe is a measurement that slows down what it measures. Trials with one are
// not counted where speed is.
type probe string

const (
	noProbe   probe = ""
	syncProbe probe = "syncs"
	profiler  probe = "profile"
)

// site is where a Caddy under test listens and what it talks to.
type site struct {
	address, admin string // host:port
	dir            string
	redis          string   // host:port
	application    []string // host:port of the destinations; then of those whose events are held
}

const (
	livePath = "/e%03d" // of an endpoint
	heldPath = "/held"  // of the one whose events stay
)

// caddyfile is the config of the system for the workload.
func caddyfile(s system, w workload, at site) string {
	var b strings.Builder
	fmt.Fprintf(&b, "{\n\tadmin %s\n\tpersist_config off\n\tlog {\n\t\tlevel %s\n", at.admin, w.LogLevel)
	if w.LogLevel != "WARN" {
		fmt.Fprintf(&b, "\t\toutput file %s\n", filepath.Join(at.dir, "caddy.log"))
	}
	b.WriteString("\t}\n")
	switch s.store {
	case "file":
		fmt.Fprintf(&b, "\twebhooks {\n\t\tstore file %s\n\t\tmax_pending %d\n\t}\n", filepath.Join(at.dir, "deliveries.db"), maxPending)
	case "redis":
		fmt.Fprintf(&b, "\twebhooks {\n\t\tstore redis redis://%s\n\t\tmax_pending %d\n\t}\n", at.redis, maxPending)
	}
	fmt.Fprintf(&b, "}\n\nhttp://%s {\n\tbind 127.0.0.1\n", at.address)
	switch {
	case s.store != "":
		for i := range w.Endpoints {
			writeEndpoint(&b, fmt.Sprintf(livePath, i), fmt.Sprintf("e%d", i), at.application[:w.FanOut], w.Connections, s.held)
		}
		if w.Pending > 0 {
			writeEndpoint(&b, heldPath, "held", at.application[w.FanOut:], w.Connections, true)
		}
	case s.passes:
		fmt.Fprintf(&b, "\treverse_proxy %s {\n\t\ttransport http {\n\t\t\tkeepalive_idle_conns_per_host %d\n\t\t}\n\t}\n", at.application[0], inFlight(w.Connections))
	default:
		b.WriteString("\trespond 202\n")
	}
	b.WriteString("}\n")
	return b.String()
}

// maxPending is beyond what a trial stores: its bound is not what is measured.
const maxPending = 100_000_000

// inFlight is how many requests the application gets at a time, from
// reverse_proxy as from webhooks: as many as there are connections, and at least
// the 32 that both have by default.
func inFlight(connections int) int { return max(connections, 32) }

func writeEndpoint(b *strings.Builder, path, name string, destinations []string, connections int, held bool) {
	fmt.Fprintf(b, "\twebhooks %s github {\n\t\tname %s\n\t\tsecret %s\n\t\trequire_https off\n", path, name, secret)
	for i, address := range destinations {
		fmt.Fprintf(b, "\t\tforward %s {\n\t\t\tname d%d\n\t\t\tmax_in_flight %d\n", address, i, inFlight(connections))
		if held {
			b.WriteString("\t\t\trate 1/s\n")
		}
		b.WriteString("\t\t}\n")
	}
	b.WriteString("\t}\n")
}
