package endpoints

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/caddywebhooks/caddy-webhooks/internal/harness"
)

// TestConnectionNamesHeaders: proxies take out what a Connection header names, so one that names
// headers of a webhook would have the application get less than was verified.
func TestConnectionNamesHeaders(t *testing.T) {
	app := harness.StartApplication(t)
	block := fmt.Sprintf("{\nname %%s\nsecret %q\nrequire_https off\n", harness.GitHubSecret)
	c := harness.Start(t, "webhooks /forward github "+fmt.Sprintf(block, "forward")+"forward "+app.Address+"\n}\n"+
		"route /guard {\nwebhooks github "+fmt.Sprintf(block, "guard")+"}\nreverse_proxy "+app.Address+"\n}", "")
	for i, test := range []struct {
		connection string
		refused    bool
	}{
		{"X-GitHub-Event", true},
		{"close, x-hub-signature-256", true},
		{"Content-Type,close", true},
		{"X-GitHub-Delivery", true},
		{"close", false},
		{"keep-alive, Upgrade", false},
		{"X-Not-There", false},
	} {
		for _, path := range []string{"/forward", "/guard"} {
			r := c.GitHubRequest(path, fmt.Sprint(i), "{}")
			r.Header["Connection"] = []string{test.connection}
			got := c.Do(r)
			if !test.refused {
				if got.Code >= 300 {
					t.Errorf("%s, Connection: %s: answered %d %s", path, test.connection, got.Code, got.Body)
				}
				if h := app.Next(t).Header; h.Get("X-GitHub-Event") == "" || h.Get("X-GitHub-Delivery") == "" {
					t.Errorf("%s, Connection: %s: arrived %v", path, test.connection, h)
				}
				continue
			}
			harness.CheckAnswer(t, got, http.StatusBadRequest, "ambiguous_request")
		}
	}
	if len(app.Got) != 0 {
		t.Error("a refused webhook came to the application")
	}
}
