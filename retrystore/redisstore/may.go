package redisstore

// Redis does not roll a script back. It refuses a replica's, a full server's or one's
// without enough replicas at the script's first write, and never later; but what the user
// may not do it refuses at each command, and permissions change while scripts are used. So a
// script of several writes asks before the first of them whether it may do all, with
// commands that change nothing.

// luaMay has the functions for that. Both return an error for the script to return, or nil.
//
// mayWrite wants a sorted set, and may be given a hash to write to and one to count in.
// That there is no memory is no matter of permission: it lets that pass.
//
// denied is for scripts that a full Redis must take: after a ZREM it takes all that follows.
const luaMay = `
local function may(...)
  local answer = redis.pcall(...)
  local why = type(answer) == 'table' and answer.err
  if not why then return nil end
  for _, fine in ipairs({'OOM', 'wrong number of arguments', 'not an integer'}) do
    if string.find(why, fine, 1, true) then return nil end
  end
  return answer
end
local function mayWrite(set, hash, count)
  return may('ZADD', set, 'XX', 0, '') or hash and may('HSET', hash, 'a', 'b', 'c') or
    count and may('HINCRBY', count, 'n', 'x') or nil
end
local function denied(set, hash, count)
  redis.call('ZREM', set, '')
  return mayWrite(set, hash, count)
end
`
