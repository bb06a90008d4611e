package reach

import (
	"fmt"
	"regexp/syntax"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddywebhooks/caddy-webhooks/internal/rawpath"
)

// literals returns for each pattern with `*` a text that it matches.
func literals(patterns []string) []string {
	out := make([]string, 0, len(patterns))
	replacer := caddy.NewReplacer()
	for _, pattern := range patterns {
		pattern = replacer.ReplaceKnown(pattern, "")
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

// maxExamples bounds the examples of one regular expression.
const maxExamples = 8

// examples are short texts that the regular expression matches, one for each of its
// alternatives, with a slash in front; "/" if it cannot be read.
func examples(pattern string) []string {
	parsed, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return []string{"/"}
	}
	texts := textsOf(parsed.Simplify())
	for i := range texts {
		texts[i] = "/" + strings.TrimPrefix(texts[i], "/")
	}
	return texts
}

func textsOf(re *syntax.Regexp) []string {
	var all []string
	switch re.Op {
	case syntax.OpLiteral:
		return []string{string(re.Rune)}
	case syntax.OpCharClass:
		return []string{string(oneOf(re.Rune))}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return []string{"x"}
	case syntax.OpPlus, syntax.OpCapture:
		return textsOf(re.Sub[0])
	case syntax.OpQuest: // as of (hook|hook2)
		all = append([]string{""}, textsOf(re.Sub[0])...)
	case syntax.OpAlternate:
		for _, sub := range re.Sub {
			all = append(all, textsOf(sub)...)
		}
	case syntax.OpConcat:
		all = []string{""}
		for _, sub := range re.Sub {
			var longer []string
			for _, before := range all {
				for _, text := range textsOf(sub) {
					longer = append(longer, before+text)
				}
			}
			all = longer[:min(len(longer), maxExamples)]
		}
	default: // stars and anchors match nothing at all as well
		return []string{""}
	}
	return all[:min(len(all), maxExamples)]
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

// pathsOf are the patterns of a path matcher.
func pathsOf(matcher any) []string {
	switch m := matcher.(type) {
	case caddyhttp.MatchPath:
		return m
	case *caddyhttp.MatchPath:
		return *m
	}
	return nil
}

// doubts names the patterns of paths that no provider's request matches.
func doubts(patterns []string, stripped string) (out []string) {
	for _, pattern := range patterns {
		switch odd := rawpath.Odd(pattern); {
		case strings.ContainsAny(pattern, "?#"):
			out = append(out, fmt.Sprintf("the path %s has a query in it, and the path of a request never has: write the path only, and for a query a named matcher with `query`", pattern))
		case stripped != "" && strings.HasPrefix(strings.ToLower(pattern)+"/", strings.ToLower(stripped)+"/"):
			out = append(out, fmt.Sprintf("the path %s begins with %s, which is taken off before (handle_path, uri strip_prefix), so it would have to be there twice: write what is left", pattern, stripped))
		case odd != "":
			out = append(out, fmt.Sprintf("the path %s has %s in it, and the endpoint refuses requests with that (ambiguous_path): write it as people read it", pattern, odd))
		}
	}
	return out
}

// matcherName is how a Caddyfile calls the matcher, such as path_regexp.
func matcherName(matcher any) string {
	if module, ok := matcher.(caddy.Module); ok {
		return module.CaddyModule().ID.Name()
	}
	return "a matcher"
}

// maxHosts bounds the hosts of a server that are looked at.
const maxHosts = 64

// Hosts returns the hosts that the server's routes name. For a host with a wildcard it returns one that
// matches.
func Hosts(server *caddyhttp.Server) (hosts []string) {
	var list func(caddyhttp.RouteList)
	list = func(routes caddyhttp.RouteList) {
		for _, route := range routes {
			for _, set := range route.MatcherSets {
				for _, matcher := range set {
					switch m := matcher.(type) {
					case caddyhttp.MatchHost:
						hosts = append(hosts, literals(m)...)
					case *caddyhttp.MatchHost:
						hosts = append(hosts, literals(*m)...)
					}
				}
			}
			for _, h := range route.Handlers {
				if below, ok := h.(*caddyhttp.Subroute); ok {
					list(below.Routes)
				}
			}
		}
	}
	list(server.Routes)
	return hosts[:min(len(hosts), maxHosts)]
}
