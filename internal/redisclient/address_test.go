package redisclient

import (
	"fmt"
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		options Options
		want    string // addresses, network, tls, skip, user, password, db
	}{
		{Options{Addresses: []string{"localhost"}}, "[localhost:6379] tcp false false   0"},
		{Options{Addresses: []string{"redis.internal:7000"}}, "[redis.internal:7000] tcp false false   0"},
		{Options{Addresses: []string{"[::1]:7000"}}, "[[::1]:7000] tcp false false   0"},
		{Options{Addresses: []string{"[::1]"}}, "[[::1]:6379] tcp false false   0"},
		{Options{Addresses: []string{"redis://[::1]/3"}}, "[[::1]:6379] tcp false false   3"},
		{Options{Addresses: []string{"/run/redis.sock"}}, "[/run/redis.sock] unix false false   0"},
		{Options{Addresses: []string{"redis://h"}}, "[h:6379] tcp false false   0"},
		{Options{Addresses: []string{"redis://:p%40%2F%23%3A@h/"}}, "[h:6379] tcp false false  p@/#: 0"},
		{Options{Addresses: []string{"rediss://u:p@h:1/2?skip_verify=true"}}, "[h:1] tcp true true u p 2"},
		{Options{Addresses: []string{"redis://h?db=4"}}, "[h:6379] tcp false false   4"},
		{Options{Addresses: []string{"unix://u:p@/run/redis.sock?db=5"}}, "[/run/redis.sock] unix false false u p 5"},
		{Options{Addresses: []string{"redis://u:p@h"}, Username: "v", Password: "q"}, "[h:6379] tcp false false v q 0"},
		{Options{Addresses: []string{"redis://u:p@h"}, Password: "q"}, "[h:6379] tcp false false u q 0"},
		{Options{Addresses: []string{"a", "redis://u:p@b", "c:1", "a:6379"}, Cluster: true}, "[a:6379 b:6379 c:1] tcp false false u p 0"},
		{Options{Addresses: []string{"a", "b:1"}, SentinelMaster: "m"}, "[a:26379 b:1] tcp false false   0"},
		{Options{Addresses: []string{"redis://:p@a/7", "redis://b/7"}, SentinelMaster: "m", SentinelPassword: "s"}, "[a:26379 b:26379] tcp false false  p 7"},
	} {
		got, err := parseAddresses(&c.options)
		text := fmt.Sprintf("%v %s %v %v %s %s %d", got.addresses, got.network, got.tls, got.skipVerify, got.username, got.password, got.db)
		if err != nil || text != c.want {
			t.Errorf("%v:\n got %s, error %v\nwant %s", c.options.Addresses, text, err, c.want)
		}
	}
}

// What is wrong is said together with what to do, and never with a password.
func TestBadAddresses(t *testing.T) {
	const secret = "s3cr3t"
	for _, c := range []struct {
		options Options
		want    string
	}{
		{Options{}, "redis://localhost:6379"},
		{Options{Addresses: []string{"a", "b"}}, "2 addresses"},
		{Options{Addresses: []string{"a"}, Cluster: true, SentinelMaster: "m"}, "exclude each other"},
		{Options{Addresses: []string{"a"}, SentinelPassword: secret}, "name of their master"},
		{Options{Addresses: []string{"a"}, Username: "u"}, "without a password"},
		{Options{Addresses: []string{"redis://u@a"}}, "redis://:password@host"},
		{Options{Addresses: []string{"a", "redis://a/1"}, Cluster: true}, "same database"},
		{Options{Addresses: []string{"redis://a/1"}, Cluster: true}, "only database 0"},
		{Options{Addresses: []string{"/a"}, Cluster: true}, "socket"},
		{Options{Addresses: []string{"unix:///a"}, SentinelMaster: "m"}, "socket"},
		{Options{Addresses: []string{"redis://a", "rediss://b"}, Cluster: true}, "b:6379: all addresses must have the same scheme"},
		{Options{Addresses: []string{"redis://:" + secret + "@a", "redis://:other@b"}, Cluster: true}, "same credentials"},
		{Options{Addresses: []string{"http://a"}}, "scheme"},
		{Options{Addresses: []string{"redis://a/x"}}, "a:6379: the database"},
		{Options{Addresses: []string{"redis://a/-1"}}, "the database"},
		{Options{Addresses: []string{"redis://a?pool=1"}}, "a:6379: it has a parameter"},
		{Options{Addresses: []string{"redis://a?db=1&db=2"}}, "twice"},
		{Options{Addresses: []string{"redis://a?skip_verify=true"}}, "rediss"},
		{Options{Addresses: []string{"rediss://a?skip_verify=" + secret}}, "neither true nor false"},
		{Options{Addresses: []string{"redis://a", "unix://b/c"}, Cluster: true}, "address 2"},
		{Options{Addresses: []string{"u:" + secret + "@a:1"}}, "write redis://"},
		{Options{Addresses: []string{"::1"}}, "address 1"},
		{Options{Addresses: []string{"a:0"}}, "address 1"},
		{Options{Addresses: []string{"a:port"}}, "address 1"},
		{Options{Addresses: []string{":6379"}}, "address 1"},
		{Options{Addresses: []string{"redis://"}}, "address 1"},
		{Options{Addresses: []string{""}}, "address 1"},
		// The special characters of passwords that nobody has encoded.
		{Options{Addresses: []string{"redis://u:" + secret + "/x@a:1"}}, "%2F"},
		{Options{Addresses: []string{"redis://u:" + secret + "#x@a:1"}}, "%2F"},
		{Options{Addresses: []string{"redis://u:" + secret + "?x@a:1"}}, "%2F"},
		{Options{Addresses: []string{"redis://u:" + secret + "%zz@a:1"}}, "%2F"},
		{Options{Addresses: []string{"redis://u:" + secret + "[@a:1"}}, "%2F"},
		{Options{Addresses: []string{"redis://u:12/" + secret + "@a:1"}}, "%2F"},
		{Options{Addresses: []string{"redis://u:12?" + secret + "@a:1"}}, "%2F"},
		{Options{Addresses: []string{"redis://" + secret + "#@a:1"}}, "%2F"},
		{Options{Addresses: []string{"redis:u:" + secret + "@a:1"}}, "write redis://"},
		// Files that are not there, or fit nothing.
		{Options{Addresses: []string{"redis://a"}, CAFile: "ca.pem"}, "rediss"},
		{Options{Addresses: []string{"rediss://a"}, CAFile: "missing.pem"}, "missing.pem"},
		{Options{Addresses: []string{"rediss://a"}, CAFile: "address.go"}, "address.go holds no certificate"},
		{Options{Addresses: []string{"rediss://a"}, KeyFile: "key.pem"}, "both files"},
		{Options{Addresses: []string{"rediss://a"}, KeyFile: "missing.pem", CertificateFile: "missing.pem"}, "our certificate"},
	} {
		client, err := New(c.options)
		if err == nil {
			t.Errorf("%+v: no error", c.options)
			_ = client.Close()
			continue
		}
		if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%+v:\n got %v\nwant %s", c.options, err, c.want)
		}
	}
}

// FuzzAddress looks for panics, and for passwords in errors.
func FuzzAddress(f *testing.F) {
	f.Add("redis://u:", "@host:6379/0?db=1")
	f.Add("unix://:", "@/run/redis.sock")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "zgq7Wv"
		for _, o := range []Options{
			{Addresses: []string{before + secret + after}},
			{Addresses: []string{before + secret + after, "b"}, Cluster: true},
		} {
			got, err := parseAddresses(&o)
			if err == nil {
				continue
			}
			// Without a colon before it nothing tells it from a host; what starts with a slash is a path.
			if strings.Contains(before, ":") && before[0] != '/' && strings.Contains(after, "@") && strings.Contains(err.Error(), secret) {
				t.Errorf("%q: %v (%+v)", o.Addresses, err, got)
			}
		}
	})
}

func TestPrintable(t *testing.T) {
	if got := printable("caddy 1\nü~"); got != "caddy-1--~" {
		t.Errorf("got %q", got)
	}
}
