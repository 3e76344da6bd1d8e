-- About to send a batch: make sure that it is still the caller's, give it a whole lease, and read its circuits.
--
-- KEYS 1 due     sorted set: batch records by when somebody must look
--      2.. runs  hash of each run
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 lease   milliseconds until the record is another replica's
-- Returns {lease, runs}: the new due time as text, and {head, wire, attempts} of each run; or {} where the record is
-- no longer the caller's.

if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return {}
end
local time = redis.call('TIME')
local lease = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3])
redis.call('ZADD', KEYS[1], lease, ARGV[1])
local runs = {}
for i = 2, #KEYS do
  runs[i - 1] = redis.call('HMGET', KEYS[i], 'head', 'wire', 'attempts')
end
return {lease, runs}
