package statefiles

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestSaveAndLoad(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "keys")
	d := New(func() string { return dir })
	if text, err := d.Load("aws-sns-1"); err == nil {
		t.Errorf("loaded %q from nowhere", text)
	}
	for _, text := range []string{"first", "second, which is longer", ""} {
		if err := d.Save("aws-sns-1", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := d.Load("aws-sns-1"); err != nil || string(got) != text {
			t.Errorf("%q, %v, want %q", got, err, text)
		}
	}
	for path, want := range map[string]os.FileMode{dir: 0o700 | os.ModeDir, filepath.Join(dir, "aws-sns-1.json"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestNamesThatLeadElsewhere(t *testing.T) {
	d := New(t.TempDir)
	for _, name := range []string{"", "../x", "a/b", "a.b", "A", "a\x00", "ä"} {
		if _, err := d.Load(name); err == nil || !strings.Contains(err.Error(), "name") {
			t.Errorf("%q: %v", name, err)
		}
		if err := d.Save(name, nil); err == nil {
			t.Errorf("%q was saved", name)
		}
	}
}

func TestWhatIsNoFileOfOurs(t *testing.T) {
	dir := t.TempDir()
	d := New(func() string { return dir })
	if err := os.WriteFile(filepath.Join(dir, "other"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "other"), filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "dir.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "large.json"), make([]byte, maxSize+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "dir", "large"} {
		if _, err := d.Load(name); err == nil {
			t.Errorf("%s was loaded", name)
		}
	}
	// A link is replaced, not written through.
	if err := d.Save("link", []byte("keys")); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "other")); err != nil || string(text) != "x" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	d := New(func() string { return dir })
	abandoned := filepath.Join(dir, "a-1.new")
	if err := os.WriteFile(abandoned, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "not-ours.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	start := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(abandoned, start, start); err != nil {
		t.Fatal(err)
	}
	for i := range maxFiles + 10 {
		name := fmt.Sprintf("source-%d", i)
		if err := d.Save(name, []byte("x")); err != nil {
			t.Fatal(err)
		}
		at := start.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(filepath.Join(dir, name+suffix), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != maxFiles+1 {
		t.Errorf("%d files, want %d and one that is not ours", len(entries), maxFiles)
	}
	if _, err := d.Load("source-9"); err == nil {
		t.Error("the oldest file is still there")
	}
	if _, err := d.Load("source-11"); err != nil {
		t.Error(err)
	}
}

func TestSaveThatFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := New(func() string { return dir })
	if err := d.Save("a", nil); err == nil {
		t.Error("saved below a file")
	}
}
