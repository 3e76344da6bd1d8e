-- Finish jobs: write their entries in Celery's result backend and tell whoever waits, as the backend itself does.
--
-- KEYS entries    strings: one for each job; also the channels their waiters listen on
-- ARGV 1 expiry   seconds
--      then for each job what its entry says
-- Returns how many clients were told.

local told = 0
for i, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[i + 1], 'EX', ARGV[1])
  told = told + redis.call('PUBLISH', key, ARGV[i + 1])
end
return told
