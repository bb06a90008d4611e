package verify

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// A webhook may carry several events, as a list. Its type is that of the first event. A
// destination that asks for the type of another event must get the webhook, too.

// batch is where a row's webhooks have such a list. Zero: nowhere.
type batch struct {
	list  string   // pointer to it
	types []string // pointers inside of an element; the first that has a value wins
	some  bool
}

// batchOf takes apart pointers to the first element, such as /value/0/changeType.
func batchOf(types []Source) batch {
	var b batch
	for _, s := range types {
		list, inside, found := strings.Cut(s.Name+"/", "/0/")
		if s.From != FromJSON || !found || b.some && list != b.list {
			continue
		}
		pointer := "/" + inside
		b.list, b.types, b.some = list, append(b.types, pointer[:len(pointer)-1]), true
	}
	return b
}

// FurtherTypes returns the types of the events in a webhook, each once, besides the
// first one's, which is what Identify returns. "" stands for a type that the webhook does
// not say, or for all beyond a hundred. Most providers send one event at a time: for
// those it is nil, and nothing is read. Call it after Verify only.
func (v *Verifier) FurtherTypes(r *Request) []string {
	if !v.batch.some {
		return nil
	}
	d := new(document).open(r, asText)
	defer d.end()
	if first := v.provider.EventType[0]; first.From == FromHeader && len(first.lookup(d)) > 0 {
		return nil // one event, of which the body is the data
	}
	list, certain := d.value(v.batch.list)
	if !certain || !list.IsArray() {
		return nil
	}
	types := []string{firstOf(v.provider.EventType, d)}
	first := true
	for elements := walkOf(list); len(types) < maxTypes; first = false {
		_, element, more := elements.next()
		if !more {
			break
		}
		if kind := v.batch.typeOf(gjson.Parse(element)); !first && !slices.Contains(types, kind) {
			types = append(types, kind)
		}
	}
	if len(types) == maxTypes {
		types = append(types, "") // nobody knows what else there is
	}
	return types[1:]
}

// maxTypes bounds the types of a webhook.
const maxTypes = 100

// typeOf is firstOf for an element.
func (b batch) typeOf(element gjson.Result) string {
	for _, pointer := range b.types {
		values := jsonValues(element, pointer)
		if len(values) > 1 {
			return ""
		}
		if len(values) == 1 && values[0] != "" && identifies(values[0]) {
			return values[0]
		}
	}
	return ""
}
