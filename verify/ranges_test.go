package verify

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPublishedRanges reads a list as each provider publishes it, and compares
// it with the snapshot: both have to be updated together.
func TestPublishedRanges(t *testing.T) {
	published := 0
	for _, p := range Providers() {
		r := p.Ranges
		if r == nil {
			continue
		}
		published++
		t.Run(p.Name, func(t *testing.T) {
			if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
				t.Error(err)
			}
			for _, url := range []string{r.Source, r.List.URL} {
				if !strings.HasPrefix(url, "https://") {
					t.Errorf("%q is no https address", url)
				}
			}
			files, err := filepath.Glob("testdata/ranges/" + p.Name + ".*")
			if err != nil || len(files) != 1 {
				t.Fatalf("want one sample of the list, have %v, %v", files, err)
			}
			document, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.List.Parse(document)
			if err != nil {
				t.Fatal(err)
			}
			want := slices.SortedFunc(slices.Values(r.Snapshot), netip.Prefix.Compare)
			if !slices.Equal(got, want) {
				t.Errorf("the sample has %v, the snapshot %v", got, want)
			}
			for _, prefix := range want {
				if prefix != prefix.Masked() || wide(prefix) || prefix.Addr().IsPrivate() {
					t.Errorf("%s cannot be true", prefix)
				}
			}
		})
	}
	if published == 0 {
		t.Error("no provider has ranges")
	}
}

func TestListParse(t *testing.T) {
	lines, object := List{Format: ListLines}, List{Format: ListJSON}
	hooks := List{Format: ListJSON, Pointer: "/hooks"}
	for _, test := range []struct {
		name, document string
		list           List
		want           string // as fmt prints the ranges
		err            string
	}{
		{"lines", "203.0.113.9\n198.51.100.0/24\n", lines, "[198.51.100.0/24 203.0.113.9/32]", ""},
		{"zero list", "203.0.113.9", List{}, "[203.0.113.9/32]", ""},
		{"CRLF, blanks, comments", "# ours\r\n\r\n  203.0.113.9\t\r\n#203.0.113.10", lines, "[203.0.113.9/32]", ""},
		{"repeated", "203.0.113.9\n203.0.113.9/32", lines, "[203.0.113.9/32]", ""},
		{"host bits", "203.0.113.9/24\n2001:db8::1/32", lines, "[203.0.113.0/24 2001:db8::/32]", ""},
		{"IPv4-mapped", "::ffff:203.0.113.9\n::ffff:198.51.100.7/120", lines, "[198.51.100.0/24 203.0.113.9/32]", ""},
		{"widest", "203.0.0.0/8\n2001::/16", lines, "[203.0.0.0/8 2001::/16]", ""},
		{"pointer", `{"web":["x"],"hooks":["203.0.113.9"]}`, hooks, "[203.0.113.9/32]", ""},
		{"object of arrays", `{"eu":["203.0.113.9"],"us":["203.0.113.8"]}`, object, "[203.0.113.8/32 203.0.113.9/32]", ""},
		{"array", `["203.0.113.9"]`, object, "[203.0.113.9/32]", ""},
		{"escaped string", `["203.0.113.9\u002f24"]`, object, "[203.0.113.0/24]", ""},

		{"empty", "", lines, "", "no ranges"},
		{"only comments", "# none\n", lines, "", "no ranges"},
		{"HTML", "<!doctype html>\n<html>", lines, "", `"<!doctype html>" is neither an address nor a CIDR`},
		{"long line", strings.Repeat("x", 1000), lines, "", `"` + strings.Repeat("x", 64) + `" is neither`},
		{"half good", "203.0.113.9\n203.0.113", lines, "", "neither"},
		{"zone", "fe80::1%eth0", lines, "", "neither"},
		{"bad bits", "203.0.113.0/33", lines, "", "neither"},
		{"all of IPv4", "0.0.0.0/0", lines, "", "too wide"},
		{"too wide", "203.0.113.9/7", lines, "", "range 202.0.0.0/7 is too wide to be true"},
		{"too wide IPv6", "2001::/15", lines, "", "too wide"},
		{"all of IPv4, mapped", "::ffff:0:0/96", lines, "", "too wide"},
		{"not JSON", "203.0.113.9\nx", object, "", "not JSON"},
		{"cut JSON", `{"hooks":["203.0.113.9"`, hooks, "", "not JSON"},
		{"deep JSON", strings.Repeat("[", 2000) + strings.Repeat("]", 2000), object, "", "not JSON"},
		{"pointer to nothing", `{"web":["203.0.113.9"]}`, hooks, "", "nothing at /hooks"},
		{"pointer into a string", `"hooks"`, hooks, "", "nothing at /hooks"},
		{"empty array", `{"hooks":[]}`, hooks, "", "no ranges"},
		{"null", `{"hooks":null}`, hooks, "", "a null where ranges should be"},
		{"number", `{"hooks":[203]}`, hooks, "", "a number where"},
		{"error body", `{"message":"API rate limit exceeded"}`, object, "", "neither an address nor"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.list.Parse([]byte(test.document))
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("%v, error %v: want one with %q", got, err, test.err)
				}
				return
			}
			if err != nil || fmt.Sprint(got) != test.want {
				t.Fatalf("%v, %v: want %s", got, err, test.want)
			}
		})
	}
}

func TestListBound(t *testing.T) {
	var b strings.Builder
	for i := range maxRanges {
		fmt.Fprintf(&b, "203.%d.%d.1\n", i>>8, i&255)
	}
	list := List{Format: ListLines}
	if got, err := list.Parse([]byte(b.String())); err != nil || len(got) != maxRanges {
		t.Fatalf("%d ranges, %v", len(got), err)
	}
	b.WriteString("203.0.113.9\n")
	if _, err := list.Parse([]byte(b.String())); err == nil || !strings.Contains(err.Error(), "more than 10000 ranges") {
		t.Fatalf("error is %v", err)
	}
}

// FuzzListParse looks for lists that break a promise of Parse.
func FuzzListParse(f *testing.F) {
	f.Add([]byte("203.0.113.9\n"), false, "")
	f.Add([]byte(`{"hooks":["203.0.113.9/24"]}`), true, "/hooks")
	f.Add([]byte(`[["::ffff:1.2.3.4/97"],{"a":"2001:db8::/32"}]`), true, "/0")
	f.Fuzz(func(t *testing.T, document []byte, json bool, pointer string) {
		list := List{Format: ListLines}
		if json {
			list.Format = ListJSON
			if strings.HasPrefix(pointer, "/") {
				list.Pointer = pointer
			}
		}
		ranges, err := list.Parse(document)
		if err != nil {
			return
		}
		if len(ranges) == 0 || len(ranges) > maxRanges {
			t.Fatalf("%d ranges", len(ranges))
		}
		for i, p := range ranges {
			if !p.IsValid() || p != p.Masked() || wide(p) || i > 0 && ranges[i-1].Compare(p) >= 0 {
				t.Fatalf("range %d is %s", i, p)
			}
		}
	})
}
