-- May a request be sent now?
--
-- KEYS 1 record   2 stake   3 failures    a breaker, as in include/breaker.lua
-- ARGV 1 token      names the permit
--      2 threshold  failures
--      3 window     milliseconds
--      4 recovery   milliseconds
--      5 lease      milliseconds until the permit is forgotten
-- Returns {1, epoch} | {0, milliseconds to wait (0: until another permit is reported), state}.
--
-- include clock
-- include breaker

local rules = {threshold = tonumber(ARGV[2]), window = ARGV[3], recovery = ARGV[4], lease = ARGV[5]}
local epoch, wait, state = breaker.admit({record = KEYS[1], stake = KEYS[2], failures = KEYS[3]}, ARGV[1], rules)
if epoch then
  return {1, epoch}
end
return {0, wait, state}
