package filestore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// storeFile makes a file with a bit of everything in it, cut to the pages that
// are in use, and returns its bytes.
func storeFile(t testing.TB) []byte {
	path := filepath.Join(t.TempDir(), "made.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for i := range 60 {
		r, err := s.Accept(ctx, &retrystore.Submission{
			Key: nextKey(), KeyTTL: time.Hour, Event: benchEvent(),
			Targets: []retrystore.Target{{Destination: "app", Lease: time.Hour}, {Destination: "audit"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		settlement := retrystore.Settlement{State: retrystore.State(i % 4), NextAttemptAt: time.Now(), Attempt: retrystore.Attempt{Answer: make([]byte, 900)}}
		if settlement.State != retrystore.Leased {
			if err := s.Settle(ctx, r.Deliveries[0], settlement); err != nil {
				t.Fatal(err)
			}
		}
		if i%3 == 0 {
			if err := s.Delete(ctx, r.Deliveries[1].ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := bytes.TrimRight(b, "\x00")
	return b[:(len(used)+pageSize-1)/pageSize*pageSize]
}

func TestOpenRefusesWhatIsNoStore(t *testing.T) {
	good := storeFile(t)
	garbage := make([]byte, 100_000)
	for i := range garbage {
		garbage[i] = byte(rand.Uint32())
	}
	noMeta := bytes.Clone(good)
	clear(noMeta[:2*pageSize])
	badMetas := bytes.Clone(good)
	badMetas[30]++
	badMetas[pageSize+30]++
	for name, b := range map[string][]byte{
		"one byte":           {0},
		"text":               []byte("hello, world\n"),
		"garbage":            garbage,
		"zeros":              make([]byte, 4*pageSize),
		"no meta pages":      noMeta,
		"damaged meta pages": badMetas,
		"cut to one page":    good[:pageSize],
		"cut to two pages":   good[:2*pageSize],
		"cut by one page":    good[:len(good)-pageSize],
		"cut by one byte":    good[:len(good)-1],
		"cut in half":        good[:len(good)/2],
		"of another program": boltFile(t, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("theirs")); return err }),
		"of yet another":     boltFile(t, func(tx *bbolt.Tx) error { _, err := tx.CreateBucket(bucketMeta); return err }),
		"without a bucket": boltFile(t, func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket(bucketMeta)
			return errors.Join(err, b.Put(metaFormat, []byte{0, 0, 0, formatVersion}))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			err := refused(t, b)
			if !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "restore it from a backup") {
				t.Errorf("error %v, want ErrDamaged and what to do", err)
			}
		})
	}
	t.Run("newer", func(t *testing.T) {
		err := refused(t, boltFile(t, func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket(bucketMeta)
			return errors.Join(err, b.Put(metaFormat, []byte{0, 0, 0, 7}))
		}))
		if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "format 7") || !strings.Contains(err.Error(), "format 1") {
			t.Errorf("error %v, want ErrNewer and both versions", err)
		}
	})
	t.Run("directory", func(t *testing.T) {
		if _, err := Open(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("error %v", err)
		}
	})
}

// refused opens a file of these bytes, and wants an error that names the file,
// and the file as it was.
func refused(t *testing.T, b []byte) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "precious.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err == nil {
		s.Close()
		t.Fatal("it was opened")
	}
	if !strings.Contains(err.Error(), path) {
		t.Errorf("error %q does not name the file", err)
	}
	if after, _ := os.ReadFile(path); !bytes.Equal(after, b) {
		t.Error("the file was changed")
	}
	return err
}

func boltFile(t *testing.T, fill func(*bbolt.Tx) error) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bolt.db")
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fill), db.Close()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOpenCreates(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "webhooks")
	path := filepath.Join(dir, "store.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "store.db" {
		t.Errorf("directory holds %v (%v), want the store only", entries, err)
	}
	if runtime.GOOS == "windows" {
		return // no modes there
	}
	for path, want := range map[string]os.FileMode{path: 0o600, dir: 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v (%v), want %v", path, info.Mode().Perm(), err, want)
		}
	}
}

func TestOpenInitialisesAnEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err = Open(path, Options{})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), path+" is in use by another process") {
		t.Errorf("error %v, want ErrInUse", err)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("it took %s to find out", took)
	}
	if out := child(t, "open", path).wait(); !strings.Contains(out, "is in use by another process") {
		t.Errorf("another process got %q", out)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
}

// Processes that all create the store must end up with one file.
func TestOpenAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	var mu sync.Mutex
	var opened []*Store
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := Open(path, Options{})
			if err != nil && !errors.Is(err, ErrInUse) {
				t.Error(err)
			}
			if err == nil {
				mu.Lock()
				opened = append(opened, s)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(opened) > 1 {
		t.Errorf("%d stores opened one file, want at most one", len(opened))
	}
	for _, s := range opened {
		s.Close()
	}
	if entries, _ := os.ReadDir(filepath.Dir(path)); len(entries) != 1 {
		t.Errorf("directory holds %v, want the store only", entries)
	}
}

// openDamaged opens a file of these bytes, which may fail but not crash, and if
// it opens, everything in it must be usable.
func openDamaged(t testing.TB, b []byte) error {
	path := filepath.Join(t.TempDir(), "store.db")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx := context.Background()
	page, err := s.List(ctx, retrystore.Filter{}, "", 1000)
	if err != nil {
		t.Errorf("list: %v", err)
	}
	for _, d := range page.Deliveries {
		if _, err := s.Get(ctx, d.ID); err != nil && !errors.Is(err, retrystore.ErrNotFound) {
			t.Errorf("get: %v", err)
		}
	}
	if _, err := s.Claim(ctx, retrystore.ClaimRequest{Lane: benchLane, Max: 100, MaxRetries: 100, Lease: time.Minute}); err != nil {
		t.Errorf("claim: %v", err)
	}
	_, err = s.Accept(ctx, &retrystore.Submission{Event: benchEvent(), Targets: []retrystore.Target{{Destination: "app"}}})
	return err
}

func TestOpenTornFile(t *testing.T) {
	good := storeFile(t)
	if err := openDamaged(t, good); err != nil {
		t.Fatal(err)
	}
	n, opened := 150, 0
	if testing.Short() {
		n = 30
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range n {
		b := bytes.Clone(good)
		for range 1 + random.IntN(3) {
			switch random.IntN(4) {
			case 0: // a bit flips
				b[random.IntN(len(b))] ^= 1 << random.IntN(8)
			case 1: // a sector is lost
				at := random.IntN(len(b)/512) * 512
				clear(b[at : at+512])
			case 2: // a page is that of another time
				from, to := random.IntN(len(b)/pageSize)*pageSize, random.IntN(len(b)/pageSize)*pageSize
				copy(b[to:to+pageSize], good[from:])
			case 3: // the header of a page, or of its elements, is damaged
				at := random.IntN(len(b)/pageSize)*pageSize + random.IntN(64)
				binary.NativeEndian.PutUint32(b[at:], random.Uint32())
			}
		}
		if openDamaged(t, b) == nil {
			opened++
		}
	}
	t.Logf("%d of %d torn files could be used", opened, n)
}

func FuzzOpen(f *testing.F) {
	good := storeFile(f)
	f.Add(uint32(0), []byte{1}, uint32(len(good)))
	f.Add(uint32(2*pageSize), []byte("nonsense"), uint32(len(good)))
	f.Add(uint32(3*pageSize+16), []byte{0xff, 0xff, 0xff, 0xff}, uint32(len(good)-1))
	f.Fuzz(func(t *testing.T, at uint32, damage []byte, size uint32) {
		b := bytes.Clone(good)
		copy(b[int(at)%len(b):], damage)
		_ = openDamaged(t, b[:int(size)%(len(b)+1)])
	})
}

func ExampleOpen() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	s, err := Open(filepath.Join(dir, "webhooks.db"), Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	r, err := s.Accept(context.Background(), &retrystore.Submission{
		Event:   &retrystore.Event{Endpoint: "shop", EventID: "evt_1", ReceivedAt: time.Now()},
		Targets: []retrystore.Target{{Destination: "app", Lease: time.Minute}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Deliveries[0].State)
	// Output: leased
}
