package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/wording"
)

// progress shows how far some work is: a bar on a terminal, otherwise a line every few seconds. If quiet is set it
// shows nothing. It must not be used by several goroutines at once.
type progress struct {
	out   screen
	quiet bool
	what  string // "replay"
	total int    // 0: not known yet

	begun, shown time.Time
	first        int // how much was done when it began
}

const (
	barCells  = 24
	lineEvery = 5 * time.Second // where there is no terminal
)

// update shows that done of total are done.
func (p *progress) update(done int, now time.Time) {
	if p.begun.IsZero() {
		p.begun, p.shown, p.first = now, now, done
	}
	switch {
	case p.quiet:
	case p.out.live:
		p.out.measure()
		fmt.Fprintf(p.out, "\r%s\x1b[K", cut(p.text(done, now, true), max(1, p.out.width-1)))
	case now.Sub(p.shown) >= lineEvery:
		p.shown = now
		fmt.Fprintln(p.out, p.text(done, now, false))
	}
}

// clear removes the bar, to make room for the result.
func (p *progress) clear() {
	if p.out.live && !p.quiet && !p.begun.IsZero() {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

func (p *progress) text(done int, now time.Time, bar bool) string {
	if p.total <= 0 {
		return p.what + ": counting"
	}
	text := p.what + " "
	if bar {
		full := min(barCells, barCells*done/p.total)
		text += strings.Repeat("█", full) + strings.Repeat("░", barCells-full) + " "
	}
	text += fmt.Sprintf("%d of %d", done, p.total)
	seconds := now.Sub(p.begun).Seconds()
	if perSecond := float64(done-p.first) / seconds; seconds > 0 && perSecond > 0 {
		text += fmt.Sprintf(", %.1f/s", perSecond)
		if left := p.total - done; left > 0 {
			text += ", " + wording.Span(time.Duration(float64(left)/perSecond*float64(time.Second))) + " left"
		}
	}
	return text
}
