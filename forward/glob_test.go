package forward

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMatchType(t *testing.T) {
	tests := []struct {
		glob, eventType string
		want            bool
	}{
		{"*", "", true},
		{"*", "invoice.paid", true},
		{"", "", true},
		{"", "x", false},
		{"invoice.paid", "invoice.paid", true},
		{"invoice.paid", "Invoice.paid", false},
		{"invoice.paid", "invoice.paid.late", false},
		{"invoice.*", "invoice.paid", true},
		{"invoice.*", "invoice.paid.late", true},
		{"invoice.*", "invoice.", true},
		{"invoice.*", "invoice", false},
		{"*.created", "customer.subscription.created", true},
		{"orders/*", "orders/create/x", true},
		{"a*a", "a", false},
		{"a*a", "aa", true},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "acb", false},
		{"*ab*ab", "ab", false},
		{"*ab*ab", "abab", true},
		{"**", "x", true},
		{"[a-z]?", "[a-z]?", true},
		{"[a-z]?", "ab", false},
		{"a.c", "abc", false},
	}
	for _, test := range tests {
		if got := MatchType(test.glob, test.eventType); got != test.want {
			t.Errorf("MatchType(%q, %q) = %v", test.glob, test.eventType, got)
		}
	}
}

func FuzzMatchType(f *testing.F) {
	for _, seed := range [][2]string{{"*", ""}, {"a*b", "ab"}, {"*ab*ab", "abab"}, {"a**", "a\n"}, {"é*", "éa"}, {"a*ba*ab", "ababab"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, glob, eventType string) {
		if !utf8.ValidString(glob) || !utf8.ValidString(eventType) || len(glob) > 100 {
			t.Skip("regexp has its own ideas about bytes that are not text")
		}
		reference := regexp.MustCompile(`(?s)\A` + strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, `.*`) + `\z`)
		if got, want := MatchType(glob, eventType), reference.MatchString(eventType); got != want {
			t.Errorf("MatchType(%q, %q) = %v, want %v", glob, eventType, got, want)
		}
	})
}
