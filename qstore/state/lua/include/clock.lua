-- The server's clock, in epoch milliseconds: replicas' clocks differ, Redis's is the same for all.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function instant(milliseconds)
  return string.format('%.0f', milliseconds)
end
