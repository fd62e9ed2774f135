-- Sends the bodies of BENCH_BODIES (one file each) in turn, with the headers of BENCH_HEADERS ("name: value" lines),
-- and prints what came of it as one line of JSON.

local requests, turn = {}, 0

function init(args)
  for line in io.lines(os.getenv("BENCH_HEADERS")) do
    local name, value = line:match("^(.-): (.*)$")
    wrk.headers[name] = value
  end
  for path in io.lines(os.getenv("BENCH_BODIES")) do
    local file = io.open(path, "rb")
    requests[#requests + 1] = wrk.format("POST", nil, nil, file:read("*a"))
    file:close()
  end
end

function request()
  turn = turn % #requests + 1
  return requests[turn]
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"duration_us":%d,"bytes":%d,"p50_us":%.0f,"p99_us":%.0f,"max_us":%.0f,' ..
    '"refused":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99), latency.max,
    e.status, e.connect, e.read, e.write, e.timeout))
end
