package eventtypes

import (
	"fmt"
	"strings"
)

// separators end the parts of a type.
const separators = ".:/_- "

// advice names what may be meant by glob, or a few types if nothing is near.
func advice(types []string, glob string) string {
	nearest, least := "", max(2, len(glob)/4)+1
	look := func(candidate string) {
		if d := Distance(glob, candidate); d < least {
			nearest, least = candidate, d
		}
	}
	for _, known := range types {
		look(known)
		if !strings.Contains(glob, "*") {
			continue
		}
		for i := range len(known) - 1 {
			if strings.IndexByte(separators, known[i]) >= 0 {
				look(known[:i+1] + "*")
			}
		}
	}
	if family := familyOf(types, glob); family != "" {
		return fmt.Sprintf("did you mean %s?", family)
	}
	if nearest != "" {
		return fmt.Sprintf("did you mean %s?", nearest)
	}
	return "its types are such as " + strings.Join(types[:min(3, len(types))], ", ")
}

// familyOf is what glob has too much or lacks: `charge` stands for charge.*, and pull_request.opened
// for pull_request, of which the rest is not a part of the type. Empty: neither.
func familyOf(types []string, glob string) string {
	bare := strings.TrimRight(glob, separators)
	for _, known := range types {
		rest, ok := strings.CutPrefix(known, bare)
		if ok && bare != "" && rest != "" && strings.IndexByte(separators, rest[0]) >= 0 {
			return bare + rest[:1] + "*"
		}
		if rest, ok = strings.CutPrefix(glob, known); ok && rest != "" && strings.IndexByte(separators, rest[0]) >= 0 {
			return known
		}
	}
	return ""
}

// Distance is how many letters have to be added, removed or changed to make b of a.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
