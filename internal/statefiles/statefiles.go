// Package statefiles keeps small pieces of state in a directory, each in a file of its own:
// the public keys that were fetched from providers, and what is known of the stores that
// were used.
package statefiles

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	maxFiles    = 64
	maxSize     = 4 << 20 // bytes of a file: more than anybody writes
	abandonedAt = time.Hour
	suffix      = ".json"
	temporary   = ".new"
	allowed     = "abcdefghijklmnopqrstuvwxyz0123456789-"
)

// Dir is a directory of such files, which only its owner can read or change. It is made
// when something is saved. Safe for concurrent use, also by several processes.
type Dir struct {
	path func() string
	mu   sync.Mutex // held while files are written, so that they are counted right
}

// New returns the directory that path names, whenever it is asked.
func New(path func() string) *Dir { return &Dir{path: path} }

// Load returns what was saved under that name.
func (d *Dir) Load(name string) ([]byte, error) {
	path, err := d.file(name)
	if err != nil {
		return nil, err
	}
	// A link or a device is nothing that we have made, and reading it could take for ever.
	if info, err := os.Lstat(path); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = fmt.Errorf("%s has more than %d bytes", path, maxSize)
	}
	return text, err
}

// Names returns the names under which something was saved, in order; none if the
// directory does not exist.
func (d *Dir) Names() ([]string, error) {
	entries, err := os.ReadDir(d.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), suffix)
		if _, bad := d.file(name); ok && bad == nil {
			names = append(names, name)
		}
	}
	return names, err
}

// Path is the file of a name, for people.
func (d *Dir) Path(name string) string { return filepath.Join(d.path(), name+suffix) }

// Save replaces what is under that name, whole or not at all, also if the power is cut.
// The files that were not written for longest go when there are more than 64.
func (d *Dir) Save(name string, text []byte) error {
	path, err := d.file(name)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, name+"-*"+temporary) // with mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	return prune(dir)
}

// file is the path of a name; one that could lead out of the directory is an error.
func (d *Dir) file(name string) (string, error) {
	if name == "" || strings.ContainsFunc(name, func(c rune) bool { return !strings.ContainsRune(allowed, c) }) {
		return "", fmt.Errorf("%q cannot be the name of a state file", name)
	}
	return d.Path(name), nil
}

// prune removes the oldest files beyond maxFiles, and what a process that was
// killed has left half written.
func prune(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var files []fs.FileInfo
	for _, entry := range entries {
		info, err := entry.Info()
		switch {
		case err != nil: // somebody else has removed it
		case strings.HasSuffix(info.Name(), temporary) && time.Since(info.ModTime()) > abandonedAt:
			_ = os.Remove(filepath.Join(dir, info.Name()))
		case strings.HasSuffix(info.Name(), suffix) && info.Mode().IsRegular():
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	for _, old := range files[min(len(files), maxFiles):] {
		if err := os.Remove(filepath.Join(dir, old.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
