-- IonQ refuses a batch of several runs: each half becomes a group of its own and may leave at once.
--
-- KEYS 1 batch   2 due   3 groups   4 slots   as in take.lua
--      5 pending  sorted set: run ids of the first half's group by place
--      6 pending  sorted set: run ids of the second half's
--      then the hash of each run, then the list of jobs of each
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 group   canonical JSON, of the first half
--      4 group   of the second
-- Returns 1, or 0 where the record is no longer the caller's.
--
-- include clock
-- include waiting

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return 0
end
local run_ids = cjson.decode(redis.call('HGET', KEYS[1], 'runs'))
local half = math.ceil(#run_ids / 2)
local function back(pending, group, from, to)
  local runs, jobs = {unpack(KEYS, 6 + from, 6 + to)}, {unpack(KEYS, 6 + #run_ids + from, 6 + #run_ids + to)}
  if returned(pending, runs, jobs, {unpack(run_ids, from, to)}) > 0 then
    redis.call('ZADD', KEYS[3], instant(now), group)
  end
end
back(KEYS[5], ARGV[3], 1, half)
back(KEYS[6], ARGV[4], half + 1, #run_ids)
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
return 1
