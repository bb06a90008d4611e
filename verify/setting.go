package verify

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Setting is what a provider's webhooks cannot be checked without, besides the
// keys: an id that is part of what is signed, the token of a handshake.
type Setting struct {
	Name     string // as in the configuration: lower-case, words joined by _
	Doc      string // what it is and where the operator finds it, in a sentence
	Required bool   // an endpoint without it is refused
	Several  bool   // more than one value may be given; any of them will do
	Secret   bool   // not to be shown

	Values  []string // what it may be; empty: anything
	Pattern string   // a regular expression that the whole value matches; empty: anything
}

// settings are the values of an endpoint, by name.
type settings map[string][]string

// checkSettings refuses what the provider does not have, and what is missing.
// Errors contain no value.
func (p *Provider) checkSettings(given map[string][]string) (settings, error) {
	for name := range given {
		if !slices.ContainsFunc(p.Settings, func(s Setting) bool { return s.Name == name }) {
			return nil, fmt.Errorf("option %s: provider %s has no such option: %s", name, p.Name, p.optionNames())
		}
	}
	for _, s := range p.Settings {
		values := given[s.Name]
		if len(values) == 0 && s.Required {
			return nil, fmt.Errorf("option %s is missing: %s", s.Name, strings.TrimSuffix(s.Doc, "."))
		}
		if len(values) > 1 && !s.Several {
			return nil, fmt.Errorf("option %s has %d values: it takes one", s.Name, len(values))
		}
		for _, value := range values {
			if err := checkText(value); err != nil {
				return nil, fmt.Errorf("option %s %w", s.Name, err)
			}
			if s.Pattern != "" && !regexp.MustCompile(`\A(?:`+s.Pattern+`)\z`).MatchString(value) {
				return nil, fmt.Errorf("option %s has another form: %s", s.Name, strings.TrimSuffix(s.Doc, "."))
			}
			if len(s.Values) > 0 && !slices.Contains(s.Values, value) {
				return nil, fmt.Errorf("option %s: want one of %s", s.Name, strings.Join(s.Values, ", "))
			}
		}
	}
	return given, nil
}

func (p *Provider) optionNames() string {
	if len(p.Settings) == 0 {
		return "it takes none"
	}
	var names []string
	for _, s := range p.Settings {
		names = append(names, s.Name)
	}
	return "want " + strings.Join(names, " or ")
}

// expand puts the values into text that has {setting.<name>} in it. A value that
// the text could be mistaken with is refused.
func (s settings) expand(text string) (string, error) {
	for {
		before, after, found := strings.Cut(text, "{setting.")
		if !found {
			return text, nil
		}
		name, after, _ := strings.Cut(after, "}")
		if len(s[name]) != 1 {
			return "", fmt.Errorf("option %s is missing", name)
		}
		if strings.ContainsAny(s[name][0], "{},;&| ") {
			return "", fmt.Errorf("option %s has a character that cannot be part of it: one of { } , ; & | or a space", name)
		}
		text = before + s[name][0] + after
	}
}
