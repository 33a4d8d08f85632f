"""What must happen on the server as one step, in Lua. Each script is one transaction, and none of them waits."""

from __future__ import annotations

FACTS = """
local function facts(row)
  local found = {}
  for i = 1, #row, 2 do found[row[i]] = row[i + 1] end
  return found
end
"""

CREATE = (
    FACTS
    + """
-- KEYS: stream; ARGV: group, 0 (begin with what is there) or $ (with what comes).
-- Creates the stream and the group where they are missing: whether it did. What was trimmed before counts as read.
local made = redis.pcall('XGROUP', 'CREATE', KEYS[1], ARGV[1], ARGV[2], 'MKSTREAM')
if made['err'] then return made['err']:find('BUSYGROUP') and 0 or made end
local stream = facts(redis.call('XINFO', 'STREAM', KEYS[1]))
local read = stream['entries-added'] - (ARGV[2] == '0' and stream['length'] or 0)
redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], ARGV[2], 'ENTRIESREAD', read)
return 1
"""
)

TAKE_OVER = """
-- KEYS: stream, losses; ARGV: group, consumer, lease in ms.
-- Claims the first entry that nobody has kept alive for a lease: {id, fields, deliveries}; {id} where it was trimmed.
local row = redis.call('XPENDING', KEYS[1], ARGV[1], 'IDLE', ARGV[3], '-', '+', 1)[1]
if not row then return false end
local entry = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, row[1])[1]
if not entry then
  redis.call('HINCRBY', KEYS[2], 'pending', 1)
  return {row[1]}
end
return {row[1], entry[2], row[4] + 1}
"""

KEEP = """
-- KEYS: stream; ARGV: group, consumer, idle time in ms to begin with, deliveries not to count, ids.
-- Renews (0 ms idle) or releases (a lease) entries of this consumer.
-- {ids that another consumer has or has finished, ids that were trimmed from the stream}
local taken, trimmed = {}, {}
for i = 5, #ARGV do
  local id = ARGV[i]
  local row = redis.call('XPENDING', KEYS[1], ARGV[1], id, id, 1)[1]
  if row and row[2] ~= ARGV[2] then
    taken[#taken + 1] = id
  elseif row then
    local kept = redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, id,
      'IDLE', ARGV[3], 'RETRYCOUNT', math.max(0, row[4] - ARGV[4]), 'JUSTID')
    if #kept == 0 then trimmed[#trimmed + 1] = id end
  elseif #redis.call('XRANGE', KEYS[1], id, id) > 0 then
    taken[#taken + 1] = id
  else
    trimmed[#trimmed + 1] = id
  end
end
return {taken, trimmed}
"""

BURY = """
-- KEYS: stream, dead letters; ARGV: group, consumer, id, maximum of dead letters, fields and values.
-- Adds a dead letter and acknowledges its entry, unless another consumer has it or has finished it: whether it did.
-- Where the dead letter cannot be written (no memory, a key of another type), the entry is not acknowledged either.
local row = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[3], ARGV[3], 1)[1]
if row and row[2] ~= ARGV[2] then return 0 end
if not row and #redis.call('XRANGE', KEYS[1], ARGV[3], ARGV[3]) > 0 then return 0 end
if ARGV[4] == '0' then redis.call('XADD', KEYS[2], '*', unpack(ARGV, 5))
else redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', unpack(ARGV, 5)) end
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
return 1
"""

REPLAY = """
-- KEYS: stream, dead letters; ARGV: group, id of the dead letter, id of its entry, event.
-- The entry is pending for its group again. Where it was trimmed, a new one is added, for this group only.
-- The dead letter is deleted last: a script that fails half way, where the stream is gone, undoes nothing.
if #redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2]) == 0 then return 0 end
local claimed = redis.pcall('XCLAIM', KEYS[1], ARGV[1], 'replay', 0, ARGV[3],
  'TIME', 0, 'RETRYCOUNT', 0, 'FORCE', 'JUSTID')
if claimed['err'] or #claimed == 0 then redis.call('XADD', KEYS[1], '*', 'event', ARGV[4], 'group', ARGV[1]) end
return redis.call('XDEL', KEYS[2], ARGV[2])
"""

FORGET = (
    FACTS
    + """
-- KEYS: stream; ARGV: group, ms without a sign of life, a consumer that leaves, a consumer that stays.
-- Removes the names of consumers that are gone and have nothing pending: these names. What stays is created again:
-- on Redis 7.0, a consumer that waits gives no other sign of life.
local gone = {}
for _, row in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local one = facts(row)
  local name = one['name']
  if one['pending'] == 0 and (name == ARGV[3] or name == ARGV[4] or one['idle'] >= tonumber(ARGV[2])) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], name)
    if name ~= ARGV[4] then gone[#gone + 1] = name end
  end
end
if ARGV[4] ~= '' then redis.call('XGROUP', 'CREATECONSUMER', KEYS[1], ARGV[1], ARGV[4]) end
return gone
"""
)

COUNT_TRIMMED = (
    FACTS
    + """
-- KEYS: stream, losses; ARGV: group. Entries that were trimmed before the group read them, since the last call.
-- It counts where the group has read all, or nothing of what is left; there the number is exact on each server.
local function is_after(one, other)
  local ms, seq = one:match('(%d+)-(%d+)')
  local other_ms, other_seq = other:match('(%d+)-(%d+)')
  if ms ~= other_ms then return tonumber(ms) > tonumber(other_ms) end
  return tonumber(seq) > tonumber(other_seq)
end
local stream = facts(redis.call('XINFO', 'STREAM', KEYS[1]))
for _, row in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
  local group = facts(row)
  if group['name'] == ARGV[1] and group['entries-read'] then
    local last, unread = group['last-delivered-id'], nil
    if stream['length'] == 0 or last == stream['last-generated-id'] then unread = 0
    elseif is_after(stream['first-entry'][1], last) then unread = stream['length'] end
    local trimmed = unread and stream['entries-added'] - group['entries-read'] - unread or 0
    if trimmed > 0 then
      redis.call('HINCRBY', KEYS[2], 'unread', trimmed)
      redis.call('XGROUP', 'SETID', KEYS[1], ARGV[1], last, 'ENTRIESREAD', stream['entries-added'] - unread)
      return trimmed
    end
  end
end
return 0
"""
)
