-- Look at a batch record again later.
--
-- KEYS 1 batch   2 due   3 slots   as in take.lua
--      4 calibration  string: id of the machine's calibration, while it is known
--      then the list of jobs of each run, where there is something to tell
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 pause   milliseconds
--      4 slot    milliseconds from then until the slot is free again, should everybody be dead
--      5 told    what the entries of its jobs say from now on, all but the id; empty where there is nothing to tell
-- Returns {1, jobs of each run}, none where there is nothing to tell; or {0} where the record is no longer the
-- caller's.
--
-- include clock
-- include machine

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return {0}
end
redis.call('HINCRBY', KEYS[1], 'looks', 1)
redis.call('ZADD', KEYS[2], instant(now + ARGV[3]), ARGV[1])
redis.call('ZADD', KEYS[3], instant(now + ARGV[3] + ARGV[4]), ARGV[1])
matters(KEYS[4], ARGV[3] + ARGV[4])
local waiting = {}
if ARGV[5] ~= '' then
  redis.call('HSET', KEYS[1], 'told', ARGV[5])
  for i = 5, #KEYS do
    waiting[i - 4] = redis.call('LRANGE', KEYS[i], 0, -1)
  end
end
return {1, waiting}
