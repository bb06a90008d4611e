package verify

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/faketime"
)

// memory is a storage that outlives a pool.
type memory struct {
	mu    sync.Mutex
	files map[string][]byte
	saves int
	fails error
}

func newMemory() *memory { return &memory{files: map[string][]byte{}} }

func (m *memory) Load(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if text, found := m.files[name]; found {
		return text, nil
	}
	return nil, errors.New("no such file")
}

func (m *memory) Save(name string, text []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.fails == nil {
		m.files[name] = text
	}
	return m.fails
}

// one returns the name and text of the only file.
func (m *memory) one(t *testing.T) (string, savedKeys) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.files) != 1 {
		t.Fatalf("%d files", len(m.files))
	}
	for name, text := range m.files {
		var s savedKeys
		if err := json.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		return name, s
	}
	panic("unreachable")
}

// start makes a verifier as after a start of the process: with a pool of its own, and the storage.
func (x *vector) start(t *testing.T, storage KeyStorage, at *faketime.Clock) (*KeyPool, *Verifier) {
	t.Helper()
	pool := NewKeyPool(KeyPoolOptions{Transport: x.keys.transport, Now: at.Now, Storage: storage, Warn: func(err error) { t.Log(err) }})
	return pool, x.with(t, pool, at)
}

func (x *vector) with(t *testing.T, pool *KeyPool, at *faketime.Clock) *Verifier {
	t.Helper()
	o := x.options()
	o.Keys, o.Now = pool, at.Now
	v, err := x.provider.NewVerifier(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

func down(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusBadGateway) }

// eachFetched calls test with a vector of each row that fetches keys.
func eachFetched(t *testing.T, test func(t *testing.T, x *vector, at *faketime.Clock)) {
	eachKeyRow(t, func(t *testing.T, x *vector, _ keyRow) { test(t, x, faketime.At(x.Time())) })
}

// TestKeysOutliveAConfig: the next config has the keys of the one before.
func TestKeysOutliveAConfig(t *testing.T) {
	eachFetched(t, func(t *testing.T, x *vector, at *faketime.Clock) {
		pool, v := x.start(t, nil, at)
		verdict(t, v, x.request(t), "", "")
		x.keys.handle(down)
		next := x.with(t, pool, at)
		v.Close()
		verdict(t, next, x.request(t), "", "")
		next.Close()
		v.Close() // once more: it is not the other's
		again := x.with(t, pool, at)
		verdict(t, again, x.request(t), "", "")
		again.Close()
		at.Move(idleTime + time.Second)
		x.with(t, pool, at) // which sweeps
		if k := pool.sources[again.fetched.identity]; k == again.fetched {
			t.Error("what nobody uses is kept")
		}
	})
}

// TestKeysOutliveARestart: keys that were saved are as good as if they had been fetched
// when they were.
func TestKeysOutliveARestart(t *testing.T) {
	eachFetched(t, func(t *testing.T, x *vector, at *faketime.Clock) {
		storage := newMemory()
		_, v := x.start(t, storage, at)
		verdict(t, v, x.request(t), "", "")
		v.Close()
		name, s := storage.one(t)
		if !strings.HasPrefix(name, x.provider.Name+"-") || len(s.Keys) != 1 || !s.Keys[0].Fetched.Equal(at.Now()) {
			t.Errorf("%s: %+v", name, s)
		}
		for _, secret := range []string{"client_secret", "verification_token"} {
			for _, value := range x.Settings[secret] {
				if strings.Contains(string(storage.files[name]), value) || strings.Contains(name, value) {
					t.Errorf("%s is stored", secret)
				}
			}
		}
		x.keys.handle(down)
		asked := x.keys.asked()
		_, v = x.start(t, storage, at)
		verdict(t, v, x.request(t), "", "")
		if x.keys.asked() != asked {
			t.Error("a key that is good was fetched again")
		}
		v.Close()
		if strings.HasPrefix(x.provider.Name, "plaid") || x.provider.Name == "google-pubsub" || x.provider.Name == "paypal" {
			return // these webhooks are too old an hour later
		}
		at.Move(usualKeyAge + maxStaleness - time.Minute)
		_, v = x.start(t, storage, at)
		verdict(t, v, x.request(t), "", "")
		v.Close()
		at.Move(2 * time.Minute)
		_, v = x.start(t, storage, at)
		verdict(t, v, x.request(t), KeyUnavailable, DetailKeyNotFetched)
		x.keys.handle(nil)
		at.Move(failurePause)
		verdict(t, v, x.request(t), "", "")
		v.Close()
		if _, s := storage.one(t); !s.Keys[0].Fetched.Equal(at.Now()) {
			t.Errorf("saved is %s, want what was fetched at %s", s.Keys[0].Fetched, at.Now())
		}
	})
}

// TestSavedKeysThatCannotBe: what is damaged or cannot have come about is left out, and
// replaced.
func TestSavedKeysThatCannotBe(t *testing.T) {
	x, at := vectorOf(t, "aws-sns", "notification"), faketime.At(testTime)
	storage := newMemory()
	_, v := x.start(t, storage, at)
	verdict(t, v, x.request(t), "", "")
	v.Close()
	name, good := storage.one(t)
	whole := slices.Clone(storage.files[name])
	other := vectorOf(t, "paypal", "unicode").Fetched
	changed := func(change func(s *savedKeys)) []byte {
		s := good
		s.Keys = slices.Clone(good.Keys)
		change(&s)
		text, _ := json.Marshal(s)
		return text
	}
	for what, text := range map[string][]byte{
		"nothing":            {},
		"cut":                whole[:len(whole)/2],
		"zeros":              make([]byte, len(whole)),
		"another version":    changed(func(s *savedKeys) { s.Version++ }),
		"another source":     changed(func(s *savedKeys) { s.Source = "aws-sns-0" }),
		"of the future":      changed(func(s *savedKeys) { s.Keys[0].Fetched = at.Now().Add(time.Hour) }),
		"for ever":           changed(func(s *savedKeys) { s.Keys[0].Expires = at.Now().Add(1000 * time.Hour) }),
		"very old":           changed(func(s *savedKeys) { s.Keys[0].Fetched = at.Now().Add(-maxSavedAge - time.Hour) }),
		"no name":            changed(func(s *savedKeys) { s.Keys[0].Name = "" }),
		"too many":           changed(func(s *savedKeys) { s.Keys = slices.Repeat(s.Keys, maxSaved+1) }),
		"no certificate":     changed(func(s *savedKeys) { s.Keys[0].Text = []byte("x") }),
		"too long":           changed(func(s *savedKeys) { s.Keys[0].Text = make([]byte, maxFetched+1) }),
		"of another company": changed(func(s *savedKeys) { s.Keys[0].Text = []byte(slices.Collect(maps.Values(other))[0]) }),
	} {
		t.Run(what, func(t *testing.T) {
			storage.files[name] = text
			asked := x.keys.asked()
			_, v := x.start(t, storage, at)
			verdict(t, v, x.request(t), "", "")
			v.Close()
			if x.keys.asked() != asked+1 {
				t.Error("the key was not fetched")
			}
			if _, s := storage.one(t); !reflect.DeepEqual(s, good) {
				t.Errorf("it was not replaced: %+v", s)
			}
		})
	}
}

// TestSavingFails: it is told, and keys are used all the same.
func TestSavingFails(t *testing.T) {
	x, at := vectorOf(t, "paypal", "unicode"), faketime.At(testTime)
	storage := newMemory()
	storage.fails = errors.New("the disk is full")
	var warned []string
	var mu sync.Mutex
	pool := NewKeyPool(KeyPoolOptions{Transport: x.keys.transport, Now: at.Now, Storage: storage, Warn: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		warned = append(warned, err.Error())
	}})
	v := x.with(t, pool, at)
	verdict(t, v, x.request(t), "", "")
	v.Close()
	if len(warned) != 1 || !strings.Contains(warned[0], "the disk is full") {
		t.Errorf("%q", warned)
	}
}

// TestStorageIsNotOnTheWay: a webhook whose key is known does not wait for the storage, nor does
// one whose key was just fetched.
func TestStorageIsNotOnTheWay(t *testing.T) {
	x, at := vectorOf(t, "aws-sns", "notification"), faketime.At(testTime)
	storage := newMemory()
	_, v := x.start(t, storage, at)
	storage.mu.Lock() // the disk hangs
	for range 10 {
		verdict(t, v, x.request(t), "", "")
	}
	storage.mu.Unlock()
	v.Close()
	if storage.saves != 1 {
		t.Errorf("saved %d times", storage.saves)
	}
}

// TestKeysAreNotMixed: what one endpoint has of its hosts is not used by one that has others.
func TestKeysAreNotMixed(t *testing.T) {
	x, at := vectorOf(t, "kinde", "user created"), faketime.At(testTime)
	storage := newMemory()
	pool, v := x.start(t, storage, at)
	verdict(t, v, x.request(t), "", "")
	x.Settings = map[string][]string{"domain": {"other.kinde.com"}}
	other := x.with(t, pool, at)
	verdict(t, other, x.request(t), KeyUnavailable, DetailKeyNotFetched) // there is no such host
	v.Close()
	other.Close()
	// Not even if the files were renamed.
	name, _ := storage.one(t)
	storage.files[other.fetched.file] = storage.files[name]
	_, moved := x.start(t, storage, at)
	verdict(t, moved, x.request(t), KeyUnavailable, DetailKeyNotFetched)
	moved.Close()
	if _, there := pool.sources[v.fetched.identity]; !there || v.fetched == other.fetched || v.fetched.file == other.fetched.file {
		t.Error("two domains have one source")
	}
}

// TestWhatLocatesKeys: settings by which sources are told apart are those that locations
// depend on, all of them, and no others.
func TestWhatLocatesKeys(t *testing.T) {
	eachKeyRow(t, func(t *testing.T, x *vector, _ keyRow) {
		v := x.verifier(t)
		var s *scheme
		for _, candidate := range v.schemes {
			if candidate.locate != nil {
				s = candidate
				break
			}
		}
		in := newInput(x.request(t))
		defer in.release()
		in.keyID = "9936261a-7d7b-4621-a0f1-964eb3e1a0b1"
		where := func(set settings) string {
			f, _, refused := s.locate(in, set)
			if refused != nil {
				t.Fatal(refused)
			}
			text, _ := json.Marshal([]any{f.name, f.url, f.header, f.body, f.token != nil && f.token.header != nil})
			if f.token != nil {
				text = append(text, f.token.url+f.token.header.Get("Authorization")...)
			}
			return string(text)
		}
		before := where(s.settings)
		for _, setting := range x.provider.Settings {
			values := append(slices.Clone(setting.Values), "other.example")
			depends := slices.ContainsFunc(values, func(value string) bool {
				set := maps.Clone(s.settings)
				if set == nil {
					set = settings{}
				}
				set[setting.Name] = []string{value}
				return where(set) != before
			})
			if listed := slices.Contains(s.locatedBy, setting.Name); depends != listed {
				t.Errorf("setting %s: the location depends on it: %t, locatedBy has it: %t", setting.Name, depends, listed)
			}
		}
	})
}

// TestAccessTokensAreUsedAgain: eBay counts those, too.
func TestAccessTokensAreUsedAgain(t *testing.T) {
	x := vectorOf(t, "ebay", "account deletion")
	at := faketime.At(testTime)
	_, v := x.start(t, nil, at)
	tokens := func() (n int) {
		x.keys.mu.Lock()
		defer x.keys.mu.Unlock()
		for _, address := range x.keys.requests {
			if strings.HasSuffix(address, "/oauth2/token") {
				n++
			}
		}
		return n
	}
	for i := range 5 {
		_, _ = v.Verify(keyRows["ebay"].named(t, x, i))
	}
	verdict(t, v, x.request(t), "", "")
	if n := tokens(); n != 1 {
		t.Errorf("%d tokens for six keys", n)
	}
	at.Move(maxTokenAge)
	_, _ = v.Verify(keyRows["ebay"].named(t, x, 6))
	if n := tokens(); n != 2 {
		t.Errorf("%d tokens after one has expired", n)
	}
	// A password that is wrong is not tried for every webhook.
	at.Move(maxTokenAge)
	x.keys.handle(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "", http.StatusUnauthorized) })
	for i := range 5 {
		verdict(t, v, keyRows["ebay"].named(t, x, 10+i), KeyUnavailable, DetailKeyNotFetched)
	}
	if n := tokens(); n != 3 {
		t.Errorf("%d tokens", n)
	}
}

// TestWrongCredentialsAreNotTheWebhooksFault: Plaid says 400 for a key that it does not have,
// and for credentials that are wrong.
func TestWrongCredentialsAreNotTheWebhooksFault(t *testing.T) {
	x := vectorOf(t, "plaid", "transactions")
	x.keys.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error_code":"INVALID_API_KEYS"}`))
	})
	verdict(t, x.verifier(t), x.request(t), KeyUnavailable, DetailKeyNotFetched)
	x.keys.handle(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error_code":"INVALID_WEBHOOK_VERIFICATION_KEY_ID"}`))
	})
	verdict(t, x.verifier(t), x.request(t), InvalidSignature, DetailUnknownKey)
}
