package verify

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

func compressed(t testing.TB, body []byte, open func(io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var b bytes.Buffer
	w := open(&b)
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipped(t testing.TB, body []byte) []byte {
	return compressed(t, body, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
}

func zstandard(t testing.TB, body []byte) []byte {
	return compressed(t, body, func(w io.Writer) io.WriteCloser {
		z, err := zstd.NewWriter(w)
		if err != nil {
			t.Fatal(err)
		}
		return z
	})
}

func brotlied(t testing.TB, body []byte) []byte {
	return compressed(t, body, func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) })
}

func deflated(t testing.TB, body []byte) []byte {
	return compressed(t, body, func(w io.Writer) io.WriteCloser {
		z, err := flate.NewWriter(w, flate.BestCompression)
		if err != nil {
			t.Fatal(err)
		}
		return z
	})
}

func utf16Of(mark string, order binary.AppendByteOrder) func(testing.TB, []byte) []byte {
	return func(_ testing.TB, body []byte) []byte {
		text := []byte(mark)
		for _, unit := range utf16.Encode([]rune(string(body))) {
			text = order.AppendUint16(text, unit)
		}
		return text
	}
}

func utf32Of(mark string, order binary.AppendByteOrder) func(testing.TB, []byte) []byte {
	return func(_ testing.TB, body []byte) []byte {
		text := []byte(mark)
		for _, c := range string(body) {
			text = order.AppendUint32(text, uint32(c))
		}
		return text
	}
}

func around(before, after string) func(testing.TB, []byte) []byte {
	return func(_ testing.TB, body []byte) []byte { return []byte(before + string(body) + after) }
}

// writings are ways in which a body may be written that say the same.
var writings = map[string]func(t testing.TB, body []byte) []byte{
	"identity": around("", ""),
	"gzip":     gzipped,
	"zlib": func(t testing.TB, body []byte) []byte {
		return compressed(t, body, func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })
	},
	"raw deflate":           deflated,
	"br":                    brotlied,
	"zstd":                  zstandard,
	"gzip twice":            func(t testing.TB, body []byte) []byte { return gzipped(t, gzipped(t, body)) },
	"br in gzip":            func(t testing.TB, body []byte) []byte { return gzipped(t, brotlied(t, body)) },
	"gzip in br":            func(t testing.TB, body []byte) []byte { return brotlied(t, gzipped(t, body)) },
	"members of gzip":       func(t testing.TB, body []byte) []byte { return append(gzipped(t, body[:9]), gzipped(t, body[9:])...) },
	"byte order mark":       around("\ufeff", ""),
	"gzipped with its mark": func(t testing.TB, body []byte) []byte { return gzipped(t, []byte("\ufeff"+string(body))) },
	"UTF-16 LE":             utf16Of("", binary.LittleEndian),
	"UTF-16 BE":             utf16Of("", binary.BigEndian),
	"UTF-16 LE marked":      utf16Of("\xff\xfe", binary.LittleEndian),
	"UTF-16 BE marked":      utf16Of("\xfe\xff", binary.BigEndian),
	"UTF-32 LE":             utf32Of("", binary.LittleEndian),
	"UTF-32 BE":             utf32Of("", binary.BigEndian),
	"UTF-32 LE marked":      utf32Of("\xff\xfe\x00\x00", binary.LittleEndian),
	"UTF-32 BE marked":      utf32Of("\x00\x00\xfe\xff", binary.BigEndian),
	"UTF-16 in gzip":        func(t testing.TB, body []byte) []byte { return gzipped(t, utf16Of("", binary.LittleEndian)(t, body)) },
	"a NUL at the end":      around("", "\x00"),
	"line breaks around":    around("\r\n", " \t\r\n"),
}

// TestBodiesInOtherWritings: a signed body may be compressed, or in another Unicode form;
// whatever the headers say of it, id and type are read.
func TestBodiesInOtherWritings(t *testing.T) {
	twitter := jsonAt("/data/id")
	custom := func(id, kind Source) *Provider {
		p, err := Custom(Scheme{Algorithm: "hmac-sha256", Signature: header("X-Signature"), ID: id, Type: kind})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	long := strings.Repeat("größe 🎉 ", 40)
	bodies := []struct {
		name, body string
		provider   *Provider
	}{
		{"JSON", `{"data":{"id":"evt-ü1"},"type":"invoice.paid","note":"` + long + `"}`, custom(twitter, jsonAt("/type"))},
		{"short JSON", `{"data":{"id":"evt-ü1"},"type":"invoice.paid"}`, custom(twitter, jsonAt("/type"))},
		{"form", "id=evt-%C3%BC1&type=invoice.paid&note=" + strings.Repeat("a+b%20", 40), custom(form("id"), form("type"))},
		{"JSON in a form", `payload={"id":"evt-ü1","type":"invoice.paid","note":"` + long + `"}`,
			custom(Source{FromFormJSON, "payload /id"}, Source{FromFormJSON, "payload /type"})},
		{"multipart", "--xyz\r\nContent-Disposition: form-data; name=\"id\"\r\n\r\nevt-ü1\r\n--xyz\r\nContent-Disposition: form-data; name=\"type\"\r\n\r\ninvoice.paid\r\n--xyz--\r\n",
			custom(form("id"), form("type"))},
	}
	labels := []http.Header{
		{}, {"Content-Encoding": {"gzip"}}, {"Content-Encoding": {"br"}}, {"Content-Encoding": {"identity"}}, {"Content-Encoding": {"rot13", "x"}},
		{"Content-Type": {"application/json; charset=utf-16"}}, {"Content-Type": {mediaForm}}, {"Content-Type": {"application/xml", "text/plain"}},
	}
	for _, body := range bodies {
		v := newTestVerifier(t, body.provider)
		for name, write := range writings {
			r := &Request{Method: http.MethodPost, URI: "/in", Body: write(t, []byte(body.body))}
			before := bytes.Clone(r.Body)
			for _, label := range labels {
				r.Header = label.Clone()
				if err := v.Sign(r, testTime); err != nil {
					t.Fatal(err)
				}
				if _, err := v.Verify(r); err != nil {
					t.Fatalf("%s, %s, %v: %v", body.name, name, label, err)
				}
				if id, kind := v.Identify(r); id != "evt-ü1" || kind != "invoice.paid" {
					t.Errorf("%s, %s, %v: id %q, type %q", body.name, name, label, id, kind)
				}
				if id, _ := body.provider.EventID[0].Extract(r); id != "evt-ü1" {
					t.Errorf("%s, %s, %v: Extract found %q", body.name, name, label, id)
				}
			}
			if !bytes.Equal(r.Body, before) {
				t.Errorf("%s, %s: the body was changed", body.name, name)
			}
		}
	}
}

// TestXMLHasNoMembers, however it is written: nothing is read out of it, and nothing else is.
func TestXMLHasNoMembers(t *testing.T) {
	p, err := Custom(Scheme{Algorithm: "hmac-sha256", Signature: header("X-Signature"), ID: jsonAt("/id"), Type: form("type")})
	if err != nil {
		t.Fatal(err)
	}
	v := newTestVerifier(t, p)
	for name, write := range writings {
		r := &Request{Header: http.Header{}, Body: write(t, []byte(`<?xml version="1.0"?><event id="1">&type=paid&{"id":"1"}</event>`))}
		if id, kind := v.Identify(r); id+kind != "" {
			t.Errorf("%s: %q, %q", name, id, kind)
		}
	}
}

// TestRawControlsInStrings: such JSON is not valid, but there is one thing it can mean.
func TestRawControlsInStrings(t *testing.T) {
	for body, want := range map[string]string{
		"{\"id\":\"1\",\"note\":\"a\tb\\\"\r\n\",\"x\":\"\x01\"}": "1",
		"{\"id\":\"1\t\"}":                         "", // no id has a TAB in it
		"{\"note\":\"\\\t\",\"id\":\"1\"}":         "", // an escape that is none
		"{\"id\":\"1\"\x01}":                       "",
		"{\"id\":\"1\",\"a\":\"\t\",\"id\":\"2\"}": "", // it could be either
		"{\"id\":\"1\",\"a\":\"\t\",\"ID\":\"2\"}": "",
		"{\"id\":\"\\ud800\"}":                     "", // as is \ud801 in what Go reads
		"{\"id\":\"\xff\"}":                        "",
	} {
		r := &Request{Body: []byte(body)}
		d := new(document).open(r, asText)
		got := firstOf([]Source{jsonAt("/id")}, d)
		if d.end(); got != want {
			t.Errorf("%q: %q, want %q", body, got, want)
		}
		if got, ok := jsonAt("/id").Extract(r); ok && strings.Contains(got, "\ufffd") {
			t.Errorf("%q: identified by %q", body, got)
		}
	}
}

// TestUnreadableBodies are read as they are, which comes to nothing; no error, and no panic.
func TestUnreadableBodies(t *testing.T) {
	body := []byte(`{"id":"1","note":"` + strings.Repeat("text of some length, ", 20) + `"}`)
	gz, br, zs := gzipped(t, body), brotlied(t, body), zstandard(t, body)
	wrong := bytes.Clone(gz)
	wrong[len(wrong)-6] ^= 1 // its checksum
	cases := map[string][]byte{
		"wrong checksum":      wrong,
		"gzip and more":       append(bytes.Clone(gz), "more"...),
		"br and more":         append(bytes.Clone(br), "more"...),
		"zstd and more":       append(bytes.Clone(zs), "more"...),
		"four times":          gzipped(t, gzipped(t, gzipped(t, gz))),
		"gzip of nothing":     gzipped(t, nil),
		"gzip of binary":      gzipped(t, []byte{0, 1, 2, 3, 0xff}),
		"UTF-16, odd":         utf16Of("", binary.LittleEndian)(t, body)[1:],
		"UTF-16, cut":         append(utf16Of("", binary.BigEndian)(t, body), 0),
		"UTF-16, surrogate":   append(utf16Of("\xff\xfe", binary.LittleEndian)(t, []byte(`{"id":"1`)), 0x00, 0xd8, '"', 0, '}', 0),
		"UTF-32, too high":    append(utf32Of("", binary.BigEndian)(t, []byte(`{"id":"1"}`)), 0, 0x11, 0, 0),
		"compress":            {0x1f, 0x9d, 0x90, 0x7b, 0x44, 0x12},
		"a mark and no more":  []byte("\xff\xfe"),
		"BOM and no more":     []byte("\ufeff"),
		"only NULs":           make([]byte, 100),
		"UTF-7":               []byte("+AHsAIgBpAGQAIgA6ACIAMQAiAH0-"),
		"zstd, a window of G": []byte("\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00"),
	}
	for i := range len(gz) {
		cases["gzip cut at "+itoa(i)] = gz[:i]
	}
	for i := range len(br) {
		cases["br cut at "+itoa(i)] = br[:i]
	}
	for i := range len(zs) {
		cases["zstd cut at "+itoa(i)] = zs[:i]
	}
	for name, body := range cases {
		if got, ok := jsonAt("/id").Extract(&Request{Header: http.Header{"Content-Encoding": {"gzip"}}, Body: body}); ok {
			t.Errorf("%s: id %q", name, got)
		}
	}
}

// TestBombs: what is decoded is bounded by a hundred times what came, and by MaxText.
func TestBombs(t *testing.T) {
	text := func(size int) []byte { return []byte(`{"id":"1","note":"` + strings.Repeat("x", size) + `"}`) }
	id := func(body []byte, max int64) string {
		value, _ := jsonAt("/id").Extract(&Request{Body: body, MaxText: max})
		return value
	}
	for name, write := range map[string]func(testing.TB, []byte) []byte{"gzip": gzipped, "raw deflate": deflated, "br": brotlied, "zstd": zstandard,
		"gzip in gzip": func(t testing.TB, b []byte) []byte { return gzipped(t, gzipped(t, b)) }} {
		if got := id(write(t, text(60<<10)), 0); got != "1" {
			t.Errorf("%s: 60 KiB are not read", name)
		}
		if got := id(write(t, text(60<<10)), 50<<10); got != "" {
			t.Errorf("%s: MaxText does not bound it", name)
		}
		bomb := write(t, text(16<<20))
		if got := id(bomb, 1<<40); got != "" {
			t.Errorf("%s: %d bytes became 16 MiB", name, len(bomb))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		id(bomb, 1<<20)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 24<<20 { // zstd and br look back in a window of up to 8 and 16 MiB
			t.Errorf("%s: %d bytes allocated for a text of up to 1 MiB", name, allocated)
		}
	}
}

// TestStrangersDecodeLittle: before a webhook is verified only handshakes are read, which
// are short.
func TestStrangersDecodeLittle(t *testing.T) {
	v := providerVerifier(t, "monday")
	ask := func(body []byte) bool {
		_, ok := v.Handshake(&Request{Method: http.MethodPost, Header: http.Header{}, Body: body}, false)
		return ok
	}
	shake := `{"challenge":"3eZbrw1aBm2rZgRNFdxV2595E9CY3gmdALWMmHkvFXO7tYXAYM8P","more":"Jhj5dZrVaK7ZwHHjRyZWjbDl"}`
	for _, write := range []string{"identity", "gzip", "zstd", "UTF-16 LE", "byte order mark"} {
		if !ask(writings[write](t, []byte(shake))) {
			t.Errorf("%s: the handshake is not seen", write)
		}
	}
	if ask(writings["br"](t, []byte(shake))) {
		t.Error("what nothing marks was guessed for a stranger")
	}
	if ask(gzipped(t, []byte(shake[:len(shake)-1]+`,"x":"`+strings.Repeat("x", maxHandshakeText)+`"}`))) {
		t.Error("much was decoded for a stranger")
	}
}

// FuzzReadable: whatever a body is, its text is bounded, and a plain one is what it is
// however it is compressed.
func FuzzReadable(f *testing.F) {
	body := []byte(`{"id":"evt_1","note":"` + strings.Repeat("größe ", 20) + `"}`)
	for _, write := range writings {
		f.Add(write(f, body))
	}
	f.Add([]byte("\x00\x00\x00{"))
	f.Add([]byte("\xff\xfe\x00\xd8"))
	f.Add([]byte("x\x9c\x03\x00\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, body []byte) {
		text := func(body []byte) string {
			r := &Request{Body: body, MaxText: 1 << 16}
			d := new(document).open(r, asText)
			defer d.end()
			if int64(len(d.body())) > max(r.maxText(), int64(len(body))) {
				t.Fatalf("%d bytes of %d", len(d.content().text), len(body))
			}
			for _, s := range []Source{jsonAt("/id"), form("id"), {FromFormJSON, "payload /id"}} {
				s.checkCertain(d)
			}
			return string(d.content().text)
		}
		got := text(body)
		if _, plain := textOf(body); !plain || got == "" || !utf8.Valid(body) || len(body) > 1<<15 {
			return
		}
		for _, write := range []func(testing.TB, []byte) []byte{gzipped, zstandard} {
			if again := text(write(t, body)); again != got {
				t.Fatalf("%q was read as %q", got, again)
			}
		}
	})
}
