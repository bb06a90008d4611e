package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// startProfile begins to profile Caddy's CPU in a trial that is there for it. The
// function that it returns waits for the end, and gets a profile of
// allocations, which is about Caddy's whole life.
func (b *bench) startProfile(ctx context.Context, s step, r *rig) (stop func() error) {
	if s.probe != profiler {
		return func() error { return nil }
	}
	base := "http://" + r.at.admin + "/debug/pprof/"
	seconds := max(1, int(s.Duration/time.Second))
	done := make(chan error, 1)
	go func() {
		done <- download(ctx, fmt.Sprintf("%sprofile?seconds=%d", base, seconds), profileFile(b.profileDir, s, "cpu"))
	}()
	return func() error {
		return errors.Join(<-done, download(ctx, base+"allocs", profileFile(b.profileDir, s, "allocs")))
	}
}

// profileFile is where a profile of the step goes.
func profileFile(dir string, s step, kind string) string {
	return filepath.Join(dir, fileName(s.System.Name)+"-"+kind+".pprof")
}

func download(ctx context.Context, url, path string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = io.Copy(file, response.Body)
	return err
}
