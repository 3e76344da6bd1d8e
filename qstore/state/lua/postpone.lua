-- Look at a batch record again later.
--
-- KEYS 1 batch   2 due
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 pause   milliseconds
--      4 announced  JSON list: how many jobs of each run Flower was told of; empty where it was told nothing new
-- Returns 1, or 0 where the record is no longer the caller's.

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HINCRBY', KEYS[1], 'looks', 1)
if ARGV[4] ~= '' then
  redis.call('HSET', KEYS[1], 'announced', ARGV[4])
end
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[3]), ARGV[1])
return 1
