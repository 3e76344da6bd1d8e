-- Finish jobs: they wait no longer, their entries in Celery's result backend say how they ended, and whoever waits for
-- those is told, as the backend itself does.
--
-- KEYS 1 hits       list: jobs answered from the cache that Flower has not been told of
--      2 announced  set: ids of waiting jobs that Flower was told of
--      then for each job: job, as in ask.lua; entry, a string and also the channel its waiters listen on
-- ARGV 1 expiry   seconds
--      2 kept     hits at most
--      3 hits     how many of them follow
--      then the hits, then for each job its id, and what its entry says: empty where it has none
-- Returns 1 for each job that Flower was told of while it waited, else 0.

local announced, hits = {}, tonumber(ARGV[3])
for i = 1, hits do
  redis.call('RPUSH', KEYS[1], ARGV[3 + i])
end
if hits > 0 then
  redis.call('LTRIM', KEYS[1], -ARGV[2], -1)
  redis.call('EXPIRE', KEYS[1], 3600)
end
local some = redis.call('EXISTS', KEYS[2]) == 1
for i = 1, #KEYS / 2 - 1 do
  local job, entry = KEYS[2 * i + 1], KEYS[2 * i + 2]
  local id, says = ARGV[2 + hits + 2 * i], ARGV[3 + hits + 2 * i]
  redis.call('DEL', job)
  if says ~= '' then
    redis.call('SET', entry, says, 'EX', ARGV[1])
    redis.call('PUBLISH', entry, says)
  end
  announced[i] = some and redis.call('SREM', KEYS[2], id) or 0
end
return announced
