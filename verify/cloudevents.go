package verify

import (
	"net/http"
	"strconv"

	"github.com/tidwall/gjson"
)

// A webhook carries CloudEvents in one of three ways (HTTP Protocol Binding, section 3): one with its
// attributes in headers and its data as the body (binary), one as a JSON object (structured), or a
// list of those (batched). An event is told apart by its id and source together. The older schema of
// Azure Event Grid is a list, too, and has a topic for the source.

// cloudEvents is what all events of a webhook have there.
var cloudEvents = Source{From: fromCloudEvents}

var cloudEventID, cloudEventSource = header("Ce-Id"), header("Ce-Source")

// cloudEvents returns ids and sources of all events in the webhook, as one; none if an event lacks one.
func (d *document) cloudEvents() []string {
	if len(cloudEventID.lookup(d)) > 0 {
		id, ok1 := cloudEventID.extract(d)
		source, ok2 := cloudEventSource.extract(d)
		if !ok1 || !ok2 {
			return nil
		}
		return []string{withQuoted(withQuoted("", id), source)}
	}
	root, certain := d.value("")
	if !certain {
		return several
	}
	events := []gjson.Result{root}
	if root.IsArray() {
		events = root.Array()
	}
	all := ""
	for _, event := range events {
		id := jsonValues(event, "/id")
		source := jsonValues(event, "/source")
		if len(source) == 0 {
			source = jsonValues(event, "/topic")
		}
		if len(id) != 1 || len(source) != 1 || id[0] == "" || source[0] == "" {
			return nil
		}
		all = withQuoted(withQuoted(all, id[0]), source[0])
	}
	if all == "" {
		return nil
	}
	return []string{all}
}

func withQuoted(list, value string) string { return list + strconv.Quote(value) + " " }

// cloudEventsProbe is the validation request of the webhook specification, section 4. It comes without
// the token. All rates are allowed: what is too much is answered 429.
var cloudEventsProbe = Handshake{
	Method: http.MethodOptions, When: cloudEventsOrigin, Echo: cloudEventsOrigin,
	Answer: Answer{Status: http.StatusOK, HeaderName: "Webhook-Allowed-Origin", HeaderValue: "{text}",
		Further: [2]HeaderField{{"Webhook-Allowed-Rate", "*"}, {"Allow", http.MethodPost}}},
}

var cloudEventsOrigin = header("Webhook-Request-Origin")

// bearerSchemes are a token that is sent as it is, in the Authorization header or in one of the
// parameters of the query.
func bearerSchemes(parameters ...string) []Scheme {
	schemes := []Scheme{{Algorithm: algorithmToken, Signature: header("Authorization"), Format: "Bearer {token}"}}
	for _, name := range parameters {
		schemes = append(schemes, Scheme{Algorithm: algorithmToken, Signature: query(name)})
	}
	return schemes
}
