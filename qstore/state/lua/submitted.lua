-- IonQ took the batch: remember its job, and when to look first.
--
-- KEYS 1 batch   2 due
-- ARGV 1 batch id
--      2 lease      the due time the caller holds
--      3 remote id  IonQ's job
--      4 pause      milliseconds until the first look
-- Returns 1, or 0 where the record is no longer the caller's.

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'state', 'submitted', 'remote_id', ARGV[3], 'submitted_at', string.format('%.0f', now))
redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[4]), ARGV[1])
return 1
