-- Claim a run and append it to its group; or take the result or join, if somebody was faster.
-- Claim and work are one move, so no producer can die holding a claim without its work.
--
-- KEYS 1 result   2 run   3 jobs   4 entry      as in look.lua
--      5 pending  list: run ids of the group
--      6 groups   sorted set: groups by when a partial batch may leave
-- ARGV 1 job   2 entry   3 entry expiry          as in look.lua
--      4 run id
--      5 head           JSON of the run
--      6 wire           bytes of the circuit as IonQ reads it
--      7 group          canonical JSON of the group
--      8 batch size     circuits
--      9 batch timeout  milliseconds
-- Returns {"hit", outcome} | {"joined"} | {"queued", full}, full = 1 where a batch can leave at once, else 0.

local outcome = redis.call('GET', KEYS[1])
if outcome then
  return {'hit', outcome}
end
redis.call('SET', KEYS[4], ARGV[2], 'EX', ARGV[3])
redis.call('RPUSH', KEYS[3], ARGV[1])
if redis.call('EXISTS', KEYS[2]) == 1 then
  return {'joined'}
end
redis.call('HSET', KEYS[2], 'head', ARGV[5], 'wire', ARGV[6])
local waiting = redis.call('RPUSH', KEYS[5], ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[6], 'NX', string.format('%.0f', now + ARGV[9]), ARGV[7])
if waiting % tonumber(ARGV[8]) == 0 or tonumber(ARGV[9]) == 0 then
  return {'queued', 1}
end
return {'queued', 0}
