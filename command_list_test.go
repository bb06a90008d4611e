package caddywebhooks

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
