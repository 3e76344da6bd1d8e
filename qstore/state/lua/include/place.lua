-- Where a run stands among those that wait. It needs clock.lua before it.
--
-- A place is one number: priority first, as Celery has it on Redis (0 goes first, 9 last), then the time it was
-- claimed in microseconds. A priority is worth 22 years from 2023 on, and all fits into the 53 bits of a double. No two
-- scripts run in the same microsecond, or nearly none; where two do, the run id decides.

local PRIORITY, EPOCH = 7e14, 1.7e15

local function place_of(priority)
  return string.format('%.0f', tonumber(priority) * PRIORITY + time[1] * 1e6 + time[2])
end

-- The same place under a priority that goes sooner; nil where it does not.
local function promoted(place, priority)
  local before = math.floor((tonumber(place) - EPOCH) / PRIORITY)
  if tonumber(priority) < before then
    return string.format('%.0f', tonumber(place) - (before - priority) * PRIORITY)
  end
end
