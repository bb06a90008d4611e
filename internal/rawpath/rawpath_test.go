package rawpath

import "testing"

func TestOdd(t *testing.T) {
	for path, odd := range map[string]bool{
		"": false, "/": false, "/a/b.c": false, "/a/...": false, "/%": false, "/%4": false, "/a%3Ab": false, "/%2525": true, "/%25zz": false,
		"/.": true, "/a/%2E": true, "/a%2Fb": true, "/A%5Cb": true, "/%7f": true, "/a//": true, "/..;a=b/c": true,
	} {
		if got := Odd(path); (got != "") != odd {
			t.Errorf("%s: %q", path, got)
		}
	}
}
