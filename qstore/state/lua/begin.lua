-- About to send a batch: make sure that it is still the caller's, give it a whole lease, note that a request may be on
-- its way from now on, and read its circuits.
--
-- KEYS 1 batch   2 due   as in take.lua
--      3.. runs  hash of each run
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 lease   milliseconds until the record is another replica's
-- Returns {lease, runs}: the new due time as text, and {head, wire, attempts} of each run; or {} where the record is
-- no longer the caller's.
--
-- include clock

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return {}
end
local lease = instant(now + ARGV[3])
redis.call('ZADD', KEYS[2], lease, ARGV[1])
redis.call('HSET', KEYS[1], 'begun', 1)
local runs = {}
for i = 3, #KEYS do
  runs[i - 2] = redis.call('HMGET', KEYS[i], 'head', 'wire', 'attempts')
end
return {lease, runs}
