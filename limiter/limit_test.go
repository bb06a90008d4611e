package limiter_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/limiter"
)

func TestParseLimit(t *testing.T) {
	for words, want := range map[string]string{
		"50 5/s":                    "50 5/s",
		"200 20/s token_bucket":     "200 20/s token_bucket",
		"1 100/m sliding_window":    "1 100/m sliding_window",
		"10 1000/h":                 "10 1000/h",
		"10 3600/h":                 "10 1/s", // equal rates are one
		"10 0.5/s":                  "10 30/m",
		"10 2.50/s":                 "10 150/m",
		"10 0.001/s":                "10 1/16m40s",
		"10 1/90s":                  "10 40/h",
		"10 1/7s":                   "10 1/7s",
		"10 1000000000/s":           "10 1000000000/s",
		"10 1/1ns":                  "10 1000000000/s",
		"10 1/24h":                  "10 1/24h0m0s",
		"10 1/1500ns":               "10 40000000/m",
		"4503599627370496 1/1us":    "4503599627370496 1000000/s",
		"4503 0.999999999999/1ms":   "",
		"4503599 0.000001/s":        "",
		"4503 999999.999999/s":      "4503 999999999999/277h46m40s",
		"":                          "got 0 words",
		"50":                        "got 1 words",
		"50 5/s token_bucket x":     "got 4 words",
		"50 5/s leaky":              `unknown algorithm "leaky"`,
		"fifty 5/s":                 `burst "fifty" is not a whole number`,
		"5.5 5/s":                   `burst "5.5" is not a whole number`,
		"0 5/s":                     "burst 0 is not a number from 1 up",
		"-1 5/s":                    "burst -1 is not a number from 1 up",
		"9999999999999999999 5/s":   "is not a whole number",
		"4503599627370497 1/1us":    "burst 4503599627370497 is above 4503599627370496",
		"4504 999999.999999/s":      "burst 4504 is above 4503",
		"50 5":                      `rate "5": want a count per s, m or h`,
		"50 /s":                     `rate "/s": want a count`,
		"50 5/":                     `rate "5/": want a count`,
		"50 5/d":                    `"d" is neither s, m, h nor a duration`,
		"50 5/-1s":                  `"-1s" is neither`,
		"50 5/0s":                   `"0s" is neither`,
		"50 0/s":                    `"0" is not a number above 0`,
		"50 0.0/s":                  `"0.0" is not a number above 0`,
		"50 -5/s":                   `"-5" is not a number above 0`,
		"50 +5/s":                   `"+5" is not`,
		"50 .5/s":                   `".5" is not`,
		"50 5./s":                   `"5." is not`,
		"50 1.2.3/s":                `"1.2.3" is not`,
		"50 1e3/s":                  `"1e3" is not`,
		"50 NaN/s":                  `"NaN" is not`,
		"50 99999999999999999999/s": "out of range",
		"50 9999999999999999/s":     "above 1e9/s",
		"50 9999999999999999999/s":  "out of range",
		"50 1000000001/s":           "above 1e9/s",
		"50 0.0000000001/h":         "too many decimals",
		"50 1/2000000h":             "too low",
		"50 0.0000000003/s":         "too many decimals",
	} {
		l, err := limiter.ParseLimit(strings.Fields(words))
		if err != nil {
			if l != (limiter.Limit{}) || want != "" && !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "rate limit: ") {
				t.Errorf("%q: error %q, want %q", words, err, want)
			}
			continue
		}
		if l.String() != want {
			t.Errorf("%q: got %q, want %q", words, l, want)
		}
		if again, err := limiter.ParseLimit(strings.Fields(l.String())); again != l || err != nil {
			t.Errorf("%q: reads back as %q, error %v", words, again, err)
		}
	}
	if _, err := limiter.ParseLimit([]string{"50", "5/s", ""}); err == nil {
		t.Error("an empty algorithm is no error")
	}
}

func FuzzParseRate(f *testing.F) {
	for _, seed := range []string{"5/s", "0.5/s", "1000/h", "1/24h", "0.000001/1h1ns", "9223372036854775/s"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := limiter.ParseRate(text)
		if err != nil {
			return
		}
		if again, err := limiter.ParseRate(r.String()); again != r || err != nil {
			t.Errorf("%q: %q reads back as %q, error %v", text, r, again, err)
		}
		l := limiter.Limit{Burst: 1, Rate: r}
		if err := l.Validate(); err != nil || l.Window() < time.Microsecond {
			t.Errorf("%q: window %s, error %v", text, l.Window(), err)
		}
	})
}

func TestDefaults(t *testing.T) {
	if want := mustLimit("50", "5/s"); limiter.DefaultIP != want {
		t.Errorf("ip: %s", limiter.DefaultIP)
	}
	if want := mustLimit("200", "20/s"); limiter.DefaultProvider != want {
		t.Errorf("provider: %s", limiter.DefaultProvider)
	}
}

func TestLimitZero(t *testing.T) {
	var l limiter.Limit
	if !l.IsZero() || l.String() != "none" || l.Rate.String() != "" || limiter.DefaultIP.IsZero() {
		t.Errorf("%v", l)
	}
	err := limiter.Limit{Algorithm: "x"}.Validate()
	for _, want := range []string{"burst 0", "rate is missing", `unknown algorithm "x"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v lacks %q", err, want)
		}
	}
}

func TestLimitJSON(t *testing.T) {
	for _, l := range []limiter.Limit{limiter.DefaultIP, mustLimit("7", "0.3/s", "sliding_window")} {
		text, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		var again limiter.Limit
		if err := json.Unmarshal(text, &again); again != l || err != nil {
			t.Errorf("%s reads back as %s, error %v", text, again, err)
		}
	}
	text, _ := json.Marshal(limiter.DefaultIP)
	if string(text) != `{"burst":50,"rate":"5/s"}` {
		t.Errorf("%s", text)
	}
	for _, text := range []string{`{"rate":""}`, `{"rate":5}`, `{"rate":"5"}`} {
		if err := json.Unmarshal([]byte(text), new(limiter.Limit)); err == nil {
			t.Errorf("%s is no error", text)
		}
	}
}

func TestNewRate(t *testing.T) {
	for _, c := range []struct {
		n    int64
		per  time.Duration
		want string // or no rate
	}{
		{5, time.Second, "5/s"}, {10, 2 * time.Second, "5/s"}, {1, 3 * time.Hour, "1/3h0m0s"},
		{0, time.Second, ""}, {1, 0, ""}, {-1, time.Second, ""}, {1 << 62, time.Hour, ""}, {2, time.Nanosecond, ""}, {1, 1 << 62, ""},
	} {
		r, err := limiter.NewRate(c.n, c.per)
		if r.String() != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%d per %s: %q, error %v", c.n, c.per, r, err)
		}
	}
}

func TestIPKey(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1":                  "192.0.2.1",
		"::ffff:192.0.2.1":           "192.0.2.1",
		"::ffff:192.0.2.1%eth0":      "192.0.2.1",
		"2001:db8:1:2:3:4:5:6":       "2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::":        "2001:db8:1:2::/64",
		"2001:db8:1:3::":             "2001:db8:1:3::/64",
		"fe80::1%eth0":               "fe80::/64",
		"fe80::1%wlan0":              "fe80::/64",
		"::1":                        "::/64",
		"2001:db8:1:2:3:4:192.0.2.1": "2001:db8:1:2::/64",
		"64:ff9b::192.0.2.1":         "64:ff9b::/64",
	} {
		if got := limiter.IPKey(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %q, want %q", addr, got, want)
		}
	}
	if got := limiter.IPKey(netip.Addr{}); got != "" {
		t.Errorf("no address: %q", got)
	}
}
