-- IonQ took the batch: remember its job, and when to look first. This is the truth whoever holds the lease, so it
-- stands even where the caller slept through its own; whoever holds a newer one holds it in vain from here on.
--
-- KEYS 1 batch   2 due   3 slots   as in take.lua
--      4 record   5 stake   6 failures    the backend's breaker, as in include/breaker.lua
-- ARGV 1 batch id
--      2 remote id  IonQ's job
--      3 pause      milliseconds until the first look
--      4 slot       milliseconds from then until the slot is free again, should everybody be dead
--      5 epoch      of the batch's permit
-- Returns {1}, or {0} where the batch is no more: its runs went back, and IonQ's job is nobody's. A second item is the
-- breaker's state where this changed it, else ''.
--
-- include clock
-- include breaker

local keys = {record = KEYS[4], stake = KEYS[5], failures = KEYS[6]}
local turned = breaker.report(keys, ARGV[1], ARGV[5], 'success')
local state, remote_id = unpack(redis.call('HMGET', KEYS[1], 'state', 'remote_id'))
if state ~= 'intent' then
  return {remote_id == ARGV[2] and 1 or 0, turned}
end
redis.call('HSET', KEYS[1], 'state', 'submitted', 'remote_id', ARGV[2], 'submitted_at', instant(now))
redis.call('ZADD', KEYS[2], instant(now + ARGV[3]), ARGV[1])
redis.call('ZADD', KEYS[3], instant(now + ARGV[3] + ARGV[4]), ARGV[1])
return {1, turned}
