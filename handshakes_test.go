package caddywebhooks

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

func TestSaveOffered(t *testing.T) {
	directory := t.TempDir()
	first, err := saveOffered(directory, "a/b", "secret-1")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(first); err != nil || string(got) != "secret-1" {
		t.Errorf("the file has %q, %v", got, err)
	}
	if info, err := os.Stat(first); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: want that only the owner reads it", info.Mode(), err)
	}
	if again, err := saveOffered(directory, "a/b", "secret-1"); err != nil || again != first {
		t.Errorf("offered again: %s, %v, want %s", again, err, first)
	}
	for n := 2; n <= maxOffered; n++ {
		if _, err := saveOffered(directory, "a/b", fmt.Sprint("secret-", n)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := saveOffered(directory, "a/b", "one more"); !errors.Is(err, errTooManyOffered) {
		t.Errorf("error %v, want %v", err, errTooManyOffered)
	}
	if got, _ := os.ReadFile(first); string(got) != "secret-1" {
		t.Errorf("the first one became %q", got)
	}
}
