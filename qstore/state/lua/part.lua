-- Make some runs of a batch that is not begun a batch of their own: the archive answers for them, so it needs no slot
-- and no permit.
--
-- KEYS 1 batch   2 due   as in take.lua
--      3 batch   hash: the new record
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 batch id  of the new one
--      4 runs    JSON of the run ids that leave
--      5 runs    JSON of those that stay
--      6 lease   milliseconds until the new record is another replica's
-- Returns the new one's due time as text; or '' where the record is no longer the caller's.
--
-- include clock

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return ''
end
local group, created_at = unpack(redis.call('HMGET', KEYS[1], 'group', 'created_at'))
local lease = instant(now + ARGV[6])
redis.call('HSET', KEYS[1], 'runs', ARGV[5])
redis.call('HSET', KEYS[3], 'state', 'intent', 'nonce', '', 'group', group, 'runs', ARGV[4], 'created_at', created_at)
redis.call('ZADD', KEYS[2], lease, ARGV[3])
return lease
