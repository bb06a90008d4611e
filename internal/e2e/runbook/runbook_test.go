package runbook

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/e2e/operator"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// situation is an operator for whom a test brings about what the chapter is for.
type situation struct{ *operator.Operator }

// TestRunbook brings a Caddy into each situation that docs/runbook.md is for, types
// what it says, and looks whether that prints what it says and helps.
func TestRunbook(t *testing.T) {
	chapters, _ := operator.ReadRunbook(t)
	dir := operator.CaddyInPath(t)
	for _, c := range chapters {
		t.Run(c.Anchor, func(t *testing.T) {
			comes := situations[c.Anchor]
			if comes == nil {
				t.Fatal("there is no such situation in the tests")
			}
			o := &situation{operator.New(t, c, dir)}
			comes(o)
			if left := len(c.Blocks) - o.Typed; left > 0 {
				t.Errorf("%d blocks of commands were not typed", left)
			}
			known := o.metricNames()
			for _, name := range anyMetric.FindAllString(strings.Join(c.Queries, "\n"), -1) {
				if !known[name] {
					t.Errorf("in this situation Caddy has no %s", name)
				}
			}
			if leaks := harness.SearchLog(o.Log); len(leaks) > 0 {
				t.Errorf("the log shows what it must not:\n%s", strings.Join(leaks, "\n"))
			}
		})
	}
	if len(chapters) != len(situations) {
		t.Errorf("%d chapters, and %d situations", len(chapters), len(situations))
	}
}

var anyMetric = regexp.MustCompile(`\b(webhook|caddy)_[a-z_]+`)

// TestRunbookIsWhole: every alert leads to a chapter, every link too; chapters have
// their four parts, and Prometheus takes their queries.
func TestRunbookIsWhole(t *testing.T) {
	chapters, text := operator.ReadRunbook(t)
	anchors := make(map[string]operator.Chapter)
	type rule struct {
		Record string `yaml:"record"`
		Expr   string `yaml:"expr"`
	}
	var queries []rule
	for _, c := range chapters {
		anchors[c.Anchor] = c
		if !slices.Equal(c.Words, []string{"See", "Why", "Type", "Over when"}) {
			t.Errorf("%s has the parts %q", c.Title, c.Words)
		}
		for _, query := range c.Queries {
			queries = append(queries, rule{fmt.Sprintf("query:%d", len(queries)), query})
		}
	}
	links := regexp.MustCompile(`\]\(#([a-z-]+)\)`).FindAllStringSubmatch(text, -1)
	for _, group := range readAlerts(t).Groups {
		for _, alert := range group.Rules {
			_, anchor, _ := strings.Cut(alert.Annotations["runbook"], "docs/runbook.md#")
			links = append(links, []string{"", anchor})
			if !strings.Contains(text, "`"+alert.Alert+"`") {
				t.Errorf("nothing is said about %s", alert.Alert)
			}
		}
	}
	for _, link := range links {
		if _, ok := anchors[link[1]]; !ok {
			t.Errorf("there is no chapter %q", link[1])
		}
	}
	operator.Promtool(t, "check", "rules", operator.WriteYAML(t, map[string]any{"groups": []any{map[string]any{"name": "runbook", "rules": queries}}}))
}

// metricNames are those that this Caddy has.
func (o *situation) metricNames() map[string]bool {
	o.Helper()
	names := make(map[string]bool)
	for line := range strings.Lines(o.Caddy.Do(o.Caddy.Request("GET", o.Caddy.Admin+"/metrics", "")).Body) {
		if name := anyMetric.FindString(line); strings.HasPrefix(line, name) {
			names[name] = true
		}
	}
	return names
}
