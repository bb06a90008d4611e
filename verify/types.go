package verify

import (
	_ "embed"
	"strings"
)

//go:embed types.txt
var typesText string

// documentedTypes reads types.txt: the types of events by provider.
func documentedTypes(text string) map[string][]string {
	types := make(map[string][]string)
	var names []string // whose types they are
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch begins := strings.HasSuffix(line, ":"); {
		case line == "" || strings.HasPrefix(line, "#"):
		case begins:
			names = strings.Split(strings.TrimSuffix(line, ":"), ", ")
		default:
			for _, name := range names {
				types[name] = append(types[name], strings.Split(line, ", ")...)
			}
		}
	}
	return types
}

// withTypes gives the rows the types that their providers document.
func withTypes(rows []*Provider) []*Provider {
	types := documentedTypes(typesText)
	for _, p := range rows {
		p.Types = types[p.Name]
	}
	return rows
}
