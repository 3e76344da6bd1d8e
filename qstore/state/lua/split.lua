-- IonQ refuses a batch of several runs: each half becomes a group of its own and may leave at once.
--
-- KEYS 1 batch   2 due   3 groups   4 slots   as in take.lua
--      5 pending  list: run ids of the first half's group
--      6 pending  list: run ids of the second half's
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 group   canonical JSON, of the first half
--      4 group   of the second
-- Returns 1, or 0 where the record is no longer the caller's.
--
-- include clock

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return 0
end
local run_ids = cjson.decode(redis.call('HGET', KEYS[1], 'runs'))
local half = math.ceil(#run_ids / 2)
for i, run_id in ipairs(run_ids) do
  redis.call('RPUSH', KEYS[i <= half and 5 or 6], run_id)
end
redis.call('ZADD', KEYS[3], instant(now), ARGV[3], instant(now), ARGV[4])
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
return 1
