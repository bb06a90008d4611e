package oracle

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Kind is what an application does with a request.
type Kind uint8

// What applications do. All but Take, TakeAndHangUp and those that answer with a
// status and a body leave the event undone.
const (
	Take          Kind = iota // 200
	Status                    // Manner.Status
	Hang                      // no answer
	HangUp                    // the connection is closed without an answer
	TakeAndHangUp             // the work is done, but nobody hears of it
	Reset                     // the connection is reset
	Garbage                   // an answer that is not HTTP
	Half                      // a status, and a body that breaks off
	Huge                      // a status, and 8 MiB
	Endless                   // a status, and a body without end
	Trickle                   // the same, slowly
	Early                     // an informational answer, and then 200
)

var kinds = [...]string{"take", "status", "hang", "hang-up", "take-and-hang-up", "reset", "garbage",
	"half", "huge", "endless", "trickle", "early-hints"}

// String implements fmt.Stringer.
func (k Kind) String() string { return kinds[k] }

// Manner is how an application deals with requests.
type Manner struct {
	Kind       Kind
	Status     int           // of Status; of those that send a body, 0 stands for 200
	RetryAfter string        // of Status
	Share      float64       // of the requests; 0: all that are left
	Delay      time.Duration // before it answers
}

// String tells manners apart in plans and stories.
func (m Manner) String() string {
	words := []string{m.Kind.String()}
	if m.Kind == Status {
		words[0] = fmt.Sprint(m.Status)
	} else if m.Status != 0 {
		words = append(words, fmt.Sprint(m.Status))
	}
	if m.RetryAfter != "" {
		words = append(words, "retry-after "+m.RetryAfter)
	}
	if m.Delay > 0 {
		words = append(words, "after "+m.Delay.String())
	}
	if m.Share > 0 {
		words = append(words, fmt.Sprintf("%.0f%%", 100*m.Share))
	}
	return strings.Join(words, " ")
}

// takes says whether the event's work is done.
func (m Manner) takes() bool {
	switch m.Kind {
	case Take, TakeAndHangUp, Early:
		return true
	case Half, Huge, Endless, Trickle:
		return m.Status == 0 || m.Status == http.StatusOK
	}
	return m.Kind == Status && m.Status >= 200 && m.Status <= 299
}

// says reports whether the proxy learns that the work is done. A status counts as soon as it has arrived,
// whatever happens to the body.
func (m Manner) says() bool { return m.Kind != TakeAndHangUp }
