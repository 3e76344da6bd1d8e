-- What ends a job's wait, and what ends a run nobody waits for. It needs clock.lua before it.

-- So many jobs wait no longer.
local function ended(queued, jobs)
  if jobs > 0 and redis.call('DECRBY', queued, jobs) <= 0 then
    redis.call('DEL', queued)
  end
end

-- These jobs cannot expire any more.
local function unexpiring(expiring, jobs)
  for _, job in ipairs(jobs) do
    redis.call('ZREM', expiring, cjson.decode(job).job_id)
  end
end

-- Put runs back to their places in a group; those nobody waits for any more end here. Returns how many went back.
local function returned(pending, runs, jobs, run_ids)
  local count = 0
  for i, run_id in ipairs(run_ids) do
    if redis.call('EXISTS', jobs[i]) == 0 then
      redis.call('DEL', runs[i])
    else
      redis.call('ZADD', pending, redis.call('HGET', runs[i], 'place'), run_id)
      redis.call('HSET', runs[i], 'pending', pending)
      redis.call('HDEL', runs[i], 'batch')
      count = count + 1
    end
  end
  return count
end
