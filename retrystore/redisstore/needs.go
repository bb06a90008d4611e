package redisstore

import "strings"

// scripted are the commands of the scripts, each as it may be tried out.
var scripted = []string{
	"TIME", "GET <key>", "SET <key> value PX 1000", "DEL <key>", "GETRANGE <key> 0 1", "STRLEN <key>",
	"ZADD <key> 0 member", "ZREM <key> member", "ZCARD <key>", "ZCOUNT <key> 0 1", "ZSCORE <key> member",
	"ZRANGEBYSCORE <key> 0 1", "ZRANGEBYLEX <key> - +", "ZREVRANGEBYLEX <key> + -",
	"HSET <key> field value", "HGET <key> field", "HMGET <key> field", "HINCRBY <key> field 1", "HDEL <key> field",
	"SADD <key> member", "SMEMBERS <key>",
}

// sent are the others. Both lists are of commands without which nothing works.
var sent = []string{
	"EVALSHA 0000000000000000000000000000000000000000 1 <key>", "EVAL return 1 <key>", "HSETNX <key> field value", "PUBLISH <channel> text",
}

// Needs returns what a user of Redis must be allowed, so that the rights can be checked
// before: commands as they are used, with <key> and <channel> in the places of
// keys and channels, and the patterns of both in the words of ACL SETUSER.
func Needs(prefix string) (commands, keys, channels []string) {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	return append(append(commands, sent...), scripted...), []string{prefix + ":*", "{" + prefix + ":*"}, []string{prefix + ":*"}
}

// Permissions returns all that the user should be allowed besides access to keys
// and channels, in the words of ACL SETUSER: what Needs says, WAIT for
// MinReplicas, and what the store, or the client of a Cluster, could do without:
// sizes, being woken by other nodes, keeping damaged keys, and looking at how the
// server is set up.
func Permissions() string {
	var all []string
	for _, example := range append(append([]string{"PING", "WAIT", "SUBSCRIBE", "RENAME", "CONFIG|GET", "INFO", "COMMAND", "CLUSTER|SLOTS"}, sent...), scripted...) {
		command, _, _ := strings.Cut(example, " ")
		all = append(all, "+"+strings.ToLower(command))
	}
	return strings.Join(all, " ")
}
