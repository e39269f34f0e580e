"""Key lookups at a fixed rate, a share of what the gateway answers at most: alone, while heavy joins over two servers run, and while one of the
servers hangs. A hanging server must harm only the queries that need it. Databases, gateway and load share the processors: what the gateway can do
for lookups is to compute few joins at once (`local_queries`) and to have more threads for connections (`http.threads`), so that is measured and, to
compare, what it does without."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time

import tpch_data
from benchmarks import tpch
from benchmarks.lookup import random_keys
from measure import memory
from report import Section, table
from servers import cargo
from servers.process import Failed
from wrk import Target, load

NAME = "load"
SECONDS = 120
SHARE = 0.3
MOST_SLOWER = 5
DATA = tpch.DATA
# Customers, suppliers and nations are on the other server, so that these join and aggregate in the gateway.
SPLIT = tpch.SPLITS["PostgreSQL, MariaDB"]
HANGING = "mysql"
HEAVY = (5, 7, 8, 9, 10, 18, 21)
WORKERS = 2
# How long a request to a source may last, and how much later its failure may be seen, in seconds.
DEADLINE, LATER = 15, 1
# Of each query that works locally, and what the process needs besides, the cache among it.
QUERY_MEMORY, OTHER_MEMORY = 256 << 20, 512 << 20
# The settings of an operator to whom lookups come first: local queries at once, and threads for connections, of which each has its own share of the
# processors beside those of the databases.
AT_ONCE, THREADS = 1, 4 * (os.cpu_count() or 1)


def open_loop(gateway, keys, rate, seconds):
    """What the load program saw."""
    target = [gateway.http, "/odata/orders(", ")", keys, str(rate), str(seconds), f"X-Api-Key:{gateway.key}"]
    # What is measured must not wait for what measures: on a machine of its own it would have processors of its own.
    precedence = ["nice", "-n", "-15"] if os.geteuid() == 0 else []
    done = subprocess.run([*precedence, cargo.build("portico-bench", "open-loop"), *target], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"open-loop failed: {done.stderr}")
    return json.loads(done.stdout)


class Joins:
    """Workers that ask heavy queries one after the other until they are told to stop."""

    def __init__(self, gateway):
        self.gateway, self.over = gateway, threading.Event()
        self.done, self.refused, self.errors, self.most = 0, 0, [], 0
        self.threads = [threading.Thread(target=self.work, args=[number], daemon=True) for number in range(WORKERS)]
        self.threads.append(threading.Thread(target=self.watch, daemon=True))

    def work(self, number):
        with self.gateway.flight() as connection:
            while not self.over.is_set():
                query = HEAVY[number % len(HEAVY)]
                try:
                    tpch.ask(connection, tpch.text(query))
                    self.done += 1
                except Exception as error:  # Whatever the driver raises is counted; the load goes on.
                    message = tpch.plain(error)
                    if "ResourceExhausted" in message:
                        self.refused += 1
                    else:
                        self.errors.append(f"query {query}: {message}")
                    # Not as fast as errors come.
                    self.over.wait(0.2)
                number += 1

    def watch(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, memory(self.gateway.pid)[0])

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self.threads:
            thread.join()


@contextlib.contextmanager
def hanging(server):
    """Meanwhile the server's process gets no time: connections stay open, and nothing answers."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


def fails_in(gateway):
    """Seconds until a query that needs the hanging server fails, and what it says."""
    with gateway.flight() as connection:
        began = time.perf_counter()
        try:
            tpch.ask(connection, "select max(c_acctbal) from customer")
        except Exception as error:
            return time.perf_counter() - began, tpch.plain(error)
    raise Failed("a query that needs the hanging server was answered")


def clean(seen):
    return not seen["failed"]


def row(name, rate, seen):
    times = [seen[point] / 1000 if seen[point] is not None else None for point in ("p50", "p99", "p999", "most")]
    failed = ", ".join(f"{count} × {what}" for what, count in seen["failed"].items()) or 0
    return [name, rate, seen["answered"], *times, seen["refused"], failed]


def measure(bench):
    server, other = bench.server("postgres"), bench.server(HANGING)
    database = tpch_data.fill(server, DATA)
    keys = random_keys(server, database, bench.directory)
    limits = {"query_memory": f"{QUERY_MEMORY >> 20}MiB"}
    settings = {"limits": {**limits, "local_queries": AT_ONCE}, "http": {"threads": THREADS}}
    section = Section(NAME, f"key lookups at {SHARE:.0%} of capacity for {SECONDS} s: alone, beside heavy joins, beside a server that hangs")
    with tpch.gateway_over(bench, SPLIT, settings, DEADLINE) as gateway:
        target = Target("gateway", gateway.http, "/odata/orders(", ")", {"X-Api-Key": gateway.key}, {})
        load(target, keys, 3)
        capacity = load(target, keys, 10)["per second"]
        rate = capacity * SHARE
        idle = memory(gateway.pid)[0]
        alone = open_loop(gateway, keys, rate, SECONDS)
        with Joins(gateway) as joins:
            beside = open_loop(gateway, keys, rate, SECONDS)
        with hanging(other):
            failing = []
            asked = threading.Thread(target=lambda: failing.append(fails_in(gateway)), daemon=True)
            asked.start()
            hung = open_loop(gateway, keys, rate, DEADLINE * 2)
            asked.join()
    with tpch.gateway_over(bench, SPLIT, {"limits": limits}, DEADLINE) as gateway:
        load(Target("gateway", gateway.http, "/odata/orders(", ")", {"X-Api-Key": gateway.key}, {}), keys, 3)
        with Joins(gateway) as more:
            unbounded = open_loop(gateway, keys, rate, SECONDS)
    section.versions = bench.versions()
    slower = beside["p99"] / alone["p99"]
    section.reach(f"p99 beside {joins.done} heavy joins is {slower:.1f} times that without, at most {MOST_SLOWER}", slower <= MOST_SLOWER)
    section.reach("no lookup failed", all(map(clean, (alone, beside, hung, unbounded))))
    errors, refused = joins.errors + more.errors, joins.refused + more.refused
    what = f": {errors[0]}" if errors else ""
    asked = joins.done + more.done + refused + len(errors)
    section.reach(f"no join failed ({len(errors)} of {asked}{what}; {refused} were refused)", not errors)
    most, limit = max(joins.most, more.most), idle + WORKERS * QUERY_MEMORY + OTHER_MEMORY
    section.reach(f"resident memory was at most {most >> 20} MiB, its limits allow {limit >> 20}", most <= limit)
    if not failing:
        raise Failed("the query for the hanging server has not failed")
    seconds, message = failing[0]
    in_time = DEADLINE - LATER <= seconds <= DEADLINE + LATER
    section.reach(f"a query for the hanging server failed after {seconds:.1f} s, its deadline is {DEADLINE} s ({message})", in_time)
    section.say(
        f"Requests leave at a fixed rate, {SHARE:.0%} of the {capacity:,.0f} per second that `wrk` got; latency in milliseconds from when each was "
        f"due. {WORKERS} workers ask the TPC-H queries {', '.join(map(str, HEAVY))} without a pause, split over both servers. The gateway computes "
        f"{AT_ONCE} of them at a time (`gateway.limits.local_queries`) and has {THREADS} threads for connections (`gateway.http.threads`); in the last "
        f"row neither is set, and as many are computed as are asked: {more.done} joins, p99 {unbounded['p99'] / alone['p99']:.1f} times that without."
    )
    rows = [
        row("alone", rate, alone),
        row(f"beside heavy joins, {AT_ONCE} at a time", rate, beside),
        row(f"{other.name} hangs", rate, hung),
        row(f"beside heavy joins, {WORKERS} at a time, no settings", rate, unbounded),
    ]
    section.say(table(["lookups", "per second", "answered", "p50", "p99", "p99.9", "most", "refused", "failed"], rows))
    return section
