// Package module is the store in a file as a module of Caddy, webhooks.stores.file: its settings and
// their grammar.
package module

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/user"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
	"github.com/caddywebhooks/caddy-webhooks/retrystore/filestore"
)

func init() {
	caddy.RegisterModule(new(Store))
}

// Store keeps events in one file on this machine: no service to run. The
// file belongs to one Caddy process at a time.
type Store struct {
	// Where the file is. Its directory is made if it is missing. Default:
	// webhooks/deliveries.db in Caddy's data directory. Global placeholders are expanded.
	Path string `json:"path,omitempty"`

	// How many event keys are remembered, for telling duplicates: all those of
	// the last dedupe_ttl. Each takes up to 61 bytes of memory. At the bound
	// providers are answered 503, since an event that cannot be remembered could
	// be taken twice. Default: as many as fit into a quarter of the memory limit
	// that Caddy runs with (GOMEMLIMIT), and at least 8 million. A change takes
	// effect when the store is opened: at the next start of Caddy.
	MaxKeys int `json:"max_keys,omitempty"`

	// How large the file may become, in bytes; 16 MiB is the least. At the bound providers are
	// answered 503, and room is made as events are delivered. A change takes effect when the
	// store is opened. Default: as large as the disk lets it.
	MaxSize int64 `json:"max_size,omitempty"`
}

// keyBytes is what a remembered key takes in memory, generously.
const keyBytes = 64

// defaultMaxKeys fits the key index to the machine.
func defaultMaxKeys() int {
	limit := debug.SetMemoryLimit(-1)
	if limit == math.MaxInt64 {
		return filestore.DefaultMaxKeys
	}
	return max(filestore.DefaultMaxKeys, int(limit/4/keyBytes))
}

// CaddyModule returns the Caddy module information.
func (*Store) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "webhooks.stores.file",
		New: func() caddy.Module { return new(Store) },
	}
}

// Provision resolves the path. It touches no file.
func (s *Store) Provision(caddy.Context) error {
	if s.MaxKeys < 0 {
		return fmt.Errorf("store: max_keys is %d: want a positive number", s.MaxKeys)
	}
	if err := s.checkMaxSize(); err != nil {
		return err
	}
	if s.Path == "" {
		s.Path = filepath.Join(caddy.AppDataDir(), "webhooks", "deliveries.db")
	}
	path, err := caddy.NewReplacer().ReplaceOrErr(s.Path, true, true)
	if err != nil {
		return fmt.Errorf("store path: %w", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return fmt.Errorf("store path: %w", err)
	}
	s.Path = path
	return nil
}

// Key is the file's canonical path: links lead to the same store. It makes the
// directory, so that the path resolves alike before and after the first start.
func (s *Store) Key() (string, error) {
	dir, name := filepath.Split(s.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", cannotOpen(s.Path, err)
	}
	if file, err := filepath.EvalSymlinks(s.Path); err == nil {
		return "file:" + file, nil
	}
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return "", cannotOpen(s.Path, err)
	}
	return "file:" + filepath.Join(dir, name), nil
}

// MaxBytes implements retrystore.Sized.
func (s *Store) MaxBytes() int64 { return s.MaxSize }

// Disk implements retrystore.DiskUser.
func (s *Store) Disk() (retrystore.Disk, error) {
	free, total, err := diskSpace(filepath.Dir(s.Path))
	return retrystore.Disk{Path: s.Path, Free: free, Total: total}, err
}

// Place implements retrystore.Placer.
func (s *Store) Place() (id, name string) {
	id, err := s.Key()
	if err != nil {
		id = "file:" + s.Path
	}
	return id, "file " + strings.TrimPrefix(id, "file:")
}

// Open opens or creates the file.
func (s *Store) Open(o retrystore.Options) (retrystore.Store, error) {
	maxKeys := s.MaxKeys
	if maxKeys == 0 {
		maxKeys = defaultMaxKeys()
	}
	store, err := filestore.Open(s.Path, filestore.Options{Logger: o.Logger.Named("store.file"), MaxKeys: maxKeys, MaxBytes: s.MaxSize})
	if err != nil {
		return nil, cannotOpen(s.Path, err)
	}
	return store, nil
}

func (s *Store) checkMaxSize() error {
	if s.MaxSize != 0 && s.MaxSize < filestore.MinBytes {
		return fmt.Errorf("store: max_size is %d bytes: want at least %d, 16 MiB", s.MaxSize, filestore.MinBytes)
	}
	return nil
}

// cannotOpen says what to do where it is a matter of rights or places.
func cannotOpen(path string, err error) error {
	dir := filepath.Dir(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("store file %s: Caddy runs as %s, who may not write there: give it the directory (`mkdir -p %[3]s && chown -R %[2]s %[3]s`), or name a file elsewhere with `store file <path>`; under systemd, StateDirectory= makes one: %[4]w",
			path, userName(), dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("store file %s: its file system is read-only for Caddy: under systemd with ProtectSystem=strict add ReadWritePaths=%s or StateDirectory=, in a container mount a volume at %s: %w", path, dir, dir, err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("store file %s: a part of %s is a file, not a directory: name another with `store file <path>`: %w", path, dir, err)
	case errors.Is(err, syscall.EISDIR):
		return fmt.Errorf("store file %s: it is a directory: name a file in it, such as `store file %s`: %w", path, filepath.Join(path, "deliveries.db"), err)
	}
	return err
}

// userName is who this process runs as.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprintf("user %d", os.Getuid())
}

// Interface guards
var (
	_ caddy.Provisioner   = (*Store)(nil)
	_ retrystore.Opener   = (*Store)(nil)
	_ retrystore.Placer   = (*Store)(nil)
	_ retrystore.Sized    = (*Store)(nil)
	_ retrystore.DiskUser = (*Store)(nil)
)
