-- Look at a batch record again later.
--
-- KEYS 1 batch   2 due   3 slots   as in take.lua
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 pause   milliseconds
--      4 slot    milliseconds from then until the slot is free again, should everybody be dead
--      5 announced  JSON list: how many jobs of each run Flower was told of; empty where it was told nothing new
-- Returns 1, or 0 where the record is no longer the caller's.
--
-- include clock

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HINCRBY', KEYS[1], 'looks', 1)
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'announced', ARGV[5])
end
redis.call('ZADD', KEYS[2], instant(now + ARGV[3]), ARGV[1])
redis.call('ZADD', KEYS[3], instant(now + ARGV[3] + ARGV[4]), ARGV[1])
return 1
