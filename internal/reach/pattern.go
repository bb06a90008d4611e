package reach

import (
	"regexp/syntax"
	"strings"
)

// literals gives for each pattern with `*` something that it matches.
func literals(patterns []string) []string {
	out := make([]string, 0, len(patterns))
	for _, pattern := range patterns {
		switch {
		case pattern == "*":
			pattern = "/"
		case strings.HasSuffix(pattern, "/*"):
			pattern = strings.TrimSuffix(pattern, "*") + "webhook"
		default:
			pattern = strings.TrimSuffix(pattern, "*")
		}
		pattern = strings.ReplaceAll(pattern, "*", "any")
		out = append(out, pattern)
	}
	return out
}

// example is a short text that the regular expression matches, with a slash in
// front; "/" if it cannot be read.
func example(pattern string) string {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return "/"
	}
	var b strings.Builder
	writeExample(&b, parsed.Simplify())
	return "/" + strings.TrimPrefix(b.String(), "/")
}

func writeExample(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(oneOf(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('x')
	case syntax.OpAlternate, syntax.OpPlus, syntax.OpCapture:
		writeExample(b, re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			writeExample(b, sub)
		}
	}
	// Stars, question marks and anchors match nothing at all as well.
}

// oneOf prefers a letter: a class such as [^/] has everything else in it, too.
func oneOf(ranges []rune) rune {
	for _, letter := range []rune{'x', 'X', '1'} {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= letter && letter <= ranges[i+1] {
				return letter
			}
		}
	}
	return ranges[0]
}
