//go:build linux

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// TestReadTrace knows what a sync has covered, whatever order threads are logged in.
func TestReadTrace(t *testing.T) {
	const db = "8</x/deliveries.db>"
	write := func(from int) string { return fmt.Sprintf(`7 pwrite64(%s, ""..., 4096, %d) = 4096`, db, from) }
	sync := "7 fdatasync(" + db + ") = 0"
	for name, c := range map[string]struct {
		trace  []string
		writes []int64 // where the unsynced ones begin
		synced int64
		grown  int64
	}{
		"nothing":         {nil, nil, 100, 100},
		"synced":          {[]string{write(0), sync}, nil, 4096, 4096},
		"not synced":      {[]string{write(0), sync, write(4096), write(0)}, []int64{4096, 0}, 4096, 8192},
		"sync not ended":  {[]string{write(0), "7 fdatasync(" + db + " <unfinished ...>", "9 fsync(3</y>) = 0"}, []int64{0}, 100, 4096},
		"sync killed":     {[]string{write(0), "7 fdatasync(" + db + ") = ?"}, []int64{0}, 100, 4096},
		"sync failed":     {[]string{write(0), "7 fdatasync(" + db + ") = -1 EIO (Input/output error)"}, []int64{0}, 100, 4096},
		"sync resumed":    {[]string{write(0), "7 fdatasync(" + db + " <unfinished ...>", "7 <... fdatasync resumed>) = 0"}, nil, 4096, 4096},
		"other resumed":   {[]string{write(0), "7 fdatasync(" + db + " <unfinished ...>", "9 <... fdatasync resumed>) = 0"}, []int64{0}, 100, 4096},
		"write not ended": {[]string{`7 pwrite64(` + db + `, ""..., 4096, 8192 <unfinished ...>`}, []int64{8192}, 100, 12288},
		"other file":      {[]string{`7 pwrite64(9</x/other>, ""..., 4096, 0) = 4096`}, nil, 100, 100},
		"grown":           {[]string{"7 fallocate(" + db + ", 0, 4096, 8192) = 0", "7 ftruncate(" + db + ", 9000) = 0"}, nil, 100, 12288},
	} {
		u, err := readTrace(strings.NewReader(strings.Join(c.trace, "\n")), "deliveries.db", 100)
		if err != nil {
			t.Fatal(err)
		}
		var writes []int64
		for _, w := range u.writes {
			writes = append(writes, w.from)
		}
		if !slices.Equal(writes, c.writes) || u.synced != c.synced || u.grown != c.grown {
			t.Errorf("%s: unsynced %v, %d bytes synced, %d in all: want %v, %d, %d", name, writes, u.synced, u.grown, c.writes, c.synced, c.grown)
		}
	}
}

// TestFinishedTrace finds the end of a process, whatever the width of its id.
func TestFinishedTrace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "trace")
	for pid, text := range map[int]string{
		1017:  "1016  +++ killed by SIGKILL +++\n1017  +++ killed by SIGKILL +++\n",
		10178: "10177 +++ killed by SIGKILL +++\n10178 +++ killed by SIGKILL +++\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := finishedTrace(path, pid); err != nil || string(got) != text {
			t.Errorf("process %d: %q, %v", pid, got, err)
		}
	}
}

// TestSpoil damages what was not synced, in many ways, and nothing else.
func TestSpoil(t *testing.T) {
	content := bytes.Repeat([]byte{0xaa}, 16*sector)
	u := unsynced{writes: []extent{{2 * sector, 3 * sector}}, synced: 14 * sector, grown: 16 * sector}
	outcomes := make(map[string]bool)
	for seed := range uint64(200) {
		after := u.spoil(content, rand.New(rand.NewPCG(seed, 1)))
		if len(after) != len(content) {
			outcomes["shorter"] = true
			if int64(len(after)) != u.synced {
				t.Fatalf("%d bytes are left: %d were synced", len(after), u.synced)
			}
		}
		if !bytes.Equal(after[:2*sector], content[:2*sector]) || !bytes.Equal(after[5*sector:], content[5*sector:len(after)]) {
			t.Fatal("what was synced is damaged")
		}
		for at := 2 * sector; at < 5*sector; at += sector {
			switch part := after[at : at+sector]; {
			case bytes.Equal(part, content[:sector]):
				outcomes["kept"] = true
			case bytes.Equal(part, make([]byte, sector)):
				outcomes["zero"] = true
			default:
				outcomes["noise"] = true
			}
		}
	}
	if len(outcomes) != 4 {
		t.Errorf("of four outcomes only these came up: %v", outcomes)
	}
}

// TestSpoilBolt shows that the reasoning in powercut.go is about the real thing: a
// database whose last commit was cut off opens, at that commit or at the one
// before. bbolt writes pages, syncs, writes a meta page, and syncs again: either
// the pages are not synced and the meta page is not written, or only that is not synced.
func TestSpoilBolt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deliveries.db")
	pages := commit(t, path, "a", "b")
	before := read(t, path)
	commit(t, path, "c")
	after := read(t, path)

	metas := 2 * pages
	data, meta := unsynced{}, unsynced{}
	for at := 0; at < len(after); at += sector {
		if at < len(before) && bytes.Equal(after[at:at+sector], before[at:at+sector]) {
			continue
		}
		u := &data
		if at < metas {
			u = &meta
		}
		u.writes = append(u.writes, extent{int64(at), sector})
	}
	if len(data.writes) == 0 || len(meta.writes) == 0 {
		t.Fatalf("the last commit wrote %d sectors of pages and %d of meta pages", len(data.writes), len(meta.writes))
	}
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 1))
		cut := append(bytes.Clone(before[:metas]), after[metas:]...)
		mustHave(t, path, data.spoil(cut, random), "a", "b")
		mustHave(t, path, meta.spoil(after, random), "a", "b")
	}
	mustHave(t, path, after, "a", "b", "c")
}

// commit puts each key in a commit of its own, and returns the size of pages.
func commit(t *testing.T, path string, keys ...string) (pageSize int) {
	t.Helper()
	db := openBolt(t, path)
	defer db.Close()
	for _, key := range keys {
		err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			return b.Put([]byte(key), make([]byte, 100))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return db.Info().PageSize
}

func openBolt(t *testing.T, path string) *bbolt.DB {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoFreelistSync: true})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func mustHave(t *testing.T, path string, content []byte, keys ...string) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db := openBolt(t, path)
	defer db.Close()
	err := db.View(func(tx *bbolt.Tx) error {
		for _, key := range keys {
			if tx.Bucket([]byte("b")).Get([]byte(key)) == nil {
				t.Errorf("%s was synced and is lost", key)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
