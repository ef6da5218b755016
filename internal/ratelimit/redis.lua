-- One call of the limiter: takes up what a node tells of its counters, then
-- counts its requests if all of them pass. KEYS are the counters; ARGV is
--
--   the time in unix milliseconds, or '' for the time of this server
--   for each counter: its duration in milliseconds, then as sequence, current
--     and previous what the node last heard and what it has yet to report
--   for each request: the index of its counter, its limit and its cost
--
-- The answer is the time, then for each counter its sequence, current and
-- previous before the requests. Who has asked decides them by these once more.
--
-- All numbers are whole and at most 2^53, up to which a double is exact; counts
-- that come to more stop there, which is more than every limit.
local most = 9007199254740992
local minute = 60000
local perCounter, perRequest = 7, 3

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- floor(previous * left / duration) for left at most duration. Where the product
-- is not exact it divides bit by bit, keeping the rest below duration.
local function part(previous, left, duration)
  if left == duration then
    return previous
  end
  if previous * left < most then
    return math.floor(previous * left / duration)
  end
  local quotient, rest, bit = 0, 0, most
  while bit >= 1 do
    quotient = quotient * 2
    if rest >= duration - rest then
      quotient, rest = quotient + 1, rest - (duration - rest)
    else
      rest = rest * 2
    end
    if previous >= bit then
      previous = previous - bit
      if rest >= duration - left then
        quotient, rest = quotient + 1, rest - (duration - left)
      else
        rest = rest + left
      end
    end
    bit = bit / 2
  end
  return quotient
end

local function window(sequence, current, previous)
  return { sequence = tonumber(sequence), current = tonumber(current), previous = tonumber(previous) }
end

-- A window never moves back, so that a clock which does forgives nothing.
local function roll(w, sequence)
  if sequence > w.sequence then
    w.previous = sequence == w.sequence + 1 and w.current or 0
    w.sequence, w.current = sequence, 0
  end
end

local function used(w, duration)
  local elapsed = math.fmod(now, duration)
  if (now - elapsed) / duration < w.sequence then
    elapsed = 0
  end
  return w.current + part(w.previous, duration - elapsed, duration)
end

-- Keeps a window until a minute after it stops to matter.
local function save(key, w, duration)
  local left = math.min((w.sequence + 2) * duration - now + minute, most)
  if left >= 1 then
    redis.call('SET', key, string.format('%.0f %.0f %.0f', w.sequence, w.current, w.previous), 'PX', string.format('%.0f', left))
  end
end

-- What a node has heard is in the count already, unless this server has lost it;
-- what it has yet to report is not.
local function takeUp(w, heard, owed)
  roll(w, heard.sequence)
  roll(heard, w.sequence)
  w.current = math.max(w.current, heard.current)
  w.previous = math.max(w.previous, heard.previous)
  roll(w, owed.sequence)
  roll(owed, w.sequence)
  w.current = math.min(w.current + owed.current, most)
  w.previous = math.min(w.previous + owed.previous, most)
end

local answer, durations, windows = { now }, {}, {}
for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * perCounter
  local duration = tonumber(ARGV[at])
  local saved = redis.call('GET', key) or '0 0 0'
  local w = window(string.match(saved, '^(%d+) (%d+) (%d+)$'))
  local heard = window(ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
  local owed = window(ARGV[at + 4], ARGV[at + 5], ARGV[at + 6])
  if heard.current + heard.previous + owed.current + owed.previous > 0 then
    local current, previous, sequence = w.current, w.previous, w.sequence
    takeUp(w, heard, owed)
    if w.current ~= current or w.previous ~= previous or w.sequence ~= sequence then
      save(key, w, duration)
    end
  end
  answer[#answer + 1] = w.sequence
  answer[#answer + 1] = w.current
  answer[#answer + 1] = w.previous
  durations[i], windows[i] = duration, w
end

local counted = {}
for at = 2 + #KEYS * perCounter, #ARGV, perRequest do
  local i, limit, cost = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local w, duration = windows[i], durations[i]
  roll(w, math.floor((now - math.fmod(now, duration)) / duration))
  w.current = math.min(w.current + cost, most)
  if used(w, duration) > limit then
    return answer
  end
  counted[i] = counted[i] or cost > 0
end
for i, counts in pairs(counted) do
  if counts then
    save(KEYS[i], windows[i], durations[i])
  end
end
return answer
