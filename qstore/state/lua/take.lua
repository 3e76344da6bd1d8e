-- Move runs from a group into a new batch record, before anything is sent to IonQ.
--
-- KEYS 1 pending  list: run ids of the group
--      2 groups   sorted set: groups by when a partial batch may leave
--      3 batch    hash: the new record
--      4 due      sorted set: batch records by when somebody must look
-- ARGV 1 group          canonical JSON
--      2 batch size     circuits
--      3 batch timeout  milliseconds, for what stays behind
--      4 batch id
--      5 nonce          what IonQ's job will carry
--      6 lease          milliseconds until the record is another replica's
-- Returns {} where no batch may leave yet, else {run ids, lease, now, more}; lease is the due time as text, more is
-- 1 where another full batch waits, else 0.

local waiting = redis.call('LLEN', KEYS[1])
if waiting == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return {}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local size = tonumber(ARGV[2])
local leaves = redis.call('ZSCORE', KEYS[2], ARGV[1])
if waiting < size and leaves and tonumber(leaves) > now then
  return {}
end
local run_ids = redis.call('LPOP', KEYS[1], size)
if waiting <= size then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + ARGV[3]), ARGV[1])
end
local lease = string.format('%.0f', now + ARGV[6])
redis.call('HSET', KEYS[3], 'state', 'intent', 'nonce', ARGV[5], 'group', ARGV[1],
  'runs', cjson.encode(run_ids), 'created_at', string.format('%.0f', now))
redis.call('ZADD', KEYS[4], lease, ARGV[4])
return {run_ids, lease, string.format('%.0f', now), waiting >= 2 * size and 1 or 0}
