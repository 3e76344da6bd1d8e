-- What has to be done now? Claims due batch records for the caller, and names groups nobody rang for.
--
-- KEYS 1 due      sorted set: batch records by when somebody must look
--      2 groups   sorted set: groups by when a partial batch may leave
--      3 hits     list: jobs answered from the cache that Flower has not been told of
-- ARGV 1 limit    records at most
--      2 lease    milliseconds until a claimed record is another replica's
--      3 hits     jobs at most
-- Returns {lease, batch ids, groups, hits, pause}: lease is the new due time of the claimed records as text,
-- pause the milliseconds until the next record falls due, -1 for none.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local lease = string.format('%.0f', now + ARGV[2])
local batch_ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, batch_id in ipairs(batch_ids) do
  redis.call('ZADD', KEYS[1], lease, batch_id)
end
local groups = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1])
local pause = -1
local next_due = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if next_due[2] then
  pause = math.max(0, next_due[2] - now)
end
local hits = redis.call('LPOP', KEYS[3], ARGV[3]) or {}
return {lease, batch_ids, groups, hits, pause}
