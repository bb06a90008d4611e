package dedupe

import (
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// TestKeysDiffer lists what must never share a key with another line.
func TestKeysDiffer(t *testing.T) {
	a, b, ab := NewKeyer("a"), NewKeyer("b"), NewKeyer("ab")
	at := time.UnixMilli(1700000000000)
	keys := map[string]retrystore.Key{
		"value":                          a.Values("1"),
		"another value":                  a.Values("2"),
		"another endpoint":               b.Values("1"),
		"two values":                     a.Values("1", "2"),
		"the other way round":            a.Values("2", "1"),
		"joined":                         a.Values("12"),
		"cut elsewhere":                  a.Values("", "12"),
		"cut elsewhere again":            a.Values("12", ""),
		"endpoint and value joined":      ab.Values("1"),
		"endpoint and value, cut":        a.Values("b1"),
		"empty value":                    a.Values(""),
		"no value":                       a.Values(),
		"content":                        a.Content(Signed{at, "/", []byte("1")}, "t"),
		"content of another endpoint":    b.Content(Signed{at, "/", []byte("1")}, "t"),
		"other content":                  a.Content(Signed{at, "/", []byte("2")}, "t"),
		"content of another type":        a.Content(Signed{at, "/", []byte("1")}, "u"),
		"content at another time":        a.Content(Signed{at.Add(time.Millisecond), "/", []byte("1")}, "t"),
		"content without time":           a.Content(Signed{URI: "/", Body: []byte("1")}, "t"),
		"content with another query":     a.Content(Signed{at, "/?a=1", []byte("1")}, "t"),
		"content, type and URI cut":      a.Content(Signed{at, "t/", []byte("1")}, ""),
		"content, URI and body cut":      a.Content(Signed{at, "/1", nil}, "t"),
		"content of a subscription":      a.Content(Signed{at, "/", []byte("1")}, "t", "1"),
		"content of two subscriptions":   a.Content(Signed{at, "/", []byte("1")}, "t", "1", "1"),
		"subscription and type cut":      a.Content(Signed{at, "/", []byte("1")}, "t1", ""),
		"content empty":                  a.Content(Signed{at, "/", nil}, "t"),
		"value tied":                     a.Tied(Signed{URI: "/", Body: []byte("1")}, "1"),
		"value tied to another body":     a.Tied(Signed{URI: "/", Body: []byte("2")}, "1"),
		"value tied to another URI":      a.Tied(Signed{URI: "/2", Body: []byte("1")}, "1"),
		"another value tied":             a.Tied(Signed{URI: "/", Body: []byte("1")}, "2"),
		"two values tied":                a.Tied(Signed{URI: "/", Body: []byte("1")}, "1", "1"),
		"value tied in another endpoint": b.Tied(Signed{URI: "/", Body: []byte("1")}, "1"),
		"tied, value and URI cut":        a.Tied(Signed{URI: "", Body: []byte("1")}, "1", "/"),
		"content that looks like value":  a.Content(Signed{Body: []byte("\x011")}, ""),
	}
	seen := make(map[retrystore.Key]string)
	for name, key := range keys {
		if key.IsZero() {
			t.Errorf("%s: zero key", name)
		}
		if other, taken := seen[key]; taken {
			t.Errorf("%s and %s have one key", name, other)
		}
		seen[key] = name
	}
}

func TestKeysAreStable(t *testing.T) {
	// Keys are stored: a change of how they are made forgets every event.
	if got := NewKeyer("stripe").Values("evt_1").String(); got != "a0b937a18d2d72eba4147b978eb0a11e" {
		t.Errorf("key of a value is %s", got)
	}
	if got := NewKeyer("stripe").Content(Signed{time.Unix(1700000000, 0), "/in?a=1", []byte("{}")}, "paid").String(); got != "d2ddcdc80e79685b7f0c98ea7e7114cb" {
		t.Errorf("key of a content is %s", got)
	}
}

func FuzzValues(f *testing.F) {
	f.Add("a", "bc", "ab", "c")
	f.Fuzz(func(t *testing.T, a1, a2, b1, b2 string) {
		k := NewKeyer("endpoint")
		same := a1 == b1 && a2 == b2
		if (k.Values(a1, a2) == k.Values(b1, b2)) != same {
			t.Errorf("(%q, %q) and (%q, %q): keys equal is %v", a1, a2, b1, b2, !same)
		}
	})
}

func TestMinTTL(t *testing.T) {
	if got := MinTTL(5 * time.Minute); got != 10*time.Minute {
		t.Error(got)
	}
}

func BenchmarkValues(b *testing.B) {
	k := NewKeyer("stripe")
	b.ReportAllocs()
	for b.Loop() {
		_ = k.Values("evt_1Nabcdefghijklmnopqrstuvwx")
	}
}
