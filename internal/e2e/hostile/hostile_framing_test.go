package hostile

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// hostileFraming are requests whose ends are unclear, missing or lies.
func hostileFraming(t *testing.T, a *arena) {
	for _, length := range []string{"0", "1", "10", "100000000", "65537", "999999999999999999", "9223372036854775807", "9223372036854775808",
		"99999999999999999999", "-1", "+5", "5,5", "5, 6", "0x10", "1e3", "", " ", "\x00", "five", "5 5", "٥"} {
		a.try(t, fmt.Sprintf("Content-Length %q", length), func(m harness.Message) string { return m.With("Content-Length", length).String() })
		a.try(t, fmt.Sprintf("Content-Length %q and the right one", length), func(m harness.Message) string {
			return m.With("Content-Length", fmt.Sprint(len(m.Body))).With("Content-Length", length).String()
		})
		a.try(t, fmt.Sprintf("Content-Length %q and chunked", length), func(m harness.Message) string { return m.With("Content-Length", length).Chunked().String() })
	}
	for _, coding := range []string{"chunked, chunked", "gzip, chunked", "chunked, gzip", "identity", "xchunked", "CHUNKED", "chunked ", "\tchunked", "chunked\x0b", "", ",", "\"chunked\""} {
		a.try(t, fmt.Sprintf("Transfer-Encoding %q", coding), func(m harness.Message) string {
			return strings.Replace(m.Chunked().String(), "Transfer-Encoding: chunked", "Transfer-Encoding: "+coding, 1)
		})
		a.try(t, fmt.Sprintf("Transfer-Encoding %q and Content-Length", coding), func(m harness.Message) string {
			return m.With("Content-Length", "4").With("Transfer-Encoding", coding).String()
		})
	}
	a.try(t, "Transfer-Encoding twice", func(m harness.Message) string { return m.With("Transfer-Encoding", "chunked").Chunked().String() })
	a.try(t, "space before the colon of Transfer-Encoding", func(m harness.Message) string { return m.With("Transfer-Encoding ", "chunked").String() })
	a.try(t, "HTTP/1.0 chunked", func(m harness.Message) string { m.Proto = "HTTP/1.0"; return m.Chunked().String() })

	for name, chunks := range map[string]string{
		"size missing": "\r\nabc\r\n0\r\n\r\n", "size no number": "zz\r\nabc\r\n0\r\n\r\n", "size negative": "-1\r\nabc\r\n0\r\n\r\n",
		"size overflows": "fffffffffffffffff\r\nabc", "size claims much": "7fffffffffffffff\r\nabc", "size claims a terabyte": "10000000000\r\nabc",
		"size with prefix": "0x3\r\nabc\r\n0\r\n\r\n", "size with leading zeros": strings.Repeat("0", 5000) + "3\r\nabc\r\n0\r\n\r\n",
		"data too short": "5\r\nabc\r\n0\r\n\r\n", "data too long": "2\r\nabc\r\n0\r\n\r\n", "no last chunk": "3\r\nabc\r\n", "nothing": "",
		"bare line feeds": "3\nabc\n0\n\n", "bare carriage returns": "3\rabc\r0\r\r", "NUL": "3\x00\r\nabc\r\n0\r\n\r\n",
		"huge extension": "3;" + strings.Repeat("x", 20_000) + "\r\nabc\r\n0\r\n\r\n", "many extensions": strings.Repeat("1;a=b\r\nx\r\n", 5000) + "0\r\n\r\n",
		"forbidden trailer": "3\r\nabc\r\n0\r\nContent-Length: 5\r\nHost: evil\r\n\r\n", "huge trailer": "3\r\nabc\r\n0\r\nX: " + strings.Repeat("x", 1<<20) + "\r\n\r\n",
		"bad trailer": "3\r\nabc\r\n0\r\nno colon\r\n\r\n", "many chunks": strings.Repeat("1\r\nx\r\n", 60_000) + "0\r\n\r\n",
		"over the limit":                 fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", hostileMaxBody+1, strings.Repeat("x", hostileMaxBody+1)),
		"over the limit in small chunks": strings.Repeat("10\r\n0123456789abcdef\r\n", hostileMaxBody/16+1) + "0\r\n\r\n",
	} {
		a.try(t, "chunks: "+name, func(m harness.Message) string {
			m = m.With("Transfer-Encoding", "chunked")
			m.Body = chunks
			return m.String()
		})
	}
	a.try(t, "body cut off", func(m harness.Message) string { raw := m.String(); return raw[:len(raw)-5] })
	a.try(t, "header cut off", func(m harness.Message) string { return m.String()[:60] })
	a.try(t, "nothing but line ends", func(harness.Message) string { return strings.Repeat("\r\n", 100) })
	a.try(t, "not HTTP", func(harness.Message) string { return "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" })
	a.try(t, "Expect: 100-continue", func(m harness.Message) string { return m.With("Expect", "100-continue").String() })
	a.try(t, "Expect: 100-continue and no body", func(m harness.Message) string {
		raw := m.With("Expect", "100-continue").String()
		return raw[:len(raw)-len(m.Body)]
	})
	a.try(t, "Expect: 100-continue and too much", func(m harness.Message) string {
		return m.With("Expect", "100-continue").With("Content-Length", "100000").String()
	})

	w := harness.Wire{Address: a.address} // Caddy speaks HTTP/2 without TLS too; these are no frames of it
	a.attack(t, &w, a.signings[0], "HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+strings.Repeat("\xff", 1000))

	// Pipelining: each request gets its own answer, in order.
	for _, s := range a.signings {
		var raw strings.Builder
		for n := range 30 {
			m := s.Forge(s.Message(a.address), time.Now())
			m.Method = []string{"POST", "DELETE"}[n%2]
			raw.WriteString(m.String())
		}
		w := harness.Wire{Address: a.address}
		replies := a.attack(t, &w, s, "pipelined", raw.String())
		w.Close()
		for n, got := range replies {
			if want := []int{401, 405}[n%2]; got.Code != want {
				t.Errorf("%s: pipelined request %d was answered %d: want %d", s.Provider, n, got.Code, want)
			}
		}
		if len(replies) != 30 {
			t.Errorf("%s: %d answers to 30 pipelined requests", s.Provider, len(replies))
		}
	}

	// Smuggling: whoever believes Content-Length sees one request, whoever believes
	// Transfer-Encoding sees a second one in its body. One view must hold throughout.
	a.try(t, "smuggled", func(m harness.Message) string {
		outer := m.With("Content-Length", "0").With("Transfer-Encoding", "chunked")
		outer.Body = "0\r\n\r\n" + m.String()
		return outer.String()
	})
	a.try(t, "smuggled in chunks", func(m harness.Message) string {
		outer := m.With("Content-Length", "4").With("Transfer-Encoding", "chunked")
		outer.Body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(m.String()), m.String())
		return outer.String()
	})
}

// hostileHangUps are whole webhooks from clients that shut their side of the
// connection at once. net/http takes those for gone and cancels the request.
func hostileHangUps(t *testing.T, a *arena) {
	for _, s := range a.signings {
		for n := range 20 {
			m := s.Message(a.address)
			m.Body = strings.Replace(m.Body, "1", fmt.Sprint(1000+n), 1)
			w := harness.Wire{Address: a.address, HangUp: true}
			replies := a.attack(t, &w, s, "hanging up, signed", s.Sign(m, time.Now()).String())
			if len(replies) != 1 || replies[0].Code >= 300 {
				t.Errorf("%s, hanging up: signed, answered %v", s.Provider, replies)
			}
			replies = a.attack(t, &w, s, "hanging up, forged", s.Forge(m, time.Now()).String())
			if len(replies) != 1 || replies[0].Code != 401 {
				t.Errorf("%s, hanging up: forged, answered %v", s.Provider, replies)
			}
		}
	}
}

// hostileContradictions are webhooks with a right signature, in which something
// that must be there once is there twice. Which one would the application read?
func hostileContradictions(t *testing.T, a *arena) {
	for _, s := range a.signings {
		send := func(name string, raw string, code int) {
			t.Helper()
			w := harness.Wire{Address: a.address}
			defer w.Close()
			replies := a.attack(t, &w, s, name, raw)
			if len(replies) != 1 || replies[0].Code != code {
				t.Errorf("%s, %s: %d answers, %v: want %d", s.Provider, name, len(replies), replies, code)
			}
		}
		signed := s.Sign(s.Message(a.address), time.Now())
		length := fmt.Sprint(len(signed.Body))
		send("two hosts", signed.With("Host", "evil.example").String(), 400)
		send("the same host twice", signed.With("Host", a.address).String(), 400)
		if s.Provider == "twilio" { // signs the URL
			send("a host with two ports", signed.Set("Host", a.address+":80").String(), 401)
			send("another port", signed.Set("Host", "127.0.0.1:80").String(), 401)
		}
		send("two lengths", signed.With("Content-Length", length).With("Content-Length", "1").String(), 400)
		for _, name := range s.Stamps[:min(1, len(s.Stamps))] {
			send("two times", signed.With(name, "1").String(), 400)
			send("the same time twice", signed.With(name, signed.Get(name)).String(), 400)
			send("no time", signed.Without(name).String(), 400)
		}
		for _, name := range s.Ids[:min(1, len(s.Ids))] {
			send("two ids", signed.With(name, "other").String(), 401)
			send("no id", signed.Without(name).String(), 401)
		}
		if s.Provider != "custom" { // takes any type, and nothing of ours reads it there
			for _, media := range []string{harness.MediaJSON, harness.MediaForm, "text/plain"} {
				send("two content types, the other "+media, signed.With("Content-Type", media).String(), 415)
			}
		}
		send("no signature", signed.Without(s.Signature[0]).String(), 401)
		send("an empty signature", signed.Set(s.Signature[0], "").String(), 401)
		if single := s.StampItem == "" && !strings.HasSuffix(s.Signature[0], "ook-Signature") && s.Provider != "svix"; single {
			send("two signatures", signed.With(s.Signature[0], "00").String(), 401)
			send("the same signature twice", signed.With(s.Signature[0], signed.Get(s.Signature[0])).String(), 401)
		}
		if s.StampItem != "" {
			value := signed.Get(s.Signature[0])
			send("two times in one list", signed.Set(s.Signature[0], value+",t=1").String(), 401)
			send("two times in two lists", signed.With(s.Signature[0], "t=1").String(), 401)
		}
	}
}

// hostileStamps are webhooks that were signed rightly at the wrong time.
func hostileStamps(t *testing.T, a *arena) {
	for _, s := range a.signings {
		if s.Unit == 0 {
			continue
		}
		now := time.Now()
		for _, at := range []time.Time{now.Add(-verify.DefaultTolerance - time.Second), now.Add(-time.Hour), now.AddDate(-50, 0, 0), time.Unix(0, 0), time.Unix(1, 0),
			time.Unix(-1, 0), time.Unix(-1<<40, 0), now.Add(verify.DefaultTolerance + time.Minute), now.Add(time.Hour), now.AddDate(200, 0, 0)} {
			w := harness.Wire{Address: a.address}
			replies := a.attack(t, &w, s, "signed at "+at.String(), s.Sign(s.Message(a.address), at).String())
			w.Close()
			if len(replies) != 1 || replies[0].Code != 400 {
				t.Errorf("%s, signed at %s: answered %v: want 400", s.Provider, at, replies)
			}
		}
	}
}

// TestUnsignedID replays a webhook of Svix that has one set of headers, with an
// id of the other set added. The signed id counts: else the replay were a new event.
func TestUnsignedID(t *testing.T) {
	a := newArena(t)
	svix, standard := a.signing("svix"), *a.signing("standard-webhooks")
	standard.Key = svix.Key // the other set of headers with this endpoint's secret
	for _, s := range []*harness.Signing{svix, &standard} {
		m := s.Message(a.address)
		m.Target = "/svix"
		m = s.Sign(m.With(s.Ids[0], "signed-by-"+s.Provider), time.Now())
		for _, more := range []harness.Message{m, m.With("Svix-Id", "added"), m.With("Webhook-Id", "added")} {
			w := harness.Wire{Address: a.address}
			for _, got := range a.attack(t, &w, svix, "with another id", more.String()) {
				if id := got.JSON(t)["event_id"]; got.Code < 300 && id != "signed-by-"+s.Provider {
					t.Errorf("%s: event_id is %v", s.Provider, id)
				}
			}
			w.Close()
		}
	}
	a.checkDelivered(t)
	if len(a.delivered) != 2 {
		t.Errorf("%d events were delivered: want 2", len(a.delivered))
	}
}
