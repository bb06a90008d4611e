package redisstore

// Needs returns what a user of Redis must be allowed, for whoever tries it out
// before: commands as they are used, with <key> and <channel> in the places of
// keys and channels, and the patterns of both in the words of ACL SETUSER.
func Needs(prefix string) (commands, keys, channels []string) {
	if prefix == "" {
		prefix = DefaultPrefix
	}
	return []string{
		"EVALSHA 0000000000000000000000000000000000000000 1 <key>", "EVAL return 1 <key>", "TIME", "PUBLISH <channel> text",
		"GET <key>", "SET <key> value PX 1000", "DEL <key>", "GETRANGE <key> 0 1", "PTTL <key>", "PEXPIRE <key> 1000",
		"ZADD <key> 0 member", "ZREM <key> member", "ZCARD <key>", "ZCOUNT <key> 0 1", "ZSCORE <key> member", "ZRANGE <key> 0 1",
		"ZRANGEBYSCORE <key> 0 1", "ZRANGEBYLEX <key> - +", "ZREVRANGEBYLEX <key> + -",
		"HSET <key> field value", "HSETNX <key> field value", "HGET <key> field", "HMGET <key> field", "HGETALL <key>",
		"HINCRBY <key> field 1", "HDEL <key> field", "HEXISTS <key> field", "SADD <key> member", "SMEMBERS <key>",
	}, []string{prefix + ":*", "{" + prefix + ":*"}, []string{prefix + ":*"}
}
