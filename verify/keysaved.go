package verify

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Bounds of what is saved of one source.
const (
	savedVersion = 1
	maxSaved     = 64      // keys or key sets
	maxSavedSize = 1 << 20 // bytes of them together
	maxSavedAge  = 90 * 24 * time.Hour
	clockSkew    = time.Minute // that a saved time may be ahead
)

// savedKeys is what a storage keeps of a source: the answers of key servers as they
// came, which are read again by the rules that they were first read by.
type savedKeys struct {
	Version int        `json:"version"`
	Source  string     `json:"source"`
	Keys    []savedKey `json:"keys"`
}

type savedKey struct {
	Name    string    `json:"name"`
	Fetched time.Time `json:"fetched"`
	Expires time.Time `json:"expires"`
	Text    []byte    `json:"text"`
}

// save writes down the keys that the source has.
func (k *keySource) save() {
	storage := k.pool.options.Storage
	if storage == nil {
		return
	}
	k.saving.Lock() // so that an older state does not replace a newer one
	defer k.saving.Unlock()
	text, err := json.Marshal(k.saved())
	if err == nil {
		err = storage.Save(k.file, text)
	}
	if err != nil {
		k.pool.options.Warn(fmt.Errorf("saving fetched keys: %w", err))
	}
}

// saved lists the newest keys, as many as fit.
func (k *keySource) saved() savedKeys {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := savedKeys{Version: savedVersion, Source: k.file}
	for name, e := range k.entries {
		if e.proven() {
			s.Keys = append(s.Keys, savedKey{name, e.fetched.UTC(), e.expires.UTC(), e.text})
		}
	}
	slices.SortFunc(s.Keys, func(a, b savedKey) int { return b.Fetched.Compare(a.Fetched) })
	size := 0
	for i, key := range s.Keys {
		if size += len(key.Text); i == maxSaved || size > maxSavedSize {
			s.Keys = s.Keys[:i]
			break
		}
	}
	return s
}

// load takes over what was saved, as if it had been fetched at the time that it says.
// What is damaged, of another source, or cannot have come about is left out. Nobody
// else has the source yet.
func (k *keySource) load() {
	storage := k.pool.options.Storage
	if storage == nil {
		return
	}
	text, err := storage.Load(k.file)
	var s savedKeys
	if err != nil || json.Unmarshal(text, &s) != nil || s.Version != savedVersion || s.Source != k.file || len(s.Keys) > maxSaved {
		return // it will be replaced
	}
	now := k.now()
	for _, key := range s.Keys {
		age, life := now.Sub(key.Fetched), key.Expires.Sub(key.Fetched)
		if key.Name == "" || len(key.Text) == 0 || len(key.Text) > maxFetched ||
			age < -clockSkew || age > maxSavedAge || life < minKeyAge || life > maxKeyAge {
			continue
		}
		fetched := now.Add(-age) // which has a reading of the monotonic clock, too
		k.entries[key.Name] = &keyEntry{
			text: key.Text, unread: true, fetched: fetched, expires: fetched.Add(life), tried: fetched, pause: refetchPause,
		}
	}
}

// read takes the keys out of what was saved. What is no key any more is as if it had
// never been there.
func (e *keyEntry) read(f *fetch, now time.Time) {
	e.unread = false
	keys, err := f.parse(e.text, now)
	if err != nil {
		*e = keyEntry{}
		return
	}
	e.keys = keys
}
