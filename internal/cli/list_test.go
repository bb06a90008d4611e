package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/api"
)

// sparse is an admin API whose pages end early: of 20 pages every fifth has two
// deliveries, the others none.
type sparse struct {
	asked  []string // cursor and limit
	onPage func(page int)
}

func (s *sparse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	page, _ := strconv.Atoi(r.FormValue("cursor"))
	s.asked = append(s.asked, r.FormValue("cursor")+":"+r.FormValue("limit"))
	if s.onPage != nil {
		s.onPage(page)
	}
	view := api.List{Deliveries: []api.Delivery{}}
	if limit, err := strconv.Atoi(r.FormValue("limit")); page%5 == 4 {
		for i := range 2 {
			if err != nil || i < limit {
				view.Deliveries = append(view.Deliveries, api.Delivery{ID: fmt.Sprintf("d%d-%d", page, i)})
			}
		}
	}
	if page < 19 {
		view.Next = strconv.Itoa(page + 1)
	}
	_ = json.NewEncoder(w).Encode(view)
}

// TestListGoesOn follows the cursor where a page has less than was asked for.
func TestListGoesOn(t *testing.T) {
	for _, test := range []struct {
		flags []string
		rows  int
		pages int
		more  bool
	}{
		{nil, 8, 20, false},
		{[]string{"--limit=3"}, 3, 10, true},
		{[]string{"--limit=8"}, 8, 20, false},
		{[]string{"--cursor=15"}, 2, 5, false},
	} {
		pages := new(sparse)
		server := httptest.NewServer(pages)
		address := "--address=" + strings.TrimPrefix(server.URL, "http://")
		out, err := runCommand(listCommand(), append([]string{address, "--type=rare"}, test.flags...)...)
		if rows := strings.Count(out, "\nd"); err != nil || rows != test.rows || len(pages.asked) != test.pages || strings.Contains(out, "more: --cursor") != test.more {
			t.Errorf("list %v shows %d rows of %v, %v:\n%s", test.flags, rows, pages.asked, err, out)
		}
		out, err = runCommand(listCommand(), append([]string{address, "--type=rare", "--json"}, test.flags...)...)
		var list api.List
		if err != nil || json.Unmarshal([]byte(out), &list) != nil || len(list.Deliveries) != test.rows || (list.Next != "") != test.more {
			t.Errorf("list --json %v: %s, %v", test.flags, out, err)
		}
		server.Close()
	}
	pages := new(sparse)
	server := httptest.NewServer(pages)
	defer server.Close()
	ctx, enough := context.WithCancel(t.Context())
	pages.onPage = func(page int) {
		if page == 2 {
			enough()
		}
	}
	out, _, err := runUntil(ctx, listCommand(), "--address="+strings.TrimPrefix(server.URL, "http://"), "--type=rare")
	if err != nil || out != "None was found by now.\nmore: --cursor 3\n" {
		t.Errorf("list, interrupted: %q, %v", out, err)
	}
}

// TestLatencies leaves out what so few answers cannot tell apart.
func TestLatencies(t *testing.T) {
	latency := map[string]float64{"p50": 1, "p90": 2, "p95": 3, "p99": 4, "max": 5}
	for answered, want := range map[int]string{
		1:   "latency: 5.00ms",
		2:   "latency: p50 1.00ms, max 5.00ms",
		12:  "latency: p50 1.00ms, p90 2.00ms, max 5.00ms",
		20:  "latency: p50 1.00ms, p90 2.00ms, p95 3.00ms, max 5.00ms",
		100: "latency: p50 1.00ms, p90 2.00ms, p95 3.00ms, p99 4.00ms, max 5.00ms",
	} {
		var out bytes.Buffer
		sendSummary{Sent: answered + 3, Unanswered: 3, Latency: latency}.print(screen{Writer: &out})
		if !strings.HasSuffix(out.String(), want+"\n") {
			t.Errorf("%d: %s, want %s", answered, out.String(), want)
		}
	}
}

// TestSumUp tells every end of a job.
func TestSumUp(t *testing.T) {
	b := &bulkCommand{done: "replayed"}
	for _, test := range []struct {
		j         api.Job
		out, fail string
	}{
		{api.Job{State: api.JobDone, Matched: 3, Seen: 3, Done: 3}, "3 dead letters replayed\n", ""},
		{api.Job{State: api.JobDone, Matched: 3, Seen: 3, Done: 1}, "1 dead letter replayed\n2 more were replayed or deleted by others meanwhile\n", ""},
		{api.Job{State: api.JobFailed, Matched: 3, Seen: 1, Done: 1, Error: "store is\nunavailable"}, "", "1 dead letter of 3 replayed, then: store is\ufffdunavailable; the same command goes on with what is left"},
	} {
		var out bytes.Buffer
		err := b.sumUp(adminClient{out: screen{Writer: &out}}, test.j)
		if out.String() != test.out || (err == nil) != (test.fail == "") || err != nil && err.Error() != test.fail {
			t.Errorf("%+v: %q, %v", test.j, out.String(), err)
		}
	}
}

// TestRates are those between two readings, and none across a restart.
func TestRates(t *testing.T) {
	first := flow{at: noon, accepted: 10, delivered: 8, failed: 1}
	second := flow{at: noon.Add(2 * time.Second), accepted: 30, delivered: 9, failed: 1}
	if got := second.since(first); got != "per second: 10.0 accepted, 0.5 delivered, 0.0 attempts failed" {
		t.Error(got)
	}
	for what, got := range map[string]string{
		"the first": first.since(flow{}), "unread": flow{}.since(first), "restarted": flow{at: second.at, accepted: 1}.since(first), "at once": first.since(first),
	} {
		if got != "" {
			t.Errorf("%s: %q", what, got)
		}
	}
	tall := strings.Repeat("line\n", 30)
	if got := redraw(tall, 10); strings.Count(got, "\n") != 9 || !strings.Contains(got, "… and 22 lines") {
		t.Errorf("30 lines on 10: %q", got)
	}
}

func TestQuantiles(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for part, want := range map[float64]time.Duration{.5: 50, .9: 90, .99: 99, .995: 100, 1: 100, 0: 1} {
		if got := quantile(hundred, part); got != want {
			t.Errorf("quantile %v of 1 to 100 is %d, want %d", part, got, want)
		}
	}
	if got := quantile(hundred[:1], .5); got != 1 {
		t.Errorf("the median of one is %d", got)
	}
}

func TestSameCaddy(t *testing.T) {
	doctor := doctorCommand()
	if err := doctor.ParseFlags([]string{"--config", "/etc/my caddy/it's", "--address", "[::1]:2020"}); err != nil {
		t.Fatal(err)
	}
	const flags = " --address '[::1]:2020' --config '/etc/my caddy/it'\\''s'"
	for advice, want := range map[string]string{
		"See `caddy webhooks stats`, then `caddy webhooks replay <id>`.": "See `caddy webhooks stats" + flags + "`, then `caddy webhooks replay <id>" + flags + "`.",
		"Try `caddy webhooks send github <url>` or `dedupe off`.":        "Try `caddy webhooks send github <url>` or `dedupe off`.",
	} {
		if got := sameCaddy(advice, doctor); got != want {
			t.Errorf("%s: %s, want %s", advice, got, want)
		}
		if got := sameCaddy(advice, doctorCommand()); got != advice {
			t.Errorf("without flags %s became %s", advice, got)
		}
	}
}
