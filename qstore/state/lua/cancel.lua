-- End a job's wait before its run does. It leaves its run; a run nobody waits for any more leaves its group; and a
-- batch at IonQ in which nothing is wanted any more is marked, for a replica to cancel it there. How the job ended
-- becomes a settled record of its own, so that a replica finishes it like any other, whoever dies meanwhile.
--
-- KEYS 1 job       string: the run the job waits for
--      2 run   3 jobs   as in ask.lua
--      4 pending   sorted set: where the run waits, or waited
--      5 groups    sorted set: groups by when a partial batch may leave
--      6 entry     string: the job's entry in Celery's result backend
--      7 queued   8 expiring   as in ask.lua
--      9 record    hash: the settled record to make
--     10 due       sorted set: batch records by when somebody must look
--     11 batch     hash: the batch the run is in, where it is in one
-- ARGV 1 job id
--      2 run id
--      3 mark        what the job's JSON begins with
--      4 reason      revoked, or expired: then what may be on its way to IonQ stays
--      5 batch       the record in which the caller saw the run, KEYS 11; empty for none
--      6 entry       what it says from now on
--      7 entry expiry  seconds
--      8 record id
--      9 group       canonical JSON
--     10 outcome     JSON of the error the job ends with
--     11 batch id
--     12 member      the group in KEYS 5; empty where that has another name, and whoever is named it finds it empty
-- Returns 'gone' where the job does not wait, 'moved' where its run is not where the caller saw it, 'late' where it
-- cannot expire any more, else 'left'.
--
-- include clock
-- include waiting

if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  return 'gone'
end
local batch, pending = unpack(redis.call('HMGET', KEYS[2], 'batch', 'pending'))
if (batch or '') ~= ARGV[5] or pending ~= KEYS[4] then
  return 'moved'
end
if ARGV[4] == 'expired' and batch then
  -- in a moment IonQ has it, and then it expires no more; or it comes back
  redis.call('ZADD', KEYS[8], instant(now + 1000), ARGV[1])
  return 'late'
end
local job
for _, each in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do
  if each:sub(1, #ARGV[3]) == ARGV[3] then
    job = each
    break
  end
end
if not job then
  -- its run has failed and it is about to be finished; this one is another of the same name
  return 'gone'
end
redis.call('LREM', KEYS[3], 1, job)
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[8], ARGV[1])
ended(KEYS[7], 1)
-- who ignores results, or forgot this one, has none
if redis.call('EXISTS', KEYS[6]) == 1 then
  redis.call('SET', KEYS[6], ARGV[6], 'EX', ARGV[7])
  redis.call('PUBLISH', KEYS[6], ARGV[6])
end
redis.call('HSET', KEYS[9], 'state', 'settled', 'nonce', '', 'group', ARGV[9], 'runs', cjson.encode({ARGV[2]}),
  'created_at', instant(now), 'jobs', cjson.encode({{job}}), 'outcomes', cjson.encode({ARGV[10]}))
redis.call('ZADD', KEYS[10], instant(now), ARGV[8])

if redis.call('EXISTS', KEYS[3]) == 0 then
  if not batch then
    -- one that is not in its group either is being taken: whoever takes it looks again before it is sent
    if redis.call('ZREM', KEYS[4], ARGV[2]) == 1 then
      redis.call('DEL', KEYS[2])
      if redis.call('EXISTS', KEYS[4]) == 0 then
        redis.call('ZREM', KEYS[5], ARGV[12])
      end
    end
  elseif redis.call('HINCRBY', KEYS[11], 'wanted', -1) <= 0 and redis.call('HGET', KEYS[11], 'state') == 'submitted' then
    -- or nearly so: a run that was asked for again counts no more, so whoever cancels the batch looks for that
    redis.call('HSET', KEYS[11], 'unwanted', 1)
    redis.call('ZADD', KEYS[10], instant(now), ARGV[11])
  end
end
return 'left'
