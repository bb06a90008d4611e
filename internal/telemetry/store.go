package telemetry

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/forward"
	"github.com/caddywebhooks/caddy-webhooks/internal/lanes"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// scrapeTime bounds how long a scrape waits for the store.
const scrapeTime = 2 * time.Second

// storeCollector reads what is stored when metrics are scraped. With Redis, all
// nodes report the same numbers: take the max over them, not the sum.
type storeCollector struct{ Source }

// Source provides the metrics about the store. Its functions are called only after Started is closed.
type Source struct {
	// Context ends with the config, Started is closed once the store is open.
	Context context.Context
	Started <-chan struct{}

	// Stats and Condition are the store's, Config what waits where.
	Stats     func(ctx context.Context) (retrystore.Stats, error)
	Condition func() retrystore.Condition
	Config    func() *lanes.Config

	// LeftBehind counts deliveries in stores that earlier configs used.
	LeftBehind func() int

	// MaxPending and MaxStored are the bounds of a destination and of an endpoint, the latter in bytes.
	MaxPending func() int
	MaxStored  func() int64

	Logger *zap.Logger
}

var (
	queueSize = prometheus.NewDesc("webhook_queue_size",
		"Stored deliveries: pending (never tried), in_flight, retry or dead.", []string{"queue_type"}, nil)
	retryQueueSize = prometheus.NewDesc("webhook_retry_queue_size",
		"Deliveries that failed before and wait for their next attempt.", nil, nil)
	deadLetters = prometheus.NewDesc("webhook_dlq_size", "Dead letters.", nil, nil)
	laneSize    = prometheus.NewDesc("webhook_destination_queue_size",
		"Stored deliveries of a destination.", []string{"endpoint", "destination", "queue_type"}, nil)
	oldestPending = prometheus.NewDesc("webhook_oldest_pending_seconds",
		"Age of the oldest event that a destination has not got yet; 0 if there is none.", []string{"endpoint", "destination"}, nil)
	breakerState = prometheus.NewDesc("webhook_breaker_state",
		"0 closed, 1 half open, 2 open.", []string{"endpoint", "destination"}, nil)
	maxPending = prometheus.NewDesc("webhook_max_pending",
		"How many open deliveries a destination may have; beyond, it is full.", nil, nil)
	storedBytes = prometheus.NewDesc("webhook_stored_bytes",
		"What an endpoint has in the store: its events that wait or are dead letters.", []string{"endpoint"}, nil)
	maxStoredBytes = prometheus.NewDesc("webhook_max_stored_bytes",
		"What each endpoint may have in the store; beyond, its webhooks are refused.", nil, nil)
	rememberedKeys = prometheus.NewDesc("webhook_event_keys",
		"Event keys that are remembered, where the store can tell.", nil, nil)
	storeBytes    = prometheus.NewDesc("webhook_store_bytes", "Size of the store.", nil, nil)
	storeRefusing = prometheus.NewDesc("webhook_store_refusing",
		"1 while new webhooks are refused since the store must not be used as it is, else 0.", nil, nil)
	storeReplaced = prometheus.NewDesc("webhook_store_replaced_total",
		"How often the store's data, or a part of it, was found to be gone, or to be other or older data.", nil, nil)
	storeLeft = prometheus.NewDesc("webhook_store_left_behind",
		"Deliveries, pending or dead, in stores that earlier configs used and that are not in use any more.", nil, nil)
	storeDamaged = prometheus.NewDesc("webhook_store_damaged_total",
		"Keys, entries and records of the store that were found damaged, and were set aside or repaired.", nil, nil)
	panicsTotal = prometheus.NewDesc("webhook_panics_total",
		"Panics of our goroutines that were caught, by place; the log has the stacks.", []string{"place"}, nil)
	storeUp = prometheus.NewDesc("webhook_store_up", "1 if the store answers, else 0.", nil, nil)
)

// breakerValues are the states of a breaker as numbers.
var breakerValues = map[string]float64{forward.BreakerClosed: 0, forward.BreakerHalfOpen: 1, forward.BreakerOpen: 2}

// Describe implements prometheus.Collector.
func (*storeCollector) Describe(into chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		queueSize, retryQueueSize, deadLetters, laneSize, oldestPending, breakerState, maxPending, storedBytes, maxStoredBytes, rememberedKeys, storeBytes, storeUp, panicsTotal,
		storeRefusing, storeReplaced, storeDamaged, storeLeft,
	} {
		into <- d
	}
}

// Collect implements prometheus.Collector. If a store does not answer, only that is reported: wrong
// numbers are worse than none.
func (c *storeCollector) Collect(into chan<- prometheus.Metric) {
	_ = safe.Do(c.Logger, "metrics", func() { c.collect(into) }) // the registry calls it in a goroutine
}

func (c *storeCollector) collect(into chan<- prometheus.Metric) {
	select {
	case <-c.Started:
	default:
		return
	}
	for place, n := range safe.Panics() {
		into <- prometheus.MustNewConstMetric(panicsTotal, prometheus.CounterValue, float64(n), place)
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		for i, label := range labels {
			labels[i] = strings.ToValidUTF8(label, "?") // a damaged record may name any lane
		}
		into <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	c.condition(into)
	gauge(maxPending, float64(c.MaxPending()))
	gauge(maxStoredBytes, float64(c.MaxStored()))
	ctx, cancel := context.WithTimeout(c.Context, scrapeTime)
	defer cancel()
	stats, err := c.Stats(ctx)
	if err != nil {
		gauge(storeUp, 0)
		return
	}
	gauge(storeUp, 1)
	gauge(storeBytes, float64(stats.Bytes))
	if stats.Keys >= 0 {
		gauge(rememberedKeys, float64(stats.Keys))
	}
	config := c.Config()
	for _, of := range config.Stored(stats) {
		gauge(storedBytes, float64(of.Bytes), of.Endpoint)
	}
	total := make(map[string]int)
	for _, lane := range config.Stats(stats).Destinations {
		for queue, n := range map[string]int{
			"pending": lane.Pending - lane.Retrying, "retry": lane.Retrying, "in_flight": lane.Leased, "dead": lane.Dead,
		} {
			total[queue] += n
			gauge(laneSize, float64(n), lane.Endpoint, lane.Destination, queue)
		}
		age := 0.0
		if lane.OldestPending != nil {
			age = max(0, time.Since(*lane.OldestPending).Seconds())
		}
		gauge(oldestPending, age, lane.Endpoint, lane.Destination)
		if value, ok := breakerValues[lane.Breaker]; ok {
			gauge(breakerState, value, lane.Endpoint, lane.Destination)
		}
	}
	for _, queue := range []string{"pending", "retry", "in_flight", "dead"} {
		gauge(queueSize, float64(total[queue]), queue)
	}
	gauge(retryQueueSize, float64(total["retry"]))
	gauge(deadLetters, float64(total["dead"]))
}

// condition reports the store's condition.
func (c *storeCollector) condition(into chan<- prometheus.Metric) {
	condition, refusing := c.Condition(), 0.0
	if condition.Refusing != nil {
		refusing = 1
	}
	into <- prometheus.MustNewConstMetric(storeLeft, prometheus.GaugeValue, float64(c.LeftBehind()))
	into <- prometheus.MustNewConstMetric(storeRefusing, prometheus.GaugeValue, refusing)
	into <- prometheus.MustNewConstMetric(storeReplaced, prometheus.CounterValue, float64(condition.Replaced))
	into <- prometheus.MustNewConstMetric(storeDamaged, prometheus.CounterValue, float64(condition.Damaged))
}
