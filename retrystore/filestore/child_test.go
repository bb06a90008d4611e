package filestore

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// Some tests need another process: the test binary, started again with this in
// its environment.
const childEnv = "FILESTORE_TEST_CHILD"

// childMain is the main function of that process.
func childMain() {
	path := os.Args[1]
	s, err := Open(path, Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if os.Getenv(childEnv) == "accept" {
		childAccept(s)
	}
	s.Close()
}

// childAccept accepts until it is killed, and settles every other event. It
// prints what it was promised, one write a line.
func childAccept(s *Store) {
	ctx := context.Background()
	for range 8 {
		go func() {
			for i := 0; ; i++ {
				sub := &retrystore.Submission{
					Key: randomKey(), KeyTTL: time.Hour, Event: benchEvent(),
					Targets: []retrystore.Target{{Destination: "app", Lease: time.Minute}},
				}
				r, err := s.Accept(ctx, sub)
				if err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				if d := r.Deliveries[0]; i%2 == 0 {
					fmt.Fprintf(os.Stdout, "accepted %s\n", d.ID)
				} else {
					fmt.Fprintf(os.Stdout, "settling %s\n", d.ID)
					if err := s.Settle(ctx, d, retrystore.Settlement{State: retrystore.Delivered}); err != nil {
						fmt.Println("error", err)
					}
				}
			}
		}()
	}
	select {}
}

func randomKey() (k retrystore.Key) {
	binary.BigEndian.PutUint64(k[:], rand.Uint64())
	binary.BigEndian.PutUint64(k[8:], rand.Uint64())
	return k
}

type process struct {
	t   *testing.T
	cmd *exec.Cmd
	out io.ReadCloser
}

func child(t *testing.T, task, path string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], path)}
	p.cmd.Env = append(os.Environ(), childEnv+"="+task)
	p.cmd.Stderr = os.Stderr
	var err error
	if p.out, err = p.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *process) wait() string {
	p.t.Helper()
	out, err := io.ReadAll(p.out)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatal(err)
	}
	return string(out)
}

// killAfter reads lines, kills the process with SIGKILL after n of them, and
// returns all complete ones.
func (p *process) killAfter(n int) []string {
	p.t.Helper()
	var lines []string
	r := bufio.NewReader(p.out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		lines = append(lines, strings.TrimSpace(line))
		if len(lines) == n {
			if err := p.cmd.Process.Kill(); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	_ = p.cmd.Wait() // "signal: killed"
	return lines
}

// TestKill kills a process that accepts and settles, again and again, and
// compares what it was promised with what is in the file.
func TestKill(t *testing.T) {
	path := t.TempDir() + "/store.db"
	rounds := 5
	if testing.Short() {
		rounds = 2
	}
	open := make(map[string]bool)    // acknowledged and not settled
	settled := make(map[string]bool) // may come back
	for round := range rounds {
		for _, line := range child(t, "accept", path).killAfter(200 + 137*round) {
			word, id, _ := strings.Cut(line, " ")
			switch word {
			case "accepted":
				open[id] = true
			case "settling":
				settled[id] = true
			default:
				t.Fatal(line)
			}
		}
		s, err := Open(path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		found, repeated, unknown := make(map[string]bool), 0, 0
		for cursor := ""; ; {
			p, err := s.List(context.Background(), retrystore.Filter{}, cursor, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range p.Deliveries {
				if d.State != retrystore.Pending || found[d.ID] {
					t.Errorf("delivery %s is %s, listed before: %v", d.ID, d.State, found[d.ID])
				}
				found[d.ID] = true
				switch {
				case settled[d.ID]:
					repeated++
				case !open[d.ID]:
					// Stored, but killed before it was told. From now on it counts.
					unknown++
					open[d.ID] = true
				}
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		for id := range open {
			if !found[id] {
				t.Fatalf("round %d: delivery %s was acknowledged and is lost", round, id)
			}
		}
		full, err := s.Get(context.Background(), anyKey(open))
		if err != nil || !bytes.Equal(full.Event.Body, benchEvent().Body) {
			t.Errorf("body %q, %v", full.Event.Body, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		t.Logf("round %d: %d acknowledged, none lost; %d settled, of these %d come again; %d stored without an answer",
			round, len(open), len(settled), repeated, unknown)
	}
}

func anyKey(m map[string]bool) string {
	for k := range m {
		return k
	}
	return ""
}
