package forward

import "strings"

// MatchType reports whether an event type matches a glob. `*` matches any run
// of characters, also none, dots and slashes included; nothing else is
// special, and letter case matters.
func MatchType(glob, eventType string) bool {
	prefix, rest, star := strings.Cut(glob, "*")
	if !star {
		return glob == eventType
	}
	if !strings.HasPrefix(eventType, prefix) {
		return false
	}
	eventType = eventType[len(prefix):]

	// Between stars the earliest match is as good as any later one.
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(eventType, part)
		}
		i := strings.Index(eventType, part)
		if i < 0 {
			return false
		}
		eventType, rest = eventType[i+len(part):], after
	}
}
