package monitoring

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	otlp "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	spans "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// otlpReceiver is an OTLP receiver that remembers spans.
type otlpReceiver struct {
	mu    sync.Mutex
	spans []*spans.Span
}

func startOTLP(t *testing.T) *otlpReceiver {
	t.Helper()
	c := new(otlpReceiver)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var request otlp.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &request)
		}
		if err != nil {
			t.Errorf("OTLP: %v", err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				c.spans = append(c.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("OTEL_TRACES_EXPORTER", "otlp")
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	return c
}

// named returns the spans of that name.
func (c *otlpReceiver) named(name string) (found []*spans.Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if s.Name == name {
			found = append(found, s)
		}
	}
	slices.SortFunc(found, func(a, b *spans.Span) int { return int(a.StartTimeUnixNano) - int(b.StartTimeUnixNano) })
	return found
}

func attributes(s *spans.Span) map[string]string {
	m := make(map[string]string)
	for _, a := range s.Attributes {
		m[a.Key] = strings.Trim(strings.TrimPrefix(strings.TrimPrefix(a.Value.String(), "string_value:"), "int_value:"), `"`)
	}
	return m
}

// TestTraces follows a webhook from its arrival through two attempts.
func TestTraces(t *testing.T) {
	traces := startOTLP(t)
	app := harness.StartApplication(t)
	app.AnswerStatus(503)
	c := harness.Start(t, "tracing {\n span site\n}\n"+fmt.Sprintf(`webhooks github {
		secret "%s"
		require_https off
		forward %s {
			retry linear {
				initial 10ms
			}
		}
	}`, harness.GitHubSecret, app.Address), "")
	harness.CheckAnswer(t, c.Do(c.GitHubRequest("/", "traced", `{"a":1}`)), 202, "accepted")
	first := app.Next(t)
	app.AnswerStatus(200)
	second := app.Next(t)
	harness.Eventually(t, "all spans arrive", func() bool {
		return len(traces.named("publish github")) == 1 && len(traces.named("site")) == 1 && len(traces.named("process github")) >= 2
	})
	server, publish, attempts := traces.named("site")[0], traces.named("publish github")[0], traces.named("process github")
	if string(publish.ParentSpanId) != string(server.SpanId) || publish.Kind != spans.Span_SPAN_KIND_PRODUCER {
		t.Errorf("publish: %v, want a producer below Caddy's span", publish)
	}
	got := attributes(publish)
	for name, want := range map[string]string{
		"messaging.system": "caddy_webhooks", "messaging.operation.type": "send", "messaging.destination.name": "github",
		"messaging.message.id": "traced", "messaging.message.body.size": "7", "webhook.provider": "github",
		"webhook.event_type": "push", "webhook.status": "accepted",
	} {
		if got[name] != want {
			t.Errorf("publish: %s is %q, want %q", name, got[name], want)
		}
	}
	for i, want := range []struct {
		request *harness.Received
		status  string
		code    spans.Status_StatusCode
	}{{first, "503", spans.Status_STATUS_CODE_ERROR}, {second, "200", spans.Status_STATUS_CODE_UNSET}} {
		s := attempts[i]
		if len(s.ParentSpanId) != 0 || s.Kind != spans.Span_SPAN_KIND_CONSUMER || len(s.Links) != 1 ||
			string(s.Links[0].SpanId) != string(publish.SpanId) || string(s.Links[0].TraceId) != string(publish.TraceId) {
			t.Errorf("attempt %d: %v, want a consumer in a trace of its own that links to the acceptance", i+1, s)
		}
		a := attributes(s)
		if a["webhook.attempt"] != fmt.Sprint(i+1) || a["http.response.status_code"] != want.status || s.GetStatus().GetCode() != want.code {
			t.Errorf("attempt %d: attributes %v, status %v", i+1, a, s.Status)
		}
		if sent := fmt.Sprintf("00-%s-%s-01", hex.EncodeToString(s.TraceId), hex.EncodeToString(s.SpanId)); want.request.Header.Get("Traceparent") != sent {
			t.Errorf("attempt %d was sent with traceparent %q, want %q", i+1, want.request.Header.Get("Traceparent"), sent)
		}
		if a["webhook.correlation_id"] != want.request.Header.Get("X-Correlation-Id") {
			t.Errorf("attempt %d: correlation id %q", i+1, a["webhook.correlation_id"])
		}
	}
}

// TestUntraced passes on what the provider sent, where tracing is off.
func TestUntraced(t *testing.T) {
	app := harness.StartApplication(t)
	c := harness.Start(t, harness.GitHubSite(app, ""), "")
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := c.GitHubRequest("/github", "untraced", "{}")
	r.Header.Set("Traceparent", parent)
	harness.CheckAnswer(t, c.Do(r), 202, "accepted")
	if got := app.Next(t).Header.Get("Traceparent"); got != parent {
		t.Errorf("traceparent is %q, want the provider's own", got)
	}
}

// TestUntracedBesideTraced: what the provider sent is passed on where tracing is off, also beside a site
// where it is on, and by a config that has it off after one that had it on.
func TestUntracedBesideTraced(t *testing.T) {
	startOTLP(t)
	app := harness.StartApplication(t)
	endpoint := func(path, name string) string {
		return fmt.Sprintf("webhooks %s github {\nname %s\nsecret %q\nrequire_https off\nforward %s\n}\n", path, name, harness.GitHubSecret, app.Address)
	}
	c := harness.Start(t, "route /traced {\ntracing {\nspan site\n}\n"+endpoint("/traced", "traced")+"}\n"+endpoint("/plain", "plain"), "")
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	arrives := func(path, id string) string {
		t.Helper()
		r := c.GitHubRequest(path, id, "{}")
		r.Header.Set("Traceparent", parent)
		harness.CheckAnswer(t, c.Do(r), 202, "accepted")
		return app.Next(t).Header.Get("Traceparent")
	}
	if got := arrives("/traced", "1"); got == parent || got == "" {
		t.Fatalf("a traced endpoint passed on traceparent %q: this test shows nothing", got)
	}
	if got := arrives("/plain", "2"); got != parent {
		t.Errorf("beside a traced endpoint traceparent is %q, want the provider's own", got)
	}
	if err := c.Load(endpoint("/traced", "traced")); err != nil {
		t.Fatal(err)
	}
	if got := arrives("/traced", "3"); got != parent {
		t.Errorf("after tracing was taken out traceparent is %q, want the provider's own", got)
	}
}
