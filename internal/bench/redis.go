package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/caddyproc"
)

// redisServer is a redis-server with an append-only file, for one trial.
type redisServer struct {
	address string
	command *exec.Cmd
	exited  chan struct{}
	client  *redis.Client
}

// redisBinary is the server to start; REDIS_SERVER may name another one.
func redisBinary() (string, error) {
	name := os.Getenv("REDIS_SERVER")
	if name == "" {
		name = "redis-server"
	}
	return exec.LookPath(name)
}

// startRedis starts the binary, which may be a wrapper, in dir.
func startRedis(ctx context.Context, binary, dir, appendfsync string) (*redisServer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	port, err := caddyproc.FreePort()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "redis.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close() // the server has its own handle
	s := &redisServer{
		address: net.JoinHostPort("127.0.0.1", port),
		command: exec.Command(binary, "--bind", "127.0.0.1", "--port", port, "--dir", dir,
			"--save", "", "--appendonly", "yes", "--appendfsync", appendfsync, "--maxmemory-policy", "noeviction"),
		exited: make(chan struct{}),
	}
	s.command.SysProcAttr = ownGroup()
	s.command.Stdout, s.command.Stderr = log, log
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	go func() { _ = s.command.Wait(); close(s.exited) }()
	s.client = redis.NewClient(&redis.Options{Addr: s.address})
	ready, err := waitFor(30*time.Second, func() (bool, error) {
		select {
		case <-s.exited:
			return false, errors.New("it ended while starting")
		case <-ctx.Done():
			return false, ctx.Err()
		default:
		}
		connection, err := net.Dial("tcp", s.address)
		if err != nil {
			return false, nil // not yet
		}
		return true, connection.Close()
	})
	if !ready {
		s.stop()
		words, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("redis-server does not start: %w\n%s", err, words)
	}
	return s, nil
}

func (s *redisServer) pid() int { return s.command.Process.Pid }

// stop kills the server and waits for its end.
func (s *redisServer) stop() {
	_ = s.client.Close()
	_ = s.command.Process.Kill()
	<-s.exited
}

// calls counts the commands that the server has run since it started, by name,
// those that scripts called included.
func (s *redisServer) calls(ctx context.Context) (map[string]int, error) {
	info, err := s.client.Info(ctx, "commandstats").Result()
	if err != nil {
		return nil, fmt.Errorf("asking redis: %w", err)
	}
	return parseCalls(info)
}

// parseCalls reads the lines "cmdstat_<name>:calls=<n>,…" of INFO commandstats.
func parseCalls(info string) (map[string]int, error) {
	calls := make(map[string]int)
	for line := range strings.Lines(info) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "cmdstat_")
		if !ok {
			continue
		}
		name, stats, _ := strings.Cut(line, ":calls=")
		n, _, _ := strings.Cut(stats, ",")
		count, err := strconv.Atoi(n)
		if err != nil {
			return nil, fmt.Errorf("redis says %q", line)
		}
		calls[name] = count
	}
	if len(calls) == 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return calls, nil
}
