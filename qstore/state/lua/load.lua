-- Read the runs of a batch.
--
-- KEYS runs       hash of each run
-- ARGV 1 wires    1 to read the circuits too, else 0
-- Returns for each run {head, wire, attempts}, wire empty where it was not asked for.

local runs = {}
for i, key in ipairs(KEYS) do
  if ARGV[1] == '1' then
    runs[i] = redis.call('HMGET', key, 'head', 'wire', 'attempts')
  else
    runs[i] = {redis.call('HGET', key, 'head'), '', redis.call('HGET', key, 'attempts')}
  end
end
return runs
