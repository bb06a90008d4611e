package harness

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// ReceivedLines are the lines "webhook received" of a log.
func ReceivedLines(t *testing.T, log string) []map[string]any {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	var lines []map[string]any
	for line := range strings.SplitSeq(string(text), "\n") {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["msg"] == "webhook received" {
			lines = append(lines, fields)
		}
	}
	return lines
}
