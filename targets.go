package caddywebhooks

import (
	"fmt"
	"iter"
	"strings"

	"go.uber.org/zap"

	"github.com/caddywebhooks/caddy-webhooks/internal/eventtypes"
	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// wishes says which types the destinations ask for.
func (h *Handler) wishes() string {
	var all []string
	for _, f := range h.Forward {
		all = append(all, f.Name+" wants "+strings.Join(f.Events, " "))
	}
	return strings.Join(all, "; ")
}

// checkTypes refuses globs that can match no event, and returns what is doubtful
// of the others.
func (h *Handler) checkTypes(p *verify.Provider) (doubts []string, err error) {
	for _, f := range h.Forward {
		for setting, glob := range f.typeGlobs() {
			doubt, err := eventtypes.Check(p, glob)
			if err != nil {
				return nil, fmt.Errorf("forward %s: %s: %w", f.Name, setting, err)
			}
			if doubt != "" {
				doubts = append(doubts, fmt.Sprintf("forward %s: %s: %s", f.Name, setting, doubt))
			}
		}
	}
	return doubts, nil
}

// warnOfTypes is checkTypes at load: what is doubtful goes into the log, and the doctor repeats it.
func (h *Handler) warnOfTypes() error {
	var err error
	h.doubts, err = h.checkTypes(h.provider)
	for _, doubt := range h.doubts {
		h.logger.Warn(doubt, zap.String("endpoint", h.Name))
	}
	return err
}

// typeGlobs yields the globs of event types, each with its setting.
func (f *Forward) typeGlobs() iter.Seq2[string, string] {
	return func(yield func(setting, glob string) bool) {
		for _, glob := range f.Events {
			if !yield("events", glob) {
				return
			}
		}
		for _, p := range f.Priority {
			for _, glob := range p.Events {
				if !yield("priority", glob) {
					return
				}
			}
		}
	}
}
