-- About to send a batch: make sure that it is still the caller's, drop the runs nobody waits for any more, give the
-- rest a whole lease, note that a request may be on its way from now on, and read its circuits. This is the last look
-- before anything is paid.
--
-- KEYS 1 batch   2 due   3 slots   4 pending   as in take.lua
--      5 groups    sorted set: groups by when a partial batch may leave
--      6 expiring  sorted set: jobs that may expire, by when
--      7 calibration  string: id of the machine's calibration, while it is known
--      then the hash of each run, then the list of jobs of each
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 lease   milliseconds until the record is another replica's
--      4 group   canonical JSON
-- Returns {lease, run ids, runs}: the new due time as text, what is left of the batch, and {head, wire, attempts} of
-- each run; no run ids where nothing is left and the batch is no more; or {} where it is no longer the caller's.
--
-- include clock
-- include machine

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return {}
end
local expiring = redis.call('EXISTS', KEYS[6]) == 1

-- Does anybody still want what these jobs wait for?
local function wanted(jobs)
  if not expiring then
    return true
  end
  for _, job in ipairs(redis.call('LRANGE', jobs, 0, -1)) do
    local expires = redis.call('ZSCORE', KEYS[6], cjson.decode(job).job_id)
    if not expires or tonumber(expires) > now then
      return true
    end
  end
  return false
end

local run_ids = cjson.decode(redis.call('HGET', KEYS[1], 'runs'))
local left, runs = {}, {}
for i, run_id in ipairs(run_ids) do
  local run, jobs = KEYS[7 + i], KEYS[7 + #run_ids + i]
  if redis.call('EXISTS', jobs) == 0 then
    redis.call('DEL', run)
  elseif wanted(jobs) then
    redis.call('HSET', run, 'batch', KEYS[1])
    left[#left + 1] = run_id
    runs[#runs + 1] = redis.call('HMGET', run, 'head', 'wire', 'attempts')
  else
    -- all its jobs have expired: it waits for whoever ends them, which ends it, too
    redis.call('ZADD', KEYS[4], redis.call('HGET', run, 'place'), run_id)
    redis.call('ZADD', KEYS[5], 'NX', instant(now), ARGV[4])
  end
end
if #left == 0 then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
  return {'', left, runs}
end
local lease = instant(now + ARGV[3])
redis.call('ZADD', KEYS[2], lease, ARGV[1])
redis.call('HSET', KEYS[1], 'begun', 1, 'runs', cjson.encode(left), 'wanted', #left,
  'calibration', redis.call('GET', KEYS[7]) or '')
matters(KEYS[7], 2 * ARGV[3])
return {lease, left, runs}
