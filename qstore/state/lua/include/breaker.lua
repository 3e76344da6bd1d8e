-- A circuit breaker that all replicas share. It needs clock.lua before it.
--
-- A breaker is three keys:
--   record    hash: state (closed, open, half_open; none is closed), epoch, opened_at, probe, probe_until, resume_at,
--             throttles. Every change of state starts a new epoch; what was permitted in another one changes nothing.
--   stake     sorted set: permits not reported yet, by when they are forgotten
--   failures  sorted set: permits that failed while it was closed, by when
-- Permits at stake and failures in the window never add up to more than the threshold: however many replicas send
-- when IonQ goes away, no more requests are lost than it takes to open the breaker.

local breaker = {}

local function turn(keys, state, fields)
  redis.call('HINCRBY', keys.record, 'epoch', 1)
  redis.call('HSET', keys.record, 'state', state, unpack(fields or {}))
  redis.call('DEL', keys.failures)
  return state
end

function breaker.state(keys)
  return redis.call('HGET', keys.record, 'state') or 'closed'
end

-- May a request be sent now? rules: threshold, window, recovery, lease (milliseconds). Returns the epoch of the
-- permit; or nil, the milliseconds to wait (0: only until another permit is reported), and the state.
function breaker.admit(keys, token, rules)
  local resume_at = tonumber(redis.call('HGET', keys.record, 'resume_at') or 0)
  local state = breaker.state(keys)
  if resume_at > now then
    return nil, resume_at - now, state
  end
  if state == 'closed' then
    redis.call('ZREMRANGEBYSCORE', keys.stake, '-inf', now)
    redis.call('ZREMRANGEBYSCORE', keys.failures, '-inf', now - rules.window)
    if redis.call('ZCARD', keys.stake) + redis.call('ZCARD', keys.failures) >= rules.threshold then
      return nil, 0, state
    end
  else
    local waits = state == 'open' and redis.call('HGET', keys.record, 'opened_at') + rules.recovery
      or tonumber(redis.call('HGET', keys.record, 'probe_until'))
    if waits > now then
      -- a probe may be answered any moment; nobody waits for the end of its lease
      return nil, state == 'open' and waits - now or math.min(waits - now, 500), state
    end
    turn(keys, 'half_open', {'probe', token, 'probe_until', instant(now + rules.lease)})
  end
  redis.call('ZADD', keys.stake, instant(now + rules.lease), token)
  return tonumber(redis.call('HGET', keys.record, 'epoch') or 0)
end

-- What became of a permitted request: success, failure, throttled (wait: milliseconds) or unsent. Returns the state
-- where it changed, else ''.
function breaker.report(keys, token, epoch, verdict, rules, wait)
  redis.call('ZREM', keys.stake, token)
  if tonumber(redis.call('HGET', keys.record, 'epoch') or 0) ~= tonumber(epoch) then
    return ''
  end
  local probing = breaker.state(keys) == 'half_open' and redis.call('HGET', keys.record, 'probe') == token
  if verdict == 'failure' then
    if probing then
      return turn(keys, 'open', {'opened_at', instant(now)})
    end
    redis.call('ZADD', keys.failures, instant(now), token)
    redis.call('ZREMRANGEBYSCORE', keys.failures, '-inf', now - rules.window)
    redis.call('PEXPIRE', keys.failures, rules.window)
    if redis.call('ZCARD', keys.failures) >= rules.threshold then
      return turn(keys, 'open', {'opened_at', instant(now)})
    end
    return ''
  end
  if verdict == 'unsent' then
    -- the next one may probe at once: the time to recover has passed already
    return probing and turn(keys, 'open', {}) or ''
  end
  if verdict == 'throttled' then
    redis.call('HINCRBY', keys.record, 'throttles', 1)
    redis.call('HSET', keys.record, 'resume_at', instant(now + wait))
  elseif redis.call('EXISTS', keys.record) == 1 then
    redis.call('HDEL', keys.record, 'throttles')
  end
  return probing and turn(keys, 'closed', {}) or ''
end
