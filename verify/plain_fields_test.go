package verify

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// respelled is the same form with its fields in another order and its letters escaped.
func respelled(body []byte) []byte {
	pairs := strings.Split(string(body), "&")
	slices.Reverse(pairs)
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		if value != "" && value[0] != '%' && value[0] != '+' {
			value = fmt.Sprintf("%%%02x", value[0]) + value[1:]
		}
		if name != "" && name[0] != '%' {
			name = fmt.Sprintf("%%%02x", name[0]) + name[1:]
		}
		pairs[i] = name + "=" + value
	}
	return []byte(strings.Join(pairs, "&"))
}

// TestFormsAreKnownByTheirFields: where decoded fields are signed, the same ones in another spelling
// are the same webhook, and not a new one each time.
func TestFormsAreKnownByTheirFields(t *testing.T) {
	rows := map[string]bool{}
	eachVector(t, func(t *testing.T, x *vector) {
		v, r, again := x.verifier(t), x.request(t), x.request(t)
		again.Body = respelled(r.Body)
		if kindOf(r.Body) != kindForm || bytes.Equal(r.Body, again.Body) {
			return
		}
		if _, err := v.Verify(again); err != nil {
			return // the bytes are signed
		}
		signs := v.usedScheme(again)
		if signs.looseBody {
			return // so only a part is
		}
		rows[x.provider.Name] = true
		if !bytes.Equal(v.Plain(r), v.Plain(again)) {
			t.Errorf("%q and %q are two", v.Plain(r), v.Plain(again))
		}
		other := x.request(t)
		other.Body = append(bytes.Clone(r.Body), "&Other=1"...)
		if bytes.Equal(v.Plain(r), v.Plain(other)) {
			t.Errorf("with another field: %q is one", v.Plain(r))
		}
	})
	for _, name := range []string{"twilio", "mandrill", "signalwire", "plivo-v3", "paddle-classic"} {
		if !rows[name] {
			t.Errorf("%s was not tried: %v", name, rows)
		}
	}
}
