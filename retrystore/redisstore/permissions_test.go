package redisstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
	"github.com/caddywebhooks/caddy-webhooks/retrystore"
)

// setUser makes a user with the permissions on a server.
func setUser(t *testing.T, server *redistest.Server, name, permissions string) {
	t.Helper()
	rule := []any{"ACL", "SETUSER", name, "on", ">pw", "~wh:*", "~{wh:*", "&wh:*"}
	for word := range strings.FieldsSeq(permissions) {
		rule = append(rule, word)
	}
	if err := server.Client().Do(t.Context(), rule...).Err(); err != nil {
		t.Fatal(err)
	}
}

// noneDenied checks that the server refused nothing.
func noneDenied(t *testing.T, server *redistest.Server) {
	t.Helper()
	if denied, err := server.Client().Do(t.Context(), "ACL", "LOG").Slice(); err != nil || len(denied) > 0 {
		t.Errorf("denied: %v, error %v", denied, err)
	}
}

// The permissions that are documented are enough, and what lacks is named.
func TestPermissions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	user := func(name, permissions string, protocol int) *Store {
		setUser(t, server, name, permissions)
		c := redis.NewClient(&redis.Options{
			Addr: server.Addr(), Username: name, Password: "pw", Protocol: protocol, MaxRetries: -1, ContextTimeoutEnabled: true,
		})
		t.Cleanup(func() { _ = c.Close() })
		s := open(t, c, Options{Prefix: fmt.Sprint("wh:", protocol)})
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	for _, protocol := range []int{2, 3} {
		everything(t, user("enough", Permissions(), protocol))
		noneDenied(t, server)
	}
	s := user("less", strings.ReplaceAll(Permissions(), "+zadd ", ""), 3)
	_, err := s.Accept(t.Context(), submission("less", 0))
	if !errors.Is(err, retrystore.ErrUnavailable) || !strings.Contains(err.Error(), "ACL SETUSER") || !strings.Contains(err.Error(), "+zadd") {
		t.Errorf("without a permission: %v", err)
	}
	// A script that was refused half-way has claimed nothing.
	setUser(t, server, "less", Permissions())
	eventually(t, 5*time.Second, func() error {
		r, err := s.Accept(t.Context(), submission("less", 0))
		if err == nil && r.Duplicate {
			t.Fatal("an event that was never stored is a duplicate")
		}
		return err
	})
}

func TestPermissionsOfCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t, 3, 0)
	for _, node := range cluster.Nodes {
		setUser(t, node, "enough", Permissions())
	}
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs(), Username: "enough", Password: "pw", ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = c.Close() })
	s := open(t, c, Options{})
	t.Cleanup(func() { _ = s.Close() })
	everything(t, s)
	for _, node := range cluster.Nodes {
		noneDenied(t, node)
	}
}

// What the scripts call is what the user is said to need.
func TestNeedsAreThoseOfTheScripts(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	called := make(map[string]bool)
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range regexp.MustCompile(`redis\.p?call\('([A-Z]+)'`).FindAllSubmatch(source, -1) {
			called[string(found[1])] = true
		}
	}
	delete(called, "RENAME") // the script that does can do without
	for _, example := range scripted {
		command, _, _ := strings.Cut(example, " ")
		if !called[command] {
			t.Errorf("%s is said to be needed, and no script calls it", command)
		}
		delete(called, command)
	}
	for command := range called {
		t.Errorf("scripts call %s, which is not said to be needed", command)
	}
}

// everything calls each method once, with success.
func everything(t *testing.T, s *Store) {
	t.Helper()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	sub := submission("siblings", time.Minute)
	sub.Targets = append(sub.Targets, retrystore.Target{Destination: "audit"})
	r, err := s.Accept(t.Context(), sub)
	check("Accept", err)
	_, err = s.Accept(t.Context(), sub)
	check("Accept a duplicate", err)
	check("Settle", s.Settle(t.Context(), r.Deliveries[0], delivered))
	page, err := s.List(t.Context(), retrystore.Filter{}, "", 10)
	check("List", err)
	if len(page.Deliveries) != 2 {
		t.Errorf("listed %d, want 2", len(page.Deliveries))
	}
	check("Delete", s.Delete(t.Context(), r.Deliveries[1].ID))
	d := accept(t, s, "one", time.Minute)
	check("Renew", s.Renew(t.Context(), d, time.Minute))
	check("Settle", s.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Dead}))
	check("Replay", s.Replay(t.Context(), d.ID))
	d = claim(t, s, 1)[0]
	check("Settle", s.Settle(t.Context(), d, retrystore.Settlement{State: retrystore.Pending}))
	d = claim(t, s, 1)[0]
	check("Release", s.Release(t.Context(), d))
	_, err = s.Get(t.Context(), d.ID)
	check("Get", err)
	_, err = s.Stats(t.Context())
	check("Stats", err)
	h, err := s.HoldKey(t.Context(), testKey("guard"), time.Minute)
	check("HoldKey", err)
	check("RenewKey", s.RenewKey(t.Context(), &h, time.Minute))
	check("CommitKey", s.CommitKey(t.Context(), h, time.Hour))
	h, err = s.HoldKey(t.Context(), testKey("free"), time.Minute)
	check("HoldKey", err)
	check("ReleaseKey", s.ReleaseKey(t.Context(), h))

	s.Retain(retrystore.Retention{Count: 1})
	sub = submission("kept siblings", time.Minute)
	sub.Targets = append(sub.Targets, retrystore.Target{Destination: "audit"})
	r, err = s.Accept(t.Context(), sub)
	check("Accept", err)
	check("Settle", s.Settle(t.Context(), r.Deliveries[0], delivered))
	check("Delete", s.Delete(t.Context(), r.Deliveries[1].ID))
	check("Settle", s.Settle(t.Context(), accept(t, s, "kept", time.Minute), delivered))
	s.Retain(retrystore.Retention{})
	eventually(t, 20*time.Second, func() error {
		page, err := s.List(t.Context(), retrystore.Filter{States: []retrystore.State{retrystore.Delivered}}, "", 10)
		if err == nil && len(page.Deliveries) > 0 {
			err = fmt.Errorf("%d are kept", len(page.Deliveries))
		}
		return err
	})
}
