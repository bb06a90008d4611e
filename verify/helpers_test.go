package verify

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
)

func itoa(i int) string { return strconv.Itoa(i) }

// sameKey reports whether two texts can stand for one key: private keys in PEM
// (which repeat themselves), and base64 with other unused bits at the end.
func sameKey(a, b string) bool {
	if strings.Contains(a, "PRIVATE") && strings.Contains(b, "PRIVATE") {
		return true
	}
	if strings.HasPrefix(a, "whpk_") && strings.HasPrefix(b, "whpk_") {
		x, err1 := base64.StdEncoding.DecodeString(a[5:])
		y, err2 := base64.StdEncoding.DecodeString(b[5:])
		return err1 == nil && err2 == nil && bytes.Equal(x, y)
	}
	return false
}
