-- What the caches hold, and what was counted. What has expired is taken out of the indexes first.
--
-- KEYS 1 tally  hash: counters
--      2 index   3 sum   of cached outcomes, as in include/store.lua
--      4 index   5 sum   of compiled circuits
-- Returns {counters, {outcomes, bytes}, {circuits, bytes}, left}; left is 1 where more may have expired.
--
-- include clock
-- include store

local held, left = {}, 0
for i = 2, 4, 2 do
  local keys = {index = KEYS[i], sum = KEYS[i + 1]}
  if store.forget(keys) > 0 then
    left = 1
  end
  held[#held + 1] = {redis.call('ZCARD', keys.index), tonumber(redis.call('GET', keys.sum) or 0)}
end
return {redis.call('HGETALL', KEYS[1]), held[1], held[2], left}
