-- Move runs from a group into a new batch record, before anything is sent to IonQ: where a batch may leave, a slot is
-- free, and the breaker of its backend permits a request. Else the runs wait where they are.
--
-- KEYS 1 pending  sorted set: run ids of the group by place, as in include/place.lua
--      2 groups   sorted set: groups by when a partial batch may leave
--      3 batch    hash: the new record
--      4 due      sorted set: batch records by when somebody must look
--      5 slots    sorted set: batches in flight, by when they are forgotten
--      6 hold     string: there while the group waits before it is offered again
--      7 record   8 stake   9 failures    the backend's breaker, as in include/breaker.lua
-- ARGV 1 group          canonical JSON
--      2 batch size     circuits
--      3 batch timeout  milliseconds, for what stays behind
--      4 batch id       also names the permit
--      5 nonce          what IonQ's job will carry
--      6 lease          milliseconds until the record is another replica's
--      7 slots          batches in flight at most
--      8 slot           milliseconds until the slot is free again, should everybody be dead
--      9 threshold   10 window   11 recovery    of the breaker, as in admit.lua
-- Returns {'none'} where no batch may leave yet, {'busy'} where it has to wait for another to end, {'closed', wait}
-- where the breaker lets nothing out for so many milliseconds, else {'taken', run ids, lease, now, epoch, more}; lease
-- is the due time as text, more is 1 where another full batch waits, else 0.
--
-- include clock
-- include breaker

local waiting = redis.call('ZCARD', KEYS[1])
if waiting == 0 then
  redis.call('ZREM', KEYS[2], ARGV[1])
  return {'none'}
end
local size = tonumber(ARGV[2])
local leaves = redis.call('ZSCORE', KEYS[2], ARGV[1])
if waiting < size and leaves and tonumber(leaves) > now or redis.call('EXISTS', KEYS[6]) == 1 then
  return {'none'}
end
redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', now)
if redis.call('ZCARD', KEYS[5]) >= tonumber(ARGV[7]) then
  return {'busy'}
end
local rules = {threshold = tonumber(ARGV[9]), window = ARGV[10], recovery = ARGV[11], lease = ARGV[6]}
local epoch, wait = breaker.admit({record = KEYS[7], stake = KEYS[8], failures = KEYS[9]}, ARGV[4], rules)
if not epoch then
  if wait == 0 then
    return {'busy'}
  end
  redis.call('ZADD', KEYS[2], instant(now + wait), ARGV[1])
  return {'closed', wait}
end
local run_ids = {}
for i, item in ipairs(redis.call('ZPOPMIN', KEYS[1], size)) do
  if i % 2 == 1 then -- each is followed by its place
    run_ids[#run_ids + 1] = item
  end
end
if waiting <= size then
  redis.call('ZREM', KEYS[2], ARGV[1])
else
  redis.call('ZADD', KEYS[2], instant(now + ARGV[3]), ARGV[1])
end
local lease = instant(now + ARGV[6])
redis.call('HSET', KEYS[3], 'state', 'intent', 'nonce', ARGV[5], 'group', ARGV[1], 'epoch', epoch,
  'runs', cjson.encode(run_ids), 'created_at', instant(now))
redis.call('ZADD', KEYS[4], lease, ARGV[4])
redis.call('ZADD', KEYS[5], instant(now + ARGV[8]), ARGV[4])
return {'taken', run_ids, lease, instant(now), epoch, waiting >= 2 * size and 1 or 0}
