//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// lane is what the admin API says of a destination.
type lane struct {
	Endpoint, Destination string
	Pending, Leased, Dead int
}

type stats struct {
	Destinations []lane
	EventKeys    int `json:"event_keys"`
}

// delivery is one of the admin API's list.
type delivery struct {
	ID          string
	EventID     string `json:"event_id"`
	Endpoint    string
	Destination string
	State       string
	Attempts    int
	Reason      string
}

// ask calls the admin API.
func (n *node) ask(method, path, body string, into any) error {
	r, err := http.NewRequest(method, n.admin+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := adminClient.Do(r)
	if err != nil {
		return fmt.Errorf("%s: %w", n.name, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", response.StatusCode, content)
	}
	if err == nil {
		err = json.Unmarshal(content, into)
	}
	if err != nil {
		return fmt.Errorf("%s: %s %s: %w", n.name, method, path, err)
	}
	return nil
}

func (n *node) stats() (s stats, err error) {
	err = n.ask(http.MethodGet, "/webhooks/stats", "", &s)
	return s, err
}

// list reads all deliveries of a state, page by page.
func (n *node) list(state string) (all []delivery, err error) {
	for cursor := ""; ; {
		query := url.Values{"state": {state}, "limit": {"500"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		var page struct {
			Deliveries []delivery
			Next       string
		}
		if err := n.ask(http.MethodGet, "/webhooks/deliveries?"+query.Encode(), "", &page); err != nil {
			return nil, err
		}
		all = append(all, page.Deliveries...)
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

// replayDead makes all dead letters pending again.
func (n *node) replayDead() (done int, err error) {
	var result struct{ Matched, Done int }
	err = n.ask(http.MethodPost, "/webhooks/replay", `{"filter":{"state":"dead"}}`, &result)
	return result.Done, err
}
