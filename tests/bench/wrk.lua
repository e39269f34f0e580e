-- What wrk asks: a path with a key at random, from a file with one key per line. Arguments: the file, and the path before and after the key.
-- At the end it prints one line of JSON, times in microseconds.
local threads = 0

function setup(thread)
  threads = threads + 1
  thread:set("seed", threads)
end

function init(arguments)
  math.randomseed(os.time() * 1000 + seed)
  keys = {}
  for line in io.lines(arguments[1]) do
    keys[#keys + 1] = line
  end
  before, after = arguments[2], arguments[3] or ""
end

function request()
  return wrk.format("GET", before .. keys[math.random(#keys)] .. after)
end

function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format('{"requests": %d, "microseconds": %d, "bytes": %d, "failed": %d, "p50": %d, "p99": %d}',
    summary.requests, summary.duration, summary.bytes, failed, latency:percentile(50), latency:percentile(99)))
end
