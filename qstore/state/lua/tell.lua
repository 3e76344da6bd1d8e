-- Say in the entries of jobs that still wait how far they are.
--
-- KEYS for each job: job, its place among those that wait, as in ask.lua; entry in Celery's result backend
-- ARGV 1 expiry   seconds
--      then what each entry says
-- Returns how many still wait.

local told = 0
for i = 1, #KEYS / 2 do
  -- whoever was canceled or finished meanwhile has an entry that says so
  if redis.call('EXISTS', KEYS[2 * i - 1]) == 1 then
    redis.call('SET', KEYS[2 * i], ARGV[i + 1], 'EX', ARGV[1])
    told = told + 1
  end
end
return told
