package redistest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

// launchAll starts a server for every function at the same time. If one does
// not start none is left, and errPortTaken wins over other errors, so that others are tried.
func launchAll(launches ...func() (*Server, error)) ([]*Server, error) {
	servers, errs := make([]*Server, len(launches)), make([]error, len(launches))
	var wg sync.WaitGroup
	for i, launch := range launches {
		wg.Go(func() { servers[i], errs[i] = launch() })
	}
	wg.Wait()
	err := errors.Join(errs...)
	if err == nil {
		return servers, nil
	}
	for _, s := range servers {
		if s != nil {
			s.Kill()
		}
	}
	if errors.Is(err, errPortTaken) {
		err = errPortTaken
	}
	return nil, err
}

// find returns the server that listens on a port.
func find(servers []*Server, port int) (*Server, error) {
	for _, s := range servers {
		if s.port == port {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no server of ours listens on port %d", port)
}

// addresses are the host:port of servers.
func addresses(servers []*Server) []string {
	all := make([]string, len(servers))
	for i, s := range servers {
		all[i] = s.Addr()
	}
	return all
}

// fresh makes n directories for servers that start at the same time.
func fresh(t testing.TB, n int) []string {
	t.Helper()
	dirs := make([]string, n)
	for i := range dirs {
		dirs[i] = t.TempDir()
	}
	return dirs
}
