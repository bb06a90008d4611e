package module

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddywebhooks/caddy-webhooks/internal/redisclient"
)

// TestRisks warns of replicas that may be made master without every event, and of too few replicas.
func TestRisks(t *testing.T) {
	for _, test := range []struct {
		store  Store
		report redisclient.Report
		want   string // empty: nothing is said
	}{
		{Store{Sentinel: "m", MinReplicas: 2}, redisclient.Report{Masters: 1, Replicas: 2}, ""},
		{Store{Sentinel: "m"}, redisclient.Report{Masters: 1, Replicas: 1}, "min_replicas is 0, but a master has 1 replicas"},
		{Store{Cluster: true, MinReplicas: 1}, redisclient.Report{Masters: 3, Replicas: 2}, "`min_replicas 2`"},
		{Store{MinReplicas: 1}, redisclient.Report{Masters: 1, Replicas: 2}, ""}, // nobody makes one of them master but the operator
		{Store{MinReplicas: 2}, redisclient.Report{Masters: 1, Replicas: 1}, "every webhook is answered 503"},
		{Store{Sentinel: "m", MinReplicas: 1}, redisclient.Report{}, ""}, // not reached
	} {
		got := strings.Join(test.store.risks(test.report), "; ")
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%+v with %+v: %q, want %q", test.store, test.report, got, test.want)
		}
	}
}

// TestCaddyfile reads the block of the store, and refuses what cannot work.
func TestCaddyfile(t *testing.T) {
	s := new(Store)
	text := "redis redis://h {\nsentinel m u p\nusername a\npassword b\nprefix x\nshards 4\nmin_replicas 2 500ms\n}"
	if err := s.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)); err != nil {
		t.Fatal(err)
	}
	want := &Store{
		URLs: []string{"redis://h"}, Sentinel: "m", SentinelUsername: "u", SentinelPassword: "p", Username: "a", Password: "b",
		Prefix: "x", Shards: 4, MinReplicas: 2, ReplicaTimeout: caddy.Duration(500 * time.Millisecond),
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("read %+v, want %+v", s, want)
	}
	const secret = "T0xQ9zR4mVbWq"
	for text, want := range map[string]string{
		"redis":                                         "wants a URL",
		"redis http://h":                                "must be redis",
		"redis redis://:" + secret + "@h:x":             "address 1: it cannot be read",
		"redis redis://h {\nshards 257\n}":              "want 1 to 256",
		"redis {env.REDIS} {\nshards 500\n}":            "want 1 to 256",
		"redis redis://h {\nprefix \"a b\"\n}":          "prefix: want 1 to 64",
		"redis redis://h {\ntls_ca /x\n}":               "write rediss://",
		"redis redis://h {\ntls_certificate /x\n}":      "wants two files",
		"redis redis://h {\nsentinel a b\n}":            "sentinel wants the name of the master",
		"redis redis://h {\nmin_replicas 1 soon\n}":     "such as 200ms",
		"redis redis://h {\npassword=" + secret + "\n}": "did you mean password?",
	} {
		err := new(Store).UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: error is %v: want one with %q", text, err, want)
		}
	}
}

// TestKey is the same for equal settings only, and shows no password; Place does not change with it.
func TestKey(t *testing.T) {
	const secret = "T0xQ9zR4mVbWq"
	open := func(s *Store) (key, id string) {
		t.Helper()
		if err := s.Provision(caddy.Context{}); err != nil {
			t.Fatal(err)
		}
		key, err := s.Key()
		if err != nil || strings.Contains(key, secret) {
			t.Errorf("key %s, error %v", key, err)
		}
		id, name := s.Place()
		if strings.Contains(id+name, secret) {
			t.Errorf("the place is %s, %s", id, name)
		}
		return key, id
	}
	key, id := open(&Store{URLs: []string{"redis://:" + secret + "@h:6379"}})
	again, _ := open(&Store{URLs: []string{"redis://:" + secret + "@h:6379"}})
	other, same := open(&Store{URLs: []string{"redis://h:6379"}, MinReplicas: 1})
	_, elsewhere := open(&Store{URLs: []string{"redis://h:6379"}, Prefix: "x"})
	if key != again || key == other || id != same || id == elsewhere {
		t.Errorf("keys %s, %s, %s; places %s, %s, %s", key, again, other, id, same, elsewhere)
	}
}
