-- What became of a permitted request.
--
-- KEYS 1 record   2 stake   3 failures    a breaker, as in include/breaker.lua
-- ARGV 1 token      names the permit
--      2 epoch      of the permit
--      3 verdict    success, failure, throttled, unsent
--      4 threshold  failures
--      5 window     milliseconds
--      6 asked      milliseconds IonQ asks to wait, of a throttled one; -1 where it does not say
--      7 backoff    milliseconds: the wait where it does not say, times 2 for every throttled one before
--      8 ceiling    milliseconds: no such wait is longer
--      9 jitter     0 to 1: the share of that wait that is kept
-- Returns {the state where it changed, else '', milliseconds to wait of a throttled one}.
--
-- include clock
-- include breaker

local keys = {record = KEYS[1], stake = KEYS[2], failures = KEYS[3]}
local rules = {threshold = tonumber(ARGV[4]), window = ARGV[5]}
local wait = tonumber(ARGV[6])
if wait < 0 then
  local throttles = tonumber(redis.call('HGET', KEYS[1], 'throttles') or 0)
  wait = math.floor(ARGV[9] * math.min(ARGV[7] * 2 ^ math.min(throttles, 30), tonumber(ARGV[8])))
end
return {breaker.report(keys, ARGV[1], ARGV[2], ARGV[3], rules, wait), wait}
