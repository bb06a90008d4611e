//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
)

// servers is the testing.TB that package redistest wants, outside a test: its
// servers end with the world, and what fails is an error of withServers.
type servers struct {
	testing.TB // nil: what is not below is not used
	w          *world

	mu     sync.Mutex
	failed error // since the latest withServers
}

// withServers calls do, which may call functions of package redistest.
func (w *world) withServers(do func(t testing.TB)) error {
	done := make(chan struct{})
	go func() { defer close(done); do(w.servers) }() // Fatal ends a goroutine
	<-done
	w.servers.mu.Lock()
	defer w.servers.mu.Unlock()
	err := w.servers.failed
	w.servers.failed = nil
	return err
}

func (t *servers) Helper()                  {}
func (t *servers) Name() string             { return "torture" }
func (t *servers) Context() context.Context { return t.w.over }
func (t *servers) Cleanup(f func())         { t.w.cleanup(f) }
func (t *servers) Logf(format string, args ...any) {
	t.w.logf(format, args...)
}

func (t *servers) TempDir() string {
	dir, err := os.MkdirTemp(t.w.dir, "redis")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func (t *servers) Errorf(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed = errors.Join(t.failed, fmt.Errorf(format, args...))
}

func (t *servers) Fatal(args ...any) {
	t.Errorf("%s", fmt.Sprint(args...))
	runtime.Goexit()
}

func (t *servers) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}
