package grammar

import (
	"errors"
	"fmt"
	"regexp"
	"unicode/utf8"
)

// namePattern keeps names readable in URLs, logs and metrics.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$`)

// CheckName says why a name of an endpoint or a destination is none; nil if it is one. It does not quote it.
func CheckName(name string) error {
	if namePattern.MatchString(name) {
		return nil
	}
	const want = "want up to 128 letters, digits and . _ : / @ -, beginning with a letter or digit"
	switch {
	case name == "":
		return errors.New("name is empty: " + want)
	case len(name) > 128:
		return fmt.Errorf("name has %d letters: %s", utf8.RuneCountInString(name), want)
	}
	for i, r := range []rune(name) {
		if i > 0 && namePattern.MatchString("a"+string(r)) || i == 0 && namePattern.MatchString(string(r)) {
			continue
		}
		switch {
		case r == ' ':
			return fmt.Errorf("name has a space in it, at letter %d: %s", i+1, want)
		case r == '{':
			return fmt.Errorf("name has a brace in it, at letter %d, and placeholders are not expanded there, but {$VARIABLE} is: %s", i+1, want)
		}
		return fmt.Errorf("name has something else in it, at letter %d: %s", i+1, want)
	}
	return errors.New("name is not one: " + want)
}
