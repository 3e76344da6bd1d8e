-- Return the runs of a batch that IonQ certainly did not take, or gave up for us, to their places in their group, and
-- say so in the entries of the jobs that wait for them. While the breaker is not closed, it is IonQ that failed and not
-- the runs: then this counts for none of them.
--
-- KEYS 1 batch   2 due   3 pending   4 groups   5 slots   as in take.lua
--      6 hold    as in take.lua
--      7 record  of the backend's breaker, as in include/breaker.lua
--      then the hash of each run, then the list of jobs of each
--      then for each job to be told: job and entry, as in tell.lua
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
-- include waiting

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return 0
end
local run_ids = cjson.decode(redis.call('HGET', KEYS[1], 'runs'))
local runs = {unpack(KEYS, 8, 7 + #run_ids)}
local jobs = {unpack(KEYS, 8 + #run_ids, 7 + 2 * #run_ids)}
local blamed = ARGV[5] == '1' and breaker.state({record = KEYS[7]}) == 'closed'
local attempts, waited = math.huge, math.huge
for _, run in ipairs(runs) do
  local tried, paused = unpack(redis.call('HMGET', run, 'attempts', 'waited'))
  attempts = math.min(attempts, tonumber(tried or 0))
  waited = math.min(waited, tonumber(paused or 0))
end
if blamed and (attempts >= tonumber(ARGV[6]) or waited >= tonumber(ARGV[7])) then
  return 2
end
if blamed then
  for _, run in ipairs(runs) do
    redis.call('HINCRBY', run, 'attempts', 1)
    redis.call('HINCRBY', run, 'waited', ARGV[4])
  end
end
local first = 8 + 2 * #run_ids
for i = first, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    redis.call('SET', KEYS[i + 1], ARGV[9 + (i - first) / 2], 'EX', ARGV[8])
  end
end
if returned(KEYS[3], runs, jobs, run_ids) > 0 then
  redis.call('ZADD', KEYS[4], instant(now + ARGV[4]), ARGV[3])
  if tonumber(ARGV[4]) > 0 then
    redis.call('SET', KEYS[6], 1, 'PX', ARGV[4])
  end
end
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[5], ARGV[1])
return 1
