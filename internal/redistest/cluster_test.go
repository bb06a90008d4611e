package redistest

import (
	"fmt"
	"testing"
	"time"
)

func TestCluster(t *testing.T) {
	begin := time.Now()
	c := StartCluster(t, 3, 3)
	t.Logf("formed after %s", time.Since(begin))
	client := c.Client()
	const slot = 15495 // of the tag {a}
	for i := range 250 {
		if err := client.Set(t.Context(), fmt.Sprintf("{a}%d", i), i, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	from := c.MasterOf(slot)
	to := c.MasterOf(0)
	if from != c.Nodes[2] || to != c.Nodes[0] || c.MasterOf(8000) != c.Nodes[1] {
		t.Fatalf("slot %d is on port %d, 0 on %d", slot, from.Port(), to.Port())
	}
	for i, master := range c.Nodes[:3] {
		if replica := c.ReplicaOf(master); replica != c.Nodes[3+i] {
			t.Errorf("the replica of master %d is not node %d", i, 3+i)
		}
	}

	// In steps: while the slot is open, both kinds of keys are found.
	c.BeginMigration(slot, from, to)
	if moved := c.MoveKeys(slot, from, to, 100); moved != 100 {
		t.Fatalf("%d keys were moved, want 100", moved)
	}
	for i := range 250 {
		if got, err := client.Get(t.Context(), fmt.Sprintf("{a}%d", i)).Int(); err != nil || got != i {
			t.Fatalf("key %d is %d, error %v", i, got, err)
		}
	}
	for c.MoveKeys(slot, from, to, 100) > 0 {
		continue
	}
	c.EndMigration(slot, from, to)
	if got := c.MasterOf(slot); got != to {
		t.Fatalf("the slot is on port %d, want %d", got.Port(), to.Port())
	}
	c.Migrate(slot, to, from)
	if got := c.MasterOf(slot); got != from {
		t.Fatalf("the slot is on port %d, want %d", got.Port(), from.Port())
	}

	// A failover, and the old master comes back as a replica.
	begin = time.Now()
	from.Kill()
	heir := c.MasterOf(slot)
	t.Logf("failed over after %s", time.Since(begin))
	if heir != c.Nodes[5] {
		t.Fatalf("port %d is the new master", heir.Port())
	}
	from.Restart()
	eventually(t, clusterLimit, "the old master replicates", func() error {
		if c.ReplicaOf(heir) != from {
			return fmt.Errorf("it does not")
		}
		return nil
	})
	if c.MasterOf(slot) != heir {
		t.Error("the old master is the master again")
	}
}
