-- A bounded store: values that expire, and an index in which their bytes add up. It needs clock.lua before it.
--
-- A store is two keys, which expire some time after the last of its values:
--   index  sorted set: what each value takes and its key, '<bytes> <key>', by when it expires
--   sum    string: bytes of all that is in the index
-- Where the sum would pass its bound, what expires soonest is evicted.

local OVERHEAD = 400 -- bytes that Redis takes for a value besides its own: its key, and its place in the index
local FORGOTTEN = 1000 -- expired values at most that leave the index in one move
local LINGERS = 60000 -- milliseconds that an index outlives its values, so that it is not put off with each of them

local store = {}

local function bytes_of(member)
  return tonumber(member:match('^%d+'))
end

-- Take what has expired out of the index. Returns how many that were.
function store.forget(keys)
  local expired = redis.call('ZRANGEBYSCORE', keys.index, '-inf', '(' .. instant(now), 'LIMIT', 0, FORGOTTEN)
  if #expired > 0 then
    local bytes = 0
    for _, member in ipairs(expired) do
      bytes = bytes + bytes_of(member)
    end
    redis.call('ZREMRANGEBYRANK', keys.index, 0, #expired - 1)
    redis.call('DECRBY', keys.sum, bytes)
  end
  return #expired
end

-- Store a value for so many milliseconds, in place of what its key holds; one that takes more than the bound is not
-- stored. Returns how many others had to go.
function store.put(keys, key, value, ttl, bound)
  local bytes = #value + OVERHEAD
  if bytes > bound then
    return 0
  end
  store.forget(keys)
  local sum, before = tonumber(redis.call('GET', keys.sum) or 0), redis.call('STRLEN', key)
  if before > 0 and redis.call('ZREM', keys.index, before + OVERHEAD .. ' ' .. key) == 1 then
    sum = sum - before - OVERHEAD
  end
  local expires = instant(now + ttl)
  redis.call('SET', key, value, 'PXAT', expires)
  sum = sum + bytes * redis.call('ZADD', keys.index, expires, bytes .. ' ' .. key)
  local evicted = 0
  while sum > bound do
    local member = redis.call('ZPOPMIN', keys.index)[1]
    sum = sum - bytes_of(member)
    evicted = evicted + redis.call('DEL', member:match(' (.*)$'))
  end
  redis.call('SET', keys.sum, instant(sum), 'KEEPTTL')
  if redis.call('PTTL', keys.index) <= ttl then
    redis.call('PEXPIRE', keys.index, ttl + LINGERS)
    redis.call('PEXPIRE', keys.sum, ttl + LINGERS)
  end
  return evicted
end
