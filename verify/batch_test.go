package verify

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestTypesOfBatches: rows whose type is that of the first event in a list know the others'.
func TestTypesOfBatches(t *testing.T) {
	rows := map[string][2]string{ // a list, and an event in it
		"adyen-payments": {`{"notificationItems":[%s]}`, `{"NotificationRequestItem":{"eventCode":"%s"}}`},
		"ms-graph":       {`{"value":[%s]}`, `{"changeType":"%s"}`},
		"hubspot-v3":     {`[%s]`, `{"subscriptionType":"%s"}`},
		"hcp-terraform":  {`{"notifications":[%s]}`, `{"trigger":"%s"}`},

		"brevo":            {`[%s]`, `{"event":"%s"}`},
		"emailit":          {`[%s]`, `{"type":"%s"}`},
		"mailtrap":         {`{"events":[%s]}`, `{"event":"%s"}`},
		"pusher":           {`{"events":[%s]}`, `{"name":"%s"}`},
		"sendgrid":         {`[%s]`, `{"event":"%s"}`},
		"tailscale":        {`[%s]`, `{"type":"%s"}`},
		"asana":            {`{"events":[%s]}`, `{"action":"%s"}`},
		"attio":            {`{"events":[%s]}`, `{"event_type":"%s"}`},
		"auth0":            {`[%s]`, `{"data":{"type":"%s"}}`},
		"bandwidth":        {`[%s]`, `{"type":"%s"}`},
		"fastspring":       {`{"events":[%s]}`, `{"type":"%s"}`},
		"gocardless":       {`{"events":[%s]}`, `{"resource_type":"%s"}`},
		"helius":           {`[%s]`, `{"type":"%s"}`},
		"hubspot-v1":       {`[%s]`, `{"subscriptionType":"%s"}`},
		"intuit":           {`[%s]`, `{"type":"%s"}`},
		"klaviyo":          {`{"data":[%s]}`, `{"topic":"%s"}`},
		"line":             {`{"events":[%s]}`, `{"type":"%s"}`},
		"okta":             {`{"eventType":"com.okta.event_hook","data":{"events":[%s]}}`, `{"eventType":"%s"}`},
		"azure-event-grid": {`[%s]`, `{"eventType":"%s"}`},
		"cloudevents":      {`[%s]`, `{"type":"%s"}`},
	}
	for _, p := range Providers() {
		inList := func(s Source) bool { return s.From == FromJSON && strings.Contains(s.Name+"/", "/0/") }
		if _, ok := rows[p.Name]; ok != slices.ContainsFunc(p.EventType, inList) {
			t.Errorf("%s: its type is in a list, or is not any more", p.Name)
		}
	}
	for name, row := range rows {
		p, _ := Lookup(name)
		v := newTestVerifier(t, p)
		for kinds, want := range map[string][]string{
			"A":         {"A"},
			"A A A":     {"A"},
			"A B A C B": {"A", "B", "C"},
			`A \u0000`:  {"A", ""},
			`\u0000 B`:  {"", "B"},
			"":          {""},
		} {
			var events []string
			for kind := range strings.FieldsSeq(kinds) {
				events = append(events, fmt.Sprintf(row[1], kind))
			}
			r := &Request{Body: fmt.Appendf(nil, row[0], strings.Join(events, ","))}
			_, first := v.Identify(r)
			if got := append([]string{first}, v.FurtherTypes(r)...); !slices.Equal(got, want) {
				t.Errorf("%s, %q: %q, want %q", name, kinds, got, want)
			}
		}
		var many []string
		for i := range 2 * maxTypes {
			many = append(many, fmt.Sprintf(row[1], itoa(i)))
		}
		if got := v.FurtherTypes(&Request{Body: fmt.Appendf(nil, row[0], strings.Join(many, ","))}); len(got) != maxTypes || got[maxTypes-1] != "" {
			t.Errorf("%s: %d types of many, the last is %q", name, len(got), got[len(got)-1])
		}
	}
	p, _ := Lookup("ms-graph")
	body := `{"value":[{"changeType":"created"},{"lifecycleEvent":"missed"},{},{"changeType":"x","changetype":"y"},7]}`
	if got := newTestVerifier(t, p).FurtherTypes(&Request{Body: []byte(body)}); !slices.Equal(got, []string{"missed", ""}) {
		t.Errorf("ms-graph: %q", got)
	}
	if got := providerVerifier(t, "stripe").FurtherTypes(&Request{Body: []byte(`{"type":"invoice.paid"}`)}); got != nil {
		t.Errorf("stripe: %q", got)
	}
	binary := &Request{Header: http.Header{"Ce-Type": {"order.paid"}}, Body: []byte(`[{"type":"of the data"}]`)}
	if got := providerVerifier(t, "cloudevents").FurtherTypes(binary); got != nil {
		t.Errorf("cloudevents: %q, of an event whose type is in a header", got)
	}
}
