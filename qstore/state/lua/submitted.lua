-- IonQ took the batch: remember its job, and when to look first. This is the truth whoever holds the lease, so it
-- stands even where the caller slept through its own; whoever holds a newer one holds it in vain from here on.
--
-- KEYS 1 batch   2 due   3 slots   as in take.lua
--      4 record   5 stake   6 failures    the backend's breaker, as in include/breaker.lua
--      7 expiring  sorted set: jobs that may expire, by when; what is paid for expires no more
--      then the list of jobs of each run
-- ARGV 1 batch id
--      2 remote id  IonQ's job
--      3 pause      milliseconds until the first look
--      4 slot       milliseconds from then until the slot is free again, should everybody be dead
--      5 epoch      of the batch's permit
--      6 told       what the entries of its jobs say, all but the id: of whoever joins from now on at once
-- Returns {1, turned}, or {0, turned} where the batch is no more: its runs went back, and IonQ's job is nobody's. turned
-- is the breaker's state where this changed it, else ''.
--
-- include clock
-- include breaker
-- include waiting

local keys = {record = KEYS[4], stake = KEYS[5], failures = KEYS[6]}
local turned = breaker.report(keys, ARGV[1], ARGV[5], 'success')
local state, remote_id = unpack(redis.call('HMGET', KEYS[1], 'state', 'remote_id'))
if state ~= 'intent' then
  return {remote_id == ARGV[2] and 1 or 0, turned}
end
if redis.call('EXISTS', KEYS[7]) == 1 then
  for i = 8, #KEYS do
    unexpiring(KEYS[7], redis.call('LRANGE', KEYS[i], 0, -1))
  end
end
local pause = ARGV[3]
if tonumber(redis.call('HGET', KEYS[1], 'wanted') or 1) <= 0 then
  -- everybody left while the request was on its way: it is canceled at the first look, which is now
  redis.call('HSET', KEYS[1], 'unwanted', 1)
  pause = 0
end
redis.call('HSET', KEYS[1], 'state', 'submitted', 'remote_id', ARGV[2], 'submitted_at', instant(now), 'told', ARGV[6])
redis.call('ZADD', KEYS[2], instant(now + pause), ARGV[1])
redis.call('ZADD', KEYS[3], instant(now + pause + ARGV[4]), ARGV[1])
return {1, turned}
