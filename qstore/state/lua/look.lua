-- Is there a fresh result, or a running execution to join?
--
-- KEYS 1 result   string: outcome of the run, while fresh
--      2 run      hash: the run, while it waits or is executed
--      3 jobs     list: jobs waiting for the run
--      4 entry    string: the job's entry in Celery's result backend
--      5 hits     list: jobs answered from the cache that Flower has not been told of
-- ARGV 1 job            JSON of the job
--      2 entry          what the entry says of a queued job
--      3 entry expiry   seconds
--      4 hits kept      jobs at most, 0 where a worker tells Flower itself
-- Returns {"hit", outcome} | {"joined"} | {"miss"}; a miss writes nothing.

local outcome = redis.call('GET', KEYS[1])
if outcome then
  if tonumber(ARGV[4]) > 0 then
    redis.call('RPUSH', KEYS[5], ARGV[1])
    redis.call('LTRIM', KEYS[5], -ARGV[4], -1)
    redis.call('EXPIRE', KEYS[5], 3600)
  end
  return {'hit', outcome}
end
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('RPUSH', KEYS[3], ARGV[1])
  redis.call('SET', KEYS[4], ARGV[2], 'EX', ARGV[3])
  return {'joined'}
end
return {'miss'}
