package caddywebhooks

import (
	"encoding/base64"
	"slices"
	"strings"
)

// isText reports whether all is printable ASCII, as random bytes never are.
func isText(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
}

// looksLikeTest reports whether a secret looks like one of an example: by its
// words, also in base64, or because it has hardly any different characters. In a
// long one, such as a key in PEM, the letters of a word may come together by chance.
func looksLikeTest(secret string) bool {
	if decoded, err := base64.StdEncoding.DecodeString(secret); err == nil && isText(decoded) {
		secret = string(decoded)
	}
	text := strings.ToLower(secret)
	if len(text) > 100 {
		return false
	}
	for _, word := range []string{"test", "demo", "secret", "s3cret", "example", "changeme", "change_me", "password", "12345678", "todo"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	different := make(map[rune]struct{})
	for _, r := range text {
		different[r] = struct{}{}
	}
	return len(different) < 5
}
