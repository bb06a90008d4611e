package module

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// TestStoreCannotOpen says what to do where the file's place is not right.
func TestStoreCannotOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Store{Path: filepath.Join(file, "in", "x.db")}).Key(); err == nil || !strings.Contains(err.Error(), "is a file, not a directory") {
		t.Errorf("a file in the way: %v", err)
	}
	for cause, want := range map[error]string{
		syscall.EACCES:   "`mkdir -p /var/lib/x && chown -R " + userName() + " /var/lib/x`",
		fs.ErrPermission: "StateDirectory=",
		syscall.EROFS:    "ReadWritePaths=/var/lib/x",
		syscall.EISDIR:   "name a file in it",
	} {
		err := cannotOpen("/var/lib/x/y.db", &fs.PathError{Op: "mkdir", Path: "/var/lib/x", Err: cause})
		if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "/var/lib/x/y.db") {
			t.Errorf("%v: %v", cause, err)
		}
	}
}

// TestDisk reads how much room this machine's disk has.
func TestDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	if disk, err := (&Store{Path: path}).Disk(); err != nil || disk.Total == 0 || disk.Free > disk.Total || disk.Path != path {
		t.Errorf("this disk: %+v, %v", disk, err)
	}
}

// TestKey is the same for every path that leads to the file, before and after it is there.
func TestKey(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	key := func(path string) string {
		t.Helper()
		key, err := (&Store{Path: path}).Key()
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	plain, linked := filepath.Join(dir, "new", "x.db"), filepath.Join(dir, "link", "new", "x.db")
	before := key(plain)
	if got := key(linked); got != before {
		t.Errorf("the keys are %s and %s", before, got)
	}
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := key(linked); got != before {
		t.Errorf("with the file there, the keys are %s and %s", before, got)
	}
	if key(filepath.Join(dir, "new", "y.db")) == before {
		t.Error("two files have one key")
	}
}

// TestCaddyfile reads the block of the store, and refuses what cannot work.
func TestCaddyfile(t *testing.T) {
	s := new(Store)
	if err := s.UnmarshalCaddyfile(caddyfile.NewTestDispenser("file /var/lib/x.db {\nmax_keys 5\nmax_size 16MiB\n}")); err != nil {
		t.Fatal(err)
	}
	if want := (Store{Path: "/var/lib/x.db", MaxKeys: 5, MaxSize: 16 << 20}); *s != want {
		t.Errorf("read %+v, want %+v", *s, want)
	}
	for text, want := range map[string]string{
		"file a b":                      `unexpected argument "b"`,
		"file ~/x":                      "home directory",
		"file x {\nmax_size 1MB\n}":     "want at least 16777216, 16 MiB",
		"file x {\nmax_size 2048TiB\n}": "want a size from 1B to 1PiB",
		"file x {\nmax_keys few\n}":     "max_keys is \"few\"",
		"file x {\nkeys 1\n}":           `unrecognized subdirective "keys"`,
		"file x max_keys 5":             `"max_keys" is a line of its block`,
	} {
		if err := new(Store).UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error is %v: want one with %q", text, err, want)
		}
	}
}

// TestProvision finds the file's place, and refuses bounds that are none.
func TestProvision(t *testing.T) {
	t.Setenv("STORE_TEST_DIR", "/somewhere")
	s := &Store{Path: "{env.STORE_TEST_DIR}/x.db"}
	if err := s.Provision(caddy.Context{}); err != nil || s.Path != "/somewhere/x.db" {
		t.Errorf("the path is %q, error %v", s.Path, err)
	}
	for _, bad := range []*Store{{MaxKeys: -1}, {MaxSize: 10}, {Path: "{env.STORE_TEST_UNSET}"}} {
		if err := bad.Provision(caddy.Context{}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
