package grammar

import "strings"

// ShownMatcher is a matcher as errors name it: a path may be as secret as a token.
func ShownMatcher(matcher string) string {
	if len(matcher) > 24 || Keys(matcher) != nil {
		return matcher[:1] + "…"
	}
	return matcher
}

// IsMatcher reports whether a word is a matcher of requests.
func IsMatcher(word string) bool {
	return strings.HasPrefix(word, "/") || strings.HasPrefix(word, "@") || word == "*"
}
