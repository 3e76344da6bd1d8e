-- Read the runs of a batch, without their circuits.
--
-- KEYS 1 slots  as in take.lua
--      then the hash of each run
-- ARGV 1 batch id  where IonQ's job has ended: it gives its slot back, before its results are read; else empty
-- Returns for each run {head, attempts, archive age}; see ask.lua.

redis.call('ZREM', KEYS[1], ARGV[1])
local runs = {}
for i = 2, #KEYS do
  runs[i - 1] = redis.call('HMGET', KEYS[i], 'head', 'attempts', 'archive')
end
return runs
