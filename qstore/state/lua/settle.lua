-- The outcomes of a batch are known: cache them, end the runs, and keep outcomes and waiting jobs in the
-- record until every job is finished. From here on newcomers find the cached outcome, nobody joins any more.
--
-- KEYS 1 batch   2 due   3 slots   as in take.lua
--      4 queued    string: jobs that wait for counts
--      5 expiring  sorted set: jobs that may expire, by when
--      6 tally     hash: counters
--      7 index   8 sum   of cached outcomes, as in include/store.lua
--      9 calibration  string: id of the machine's calibration, while it is known
--     10 groups    sorted set: groups by when a partial batch may leave
--     11 outbox    stream: what was executed and is to be archived, each with head (JSON of the run), wire, outcome
--      then for each run: result, run, jobs, pending  as in ask.lua; pending is where it waits if it has to go again.
--      result is 'epoch milliseconds, US dollars (empty where they are not known), id of the calibration it was executed
--      under (empty where there is none), shots', with a space between, and the outcome in a new line
-- ARGV 1 batch id
--      2 lease   the due time the caller holds
--      3 ttl     milliseconds to cache outcomes; 0: not
--      4 bound   bytes of cached outcomes at most
--      then for each run: outcome (JSON), 1 where it may be cached, else 0, US dollars, calibration, shots, and of one
--      that adds to a bank how it goes again for jobs that want more: head (JSON of the run), group (canonical JSON), shots
--      there are after that; empty, empty, empty where it adds to none; then
--      executed   what is to be archived: an outcome (JSON), '=' for the one above, empty for nothing
--      age        milliseconds since it was executed, of an outcome that the archive knew; empty of any other
-- Returns {jobs of each run that are done}, {} where the record is no longer the caller's, or, with nothing done,
-- {'moved'} where a job wants more shots than there would be after going again, or {'stale'} where somebody waits by now
-- for whom an archived outcome is too old, or the machine is not calibrated any more as it was: the archive is not asked
-- for that run again.
--
-- include clock
-- include waiting
-- include store
-- include machine

if redis.call('ZSCORE', KEYS[2], ARGV[1]) ~= ARGV[2] then
  return {}
end

-- The jobs of a run that want no more shots than there are, those that do, and the most that any wants.
local function divided(jobs, shots)
  local done, short, most = {}, {}, 0
  for _, job in ipairs(jobs) do
    local wants = cjson.decode(job).shots
    table.insert(wants > shots and short or done, job)
    most = math.max(most, wants)
  end
  return done, short, most
end

-- How many outcomes of that size its jobs had but for the one that is charged for it.
local function shares(run)
  if run.age then
    return #run.done
  end
  if not run.covered then
    return math.max(0, #run.done - 1)
  end
  local shots = 0
  for i = 2, #run.done do
    shots = shots + cjson.decode(run.done[i]).shots
  end
  return shots / run.shots
end

-- Whether somebody who waits takes an archived outcome no longer.
local function stale(run)
  local current = redis.call('GET', KEYS[9])
  return run.age >= tonumber(redis.call('HGET', run.run, 'archive') or 0)
    or current and current ~= '' and current ~= run.calibration
end

-- How long an outcome may be cached, milliseconds.
local function left(run, ttl)
  return run.cacheable and ttl - (run.age or 0) or 0
end

local FIRST, KEYS_EACH, ARGS_EACH = 12, 4, 10
local run_ids, runs = cjson.decode(redis.call('HGET', KEYS[1], 'runs')), {}
for i = 1, (#KEYS - FIRST + 1) / KEYS_EACH do
  local key, arg = FIRST + KEYS_EACH * (i - 1), 5 + ARGS_EACH * (i - 1)
  local run = {
    result = KEYS[key], run = KEYS[key + 1], jobs = KEYS[key + 2], pending = KEYS[key + 3],
    outcome = ARGV[arg], cacheable = ARGV[arg + 1] == '1', usd = ARGV[arg + 2], calibration = ARGV[arg + 3],
    shots = tonumber(ARGV[arg + 4]), head = ARGV[arg + 5], group = ARGV[arg + 6], covered = tonumber(ARGV[arg + 7]),
    executed = ARGV[arg + 8], age = tonumber(ARGV[arg + 9]), short = {},
  }
  if run.age and stale(run) then
    redis.call('HSET', run.run, 'archive', 0)
    return {'stale'}
  end
  run.done = redis.call('LRANGE', run.jobs, 0, -1)
  if run.covered then
    local most
    run.done, run.short, most = divided(run.done, run.shots)
    if most > math.max(run.shots, run.covered) then
      return {'moved'}
    end
  end
  runs[i] = run
end

local waiting, outcomes, jobs_ended, evicted, saved, recalled = {}, {}, 0, 0, 0, 0
local expiring = redis.call('EXISTS', KEYS[5]) == 1
local ttl, bound = tonumber(ARGV[3]), tonumber(ARGV[4])
for i, run in ipairs(runs) do
  if left(run, ttl) > 0 then
    local head = table.concat({instant(now - (run.age or 0)), run.usd, run.calibration, run.shots}, ' ')
    local value, stored = head .. '\n' .. run.outcome, {index = KEYS[7], sum = KEYS[8]}
    evicted = evicted + store.put(stored, run.result, value, left(run, ttl), bound)
  end
  if run.executed ~= '' then
    local head, wire = unpack(redis.call('HMGET', run.run, 'head', 'wire'))
    if head then
      local outcome = run.executed == '=' and run.outcome or run.executed
      redis.call('XADD', KEYS[11], '*', 'head', head, 'wire', wire, 'outcome', outcome)
    end
  end
  redis.call('DEL', run.jobs)
  if #run.short > 0 then
    for _, job in ipairs(run.short) do
      redis.call('RPUSH', run.jobs, job)
    end
    redis.call('HSET', run.run, 'head', run.head, 'pending', run.pending)
    redis.call('HDEL', run.run, 'batch', 'attempts', 'waited')
    redis.call('ZADD', run.pending, redis.call('HGET', run.run, 'place'), run_ids[i])
    redis.call('ZADD', KEYS[10], 'NX', instant(now), run.group)
  else
    redis.call('DEL', run.run)
  end
  if expiring then
    unexpiring(KEYS[5], run.done)
  end
  waiting[i] = run.done
  outcomes[i] = run.outcome
  jobs_ended = jobs_ended + #run.done
  saved = saved + (tonumber(run.usd) or 0) * shares(run)
  recalled = recalled + (run.age and 1 or 0)
end
ended(KEYS[4], jobs_ended)
if evicted > 0 then
  redis.call('HINCRBY', KEYS[6], 'evictions', evicted)
end
if saved > 0 then
  redis.call('HINCRBYFLOAT', KEYS[6], 'saved_usd', saved)
end
if recalled > 0 then
  redis.call('HINCRBY', KEYS[6], 'recalls', recalled)
end
matters(KEYS[9], ttl)
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HSET', KEYS[1], 'state', 'settled', 'jobs', cjson.encode(waiting), 'outcomes', cjson.encode(outcomes))
return {waiting}
