package caddywebhooks

import (
	"fmt"
	"net/http"
	"testing"
)

// TestConnectionNamesHeaders: proxies take out what a Connection header names, so one that names
// headers of a webhook would have the application get less than was verified.
func TestConnectionNamesHeaders(t *testing.T) {
	app := startApplication(t)
	block := fmt.Sprintf("{\nname %%s\nsecret %q\nrequire_https off\n", githubSecret)
	c := startCaddy(t, "webhooks /forward github "+fmt.Sprintf(block, "forward")+"forward "+app.address+"\n}\n"+
		"route /guard {\nwebhooks github "+fmt.Sprintf(block, "guard")+"}\nreverse_proxy "+app.address+"\n}", "")
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
			r := c.githubRequest(path, fmt.Sprint(i), "{}")
			r.Header["Connection"] = []string{test.connection}
			got := c.do(r)
			if !test.refused {
				if got.code >= 300 {
					t.Errorf("%s, Connection: %s: answered %d %s", path, test.connection, got.code, got.body)
				}
				if h := app.next(t).header; h.Get("X-GitHub-Event") == "" || h.Get("X-GitHub-Delivery") == "" {
					t.Errorf("%s, Connection: %s: arrived %v", path, test.connection, h)
				}
				continue
			}
			checkAnswer(t, got, http.StatusBadRequest, "ambiguous_request")
		}
	}
	if len(app.got) != 0 {
		t.Error("a refused webhook came to the application")
	}
}
