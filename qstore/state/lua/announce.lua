-- Which of these jobs still wait? Those Flower is told of now.
--
-- KEYS 1 announced  set: ids of waiting jobs that Flower was told of
--      then for each job its place among those that wait, as in ask.lua
-- ARGV ids of the jobs
-- Returns for each the run it waits for, else an empty text.

local waits = {}
for i, id in ipairs(ARGV) do
  waits[i] = redis.call('GET', KEYS[i + 1]) or ''
  if waits[i] ~= '' then
    redis.call('SADD', KEYS[1], id)
  end
end
return waits
