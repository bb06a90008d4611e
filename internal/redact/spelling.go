package redact

import (
	"sort"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// layers is how many times one character may be encoded: an application that shows a query as
// HTML, in JSON, has encoded it three times.
const layers = 3

// longestEscape is more than the spelling of a character usually has: what is shorter, at the end of
// a text that was cut off, may be the beginning of one.
const longestEscape = 16

// mostReadings bounds the ways in which a text is read: a secret of nothing but backslashes, in a text of
// them, has more of them than there is time for.
const mostReadings = 1000

// state is how far a text was read: needles[lo:hi] agree in their first known bytes with what
// stands before at.
type state struct{ at, known, lo, hi int }

// walk reads text from at in all ways in which it may spell one of the needles, which are sorted,
// and calls visit for each state. Each of their characters may be spelled as it is, with percent
// signs (of a URL, or %uXXXX), as a plus sign for a space, as an entity of HTML or as
// an escape of JSON, up to three times one within the other, in any mixture.
// No state comes twice, and it reports false where there are too many of them.
func walk(text string, at int, needles []string, visit func(s state)) bool {
	var room [8]state
	todo := append(room[:0], state{at: at, hi: len(needles)})
	var seen map[state]struct{}
	for len(todo) > 0 {
		s := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		visit(s)
		if s.at == len(text) {
			continue
		}
		c := text[s.at]
		if next := s.narrowed(needles, c); next.lo < next.hi {
			next.at++
			todo = append(todo, next)
		}
		if c != '+' && c != '%' && c != '\\' && c != '&' {
			continue
		}
		for _, spelling := range spelled(text[s.at:], layers) {
			next := s
			for i := range len(spelling.means) {
				next = next.narrowed(needles, spelling.means[i])
			}
			next.at += spelling.length
			if next.lo == next.hi {
				continue
			}
			if seen == nil {
				seen = make(map[state]struct{})
			}
			if _, again := seen[next]; !again {
				if len(seen) == mostReadings {
					return false
				}
				seen[next] = struct{}{}
				todo = append(todo, next)
			}
		}
	}
	return true
}

// narrowed are those of the needles that go on with c.
func (s state) narrowed(needles []string, c byte) state {
	if s.lo == s.hi {
		return s
	}
	next := func(i int) int {
		if len(needles[i]) == s.known {
			return -1
		}
		return int(needles[i][s.known])
	}
	lo := s.lo + sort.Search(s.hi-s.lo, func(i int) bool { return next(s.lo+i) >= int(c) })
	hi := lo + sort.Search(s.hi-lo, func(i int) bool { return next(lo+i) > int(c) })
	return state{s.at, s.known + 1, lo, hi}
}

// found returns where the longest of the needles ends that text has at i, or -1. Text that can be
// read in too many ways is all taken for one.
func found(text string, i int, needles []string) int {
	end := -1
	understood := walk(text, i, needles, func(s state) {
		if s.lo < s.hi && len(needles[s.lo]) == s.known {
			end = max(end, s.at)
		}
	})
	if !understood {
		return len(text)
	}
	return end
}

// begun reports whether text ends within one of the needles that begins at i, after enough of
// it to be hidden. It may end within the spelling of a character.
func begun(text string, i int, needles []string) (is bool) {
	walk(text, i, needles, func(s state) {
		if s.known < shortest {
			return
		}
		rest := text[s.at:]
		is = is || rest == "" || len(rest) < longestEscape && strings.IndexByte(`%&\`, rest[0]) >= 0
	})
	return is
}

// spelling is how a text begins: with so many bytes that stand for a character.
type spelling struct {
	means  string
	length int
}

// spelled are the encodings that text may begin with, of so many layers at most.
func spelled(text string, depth int) (all []spelling) {
	if depth == 0 || text == "" || strings.IndexByte(`%&\+`, text[0]) < 0 {
		return nil
	}
	inner := spelled(text, depth-1)
	add := func(s spelling, ok bool) {
		if !ok {
			return
		}
		for _, known := range all {
			if known == s {
				return
			}
		}
		all = append(all, s)
	}
	for _, s := range inner {
		add(s, true)
	}
	if text[0] == '\\' {
		quoted(text[1:], 1, depth, add)
	}
	add(escape(text[:1], text[1:], depth))
	for _, s := range inner { // what introduces an escape may be one itself: %2526 is %26, and that is &
		means, length := s.means, s.length
		if strings.IndexByte(`%&\+`, means[0]) < 0 {
			continue
		}
		if means == `\` {
			quoted(text[length:], length, depth, add)
		}
		e, ok := escape(means, text[length:], depth)
		e.length += length - 1
		add(e, ok)
	}
	return all
}

// escape reads what an introducing character and the text behind it stand for. The
// introducer counts for one byte of the length.
func escape(introducer, text string, depth int) (spelling, bool) {
	switch introducer {
	case "+":
		return spelling{" ", 1}, true
	case "%":
		if c, ok := digits(text, 0, 2, 16); ok {
			return spelling{string([]byte{byte(c)}), 3}, true
		}
		if strings.HasPrefix(text, "u") {
			return units(text, introducer, depth)
		}
	case `\`:
		if text == "" {
			return spelling{}, false
		}
		if at := strings.IndexByte(`bfnrt`, text[0]); at >= 0 {
			return spelling{"\b\f\n\r\t"[at : at+1], 2}, true
		}
		if c, ok := digits(text, 1, 2, 16); ok && text[0] == 'x' {
			return spelling{string(rune(c)), 4}, true
		}
		if text[0] == 'u' {
			return units(text, introducer, depth)
		}
	case "&":
		return entity(text, depth)
	}
	return spelling{}, false
}

// quoted reads what stands behind a backslash, of which before bytes are already read, and is meant
// itself. In a text that was quoted twice that is more than one character.
func quoted(text string, before, depth int, add func(s spelling, ok bool)) {
	const signs = `"\'/`
	if text == "" {
		return
	}
	add(spelling{text[:1], before + 1}, strings.IndexByte(signs, text[0]) >= 0)
	for _, s := range spelled(text, depth-1) {
		add(spelling{s.means, before + s.length}, len(s.means) == 1 && strings.Contains(signs, s.means))
	}
}

// mark is how long the spelling of the character c is with which text begins; 0 if it does
// not begin with c. It is one layer less than what it is a part of.
func mark(c byte, text string, depth int) int {
	if text == "" {
		return 0
	}
	if text[0] == c {
		return 1
	}
	for _, s := range spelled(text, depth-1) {
		if s.means == string(rune(c)) {
			return s.length
		}
	}
	return 0
}

// digits reads so many of them.
func digits(text string, at, count, base int) (uint64, bool) {
	if len(text) < at+count {
		return 0, false
	}
	n, err := strconv.ParseUint(text[at:at+count], base, 32)
	return n, err == nil
}

// units reads uXXXX, or two of them that stand for one character (RFC 8259, section 7).
func units(text, introducer string, depth int) (spelling, bool) {
	high, ok := digits(text, 1, 4, 16)
	if !ok {
		return spelling{}, false
	}
	if utf16.IsSurrogate(rune(high)) && len(text) > 5 {
		for _, second := range append(spelled(text[5:], depth-1), spelling{text[5:6], 1}) {
			n := second.length
			low, ok := digits(text, 6+n, 4, 16)
			if pair := utf16.DecodeRune(rune(high), rune(low)); ok && second.means == introducer && text[5+n] == 'u' && pair != utf8.RuneError {
				return spelling{string(pair), 11 + n}, true
			}
		}
	}
	return spelling{string(rune(high)), 6}, true
}

// entities are the names of HTML for what HTML itself is written with, and of a few
// characters that generated secrets have.
var entities = map[string]string{
	"amp": "&", "lt": "<", "gt": ">", "quot": `"`, "apos": "'", "AMP": "&", "LT": "<", "GT": ">", "QUOT": `"`,
	"nbsp": "\u00a0", "plus": "+", "equals": "=", "sol": "/", "bsol": `\`, "percnt": "%", "num": "#", "dollar": "$",
	"excl": "!", "ast": "*", "lpar": "(", "rpar": ")", "comma": ",", "period": ".", "colon": ":", "semi": ";", "quest": "?",
	"commat": "@", "lsqb": "[", "lbrack": "[", "rsqb": "]", "rbrack": "]", "lcub": "{", "lbrace": "{", "rcub": "}", "rbrace": "}",
	"lowbar": "_", "grave": "`", "Hat": "^", "verbar": "|", "vert": "|", "Tab": "\t", "NewLine": "\n",
}

// entity reads what follows the ampersand of an entity of HTML.
func entity(text string, depth int) (spelling, bool) {
	if n := mark('#', text, depth); n > 0 {
		return numbered(text[n:], n, depth)
	}
	end := 0
	for end < len(text) && end < 8 && isLetter(text[end]) {
		end++
	}
	means, ok := entities[text[:end]]
	if !ok {
		return spelling{}, false
	}
	semicolon := mark(';', text[end:], depth)
	return spelling{means, 1 + end + semicolon}, semicolon > 0
}

// numbered reads the number of a character, of which before bytes are already read.
func numbered(text string, before, depth int) (spelling, bool) {
	base, start := 10, 0
	if text != "" && (text[0] == 'x' || text[0] == 'X') {
		base, start = 16, 1
	}
	end := start
	for end < len(text) && end-start < 8 && (text[end] >= '0' && text[end] <= '9' || base == 16 && isLetter(text[end])) {
		end++
	}
	n, err := strconv.ParseUint(text[start:end], base, 32)
	semicolon := mark(';', text[end:], depth)
	if err != nil || semicolon == 0 || n > utf8.MaxRune {
		return spelling{}, false
	}
	return spelling{string(rune(n)), 1 + before + end + semicolon}, true
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
