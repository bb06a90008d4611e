package redistest

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestSentinel(t *testing.T) {
	begin := time.Now()
	s := StartSentinel(t)
	t.Logf("ready after %s", time.Since(begin))
	old := s.Current()
	if old != s.Servers[0] || s.Master() == "" || len(s.Addrs()) != 3 {
		t.Fatalf("the master is on port %d, sentinels %v", old.Port(), s.Addrs())
	}
	if err := old.Client().Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if n, err := old.Client().Wait(t.Context(), 2, 5*time.Second).Result(); n != 2 || err != nil {
		t.Fatalf("%d replicas have it, error %v", n, err)
	}
	begin = time.Now()
	old.Kill()
	heir := s.AwaitFailover(old)
	t.Logf("failed over after %s", time.Since(begin))
	if got, err := heir.Client().Get(t.Context(), "k").Result(); err != nil || got != "v" {
		t.Fatalf("the new master has %q, error %v", got, err)
	}
	old.Restart()
	client := old.Client()
	eventually(t, startLimit, "the old master replicates", func() error {
		info, err := client.Info(t.Context(), "replication").Result()
		if err == nil && !strings.Contains(info, "role:slave") {
			err = errors.New("it does not")
		}
		return err
	})
}
