-- IonQ was asked for a machine's calibration for the first time, or again after nobody cared for a while.
--
-- KEYS 1 calibration   string: its id, as long as it matters
--      2 calibrations  sorted set: the keys of calibrations, by when IonQ is to be asked again
-- ARGV 1 id        as IonQ says; empty where it did not say
--      2 matters   milliseconds from now on
--      3 interval  milliseconds until IonQ is asked again
-- Returns 1.
--
-- include clock

redis.call('SET', KEYS[1], ARGV[1], 'PX', math.max(tonumber(ARGV[2]), redis.call('PTTL', KEYS[1])))
redis.call('ZADD', KEYS[2], instant(now + ARGV[3]), KEYS[1])
return 1
