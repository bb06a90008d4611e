package catalog

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddywebhooks/caddy-webhooks/verify"
)

// apart says what tells the events of a provider apart.
func apart(p *verify.Provider) string {
	switch p.Apart() {
	case verify.ByValues:
		values := p.Identity
		if len(values) == 0 {
			return cmp.Or(alternatives(p.EventID), "the id in the token") + and(p.Subscription)
		}
		return joined(values, " and ") + and(p.Subscription)
	case verify.ByTime:
		return "signed time and content"
	case verify.ByContent:
		others := "each webhook is an event"
		if p.Traits().SignsTimestamp {
			others = "signed time and content"
		}
		if len(p.UniqueTypes) > 0 {
			return "content: of " + strings.Join(p.UniqueTypes, ", ") + ", since " + p.Unique + "; of other types: " + others
		}
		if len(p.UniqueWith) > 0 {
			return "content: where there is " + joined(p.UniqueWith, " and ") + ", since " + p.Unique + "; else " + others
		}
		return "content: " + p.Unique
	}
	return "nothing: each webhook is an event"
}

func alternatives(sources []verify.Source) string { return joined(sources, ", else ") }

func and(sources []verify.Source) string {
	if len(sources) == 0 {
		return ""
	}
	return " and " + joined(sources, " and ")
}

func joined(sources []verify.Source, with string) string {
	var words []string
	for _, s := range sources {
		words = append(words, "`"+s.String()+"`")
	}
	return strings.Join(words, with)
}

// success says what the provider counts as success, and what it is answered.
func success(p *verify.Provider) string {
	wants := string(p.Success)
	if wants == "" {
		wants = "not said"
	}
	status := answered(p)
	text := fmt.Sprintf("%s; answered %d", wants, status)
	switch body := p.Accepted.Body; {
	case body != "":
		text += " with `" + body + "`"
	case p.Accepted.Status != 0 && status != http.StatusNoContent:
		text += " with an empty body"
	}
	return text
}

func answered(p *verify.Provider) int {
	if p.Accepted.Status != 0 {
		return p.Accepted.Status
	}
	return p.Success.Status()
}

// caddyfileSize is n as the configuration spells sizes.
func caddyfileSize(n int64) string {
	switch {
	case n%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", n>>20)
	case n%1_000_000 == 0:
		return fmt.Sprintf("%dMB", n/1_000_000)
	case n%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", n>>10)
	}
	return fmt.Sprintf("%dKB", n/1000)
}
