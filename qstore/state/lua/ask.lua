-- Answer from the cache, join a running execution, or claim a new run and append it to its group. Claim and work
-- are one move, so no producer can die holding a claim without its work. Without a run it only looks.
--
-- KEYS 1 result    string: outcome of the run, while fresh
--      2 run       hash: the run, while it waits or is executed
--      3 jobs      list: jobs waiting for the run
--      4 entry     string: the job's entry in Celery's result backend
--      5 job       string: the run the job waits for
--      6 queued    string: jobs that wait for counts
--      7 arrivals  list: jobs that began to wait, for Flower to be told of: epoch milliseconds, "waits" or
--                  "submitted", and the id of each
--      8 expiring  sorted set: jobs that may expire, by when
--      9 pending   sorted set: run ids of the group by place, as in include/place.lua
--     10 groups    sorted set: groups by when a partial batch may leave
-- ARGV 1 job            JSON of the job
--      2 job id
--      3 run id
--      4 entry head   what the entry of a queued job says, before its position
--      5 entry middle from there to the job's id
--      6 entry tail   the id and the rest
--      7 entry expiry seconds; 0 where the job has no entry
--      8 arrivals     jobs kept at most
--      9 queued       jobs that may wait at most
--     10 expires      epoch milliseconds; empty where the job does not expire
--     11 priority     0 to 9
--     12 head         JSON of the run; empty to look only, what follows is then missing, as are KEYS 9 and 10
--     13 wire         the circuit as IonQ reads it
--     14 group        canonical JSON of the group
--     15 batch size   circuits
--     16 batch timeout  milliseconds
-- Returns {"hit", outcome} | {"joined"} | {"miss"} (it only looked, and wrote nothing) | {"full"} (as many wait as may,
-- and it wrote nothing) | {"taken"} (a job of this id waits for something else) | {"queued", full}, full = 1 where a
-- batch can leave at once, else 0.
--
-- include clock
-- include place

local waits_for = redis.call('GET', KEYS[5])
if waits_for and waits_for ~= ARGV[3] then
  return {'taken'}
end
local outcome = redis.call('GET', KEYS[1])
if outcome then
  return {'hit', outcome}
end
if waits_for then
  return {'joined'}
end
local running = redis.call('EXISTS', KEYS[2]) == 1
if ARGV[12] == '' and not running then
  return {'miss'}
end
if tonumber(redis.call('GET', KEYS[6]) or 0) >= tonumber(ARGV[9]) then
  return {'full'}
end
redis.call('INCR', KEYS[6])
redis.call('RPUSH', KEYS[3], ARGV[1])
redis.call('SET', KEYS[5], ARGV[3])
if ARGV[10] ~= '' then
  redis.call('ZADD', KEYS[8], ARGV[10], ARGV[2])
end

local pending, told = KEYS[9], false
if running then
  local place, batch
  pending, place, batch = unpack(redis.call('HMGET', KEYS[2], 'pending', 'place', 'batch'))
  told = batch and redis.call('HGET', batch, 'told')
  local sooner = promoted(place, ARGV[11])
  if sooner then
    -- whoever is in a hurry takes the others along
    redis.call('HSET', KEYS[2], 'place', sooner)
    redis.call('ZADD', pending, 'XX', sooner, ARGV[3])
  end
else
  local place = place_of(ARGV[11])
  redis.call('HSET', KEYS[2], 'head', ARGV[12], 'wire', ARGV[13], 'pending', pending, 'place', place)
  redis.call('ZADD', pending, place, ARGV[3])
  redis.call('ZADD', KEYS[10], 'NX', instant(now + ARGV[16]), ARGV[14])
end
if redis.call('RPUSH', KEYS[7], instant(now) .. (told and ' submitted ' or ' waits ') .. ARGV[2]) > tonumber(ARGV[8]) then
  redis.call('LPOP', KEYS[7])
end
if ARGV[7] ~= '0' then
  local says = told
  if not told then
    says = ARGV[4] .. (redis.call('ZRANK', pending, ARGV[3]) or 0) .. ARGV[5]
  end
  redis.call('SET', KEYS[4], says .. ARGV[6], 'EX', ARGV[7])
end
if running then
  return {'joined'}
end
local full = redis.call('ZCARD', pending) % tonumber(ARGV[15]) == 0 or tonumber(ARGV[16]) == 0
return {'queued', full and 1 or 0}
