package verify

import (
	"net/http"
	"testing"
)

// TestCloudEventsProbe: the validation request is answered with the origin that asks, and any rate.
func TestCloudEventsProbe(t *testing.T) {
	for _, row := range []string{"cloudevents", "azure-event-grid"} {
		v := rowOf(t, row)
		for _, c := range []struct {
			method, origin string
			answered       bool
		}{
			{"OPTIONS", "eventgrid.azure.net", true},
			{"OPTIONS", "", false},
			{"OPTIONS", "a\r\nSet-Cookie: b", false},
			{"OPTIONS", "<script>", false},
			{"POST", "eventgrid.azure.net", false}, // each delivery has it
		} {
			r := &Request{Method: c.method, Scheme: "https", Host: "h", URI: "/in", Header: http.Header{"Webhook-Request-Rate": {"120"}}}
			if c.origin != "" {
				r.Header.Set("WebHook-Request-Origin", c.origin)
			}
			answer, ok := v.Handshake(r, false)
			if ok != c.answered {
				t.Errorf("%s: %+v: %+v, %t", row, c, answer, ok)
				continue
			}
			if !ok {
				continue
			}
			h := answer.Header()
			for name, want := range map[string]string{"WebHook-Allowed-Origin": c.origin, "WebHook-Allowed-Rate": "*", "Allow": "POST"} {
				if h.Get(name) != want {
					t.Errorf("%s: %s is %q, want %q", row, name, h.Get(name), want)
				}
			}
		}
		if got := v.provider.HandshakeMethods(); len(got) != 1 || got[0] != "OPTIONS" {
			t.Errorf("%s: handshakes come by %v", row, got)
		}
	}
}

// TestEventGridValidation: the code is repeated as JSON, and only that of a validation event.
func TestEventGridValidation(t *testing.T) {
	v := rowOf(t, "azure-event-grid")
	event := func(kind, code string) string {
		return `[{"id":"2d1781af-3a4c-4d7c-bd0c-e34b19da4e66","topic":"/subscriptions/x","subject":"","data":{"validationCode":` + code + `,"validationUrl":"https://rp-eastus2.eventgrid.azure.net:553/x"},"eventType":"` + kind + `","eventTime":"2018-01-25T22:12:19.4556811Z","metadataVersion":"1","dataVersion":"1"}]`
	}
	const validation = "Microsoft.EventGrid.SubscriptionValidationEvent"
	for _, c := range []struct{ body, want string }{
		{event(validation, `"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"`), `{"validationResponse":"512d38b6-c7b8-40c8-89fe-f46f9e9622b6"}`},
		{event(validation, `"a\"b"`), `{"validationResponse":"a\"b"}`},
		{event(validation, `"<b>"`), ""},
		{event(validation, `null`), ""},
		{event("Microsoft.Storage.BlobCreated", `"512d38b6"`), ""},
	} {
		r := &Request{Method: "POST", Scheme: "https", Host: "h", URI: "/in", Header: http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Aeg-Event-Type": {"SubscriptionValidation"}}, Body: []byte(c.body)}
		answer, ok := v.Handshake(r, false)
		if ok != (c.want != "") || answer.Body != c.want || ok && (answer.Status != 200 || answer.ContentType != mediaJSON) {
			t.Errorf("%s: answered %+v, %t", c.body, answer, ok)
		}
		if _, err := v.Verify(r); err == nil {
			t.Error("a validation event is taken for a webhook")
		}
	}
}

// TestCloudEventIdentity: events are told apart by all ids and sources, wherever those are.
func TestCloudEventIdentity(t *testing.T) {
	identity := func(body string, headers ...string) string {
		r := &Request{Method: "POST", Header: http.Header{}, Body: []byte(body)}
		for i := 0; i < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		value, _ := cloudEvents.Extract(r)
		return value
	}
	one := identity(`{"id":"1","source":"/a","data":1}`)
	for name, same := range map[string]string{
		"other data": identity(`{"source":"/a","id":"1","data":2}`),
		"batched":    identity(`[{"id":"1","source":"/a"}]`),
		"binary":     identity(`{"id":"9","source":"/z"}`, "Ce-Id", "1", "Ce-Source", "/a"),
		"Event Grid": identity(`[{"id":"1","topic":"/a","subject":"s"}]`),
	} {
		if one == "" || same != one {
			t.Errorf("%s: %q, want %q", name, same, one)
		}
	}
	seen := map[string]string{one: "one"}
	for name, other := range map[string]string{
		"another id":           identity(`{"id":"2","source":"/a"}`),
		"another source":       identity(`{"id":"1","source":"/b"}`),
		"two":                  identity(`[{"id":"1","source":"/a"},{"id":"2","source":"/a"}]`),
		"another second":       identity(`[{"id":"1","source":"/a"},{"id":"3","source":"/a"}]`),
		"quotes":               identity(`{"id":"1\" \"/a","source":"/a"}`),
		"another id in binary": identity("", "Ce-Id", "2", "Ce-Source", "/c"),
	} {
		if other == "" || seen[other] != "" {
			t.Errorf("%s: %q is that of %q", name, other, seen[other])
		}
		seen[other] = name
	}
	for name, none := range map[string]string{
		"no source":       identity(`{"id":"1"}`),
		"no id":           identity(`{"source":"/a"}`),
		"empty id":        identity(`{"id":"","source":"/a"}`),
		"one without":     identity(`[{"id":"1","source":"/a"},{"id":"2"}]`),
		"empty list":      identity(`[]`),
		"two ids":         identity(`{"id":"1","id":"2","source":"/a"}`),
		"header twice":    identity("", "Ce-Id", "1", "Ce-Id", "2", "Ce-Source", "/a"),
		"half in headers": identity(`{"id":"1","source":"/a"}`, "Ce-Id", "1"),
		"no JSON":         identity("id=1&source=a"),
	} {
		if none != "" {
			t.Errorf("%s: %q, want none", name, none)
		}
	}
}
