-- Where a run stands among those that wait. It needs clock.lua before it.
--
-- A place is one number: priority first, as Celery has it on Redis (0 goes first, 9 last), then the time it was
-- claimed in microseconds. A priority is worth 22 years, and all fits into the 53 bits of a double until 2055. No two
-- scripts run in the same microsecond, or nearly none; where two do, the run id decides.

local PRIORITY = 7e14

local function place_of(priority)
  return tonumber(priority) * PRIORITY + time[1] * 1e6 + time[2]
end

-- The same place under another priority.
local function promoted(place, from, to)
  return tonumber(place) - (tonumber(from) - tonumber(to)) * PRIORITY
end
