package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of one fetch.
const (
	fetchTime  = 5 * time.Second
	maxFetched = 256 << 10 // bytes of one answer

	usualTokenAge = 5 * time.Minute  // where an access token does not say how long it is good
	maxTokenAge   = 12 * time.Hour   // whatever it says
	tokenMargin   = 30 * time.Second // before its end a token is not used any more
)

// fetch is where keys come from, and how they are read. Addresses are made by
// the rows of the table, never taken from a request unchecked.
type fetch struct {
	name    string // tells it from the source's others, and has no secret in it; see named
	url     string
	header  http.Header // of the request
	body    string      // if not empty, it is a POST
	one     bool        // the webhook names the key, and "not found" says that there is none
	metered bool        // the provider counts what is fetched, so fetch few
	token   *fetch      // gets an OAuth 2.0 access token for it; nil: none is needed
	parse   func(text []byte, now time.Time) (keySet, error)

	// absent reports whether an answer of status 400 says that there is no such key; nil: it does.
	absent func(text []byte) bool
}

// fetchedKeys is what a fetch brought.
type fetchedKeys struct {
	keys keySet
	text []byte
	age  time.Duration // how long they are good
}

// accessToken is an OAuth 2.0 access token that is used for several fetches.
type accessToken struct {
	text    string
	expires time.Time
	failure error     // why there is none
	tried   time.Time // when that was
}

// fetch gets and reads keys.
func (k *keySource) fetch(ctx context.Context, f *fetch) (fetchedKeys, error) {
	asked := *f
	if f.token != nil {
		token, err := k.accessToken(ctx, f.token)
		if err != nil {
			return fetchedKeys{}, err
		}
		asked.header = http.Header{"Authorization": {"Bearer " + token}}
	}
	text, header, err := k.get(ctx, &asked)
	if err != nil {
		if f.token != nil && !errors.Is(err, errUnknownKey) {
			k.forgetToken() // it may have been withdrawn
		}
		return fetchedKeys{}, err
	}
	keys, err := f.parse(text, k.now())
	if err != nil {
		return fetchedKeys{}, fmt.Errorf("fetching %s: %w", f.url, err)
	}
	return fetchedKeys{keys, text, keyAge(header.Get("Cache-Control"))}, nil
}

// accessToken returns the token that the source has, or gets one. After a failure it
// does not ask again for a while: a wrong password does not become right.
func (k *keySource) accessToken(ctx context.Context, f *fetch) (string, error) {
	k.mu.Lock()
	token, now := k.access, k.now()
	k.mu.Unlock()
	switch {
	case token.text != "" && now.Before(token.expires):
		return token.text, nil
	case token.failure != nil && now.Sub(token.tried) < failurePause && !now.Before(token.tried):
		return "", token.failure
	}
	text, _, err := k.get(ctx, f)
	token = accessToken{tried: k.now()}
	if err == nil {
		answer := parseJSON(text)
		age := usualTokenAge
		if seconds := child(answer, "expires_in").Int(); seconds > 0 {
			age = time.Duration(min(seconds, int64(maxTokenAge/time.Second))) * time.Second
		}
		token.text, token.expires = child(answer, "access_token").Str, token.tried.Add(age-tokenMargin)
		if token.text == "" {
			err = fmt.Errorf("fetching %s: no access token came", f.url)
		}
	}
	token.failure = err
	k.mu.Lock()
	defer k.mu.Unlock()
	k.access = token
	return token.text, err
}

func (k *keySource) forgetToken() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.access = accessToken{}
}

func (k *keySource) get(ctx context.Context, f *fetch) ([]byte, http.Header, error) {
	method := http.MethodGet
	if f.body != "" {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(ctx, method, f.url, strings.NewReader(f.body))
	if err != nil {
		return nil, nil, err
	}
	if request.URL.Scheme != "https" || request.URL.User != nil {
		return nil, nil, fmt.Errorf("fetching %s: only plain https addresses are fetched", f.url)
	}
	for name, values := range f.header {
		request.Header[name] = values
	}
	response, err := k.client.Do(request)
	if err != nil {
		return nil, nil, fmt.Errorf("fetching keys: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxFetched+1))
	switch status := response.StatusCode; {
	case f.one && f.missing(status, text):
		return nil, nil, errUnknownKey
	case status != http.StatusOK:
		return nil, nil, fmt.Errorf("fetching %s: answered %d", f.url, status)
	case err != nil:
		return nil, nil, fmt.Errorf("fetching %s: %w", f.url, err)
	case len(text) > maxFetched:
		return nil, nil, fmt.Errorf("fetching %s: more than %d bytes", f.url, maxFetched)
	}
	return text, response.Header, nil
}

// missing reports whether an answer says that there is no such key.
func (f *fetch) missing(status int, text []byte) bool {
	switch status {
	case http.StatusNotFound, http.StatusGone:
		return true
	case http.StatusBadRequest:
		return f.absent == nil || f.absent(text)
	}
	return false
}

// keyAge reads max-age of a Cache-Control header, within bounds.
func keyAge(control string) time.Duration {
	age := usualKeyAge
	for directive := range strings.SplitSeq(control, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-cache", "no-store":
			return minKeyAge
		case "max-age":
			if n, err := strconv.ParseInt(strings.Trim(value, `"`), 10, 32); err == nil {
				age = time.Duration(n) * time.Second
			}
		}
	}
	return min(max(age, minKeyAge), maxKeyAge)
}

// jsonBody is a body of JSON for a POST.
func jsonBody(members map[string]string) string {
	text, _ := json.Marshal(members) // of strings there is nothing that cannot be written
	return string(text)
}
