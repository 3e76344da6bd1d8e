-- The outcomes of a batch are known: cache them, end the runs, and keep outcomes and waiting jobs in the
-- record until every job is finished. From here on newcomers find the cached outcome, nobody joins any more.
--
-- KEYS 1 batch   2 due   3 slots   as in take.lua
--      4 queued    string: jobs that wait for counts
--      5 expiring  sorted set: jobs that may expire, by when
--      then for each run: result, run, jobs      as in ask.lua
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      then for each run: outcome (JSON), milliseconds to cache it (0: not)
-- Returns {jobs of each run}, or {} where the record is no longer the caller's.
--
-- include clock
-- include waiting

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return {}
end
local waiting, outcomes, jobs_ended = {}, {}, 0
local expiring = redis.call('EXISTS', KEYS[5]) == 1
for i = 1, (#KEYS - 5) / 3 do
  local key, arg = 3 * i + 3, 2 * i + 1
  local jobs = redis.call('LRANGE', KEYS[key + 2], 0, -1)
  if tonumber(ARGV[arg + 1]) > 0 then
    redis.call('SET', KEYS[key], ARGV[arg], 'PX', ARGV[arg + 1])
  end
  redis.call('DEL', KEYS[key + 1], KEYS[key + 2])
  if expiring then
    unexpiring(KEYS[5], jobs)
  end
  waiting[i] = jobs
  outcomes[i] = ARGV[arg]
  jobs_ended = jobs_ended + #jobs
end
ended(KEYS[4], jobs_ended)
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'settled', 'jobs', cjson.encode(waiting), 'outcomes', cjson.encode(outcomes))
return {waiting}
