-- Answer from the result cache, join a running execution, or claim a new run and append it to its group. Claim and
-- work are one move, so no producer can die holding a claim without its work. Without a run it only looks.
--
-- KEYS 1 result    string: outcome of the run, while fresh; as in settle.lua
--      2 run       hash: the run, while it waits or is executed
--      3 jobs      list: jobs waiting for the run
--      4 entry     string: the job's entry in Celery's result backend
--      5 job       string: the run the job waits for
--      6 queued    string: jobs that wait for counts
--      7 arrivals  list: jobs that began to wait, for Flower to be told of: epoch milliseconds, "waits" or
--                  "submitted", and the id of each
--      8 expiring  sorted set: jobs that may expire, by when
--      9 tally     hash: counters
--     10 calibration  string: id of the machine's calibration, while it is known
--     11 circuit   string: the compiled circuit
--     12 pending   sorted set: run ids of the group by place, as in include/place.lua
--     13 groups    sorted set: groups by when a partial batch may leave
--     14 index   15 sum   of compiled circuits, as in include/store.lua
-- ARGV 1 job            JSON of the job
--      2 job id
--      3 run id
--      4 entry head   what the entry of a queued job says, before its position
--      5 entry middle from there to the job's id
--      6 entry tail   the id and the rest
--      7 entry expiry seconds; 0 where the job has no entry
--      8 arrivals     jobs kept at most
--      9 queued       jobs that may wait at most
--     10 expires      epoch milliseconds; empty where the job does not expire
--     11 priority     0 to 9
--     12 max age      milliseconds: a stored outcome must be younger; empty for any, 0 for none
--     13 archive age  milliseconds: an archived outcome must be younger; 0 for none
--     14 wants        shots, of a bank; empty where any stored outcome will do
--     15 knows        shots that are banked by what the caller knows, and that its run adds to
--     16 compiled     1 where KEYS 11 names a circuit: to be looked for, or stored with the claim; else empty
--     17 head         JSON of the run; empty to look only, what follows is then missing, as are KEYS 12 to 15
--     18 wire         the circuit as IonQ reads it
--     19 group        canonical JSON of the group
--     20 batch size   circuits
--     21 batch timeout  milliseconds
--     22 circuit ttl   milliseconds
--     23 circuits     bytes of compiled circuits at most
-- Returns {"hit", outcome, age in milliseconds} | {"joined"} | {"miss", wire} (it only looked; wire is the compiled
-- circuit, empty where there is none) | {"short", shots, wire} (so many are banked, fewer than it wants; where it came
-- to claim, as with "miss", it knew of another number, and nothing was written) | {"full"} (as many wait as may, and it
-- wrote nothing) | {"taken"} (a job of this id waits for something else) | {"queued", full}, full = 1 where a batch can
-- leave at once, else 0.
--
-- include clock
-- include place
-- include store

local waits_for = redis.call('GET', KEYS[5])
if waits_for then
  -- delivered again: what its run gives, or has given, is its answer, and no other
  return {waits_for == ARGV[3] and 'joined' or 'taken'}
end

local function count(what)
  redis.call('HINCRBY', KEYS[9], what, 1)
end

-- The outcome that is stored, and its age, where it is young enough and of the machine as it is now.
local function stored()
  local value = redis.call('GET', KEYS[1])
  if not value then
    return
  end
  local at, usd, calibration, shots, start = value:match('^(%d+) (%S*) (%S*) (%d+)\n()')
  local age, current = math.max(0, now - at), redis.call('GET', KEYS[10])
  if ARGV[12] ~= '' and age >= tonumber(ARGV[12]) or current and current ~= '' and current ~= calibration then
    return
  end
  return value:sub(start), age, tonumber(usd) or 0, tonumber(shots)
end

local wants, looks = tonumber(ARGV[14]), ARGV[17] == ''
local outcome, age, usd, shots = stored()
if outcome and (not wants or shots >= wants) then
  count('hits')
  if usd > 0 then
    redis.call('HINCRBYFLOAT', KEYS[9], 'saved_usd', wants and usd * wants / shots or usd)
  end
  return {'hit', outcome, age}
end
local running = redis.call('EXISTS', KEYS[2]) == 1
if not running and (looks or wants and (shots or 0) ~= tonumber(ARGV[15])) then
  local wire = looks and ARGV[16] ~= '' and redis.call('GET', KEYS[11])
  if looks and ARGV[16] ~= '' then
    count(wire and 'circuit_hits' or 'circuit_misses')
  end
  if outcome then
    return {'short', shots, wire or ''}
  end
  return {'miss', wire or ''}
end
if tonumber(redis.call('GET', KEYS[6]) or 0) >= tonumber(ARGV[9]) then
  return {'full'}
end
count(running and 'joins' or 'misses')
redis.call('INCR', KEYS[6])
redis.call('RPUSH', KEYS[3], ARGV[1])
redis.call('SET', KEYS[5], ARGV[3])
if ARGV[10] ~= '' then
  redis.call('ZADD', KEYS[8], ARGV[10], ARGV[2])
end

local pending, told = KEYS[12], false
if running then
  local place, batch, archive
  pending, place, batch, archive = unpack(redis.call('HMGET', KEYS[2], 'pending', 'place', 'batch', 'archive'))
  told = batch and redis.call('HGET', batch, 'told')
  local sooner = promoted(place, ARGV[11])
  if sooner then
    -- whoever is in a hurry takes the others along
    redis.call('HSET', KEYS[2], 'place', sooner)
    redis.call('ZADD', pending, 'XX', sooner, ARGV[3])
  end
  if tonumber(ARGV[13]) < tonumber(archive or 0) then
    -- whoever asks for the freshest decides for all who share the run
    redis.call('HSET', KEYS[2], 'archive', ARGV[13])
  end
else
  local place = place_of(ARGV[11])
  redis.call('HSET', KEYS[2], 'head', ARGV[17], 'wire', ARGV[18], 'pending', pending, 'place', place,
    'archive', ARGV[13])
  redis.call('ZADD', pending, place, ARGV[3])
  redis.call('ZADD', KEYS[13], 'NX', instant(now + ARGV[21]), ARGV[19])
  if ARGV[16] ~= '' then
    local circuits = {index = KEYS[14], sum = KEYS[15]}
    local evicted = store.put(circuits, KEYS[11], ARGV[18], tonumber(ARGV[22]), tonumber(ARGV[23]))
    if evicted > 0 then
      redis.call('HINCRBY', KEYS[9], 'circuit_evictions', evicted)
    end
  end
end
if redis.call('RPUSH', KEYS[7], instant(now) .. (told and ' submitted ' or ' waits ') .. ARGV[2]) > tonumber(ARGV[8]) then
  redis.call('LPOP', KEYS[7])
end
if ARGV[7] ~= '0' then
  local says = told
  if not told then
    says = ARGV[4] .. (redis.call('ZRANK', pending, ARGV[3]) or 0) .. ARGV[5]
  end
  redis.call('SET', KEYS[4], says .. ARGV[6], 'EX', ARGV[7])
end
if running then
  return {'joined'}
end
local full = redis.call('ZCARD', pending) % tonumber(ARGV[20]) == 0 or tonumber(ARGV[21]) == 0
return {'queued', full and 1 or 0}
