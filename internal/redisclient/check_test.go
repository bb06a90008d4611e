package redisclient

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/caddywebhooks/caddy-webhooks/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// some needs of every kind.
var some = Needs{
	Commands: []string{
		"EVALSHA 0000000000000000000000000000000000000000 1 <key>", "SCRIPT LOAD return", "ZADD <key> 0 member",
		"SET <key> value PX 1000", "TIME", "WAIT 1 100", "PUBLISH <channel> text", "SUBSCRIBE <channel>",
	},
	Keys:     []string{"{wh:*", "wh:*"},
	Channels: []string{"wh:*"},
}

// open returns a client that the test closes.
func open(t *testing.T, o Options) redis.UniversalClient {
	t.Helper()
	client, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// check runs Check on a server.
func check(t *testing.T, o Options) (Report, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	return Check(ctx, open(t, o), some)
}

// refused wants a fault that has the words and no password.
func refused(t *testing.T, o Options, words ...string) {
	t.Helper()
	_, err := check(t, o)
	if err == nil || errors.Is(err, ErrUnreachable) {
		t.Errorf("got error %v, want a fault", err)
		return
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error lacks %q: %v", word, err)
		}
	}
	if strings.Contains(err.Error(), "s3cr3t") {
		t.Errorf("the error shows a password: %v", err)
	}
}

// accepted wants no error, and exactly the warnings and notes that have the words.
func accepted(t *testing.T, o Options, warnings, notes []string) Report {
	t.Helper()
	report, err := check(t, o)
	if err != nil {
		t.Error(err)
	}
	for _, part := range []struct {
		got, want []string
	}{{report.Warnings, warnings}, {report.Notes, notes}} {
		if len(part.got) != len(part.want) {
			t.Errorf("got %q, want %q", part.got, part.want)
			continue
		}
		for i, word := range part.want {
			if !strings.Contains(part.got[i], word) {
				t.Errorf("got %q, want %q", part.got[i], word)
			}
		}
	}
	return report
}

func TestCheckPersistence(t *testing.T) {
	plain := redistest.Start(t)
	report := accepted(t, Options{Addresses: []string{plain.URL()}}, []string{"neither an append-only file nor a replica"}, nil)
	if report.Mode != "standalone" || parseVersion(report.Version).major < 6 || report.Masters != 1 || report.Replicas != 0 {
		t.Errorf("%+v", report)
	}
	for _, c := range []struct {
		fsync    string
		warnings []string
		notes    []string
	}{
		{"always", nil, nil},
		{"everysec", nil, []string{"up to a second"}},
		{"no", []string{"appendfsync is no"}, nil},
	} {
		s := redistest.Start(t, "--appendonly", "yes", "--appendfsync", c.fsync)
		accepted(t, Options{Addresses: []string{s.Addr()}}, c.warnings, c.notes)
	}
}

func TestCheckPolicy(t *testing.T) {
	s := redistest.Start(t, append(redistest.AOF, "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")...)
	o := Options{Addresses: []string{s.URL()}}
	refused(t, o, s.Addr(), "allkeys-lru", "CONFIG SET maxmemory-policy noeviction")
	if err := s.Client().ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(); err != nil {
		t.Fatal(err)
	}
	accepted(t, o, nil, nil)
}

func TestCheckCredentials(t *testing.T) {
	s := redistest.Start(t, append(redistest.AOF, "--requirepass", "s3cr3t")...)
	accepted(t, Options{Addresses: []string{"redis://:s3cr3t@" + s.Addr()}}, nil, nil)
	accepted(t, Options{Addresses: []string{"redis://:wrong@" + s.Addr()}, Password: "s3cr3t"}, nil, nil)
	refused(t, Options{Addresses: []string{s.URL()}}, s.Addr(), "wants a password")
	refused(t, Options{Addresses: []string{"redis://nobody:s3cr3t@" + s.Addr()}}, "user name or the password is wrong")
	refused(t, Options{Addresses: []string{s.URL()}, Password: "not s3cr3t"}, "user name or the password is wrong")
	refused(t, Options{Addresses: []string{"redis://:s3cr3t@" + s.Addr() + "/99"}}, "no database of that number")
	open := redistest.Start(t, redistest.AOF...)
	// The default user of a server without a password takes any.
	accepted(t, Options{Addresses: []string{open.URL()}, Password: "s3cr3t", ClientName: "some name"}, nil, nil)
	refused(t, Options{Addresses: []string{open.URL()}, Username: "me", Password: "s3cr3t"}, "user name or the password is wrong")
}

// A user that lacks something is told what, in the words of an ACL; when it is
// granted these all is well.
func TestCheckPermissions(t *testing.T) {
	s := redistest.Start(t, redistest.AOF...)
	admin := s.Client()
	user := func(name string, rules ...string) Options {
		t.Helper()
		words := []any{"acl", "setuser", name, "reset", "on", ">s3cr3t"}
		for _, rule := range rules {
			words = append(words, rule)
		}
		if err := admin.Do(t.Context(), words...).Err(); err != nil {
			t.Fatal(err)
		}
		return Options{Addresses: []string{s.URL()}, Username: name, Password: "s3cr3t", ClientName: "caddy"}
	}
	all := []string{"+multi", "+discard", "+info", "+acl|whoami", "+config|get",
		"+evalsha", "+script|load", "+zadd", "+set", "+time", "+wait", "+publish", "+subscribe", "~wh:*", "~{wh:*", "&wh:*"}
	without := func(rules ...string) []string {
		return slices.DeleteFunc(slices.Clone(all), func(rule string) bool { return slices.Contains(rules, rule) })
	}
	accepted(t, user("all", all...), nil, nil)
	refused(t, user("none"), "may not run evalsha, time;")
	refused(t, user("commands", without("+zadd", "+script|load")...), "may not run script|load, zadd;",
		"ACL SETUSER commands +script|load +zadd ~{wh:* ~wh:* &wh:*,")
	refused(t, user("keys", without("~wh:*")...), "may not use the keys wh:*;", "ACL SETUSER keys ~wh:*,")
	refused(t, user("channels", without("&wh:*")...), "may not use the channels wh:*;", "ACL SETUSER channels &wh:*,")
	refused(t, user("anonymous", without("+acl|whoami", "+set")...), "ACL SETUSER <our user> +set")

	// Who may not be asked about is not refused for it.
	accepted(t, user("secretive", without("+info")...), []string{"INFO is not permitted"}, nil)
	accepted(t, user("managed", without("+config|get")...), nil, []string{"CONFIG GET is not permitted"})
	accepted(t, user("mute", without("+info", "+config|get")...), []string{"INFO is not permitted", "maxmemory-policy"}, nil)
	accepted(t, user("simple", without("+multi")...), nil, []string{"MULTI is not permitted"})
	// A connection on which DISCARD is refused must not be used again.
	stuck := open(t, user("stuck", without("+discard")...))
	if _, err := Check(t.Context(), stuck, some); err != nil {
		t.Error(err)
	}
	if err := stuck.Set(t.Context(), "wh:k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if got, err := admin.Get(t.Context(), "wh:k").Result(); got != "v" || err != nil {
		t.Errorf("the key is %q, error %v", got, err)
	}

	// Doing what the error says is enough.
	o := user("poor", "+multi", "+discard", "+info", "+acl|whoami", "+config|get")
	for range 3 {
		_, err := check(t, o)
		if err == nil {
			return
		}
		_, advice, _ := strings.Cut(err.Error(), "run ACL SETUSER poor ")
		advice, _, _ = strings.Cut(advice, ",")
		words := []any{"acl", "setuser", "poor"}
		for rule := range strings.FieldsSeq(advice) {
			words = append(words, rule)
		}
		if err := admin.Do(t.Context(), words...).Err(); err != nil {
			t.Fatalf("%v: %v", words, err)
		}
	}
	t.Error("the advice does not help")
}

// Nothing that is probed is run.
func TestCheckChangesNothing(t *testing.T) {
	s := redistest.Start(t, redistest.AOF...)
	if _, err := check(t, Options{Addresses: []string{s.URL()}}); err != nil {
		t.Fatal(err)
	}
	if n, err := s.Client().DBSize(t.Context()).Result(); n != 0 || err != nil {
		t.Errorf("%d keys, error %v", n, err)
	}
}

// Mistakes of who writes Needs are errors, and not taken for permission.
func TestCheckNeeds(t *testing.T) {
	s := redistest.Start(t, redistest.AOF...)
	client := open(t, Options{Addresses: []string{s.URL()}})
	for command, want := range map[string]string{"ZADD <key>": "wrong number", "ZADDD <key>": "does not know the command ZADDD"} {
		_, err := Check(t.Context(), client, Needs{Commands: []string{command}, Keys: []string{"*"}})
		if err == nil || errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", command, err)
		}
	}
}

func TestCheckWrongKind(t *testing.T) {
	s := redistest.StartSentinel(t)
	refused(t, Options{Addresses: []string{s.Servers[1].URL()}}, "read-only replica", s.Servers[0].Addr())
	refused(t, Options{Addresses: []string{"redis://" + s.Addrs()[0]}}, "this is a sentinel")
	refused(t, Options{Addresses: s.Addrs(), SentinelMaster: "nonsense"}, "no master of that name")
	refused(t, Options{Addresses: []string{s.Servers[0].URL()}, Cluster: true}, "this is no Cluster")

	report := accepted(t, Options{Addresses: s.Addrs(), SentinelMaster: s.Master()}, nil, []string{"no append-only file"})
	if report.Mode != "sentinel" || report.Replicas != 2 {
		t.Errorf("%+v", report)
	}
}

func TestCheckCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3, 2)
	refused(t, Options{Addresses: []string{c.Addrs()[0]}}, "say that it is a cluster")
	o := Options{Addresses: c.Addrs()[:1], Cluster: true}
	report := accepted(t, o, []string{c.Addrs()[2] + ": it has neither"}, []string{": it has no append-only file"})
	if report.Mode != "cluster" || report.Masters != 3 || report.Replicas != 0 {
		t.Errorf("%+v", report)
	}
	for _, node := range c.Nodes[1:3] {
		if err := node.Client().ConfigSet(t.Context(), "maxmemory-policy", "volatile-ttl").Err(); err != nil {
			t.Fatal(err)
		}
	}
	refused(t, o, c.Addrs()[1]+": its maxmemory-policy is volatile-ttl", c.Addrs()[2]+": its maxmemory-policy is volatile-ttl")
	// A master that is away hides nothing that is wrong with the others.
	client := open(t, o)
	if err := client.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	c.Nodes[0].Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := Check(ctx, client, some); err == nil || errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "volatile-ttl") {
		t.Errorf("got %v", err)
	}
}

// What goes away by itself is told from what does not.
func TestCheckUnreachable(t *testing.T) {
	s := redistest.Start(t, redistest.AOF...)
	client := open(t, Options{Addresses: []string{s.URL()}})
	away := func(what string, limit time.Duration) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		begin := time.Now()
		_, err := Check(ctx, client, some)
		if !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), s.Addr()) {
			t.Errorf("%s: got %v", what, err)
		}
		if took := time.Since(begin); took > limit+time.Second {
			t.Errorf("%s: it took %s", what, took)
		}
	}
	s.Kill()
	away("killed", time.Second)
	s.Restart()
	s.Pause()
	away("paused", 200*time.Millisecond)
	s.Resume()
	// The server is found again as soon as go-redis dials.
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := Check(t.Context(), client, some); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}

	sentinels := open(t, Options{Addresses: []string{s.Addr()}, SentinelMaster: "m"})
	if _, err := Check(t.Context(), sentinels, some); err == nil { // a Redis is no sentinel
		t.Error("no error")
	}
	s.Kill()
	if _, err := Check(t.Context(), sentinels, some); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	cluster := open(t, Options{Addresses: []string{s.Addr()}, Cluster: true})
	if _, err := Check(t.Context(), cluster, some); !errors.Is(err, ErrUnreachable) {
		t.Errorf("got %v", err)
	}
	unknown := open(t, Options{Addresses: []string{"redis.invalid"}})
	if _, err := Check(t.Context(), unknown, some); !errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), "redis.invalid") {
		t.Errorf("got %v", err)
	}
}

func TestCheckSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "redis") // t.TempDir may be longer than the path of a socket can be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "redis.sock")
	redistest.Start(t, append(redistest.AOF, "--port", "0", "--unixsocket", path)...)
	accepted(t, Options{Addresses: []string{"unix://" + path}}, nil, nil)
	accepted(t, Options{Addresses: []string{"unix://" + path + "?db=1"}}, nil, nil)
	accepted(t, Options{Addresses: []string{path}}, nil, nil)
}

// An old server, and one whose clock is off, are played: it takes what a real
// one says and changes a line of it.
func TestCheckOldAndLate(t *testing.T) {
	s := redistest.Start(t, redistest.AOF...)
	for _, c := range []struct {
		from, to string
		fault    string
	}{
		{"redis_version:", "redis_version:6.0.16\r\nwas:", "its version is 6.0.16: at least 6.2"},
		{"redis_version:", "redis_version:5\r\nwas:", "its version is 5"},
		{"redis_version:", "redis_version:10.0.0\r\nwas:", ""},
		{"redis_version:", "redis_version:6.2.0\r\nwas:", ""},
	} {
		client := open(t, Options{Addresses: []string{s.URL()}})
		client.AddHook(rewrite{c.from, c.to, 0})
		_, err := Check(t.Context(), client, some)
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: got %v", c.to, err)
		}
	}
	for _, c := range []struct {
		shift   time.Duration
		warning string
	}{
		{5 * time.Second, "its clock is 5s ahead of ours"},
		{-1500 * time.Millisecond, "its clock is 1.5s behind ours"},
		{900 * time.Millisecond, ""},
		{-900 * time.Millisecond, ""},
	} {
		client := open(t, Options{Addresses: []string{s.URL()}})
		client.AddHook(rewrite{shift: c.shift})
		report, err := Check(t.Context(), client, some)
		if err != nil || strings.Join(report.Warnings, "") != "" != (c.warning != "") || !strings.Contains(strings.Join(report.Warnings, ""), c.warning) {
			t.Errorf("%s: got %q, error %v", c.shift, report.Warnings, err)
		}
	}
}

// rewrite changes a word of INFO, and shifts TIME.
type rewrite struct {
	from, to string
	shift    time.Duration
}

func (r rewrite) DialHook(next redis.DialHook) redis.DialHook { return next }
func (r rewrite) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
func (r rewrite) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		err := next(ctx, cmd)
		switch c := cmd.(type) {
		case *redis.StringCmd:
			c.SetVal(strings.Replace(c.Val(), r.from, r.to, 1))
		case *redis.TimeCmd:
			c.SetVal(c.Val().Add(r.shift))
		}
		return err
	}
}
