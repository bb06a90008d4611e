package storebook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Place is where a store keeps its data.
type Place struct {
	// ID tells places apart. It must not contain a secret.
	ID string
	// Name is what people call it, as in the configuration: "file /var/lib/x.db". No secret.
	Name string
}

// key is the name of the place's state file.
func (p Place) key() string {
	sum := sha256.Sum256([]byte(p.ID))
	return hex.EncodeToString(sum[:16])
}

// entry is what is known of a place. It is written as JSON to the state file, which people may read.
type entry struct {
	Store      string    `json:"store"`                // Place.Name
	Generation string    `json:"generation,omitempty"` // of the data that was seen there
	Pending    int       `json:"pending"`              // deliveries, those in flight included
	Dead       int       `json:"dead"`
	CountedAt  time.Time `json:"counted_at,omitzero"`
	UsedAt     time.Time `json:"used_at"` // when a process last said that it has the store open
	Closed     bool      `json:"closed"`  // no process has had it open since UsedAt
}

func decode(text []byte) (e entry, err error) {
	if err = json.Unmarshal(text, &e); err == nil && e.Store == "" {
		err = fmt.Errorf("it names no store")
	}
	return e, err
}

// inUse reports whether another process seems to have the store open. A killed process is believed to run
// until silence has passed.
func (e entry) inUse(now time.Time) bool {
	age := now.Sub(e.UsedAt)
	return !e.Closed && age < silence && age > -silence
}

// Left is a store that this Caddy no longer uses, that holds deliveries, and that no other process with
// the same state files has open.
type Left struct {
	Store         string // what people call it
	Pending, Dead int
	CountedAt     time.Time // when they were counted
	Closed        bool      // UsedAt is when it was closed; otherwise there may be more deliveries since
	File          string    // the state file that says so
}

// String says what is left, where, and since when that is known.
func (l Left) String() string {
	when := "when it was closed"
	if !l.Closed {
		when = "when last counted; it was not closed in good order, so there may be more:"
	}
	return fmt.Sprintf("this Caddy does not use the store %s any more, which held %d pending deliveries and %d dead letters %s %s",
		l.Store, l.Pending, l.Dead, when, l.CountedAt.UTC().Format(time.RFC3339))
}

// Remedy says what to do about it.
func (l Left) Remedy() string {
	return "Start a second Caddy with that store, the same endpoints and destinations, and other ports: it delivers what is there. Or go back to that store until `caddy webhooks stats` shows it empty. " +
		"If nobody needs the deliveries, or a Caddy with another data directory has delivered them, delete " + l.File + "."
}
