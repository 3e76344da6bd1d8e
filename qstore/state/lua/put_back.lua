-- Return the runs of a batch that IonQ certainly did not take to the head of their group, and say so in the entries of
-- the jobs that wait for them. While the breaker is not closed, it is IonQ that failed and not the runs: then this
-- counts for none of them.
--
-- KEYS 1 batch   2 due   3 pending   4 groups   5 slots   as in take.lua
--      6 hold   as in take.lua
--      7 record   of the backend's breaker, as in include/breaker.lua
--      then the hash of each run, then entries of jobs in Celery's result backend
-- ARGV 1 batch id
--      2 lease          the due time the caller holds
--      3 group          canonical JSON
--      4 pause          milliseconds until they may leave again
--      5 blame          1 where the attempt counts, else 0
--      6 max retries    attempts after which runs are not offered again
--      7 retry timeout  milliseconds of pauses after which they are not
--      8 entry expiry   seconds
--      then what each entry says
-- Returns 1; or 0 where the record is no longer the caller's; or 2 where its runs were offered often enough, and
-- nothing was done.
--
-- include clock
-- include breaker

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return 0
end
local run_ids = cjson.decode(redis.call('HGET', KEYS[1], 'runs'))
local blamed = ARGV[5] == '1' and breaker.state({record = KEYS[7]}) == 'closed'
local attempts, waited = math.huge, math.huge
for i = 8, 7 + #run_ids do
  local tried, paused = unpack(redis.call('HMGET', KEYS[i], 'attempts', 'waited'))
  attempts = math.min(attempts, tonumber(tried or 0))
  waited = math.min(waited, tonumber(paused or 0))
end
if blamed and (attempts >= tonumber(ARGV[6]) or waited >= tonumber(ARGV[7])) then
  return 2
end
for i = #run_ids, 1, -1 do
  redis.call('LPUSH', KEYS[3], run_ids[i])
  if blamed then
    redis.call('HINCRBY', KEYS[7 + i], 'attempts', 1)
    redis.call('HINCRBY', KEYS[7 + i], 'waited', ARGV[4])
  end
end
for i = 8 + #run_ids, #KEYS do
  redis.call('SET', KEYS[i], ARGV[i + 1 - #run_ids], 'EX', ARGV[8])
end
redis.call('ZADD', KEYS[4], instant(now + ARGV[4]), ARGV[3])
if tonumber(ARGV[4]) > 0 then
  redis.call('SET', KEYS[6], 1, 'PX', ARGV[4])
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
return 1
