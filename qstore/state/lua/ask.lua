-- Answer from the cache, join a running execution, or claim a new run and append it to its group. Claim and work
-- are one move, so no producer can die holding a claim without its work. Without a run it only looks.
--
-- KEYS 1 result   string: outcome of the run, while fresh
--      2 run      hash: the run, while it waits or is executed
--      3 jobs     list: jobs waiting for the run
--      4 entry    string: the job's entry in Celery's result backend
--      5 hits     list: jobs answered from the cache that Flower has not been told of
--      6 queued   string: jobs that wait for counts
--      7 pending  list: run ids of the group
--      8 groups   sorted set: groups by when a partial batch may leave
-- ARGV 1 job            JSON of the job
--      2 entry          what the entry says of a queued job
--      3 entry expiry   seconds
--      4 hits kept      jobs at most, 0 where a worker tells Flower itself
--      5 queued         jobs that may wait at most
--      6 run id         empty to look only; what follows is then missing, as are KEYS 7 and 8
--      7 head           JSON of the run
--      8 wire           the circuit as IonQ reads it
--      9 group          canonical JSON of the group
--     10 batch size     circuits
--     11 batch timeout  milliseconds
-- Returns {"hit", outcome} | {"joined"} | {"miss"} (it only looked, and wrote nothing) | {"full"} (as many wait as may,
-- and it wrote nothing) | {"queued", full}, full = 1 where a batch can leave at once, else 0.
--
-- include clock

local outcome = redis.call('GET', KEYS[1])
if outcome then
  if tonumber(ARGV[4]) > 0 then
    redis.call('RPUSH', KEYS[5], ARGV[1])
    redis.call('LTRIM', KEYS[5], -ARGV[4], -1)
    redis.call('EXPIRE', KEYS[5], 3600)
  end
  return {'hit', outcome}
end
local running = redis.call('EXISTS', KEYS[2]) == 1
if ARGV[6] == '' and not running then
  return {'miss'}
end
if tonumber(redis.call('GET', KEYS[6]) or 0) >= tonumber(ARGV[5]) then
  return {'full'}
end
redis.call('INCR', KEYS[6])
redis.call('RPUSH', KEYS[3], ARGV[1])
redis.call('SET', KEYS[4], ARGV[2], 'EX', ARGV[3])
if running then
  return {'joined'}
end
redis.call('HSET', KEYS[2], 'head', ARGV[7], 'wire', ARGV[8])
local waiting = redis.call('RPUSH', KEYS[7], ARGV[6])
redis.call('ZADD', KEYS[8], 'NX', instant(now + ARGV[11]), ARGV[9])
if waiting % tonumber(ARGV[10]) == 0 or tonumber(ARGV[11]) == 0 then
  return {'queued', 1}
end
return {'queued', 0}
