-- One call of the limiter: takes up what a node tells of its counters, then
-- counts its requests if all of them pass. KEYS are the counters; ARGV is
--
--   the time in unix milliseconds, or '' for the time of this server
--   for each counter: its algorithm, its duration in milliseconds, then the three
--     words of the node's synced state and of its unreported state
--   for each request: the index of its counter, its limit and its cost
--
-- The answer is the time, then for each counter the three words of its state
-- before the requests. Who has asked decides them by these once more.
--
-- All numbers are whole and at most 2^53, up to which a double is exact; counts
-- that come to more stop there, which is more than every limit.
local most = 9007199254740992
local minute = 60000
local perCounter, perRequest = 8, 3

local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- floor(amount * part / whole) for part at most whole, and the rest. Where the
-- product is not exact it divides bit by bit, keeping the rest below whole.
local function share(amount, part, whole)
  if part == whole then
    return amount, 0
  end
  if amount * part < most then
    local rest = math.fmod(amount * part, whole)
    return (amount * part - rest) / whole, rest
  end
  local quotient, rest, bit = 0, 0, most
  while bit >= 1 do
    quotient = quotient * 2
    if rest >= whole - rest then
      quotient, rest = quotient + 1, rest - (whole - rest)
    else
      rest = rest * 2
    end
    if amount >= bit then
      amount = amount - bit
      if rest >= whole - part then
        quotient, rest = quotient + 1, rest - (whole - part)
      else
        rest = rest + part
      end
    end
    bit = bit / 2
  end
  return quotient, rest
end

-- The algorithms, each with what rules does for it in Go:
--   takeUp(state, synced, owed, duration) counts what the node has told. What it
--     has synced is in the state already, unless this server has lost it; what it
--     owes is not.
--   take(state, duration, limit, cost) counts a request, and tells whether it fits.
--   expires(state, duration) is when the state no longer matters.
local algorithms = {}

-- States are { sequence, current, previous }. A window never moves back, so that
-- a clock which does loses no counts.
local function roll(w, sequence)
  if sequence > w[1] then
    w[3] = sequence == w[1] + 1 and w[2] or 0
    w[1], w[2] = sequence, 0
  end
end

algorithms.sliding_window = {
  takeUp = function(w, synced, owed)
    roll(w, synced[1])
    roll(synced, w[1])
    w[2], w[3] = math.max(w[2], synced[2]), math.max(w[3], synced[3])
    roll(w, owed[1])
    roll(owed, w[1])
    w[2], w[3] = math.min(w[2] + owed[2], most), math.min(w[3] + owed[3], most)
  end,
  take = function(w, duration, limit, cost)
    local elapsed = math.fmod(now, duration)
    local sequence = (now - elapsed) / duration
    roll(w, sequence)
    w[2] = math.min(w[2] + cost, most)
    if sequence < w[1] then
      elapsed = 0
    end
    return w[2] + share(w[3], duration - elapsed, duration) <= limit
  end,
  expires = function(w, duration)
    return (w[1] + 2) * duration
  end,
}

-- States are { ms, rest, limit }: the bucket is full again at ms + rest / limit, of
-- which rest / limit is below 1. What a node owes is { since, cost, limit }.
local function rescale(b, limit)
  if b[3] ~= limit and b[2] > 0 then
    local quotient, rest = share(limit, b[2], b[3])
    b[2] = rest > 0 and quotient + 1 or quotient
    if b[2] == limit then
      b[1], b[2] = b[1] + 1, 0
    end
  end
  b[3] = limit
end

-- Takes a cost at a time. Tells whether the bucket is full again before the times
-- that a double holds; else it is so at the last of them.
local function add(b, at, duration, limit, cost)
  rescale(b, limit)
  if b[1] < at then
    b[1], b[2] = at, 0
  end
  local part = math.fmod(cost, limit)
  local ms, rest = share(duration, part, limit)
  ms = ms + (cost - part) / limit * duration
  if rest >= limit - b[2] then
    ms, b[2] = ms + 1, rest - (limit - b[2])
  else
    b[2] = b[2] + rest
  end
  if ms > most - b[1] then
    b[1], b[2] = most, 0
    return false
  end
  b[1] = b[1] + ms
  return true
end

algorithms.token_bucket = {
  takeUp = function(b, synced, owed, duration)
    local ms, rest, limit = synced[1], synced[2], synced[3]
    if b[3] > 0 then
      rescale(synced, b[3])
    end
    if synced[1] > b[1] or synced[1] == b[1] and synced[2] > b[2] then
      b[1], b[2], b[3] = ms, rest, limit
    end
    if owed[2] > 0 then
      add(b, owed[1], duration, owed[3], owed[2])
    end
  end,
  take = function(b, duration, limit, cost)
    if limit < 1 or cost > limit or not add(b, now, duration, limit, cost) then
      return false
    end
    return b[1] - now < duration or b[1] - now == duration and b[2] == 0
  end,
  expires = function(b)
    return b[2] > 0 and b[1] + 1 or b[1]
  end,
}

local function state(first, second, third)
  return { tonumber(first), tonumber(second), tonumber(third) }
end

-- Keeps a state until a minute after it stops to matter.
local function save(key, s, algorithm, duration)
  local left = math.min(algorithm.expires(s, duration) - now + minute, most)
  if left >= 1 then
    redis.call('SET', key, string.format('%.0f %.0f %.0f', s[1], s[2], s[3]), 'PX', string.format('%.0f', left))
  end
end

local answer, rules, durations, states = { now }, {}, {}, {}
for i, key in ipairs(KEYS) do
  local at = 2 + (i - 1) * perCounter
  local algorithm, duration = algorithms[ARGV[at]], tonumber(ARGV[at + 1])
  local saved = redis.call('GET', key) or '0 0 0'
  local s = state(string.match(saved, '^(%d+) (%d+) (%d+)$'))
  local synced = state(ARGV[at + 2], ARGV[at + 3], ARGV[at + 4])
  local owed = state(ARGV[at + 5], ARGV[at + 6], ARGV[at + 7])
  if synced[2] + synced[3] + owed[2] + owed[3] > 0 then
    local first, second, third = s[1], s[2], s[3]
    algorithm.takeUp(s, synced, owed, duration)
    if s[1] ~= first or s[2] ~= second or s[3] ~= third then
      save(key, s, algorithm, duration)
    end
  end
  for _, word in ipairs(s) do
    answer[#answer + 1] = word
  end
  rules[i], durations[i], states[i] = algorithm, duration, s
end

local counted = {}
for at = 2 + #KEYS * perCounter, #ARGV, perRequest do
  local i, limit, cost = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  if not rules[i].take(states[i], durations[i], limit, cost) then
    return answer
  end
  counted[i] = counted[i] or cost > 0
end
for i, counts in pairs(counted) do
  if counts then
    save(KEYS[i], states[i], rules[i], durations[i])
  end
end
return answer
