//go:build linux

package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/internal/oracle"
)

// TestUnplanned: a planned pause is no stall, but what lasts beyond it is; and no
// time is counted twice.
func TestUnplanned(t *testing.T) {
	at := func(seconds float64) time.Time {
		return time.Unix(1e9, 0).Add(time.Duration(seconds * float64(time.Second)))
	}
	w := &world{slow: []oracle.Fault{
		{Name: faultPause, From: at(10), To: at(12)},
		{Name: "kill", From: at(30), To: at(31)},
	}}
	for _, s := range [][2]float64{{1, 2}, {1.5, 3}, {9.9, 12.1}, {10, 14}, {9, 13}, {30, 31}} {
		w.stalled(at(s[0]), at(s[1]))
	}
	stalls, total := w.unplanned()
	// 1 to 3, 9 to 10, 12 to 14 and 30 to 31.
	if want := 6 * time.Second; len(stalls) != 6 || total != want {
		t.Errorf("%d stalls of %s in all, want 6 of %s: %+v", len(stalls), total, want, stalls)
	}
}

// TestBeatDisk: the file is written to until the end, and a disk that is not there is
// reported.
func TestBeatDisk(t *testing.T) {
	w, dir := new(world), t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- w.beatDisk(ctx, dir) }()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if info, err := os.Stat(filepath.Join(dir, "heartbeat")); err == nil && info.Size() >= 1024 {
			break // two beats
		}
		if time.Now().After(deadline) {
			t.Fatal("the disk has no heartbeat")
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := w.beatDisk(ctx, filepath.Join(dir, "missing")); err == nil {
		t.Error("a disk that is not there beats")
	}
}

// TestKilledWhileAsked: a node that is killed while it is asked has stalled until
// then; one that is down has not.
func TestKilledWhileAsked(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if !isThere(client, server.URL) {
		t.Error("who hangs up was not there")
	}
	server.Close()
	if isThere(client, server.URL) {
		t.Error("who is down was there")
	}
}
