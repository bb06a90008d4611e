package cli

import (
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// screen is where a command writes to: a terminal, a file or a pipe.
type screen struct {
	io.Writer
	live          bool // a terminal on which a line can be drawn again
	colour        bool
	width, height int // in cells; 0: no limit
}

// The size of a terminal that does not tell its own.
const (
	defaultWidth  = 80
	defaultHeight = 24
)

// newScreen finds out what w is. There are colours on terminals only, and not if NO_COLOR is set to anything but
// the empty string (no-color.org).
func newScreen(w io.Writer) screen {
	s := screen{Writer: w}
	if !isTerminal(w) {
		return s
	}
	s.live = os.Getenv("TERM") != "dumb"
	s.colour = s.live && os.Getenv("NO_COLOR") == ""
	s.measure()
	return s
}

// isTerminal reports whether v is a file that is a terminal.
func isTerminal(v any) bool {
	file, ok := v.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// measure reads the terminal's size, which may change at any time.
func (s *screen) measure() {
	file, ok := s.Writer.(*os.File)
	if !ok {
		return
	}
	width, height, err := term.GetSize(int(file.Fd()))
	if err != nil || width < 1 || height < 1 {
		width, height = defaultWidth, defaultHeight
	}
	s.width, s.height = width, height
}

// style is how text looks on a terminal with colours: the parameters of ECMA-48's
// SGR sequence. The zero style is the terminal's own.
type style string

const (
	unstyled style = ""
	bold     style = "1"
	dim      style = "2"
	red      style = "31"
	green    style = "32"
	yellow   style = "33"
)

// paint returns the text in the style, if this screen shows colours.
func (s screen) paint(how style, text string) string {
	if !s.colour || how == unstyled || text == "" {
		return text
	}
	return "\x1b[" + string(how) + "m" + text + "\x1b[0m"
}

// cellsOf is how many cells of a terminal the text takes: two for wide runes of
// East Asia and emoji, none for what combines with the rune before it.
func cellsOf(text string) int {
	n := 0
	for _, r := range text {
		n += runeCells(r)
	}
	return n
}

func runeCells(r rune) int {
	if r < 0x300 { // nothing wide or combining below
		return 1
	}
	if unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cut shortens the text to that many cells, the last of which is then an ellipsis.
func cut(text string, cells int) string {
	if cellsOf(text) <= cells {
		return text
	}
	n := 0
	for i, r := range text {
		if n += runeCells(r); n > cells-1 {
			return text[:i] + "…"
		}
	}
	return text
}

// clean replaces control characters, and characters that change the direction of writing: text from providers and
// applications must not control the operator's terminal, nor read as something else than it is.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}

// wrap breaks text between words into indented lines of at most that many cells; 0: into one line. It never breaks
// text in backquotes, such as a command to copy.
func wrap(text string, cells int, indent string) string {
	var b strings.Builder
	used := 0
	for _, word := range wordsOf(clean(text)) {
		n := cellsOf(word)
		if used > 0 && cells > 0 && used+1+n > cells {
			b.WriteByte('\n')
			used = 0
		}
		if used == 0 {
			b.WriteString(indent)
			used = cellsOf(indent)
		} else {
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += n
	}
	b.WriteByte('\n')
	return b.String()
}

// wordsOf splits text at spaces that are not within backquotes.
func wordsOf(text string) []string {
	quoted := false
	return strings.FieldsFunc(text, func(r rune) bool {
		if r == '`' {
			quoted = !quoted
		}
		return r == ' ' && !quoted
	})
}
