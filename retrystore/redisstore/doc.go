// Package redisstore keeps webhooks in Redis or Valkey, alone, behind Sentinel or
// as a Cluster, for any number of nodes at once.
//
// # Atomic steps
//
// Every change is one Lua script over keys of one slot: Accept with the event key
// and all deliveries of an event, Settle, Release, Renew, Replay, Delete, and
// each step of a key that is held. A script checks everything before it writes, also
// whether the user may do all of it: Redis does not roll back what it then refuses.
// Its first write is one that Redis refuses when it cannot take it: for Accept
// one that a full server refuses, for whatever ends a delivery one that a full
// server takes, so that it can be emptied. Every key that a script touches is
// declared; a Cluster that is moving the slot then refuses the script before it
// runs, and not in the middle. This is why a Claim has two steps: it first asks
// what is due, in one round trip for all shards, and then leases what it chose.
//
// The happy path of an event is two scripts: Accept stores the delivery already
// leased, Settle deletes it. For an event of 1 KiB with its headers and its key
// that makes two EVALSHA, 15 commands within them (9 and 6), some 2 050 bytes to
// and 28 from the server, and 26 to 34 µs of the server's processor. A duplicate
// costs two reads more, to tell the first one's state.
//
// # Keys
//
// P is the tag of a shard, "{wh:3}": the prefix and a number. All keys of an event
// have the same, that of its event key's hash; those without an event key are
// dealt at random. Ids are 16 bytes: when the event was received in milliseconds
// (6), a number that orders those of one millisecond (2), chance (7), the shard
// (1). A delivery's id is its event's and the index of its destination, 255 if
// it is the only one; people see it in base32. A lane is "endpoint/destination",
// both with URL escapes. Sizes are what Redis 7.0 uses, with its own overhead.
//
//	key           type    TTL       what, and its size
//	wh:meta       hash    none      layout, number of shards, and generation: a random name that is made
//	                                with the data and gone with it; one
//	P:lanes       set     none      the lanes; 100 bytes for each destination ever used
//	P:e:<event>   string  none      the event: its size and some 350 bytes; 1.6 KB for 1 KiB of body.
//	                                It goes with the last delivery that is open or dead,
//	                                or without its body among those kept
//	P:k:<key>     string  dedupe    event key: "e" and the event's id, "c" once committed by a guard,
//	                      or lease  "h<token>:<until>" while held; 166 bytes
//	P:o:<lane>    zset    none      open deliveries by id, which is by time; 120 bytes for each
//	P:q:<lane>    zset    none      those pending, by band and due time; 120 bytes for each
//	P:l:<lane>    zset    none      those leased, by band and end of the lease; 120 bytes for each
//	P:x:<lane>    zset    none      dead letters by id; 120 bytes for each
//	P:z           zset    none      delivered ones with open or dead siblings, and those kept, by id;
//	                                120 bytes for each
//	P:y           zset    none      those kept, by when the last of their event was settled; 120 bytes
//	                                for each
//	P:b           hash    none      tally: the bytes of events that are open or dead, by endpoint
//	P:s:<delivery> hash   none      what an attempt leaves behind: token of the lease, attempts, budget,
//	                                reason, the last 20 attempts; 130 bytes, and for each attempt 40
//	                                bytes and its answer (up to 1 KiB). A delivery that succeeds at
//	                                the first attempt, in the node that accepted it, has none
//	P:g:<event>   hash    none      only with several destinations, or kept: how many are open or dead, and the
//	                                progress of those that were delivered; 90 bytes at first
//	P:mark        string  none      in a Cluster only: a name like the generation, by which a shard that
//	                                lost its data is told
//	P:epoch       string  none      by which data is told that went back to an older state; one, or one
//	                                for each shard of a Cluster
//	P:lost:<event> string 31 days  the record of that event was gone, or could not be read, before it was
//	                                delivered: its key does not count any more
//	P:probe                         never written: deleted to see whether the server takes writes
//	P:broken:<…>  any     none      a key of ours that had another type: renamed, so that it blocks
//	                                nothing; never read, never removed
//
// A pending event of 1 KiB with one destination takes 1.9 KB, one that was
// delivered 166 bytes until its key expires. What bounds the data is MaxPending,
// MaxBytes, and the event rate times the keys' lifetime.
// Nothing reads or walks a number of keys that grows with the data: counts are
// those of sets, lists read a bounded piece of each index, and KEYS, SCAN and
// their like are never used. The server must not evict (maxmemory-policy
// noeviction): Options.Check is for checking that, at each connection and every minute.
//
// What is kept of delivered events (retrystore.Retention) takes 0.9 KB for an
// event of 1 KiB without its body, and 2.0 KB with it. The script that settles
// the last delivery keeps it: no round trip more, 9 commands more within. Dropping
// the oldest is done beside that, in the background: two scripts for 64
// deliveries, which name their keys. Each shard keeps its share of the count, and
// up to a sixteenth more for a while. Replicas need not confirm it. A full server
// keeps nothing new. A node whose write is refused drops the oldest 512 of each shard. Each
// node follows its own configuration: all should have the same.
//
// A band is a priority, most urgent first, and within it first attempts before
// retries: band times 2^42 plus milliseconds is the score of queue and leases.
// Claims jump from one band that is not empty to the next. First attempts are
// never put off, so they are due whatever a server's clock says.
//
// Each shard counts its own part of MaxPending for each lane: a share of equal size,
// rounded up; and of MaxBytes for each endpoint. What is full is told, and made dead, by
// the script that stores. The tally is exact unless records are removed by hand. Removed
// records count until the endpoint has nothing stored, which is checked each minute, or until
// an event is refused because of them: then the tally is counted anew.
//
// # Time
//
// Scripts use the server's clock; nodes send durations, and translate times they
// are told by the difference they observe. Leases have random tokens, so that
// a lease that a failover forgot does not come back. A lapsed lease stays valid until another
// worker takes the delivery.
//
// # Round trips
//
// A server, or a shard's master in a Cluster, has a line: calls wait in a bounded
// queue for one of two senders, which takes all that wait and sends them in one
// pipeline. If no pipeline is under way, a call goes at once. While the senders are busy,
// calls gather for the next pipelines. Where replicas
// have to confirm, WAIT is the last command of the pipeline, on the connection of
// the writes; duplicates wait too. Reads and claims have connections of their own.
//
// # When Redis fails
//
//	OOM                              ErrFull for new events and holds; all else goes on
//	NOSCRIPT                         the source is sent
//	LOADING, MASTERDOWN, READONLY,   tried again for up to Options.Timeout, then as below
//	CLUSTERDOWN, BUSY, MOVED
//	TRYAGAIN, ASK                    the same, but they concern single keys of a slot that moves
//	MISCONF, NOREPLICAS, no answer,  the line is down: everything is ErrUnavailable at once, while
//	broken connection                one goroutine tries, every 0.1 to 1 s, a write that changes nothing
//	NOPERM, NOAUTH, WRONGPASS        ErrUnavailable, with what to allow; at Open an error
//	too few replicas in time         ErrUnavailable; the event may be stored
//
// A connection that breaks is tried once more at once, since servers close idle
// ones. That is safe: an Accept finds its own event and a claim its own token, and
// a result told twice is told once. If the end of an Accept is not known,
// its lease is given back when the server answers again. So the event is delivered if it was
// stored; the provider's next try is then a duplicate. The client
// should not retry by itself (MaxRetries -1), or a result may be taken for lost.
//
// While the slot of a shard moves to another master, events of that shard are
// refused whenever some of a script's keys have moved and others have not: for as
// long as the move takes, unless it is done within the timeout. Redis 8.4 (CLUSTER
// MIGRATION) and Valkey 9 (CLUSTER MIGRATESLOTS) can move slots in one step.
//
// What a crash of a node leaves behind: events are either stored or not, and
// leases lapse. What a crash of Redis leaves behind is a matter of its settings:
// with appendfsync always nothing acknowledged is lost, with everysec up to a
// second, with neither files nor replicas everything. A failover loses what no
// replica had, unless MinReplicas asks for confirmation.
//
// # When the data is gone or damaged
//
// Redis that was emptied, or is another one, has another generation, or none: looked at
// every five seconds and at each connection. Then the store says in its Condition, and in the
// log, what was lost, gives the data a new generation, and goes on with what there is. If
// that happens while no node runs, the node finds it that remembers the generation.
//
// A server that was killed and comes back with its latest snapshot, a replica that was behind, and
// a backup have the same generation. Each pipeline that stores something ends with a script that
// lets an epoch grow, P:epoch. A node that remembers a higher one than it finds, from an
// earlier run too, says in its Condition and in the log what may be lost, from when on; then
// the epoch gets another branch, which tells the other nodes. Where wh:meta alone is gone, the epochs
// are as they were, and it is made anew with the same generation. Masters are asked every
// five seconds how many keys they have evicted: more than before are a loss as well.
//
// Foreign writes to our keys block nothing. A key that has another type than ours is renamed
// to P:broken:<type>:<time>:<number>; that takes RENAME, and where the user may not the key is
// deleted. Entries that are no deliveries are removed, records that cannot be read become dead
// letters with the reason corrupt_record, and sets of a lane that are not in line any more are
// made anew from the others. The key of an event that is gone
// or unreadable is forgotten, so that the provider can send the event again. All of it is logged,
// and counted in Condition.Damaged. What Redis refuses for a while (as a replica, while it loads,
// for lack of a permission) is no damage: it is retried later.
//
// # Waking up
//
// Deliveries that become due by Accept, Release or Replay are announced on the
// channel "wh:wake", at most every 50 ms for a lane; a node does not hear
// itself. A node that misses a message, or may not subscribe, finds the deliveries at its
// next claim. Nodes wait for retries and lapsed leases by Claim.Next.
//
// # Versions
//
// Commands and scripts are those of Redis 6.2, so Redis 6.2 to 8 and Valkey will
// do. Permissions lists what an ACL should allow, RENAME among it.
package redisstore
