-- The outcomes of a batch are known: cache them, end the runs, and keep outcomes and waiting jobs in the
-- record until every job is finished. From here on newcomers find the cached outcome, nobody joins any more.
--
-- KEYS 1 batch   2 due   3 slots   as in take.lua
--      4 queued  string: jobs that wait for counts
--      then for each run: result, run, jobs      as in ask.lua
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      then for each run: outcome (JSON), milliseconds to cache it (0: not)
-- Returns {announced, jobs of each run}, or {} where the record is no longer the caller's; announced is the
-- JSON list of how many jobs of each run Flower was told of.

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return {}
end
local waiting, outcomes, ended = {}, {}, 0
for i = 1, (#KEYS - 4) / 3 do
  local key, arg = 3 * i + 2, 2 * i + 1
  local jobs = redis.call('LRANGE', KEYS[key + 2], 0, -1)
  if tonumber(ARGV[arg + 1]) > 0 then
    redis.call('SET', KEYS[key], ARGV[arg], 'PX', ARGV[arg + 1])
  end
  redis.call('DEL', KEYS[key + 1], KEYS[key + 2])
  waiting[i] = jobs
  outcomes[i] = ARGV[arg]
  ended = ended + #jobs
end
if ended > 0 and redis.call('DECRBY', KEYS[4], ended) <= 0 then
  redis.call('DEL', KEYS[4])
end
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'settled', 'jobs', cjson.encode(waiting), 'outcomes', cjson.encode(outcomes))
return {redis.call('HGET', KEYS[1], 'announced') or '[]', waiting}
