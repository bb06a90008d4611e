package examples

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/adminapi"
	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestAdminDocs has docs/admin.md list every request of the admin API, and no other.
func TestAdminDocs(t *testing.T) {
	text := readDoc(t, "docs/admin.md")
	documented := make(map[string]bool)
	for _, m := range regexp.MustCompile("`(GET|POST|DELETE|PUT|PATCH) /webhooks/([^ ?`]+)").FindAllStringSubmatch(text, -1) {
		documented[m[1]+" "+m[2]] = true
	}
	for path, method := range adminapi.Routes() {
		request := method + " " + path
		if !documented[request] {
			t.Errorf("docs/admin.md lacks %s", request)
		}
		delete(documented, request)
	}
	for request := range documented {
		t.Errorf("docs/admin.md has %s, which there is not", request)
	}
}

// TestReadmeIndex has README.md lead to every document, and name every example and command.
func TestReadmeIndex(t *testing.T) {
	text := readDoc(t, "README.md")
	documents, err := filepath.Glob("docs/*")
	if err != nil || len(documents) < 9 {
		t.Fatalf("documents %q, %v", documents, err)
	}
	for _, document := range documents {
		if ext := filepath.Ext(document); ext != ".md" && ext != ".yaml" {
			continue // a picture in one of them
		}
		if !strings.Contains(text, "]("+filepath.ToSlash(document)) {
			t.Errorf("README.md does not lead to %s", document)
		}
	}
	examples, err := filepath.Glob("examples/*/Caddyfile")
	if err != nil || len(examples) < 5 {
		t.Fatalf("examples %q, %v", examples, err)
	}
	for _, example := range examples {
		if name := filepath.Base(filepath.Dir(example)); !strings.Contains(text, "](examples/"+name) {
			t.Errorf("README.md does not lead to examples/%s", name)
		}
	}
	out, _, _ := harness.RunCaddy(t, "__completeNoDesc", "webhooks", "")
	for command := range strings.FieldsSeq(out) {
		if !strings.HasPrefix(command, ":") && !strings.Contains(text, "`"+command+"`") && !strings.Contains(text, "webhooks "+command) {
			t.Errorf("README.md does not name the command %s", command)
		}
	}
	for _, link := range regexp.MustCompile(`\]\(([^)#:]+)[)#]`).FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(link[1]); err != nil {
			t.Errorf("README.md leads nowhere: %v", err)
		}
	}
}

func readDoc(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
