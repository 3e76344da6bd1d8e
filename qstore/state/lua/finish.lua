-- Finish jobs: they wait no longer, their entries in Celery's result backend say how they ended, and whoever waits for
-- those is told, as the backend itself does.
--
-- KEYS 1 hits   list: jobs answered from the cache that Flower has not been told of
--      then for each job: job, as in ask.lua; entry, a string and also the channel its waiters listen on
-- ARGV 1 expiry   seconds
--      2 kept     hits at most
--      3 hits     how many of them follow
--      then the hits, then for each job what its entry says: empty where it has none
-- Returns how many clients were told.

local told, hits = 0, tonumber(ARGV[3])
for i = 1, hits do
  redis.call('RPUSH', KEYS[1], ARGV[3 + i])
end
if hits > 0 then
  redis.call('LTRIM', KEYS[1], -ARGV[2], -1)
  redis.call('EXPIRE', KEYS[1], 3600)
end
for i = 1, (#KEYS - 1) / 2 do
  local job, entry, says = KEYS[2 * i], KEYS[2 * i + 1], ARGV[3 + hits + i]
  redis.call('DEL', job)
  if says ~= '' then
    redis.call('SET', entry, says, 'EX', ARGV[1])
    told = told + redis.call('PUBLISH', entry, says)
  end
end
return told
