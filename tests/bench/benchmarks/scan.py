"""A million rows of `lineitem`: over Flight SQL into PyArrow beside ADBC's PostgreSQL driver reading the same table directly, over one connection
to the source and over several; and over OData as JSON, in constant memory."""

import threading
import time
import urllib.request

import adbc_driver_postgresql.dbapi as postgres_dbapi
import pyarrow as pa
from adbc_driver_postgresql import __version__ as adbc_version

import tpch_data
from measure import Measured, medians, memory
from report import Section, table
from servers.process import Failed

NAME = "scan"
ROUNDS = 5
ROWS = 1_000_000
LEAST_SHARE = 0.7
CONNECTIONS = 2
SPLIT = {"postgres": {"scan": {"connections": CONNECTIONS, "split_above": "16MiB"}}}
SPLIT_NAME = f"gateway, over {CONNECTIONS} connections"
LEAST_TEXT = 100e6
# What an answer of 300 MB may add to the gateway's memory.
MOST_GROWTH = 64 << 20
DATA = tpch_data.Dataset(scale=1, tables=("lineitem",), rows={"lineitem": ROWS})
SQL = "select * from lineitem"


def read(connection):
    """All rows as Arrow batches, as a program that computes with them would take them: (rows, bytes in memory, seconds)."""
    with connection.cursor() as cursor:
        began = time.perf_counter()
        cursor.execute(SQL)
        answer = cursor.fetch_arrow_table()
        return answer.num_rows, answer.nbytes, time.perf_counter() - began


def sums(connection, cast):
    """What both must agree about: a sum per column that is a number, whatever type it has come as."""
    with connection.cursor() as cursor:
        cursor.execute(SQL)
        answer = cursor.fetch_arrow_table()
    keys = {name: pa.compute.sum(answer.column(name)).as_py() for name in ("l_orderkey", "l_partkey", "l_suppkey")}
    prices = pa.compute.sum(cast(answer.column("l_extendedprice"))).as_py()
    return {**keys, "l_extendedprice": prices, "comments": pa.compute.sum(pa.compute.binary_length(answer.column("l_comment"))).as_py()}


class Watch(threading.Thread):
    """The most resident memory of a process while it runs."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.over = pid, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.02):
            self.most = max(self.most, memory(self.pid)[0])


def read_json(gateway):
    """All entities as JSON, thrown away as they come: (bytes, seconds, the gateway's most resident bytes)."""
    request = urllib.request.Request(f"{gateway.http}/odata/lineitem", headers={"X-Api-Key": gateway.key})
    watch = Watch(gateway.pid)
    watch.start()
    began, size, last = time.perf_counter(), 0, b""
    with urllib.request.urlopen(request, timeout=300) as response:
        while block := response.read(1 << 20):
            size += len(block)
            last = block
    seconds = time.perf_counter() - began
    watch.over.set()
    watch.join()
    if not last.endswith(b"]}"):
        raise Failed("the document is not complete")
    return size, seconds, watch.most


def copied(connection):
    """The same table as PostgreSQL's own binary COPY, thrown away as it comes: what the wire allows."""
    began, size = time.perf_counter(), 0
    with connection.cursor() as cursor, cursor.copy(f"copy ({SQL}) to stdout (format binary)") as copy:
        for block in copy:
            size += len(block)
    return ROWS, size, time.perf_counter() - began


def arrow_runs(bench, section, server, database):
    """The runs into PyArrow of the gateway and of the peer, and those of COPY, by turns."""
    with (
        bench.gateway({"lineitem": (server, database)}) as gateway,
        bench.gateway({"lineitem": (server, database)}, sources=SPLIT) as splitting,
        gateway.flight() as through,
        splitting.flight() as split,
        postgres_dbapi.connect(server.url(database)) as direct,
        server.connect(database) as plain,
    ):
        section.versions = {**bench.versions(), "adbc_driver_postgresql": adbc_version}
        decimals = pa.decimal128(38, 2)
        # The driver gives numeric as text.
        agree = [sums(connection, lambda column: column.cast(decimals)) for connection in (through, split, direct)]
        section.reach("all give the same rows (sums of keys, prices, lengths of comments)", agree[0] == agree[1] == agree[2])
        asked = {
            "gateway": (read, through),
            SPLIT_NAME: (read, split),
            "adbc_driver_postgresql": (read, direct),
            "COPY, binary, thrown away": (copied, plain),
        }
        runs = {name: [] for name in asked}
        for number in range(ROUNDS + 1):
            for name, (way, connection) in asked.items():
                running = splitting if connection is split else gateway
                with Measured(postgres=server.pid, gateway=running.pid) as used:
                    rows, size, seconds = way(connection)
                if rows != ROWS:
                    raise Failed(f"{name} gave {rows} rows")
                if number > 0:
                    runs[name].append({"seconds": seconds, "size": size, **used.cpu})
    return runs


def json_runs(bench, server, database):
    """The runs as JSON, from a gateway of their own, so that its memory is what JSON needs."""
    runs = []
    with bench.gateway({"lineitem": (server, database)}) as gateway:
        idle = memory(gateway.pid)[0]
        for number in range(ROUNDS + 1):
            with Measured(postgres=server.pid, gateway=gateway.pid) as used:
                size, seconds, most = read_json(gateway)
            if number > 0:
                runs.append({"size": size, "seconds": seconds, "growth": most - idle, **used.cpu})
    return runs


def measure(bench):
    server = bench.server("postgres")
    database = tpch_data.fill(server, DATA)
    section = Section(NAME, "a million rows of lineitem, over Flight SQL and as OData JSON")
    seen = {name: medians(runs) for name, runs in arrow_runs(bench, section, server, database).items()}
    documents = json_runs(bench, server, database)
    share = seen["adbc_driver_postgresql"]["seconds"] / seen["gateway"]["seconds"]
    section.reach(f"Flight SQL: {share:.2f} times the speed of adbc_driver_postgresql, at least {LEAST_SHARE}", share >= LEAST_SHARE)
    share = seen["adbc_driver_postgresql"]["seconds"] / seen[SPLIT_NAME]["seconds"]
    section.reach(f"Flight SQL, the table split over {CONNECTIONS} connections: {share:.2f} times its speed, more than 1", share > 1)
    document = medians(documents)
    rate = document["size"] / document["gateway"]
    section.reach(f"OData: {rate / 1e6:.0f} MB of JSON per CPU second of the gateway, at least {LEAST_TEXT / 1e6:.0f}", rate >= LEAST_TEXT)
    growth = max(run["growth"] for run in documents)
    size = f"{document['size'] / 1e6:.0f} MB"
    section.reach(f"OData: memory grew by {growth / 2**20:.0f} MiB for documents of {size}, at most {MOST_GROWTH >> 20}", growth <= MOST_GROWTH)
    section.say(
        f"`{SQL}` of {ROWS:,} rows, 16 columns; {ROUNDS} rounds by turns; seconds, and CPU seconds. "
        "The peer gives decimals as text, which is the only form it has."
    )
    seen["gateway, OData JSON"] = document
    rows = [
        [name, m["seconds"], m["gateway"] if name.startswith("gateway") else None, m["postgres"], m["this"], m["size"] / 1e6, ROWS / m["seconds"]]
        for name, m in seen.items()
    ]
    section.say(table(["", "time", "CPU of the gateway", "CPU of PostgreSQL", "CPU of the client", "MB", "rows/s"], rows))
    return section
