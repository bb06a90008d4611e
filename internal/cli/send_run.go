package cli

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/caddywebhooks/caddy-webhooks/internal/intake"
	"github.com/caddywebhooks/caddy-webhooks/internal/safe"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// sendRun sends many webhooks and counts the answers.
type sendRun struct {
	next               func() (*verify.Request, error)
	client             *http.Client
	count, concurrency int
	pace               *rate.Limiter // nil: as fast as they are answered
	bar                progress

	mu        sync.Mutex
	answers   map[string]int // "202 accepted" to how many
	durations []time.Duration
	failed    int
	last      error
}

const (
	sendTimeout = 30 * time.Second
	drawEvery   = 100 * time.Millisecond
)

func newSendRun(next func() (*verify.Request, error), count, concurrency int) *sendRun {
	return &sendRun{
		next:        next,
		count:       count,
		concurrency: min(count, concurrency),
		answers:     make(map[string]int),
		client: &http.Client{
			Timeout:   sendTimeout,
			Transport: &http.Transport{MaxIdleConnsPerHost: concurrency, Proxy: http.ProxyFromEnvironment},
			// A provider does not follow redirects either.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// run sends until all are sent or ctx ends. It always waits for the answers to those that it has begun to send.
func (s *sendRun) run(ctx context.Context, out screen, asJSON bool) error {
	defer s.client.CloseIdleConnections()
	var begun atomic.Int64
	started := time.Now()
	var group safe.Group
	for range s.concurrency {
		group.Go(nil, "send: sender", func() {
			for s.mayBegin(ctx, &begun) {
				s.sendOne()
			}
		})
	}
	s.draw(group.Wait)
	sum := s.summary(time.Since(started))
	if asJSON {
		if err := printJSON(out, sum); err != nil {
			return err
		}
	} else {
		sum.print(out)
	}
	return s.verdict(sum)
}

// mayBegin reports whether one more is to be sent, and waits as long as the rate demands.
func (s *sendRun) mayBegin(ctx context.Context, begun *atomic.Int64) bool {
	if ctx.Err() != nil || begun.Add(1) > int64(s.count) {
		return false
	}
	return s.pace == nil || s.pace.Wait(ctx) == nil
}

// draw shows the progress until all senders have ended.
func (s *sendRun) draw(wait func()) {
	ended := make(chan struct{})
	safe.Go(nil, "send: wait", func() { defer close(ended); wait() })
	ticker := time.NewTicker(drawEvery)
	defer ticker.Stop()
	defer s.bar.clear()
	for {
		s.mu.Lock()
		done := len(s.durations) + s.failed
		s.mu.Unlock()
		s.bar.update(done, time.Now())
		select {
		case <-ended:
			return
		case <-ticker.C:
		}
	}
}

func (s *sendRun) sendOne() {
	answer, took, err := s.post()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.failed++
		s.last = err
		return
	}
	s.answers[answer]++
	s.durations = append(s.durations, took)
}

func (s *sendRun) post() (answer string, took time.Duration, err error) {
	signed, err := s.next()
	if err != nil {
		return "", 0, err
	}
	r, err := http.NewRequest(signed.Method, signed.URL(), bytes.NewReader(signed.Body))
	if err != nil {
		return "", 0, err
	}
	r.Header = signed.Header
	started := time.Now()
	response, err := s.client.Do(r)
	if err != nil {
		return "", 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return strings.TrimSpace(fmt.Sprint(response.StatusCode, " ", clean(response.Header.Get("Webhook-Status")))), time.Since(started), err
}

// sendSummary is the outcome of all webhooks.
type sendSummary struct {
	Wanted     int                `json:"wanted"`
	Sent       int                `json:"sent"`
	Accepted   int                `json:"accepted"`
	Unanswered int                `json:"unanswered"`
	Answers    map[string]int     `json:"answers"`
	Seconds    float64            `json:"seconds"`
	PerSecond  float64            `json:"per_second"`
	Latency    map[string]float64 `json:"latency_ms,omitempty"`
}

// quantiles are those that are shown, in the order in which they are.
var quantiles = []struct {
	name string
	of   float64
}{{"p50", .5}, {"p90", .9}, {"p95", .95}, {"p99", .99}, {"max", 1}}

func (s *sendRun) summary(took time.Duration) sendSummary {
	sum := sendSummary{
		Wanted: s.count, Sent: len(s.durations) + s.failed, Unanswered: s.failed, Answers: s.answers, Seconds: took.Seconds(),
	}
	for answer, n := range s.answers {
		if taken(answer) {
			sum.Accepted += n
		}
	}
	if took > 0 {
		sum.PerSecond = float64(sum.Sent) / took.Seconds()
	}
	if len(s.durations) > 0 {
		slices.Sort(s.durations)
		sum.Latency = make(map[string]float64, len(quantiles))
		for _, q := range quantiles {
			sum.Latency[q.name] = quantile(s.durations, q.of).Seconds() * 1000
		}
	}
	return sum
}

// quantile returns the smallest of the sorted durations d for which at least that part of them is at most d.
func quantile(sorted []time.Duration, part float64) time.Duration {
	n := int(part * float64(len(sorted)))
	if float64(n) < part*float64(len(sorted)) {
		n++
	}
	return sorted[max(0, n-1)]
}

// print shows the answers with their counts, and how long they took.
func (sum sendSummary) print(s screen) {
	t := table{columns: []column{{title: "ANSWER"}, {title: "COUNT", right: true}, {title: "SHARE", right: true}}}
	row := func(answer string, n int, how style) {
		t.add(cell{answer, how}, n, fmt.Sprintf("%.1f%%", 100*float64(n)/float64(max(1, sum.Sent))))
	}
	for _, answer := range slices.SortedFunc(maps.Keys(sum.Answers), func(a, b string) int {
		return cmp.Or(sum.Answers[b]-sum.Answers[a], strings.Compare(a, b))
	}) {
		how := red
		if taken(answer) {
			how = green
		}
		row(answer, sum.Answers[answer], how)
	}
	if sum.Unanswered > 0 {
		row("no answer", sum.Unanswered, red)
	}
	t.print(s)
	fmt.Fprintf(s, "%d sent in %s, %.1f/s\n", sum.Sent, time.Duration(sum.Seconds*float64(time.Second)).Round(time.Millisecond), sum.PerSecond)
	if sum.Latency == nil {
		return
	}
	// Among few answers a high quantile would only repeat the slowest: p99 takes 100 of them.
	answered := sum.Sent - sum.Unanswered
	var words []string
	for _, q := range quantiles {
		if q.of == 1 || float64(answered)*(1-q.of) >= 0.999 {
			words = append(words, fmt.Sprintf("%s %.2fms", q.name, sum.Latency[q.name]))
		}
	}
	if answered == 1 {
		words = []string{fmt.Sprintf("%.2fms", sum.Latency["max"])}
	}
	fmt.Fprintln(s, "latency: "+strings.Join(words, ", "))
}

// verdict returns a refusal unless all were sent and accepted.
func (s *sendRun) verdict(sum sendSummary) error {
	switch {
	case s.last != nil:
		return refusal{fmt.Errorf("%d of %d were not answered: %w", s.failed, sum.Sent, s.last)}
	case sum.Accepted < sum.Sent:
		worst := slices.MinFunc(slices.Collect(maps.Keys(sum.Answers)), func(a, b string) int {
			return cmp.Compare(hintOrder(a), hintOrder(b))
		})
		return no("not every webhook was accepted" + hint(worst))
	case sum.Sent < sum.Wanted:
		return no(fmt.Sprintf("interrupted after %d of %d", sum.Sent, sum.Wanted))
	}
	return nil
}

// hintOrder sorts answers by what is most worth a hint: refusals with a hint, other refusals, success.
func hintOrder(answer string) int {
	switch {
	case taken(answer):
		return 2
	case hint(answer) == "":
		return 1
	}
	return 0
}

// taken reports whether a webhooks endpoint took the webhook: the answer is a success with a Webhook-Status,
// which other handlers do not send, and not ignored, since that is stored nowhere.
func taken(answer string) bool {
	return strings.HasPrefix(answer, "2") && strings.Contains(answer, " ") && !strings.HasSuffix(answer, " "+intake.OutcomeIgnored)
}

// hint says what is likely wrong. An answer without a Webhook-Status did not come from a webhooks endpoint.
func hint(answer string) string {
	_, word, ours := strings.Cut(answer, " ")
	switch {
	case word == intake.OutcomeFailed:
		return ": the endpoint verified it, but the handler behind it (guard mode) did not answer 2xx; the application's log says why"
	case word == intake.OutcomeInProgress:
		return ": the handler behind the endpoint (guard mode) is still at work on the first one with this id"
	case word == intake.OutcomeIgnored:
		return ": no destination of the endpoint wants events of that type, so it was ignored; send another with --type, or see `events` in the config"
	case strings.HasPrefix(answer, "2"):
		return ": no webhooks endpoint answered at that URL, something else did; is the path right?"
	case strings.HasPrefix(answer, "3"):
		return ": the URL redirects; send to where it leads, https most likely"
	case word == intake.OutcomeHTTPSRequired:
		return ": use an https URL, or `require_https off` in the endpoint"
	case strings.HasPrefix(answer, "404"):
		return ": there is no webhooks endpoint at that URL"
	case !ours:
		return ": no webhooks endpoint answered at that URL, something else did"
	case strings.HasPrefix(answer, "401"):
		return ": --secret is not the endpoint's, or the endpoint is another provider's; Caddy's log has the reason"
	case strings.HasPrefix(answer, "429"):
		return ": the endpoint's rate_limit lets no more in; send slower with --rate"
	case strings.HasPrefix(answer, "503"):
		return ": the endpoint cannot take webhooks now (its store, or no handler behind it); caddy webhooks doctor says which"
	}
	return ""
}
