-- The calibration of a machine is known as long as it matters: while a batch is there, or an outcome is cached.

-- It matters for so many milliseconds from now on; where none was ever asked for, there is nothing to keep.
local function matters(calibration, milliseconds)
  local left = redis.call('PTTL', calibration)
  if left >= 0 and left < milliseconds then
    redis.call('PEXPIRE', calibration, milliseconds)
  end
end
