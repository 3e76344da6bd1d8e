-- What has to be done now? Claims due batch records for the caller, and names groups whose partial batch may leave.
--
-- KEYS 1 due      sorted set: batch records by when somebody must look
--      2 groups   sorted set: groups by when a partial batch may leave
--      3 hits   4 arrivals   lists: jobs that Flower has not been told of, as in finish.lua and ask.lua
--      5 expiring  sorted set: jobs that may expire, by when
--      6 calibrations  sorted set: the keys of calibrations, by when IonQ is to be asked again
-- ARGV 1 limit    records at most
--      2 lease    milliseconds until a claimed record is another replica's
--      3 jobs     to tell Flower of, and to expire, at most
--      4 age      milliseconds a job waits before Flower is told of it: most have ended by then
--      5 interval  milliseconds until IonQ is asked for a calibration again
-- Returns {lease, batch ids, groups, hits, arrivals, expired, calibrations, pause}: lease is the new due time of the
-- claimed records as text, expired are ids of jobs, calibrations are keys of those that the caller has to ask for,
-- pause is the milliseconds until the next group falls due, -1 for none.
--
-- include clock

local lease = instant(now + ARGV[2])
local batch_ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, batch_id in ipairs(batch_ids) do
  redis.call('ZADD', KEYS[1], lease, batch_id)
end
local groups = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1])
local next_group = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
local pause = next_group and next_group - now or -1
local hits = redis.call('LPOP', KEYS[3], ARGV[3]) or {}
local arrivals = {}
local function waits_long(arrival)
  return arrival and tonumber(arrival:match('^%d+')) + ARGV[4] <= now
end
if waits_long(redis.call('LINDEX', KEYS[4], 0)) then
  for i, arrival in ipairs(redis.call('LRANGE', KEYS[4], 0, ARGV[3] - 1)) do
    if not waits_long(arrival) then
      break
    end
    arrivals[i] = arrival
  end
  redis.call('LTRIM', KEYS[4], #arrivals, -1)
end
local expired = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, ARGV[3])
local calibrations = {}
for _, calibration in ipairs(redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', now)) do
  if redis.call('EXISTS', calibration) == 1 then
    redis.call('ZADD', KEYS[6], instant(now + ARGV[5]), calibration)
    calibrations[#calibrations + 1] = calibration
  else
    -- it does not matter to anybody any more
    redis.call('ZREM', KEYS[6], calibration)
  end
end
return {lease, batch_ids, groups, hits, arrivals, expired, calibrations, pause}
