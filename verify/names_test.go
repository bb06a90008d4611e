package verify

import (
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// The comparison of names as it was before it was made to allocate nothing: each spelling is written
// out, and compared as a whole.

func plainAliasOfField(key []byte, name string) bool {
	for _, c := range key {
		if !plainNameByte(c) {
			return plainAliasLoosely(string(key), name)
		}
	}
	return len(key) == len(name) && string(key) != name && equalFoldPlain(string(key), name)
}

func plainAliasLoosely(key, name string) bool {
	if decoded, err := url.QueryUnescape(key); err == nil && decoded == name {
		return false
	}
	want := plainFoldName(name)
	text := strings.ReplaceAll(key, "+", " ")
	for range 3 { // those who decode twice are not rare
		if plainAliasOfText(text, want) {
			return true
		}
		text = unescapeLoosely(text)
	}
	return plainAliasOfText(text, want)
}

func plainAliasOfText(text, want string) bool {
	text = strings.TrimLeft(text, frontOfNames)
	if plainFoldName(text) == want {
		return true
	}
	for i, cuts := 0, strings.Count(want, "_")+100; i < len(text) && cuts > 0; i++ {
		if strings.IndexByte("[]\x00.=&;", text[i]) < 0 {
			continue
		}
		if cuts--; plainFoldName(text[:i]) == want {
			return true
		}
	}
	return false
}

func plainFoldName(name string) string {
	var b strings.Builder
	for _, c := range strings.TrimFunc(name, blank) {
		switch {
		case c == '.' || c == ' ' || c == '[':
			b.WriteByte('_')
		case c == utf8.RuneError, unicode.IsControl(c), unicode.Is(unicode.Cf, c):
		default:
			b.WriteRune(foldRune(c))
		}
	}
	return b.String()
}

func plainAliasOfMember(name, token string) bool {
	if name == token {
		return false
	}
	if len(name) == len(token) {
		return strings.EqualFold(name, token)
	}
	if len(name) < len(token) {
		return false
	}
	for i := range len(name) { // what is longer and plain is another name
		if c := name[i]; c <= ' ' || c >= 0x7f {
			text, _, _ := strings.Cut(name, "\x00") // those who are written in C
			return plainFoldName(name) == plainFoldName(token) || text != "" && plainFoldName(text) == plainFoldName(token)
		}
	}
	return false
}

// TestNamesAreComparedAsBefore compares names at random with both.
func TestNamesAreComparedAsBefore(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pieces := []string{
		"p", "P", "a", "k", "s", "i", "_", "-", ".", " ", "+", "[", "]", "=", ";", "?", "%", "%2", "%25", "%70", "%41", "%00", "%0a", "%u0070", "%u212a", "%ud800", "%5B",
		"%2570", "%252570", "%20", "ſ", "K", "İ", "ı", "ａ", "é", "É", "\u00ad", "\u00a0", "\u0085", "\ufeff", "\ufffd", "\xff", "\x00", "\t", "\u2028", "日", "%C3", "%A9", "0", "7",
	}
	make := func(pieces []string, most int) string {
		var b strings.Builder
		for range random.IntN(most) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		return b.String()
	}
	names := []string{"payload", "pa", "p", "k_s", "a.b", "a b", "a[b]", "i", "p%70", "%", "é", "k-1", "ſa", "İ"}
	found := 0
	for range 300_000 {
		name := names[random.IntN(len(names))]
		key := make(pieces, 4) + name[:random.IntN(len(name)+1)] + make(pieces, 3)
		if random.IntN(2) == 0 {
			key = make(pieces, 3) + name + make(pieces, 4)
		}
		decoded, err := url.QueryUnescape(key)
		is, alias := (&wanted{name: name}).field(key)
		if want := err == nil && decoded == name; is != want {
			t.Fatalf("%q is %q: %t", key, name, is)
		}
		if want := plainAliasOfField([]byte(key), name); alias != want {
			t.Fatalf("%q could be taken for %q: %t, want %t", key, name, alias, want)
		}
		if is || alias {
			found++
		}
	}
	if found < 10_000 {
		t.Errorf("only %d names were alike", found)
	}
	escapes := append(pieces, `\u0070`, `\u0041`, `\u0000`, `\u00ad`, `\ud800`, `\ud83d\ude00`, `\n`, `\/`, `\\`, `\"`, `\u212a`, `\u0020`)
	found = 0
	for range 300_000 {
		name := names[random.IntN(len(names))]
		raw := make(escapes, 3) + name + make(escapes, 3)
		if random.IntN(4) == 0 {
			raw = make(escapes, 6)
		}
		if !gjson.Valid(`"` + raw + `"`) {
			continue
		}
		decoded := gjson.Parse(`"` + raw + `"`).Str
		is, alias := (&wanted{name: name}).member(raw)
		if is != (decoded == name) && utf8.ValidString(raw) {
			t.Fatalf("%q is %q: %t", raw, name, is)
		}
		if want := plainAliasOfMember(decoded, name); want && !is && !alias {
			t.Fatalf("%q could be taken for %q", raw, name)
		} else if alias && !want && !beginsAs(decoded, name) {
			t.Fatalf("%q is taken for %q", raw, name)
		}
		if is || alias {
			found++
		}
	}
	if found < 1000 {
		t.Errorf("only %d members were alike", found)
	}
}

// beginsAs reports whether a member's name, or what is in front of one of its NULs, is like name:
// names with escapes are compared more strictly than before.
func beginsAs(decoded, name string) bool {
	want := plainFoldName(name)
	for i := range len(decoded) {
		if decoded[i] == 0 && plainFoldName(decoded[:i]) == want {
			return true
		}
	}
	return plainFoldName(decoded) == want
}
