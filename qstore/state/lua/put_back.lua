-- Return the runs of a batch that IonQ certainly did not take to the head of their group.
--
-- KEYS 1 batch   2 due   3 pending   4 groups    as in take.lua
--      5.. run   hash of each run
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 group   canonical JSON
--      4 pause   milliseconds until they may leave again
-- Returns 1, or 0 where the record is no longer the caller's.

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return 0
end
local run_ids = cjson.decode(redis.call('HGET', KEYS[1], 'runs'))
for i = #run_ids, 1, -1 do
  redis.call('LPUSH', KEYS[3], run_ids[i])
end
for i = 5, #KEYS do
  redis.call('HINCRBY', KEYS[i], 'attempts', 1)
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[4], string.format('%.0f', now + ARGV[4]), ARGV[3])
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
