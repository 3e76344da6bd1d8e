-- Read the runs of a batch, without their circuits.
--
-- KEYS runs   hash of each run
-- Returns for each run {head, attempts}.

local runs = {}
for i, key in ipairs(KEYS) do
  runs[i] = redis.call('HMGET', key, 'head', 'attempts')
end
return runs
