"""A join across servers that must cost what its result costs: 100 filtered customers on one server, their orders on PostgreSQL, beside DuckDB with
both databases attached and its filter push-down on. Rows that leave PostgreSQL are counted there."""

import functools
import time
from decimal import Decimal

import duckdb
from duckdb_extensions import extension_importer

import tpch_data
from benchmarks.tpch import ask
from measure import Measured, median, medians
from report import Section, table
from servers.process import Failed

NAME = "bindjoin"
ROUNDS = 5
LEAST_SPEEDUP = 10
MOST_ROWS = 1.1
DATA = tpch_data.Dataset(scale=1, tables=("region", "nation", "customer", "orders"))
# The server of the small side.
SMALL = "mysql"

# Each round asks for customers of another nation, so that nothing is remembered. Their keys are spread over all of them: a range of keys would
# let every peer restrict the other side by its ends.
QUERY = """select c_custkey, c_name, o_orderkey, o_totalprice, o_orderdate
from {customer} c join {orders} o on o_custkey = c_custkey
where c_nationkey = {nation} and c_mktsegment = 'BUILDING' and c_acctbal <= {balance}"""
CUSTOMERS = 100


def filters(server, database):
    """For each round and the first, which does not count: a nation, and a balance that CUSTOMERS of its customers do not exceed."""
    sql = """select c_acctbal from customer where c_nationkey = %s and c_mktsegment = 'BUILDING' order by c_acctbal limit 1 offset %s"""
    nations = range(ROUNDS + 1)
    return [{"nation": nation, "balance": server.rows(database, sql, [nation, CUSTOMERS - 1])[0][0]} for nation in nations]


class Duck:
    """DuckDB with both databases attached."""

    version = duckdb.__version__
    scanners = {"postgres": "postgres_scanner", "mysql": "mysql_scanner", "sqlite": "sqlite_scanner"}

    def __init__(self, big, small, database):
        self.connection = duckdb.connect()
        for kind in ("postgres", small.kind):
            extension_importer.import_extension(self.scanners[kind])
            self.connection.execute(f"load {self.scanners[kind]}")
        login = f"host=127.0.0.1 port={big.port} user=postgres password={big.password} dbname={database}"
        self.connection.execute(f"attach '{login}' as big (type postgres, read_only)")
        self.connection.execute("set pg_experimental_filter_pushdown = true")
        if small.kind == "sqlite":
            self.connection.execute(f"attach '{small.path(database)}' as small (type sqlite, read_only)")
            self.customer = "small.customer"
        else:
            login = f"host=127.0.0.1 port={small.port} user=portico password={small.password} database={database}"
            self.connection.execute(f"attach '{login}' as small (type mysql, read_only)")
            self.connection.execute("set mysql_experimental_filter_pushdown = true")
            self.customer = f"small.{database}.customer"

    def ask(self, filtered):
        sql = QUERY.format(customer=self.customer, orders="big.public.orders", **filtered)
        began = time.perf_counter()
        rows = self.connection.execute(sql).fetchall()
        return rows, time.perf_counter() - began


def counted(server, database, action):
    """What an action returns, and how many rows of `orders` PostgreSQL has sent meanwhile, by its own count."""
    server.rows(database, "select pg_stat_statements_reset()")
    result = action()
    sql = """select coalesce(sum(rows), 0)::bigint from pg_stat_statements
        where dbid = (select oid from pg_database where datname = current_database()) and query ~ '\\yorders\\y'
          and query !~ 'pg_stat_statements'"""
    return result, server.rows(database, sql)[0][0]


def rounded(rows):
    return sorted((*row[:3], Decimal(row[3]).quantize(Decimal("0.01")), row[4]) for row in rows)


def observed(server, database, pids, ask_for):
    """One run: the rows, and what it cost. The peer works in this process."""
    with Measured(**pids) as used:
        (rows, seconds), sent = counted(server, database, ask_for)
    own = used.cpu.get("gateway", used.cpu["this"])
    cost = {"seconds": seconds, "own cpu": own, "postgres cpu": used.cpu["postgres"], "small cpu": used.cpu.get("small", 0.0)}
    return rounded(rows), {**cost, "sent": sent, "rows": len(rows)}


def runs_of(bench, big, small, database):
    """The runs of the gateway and of the peer, by turns.

    Raises Failed when an answer is not PostgreSQL's own."""
    duck = Duck(big, small, database)
    runs = {"gateway": [], "DuckDB": []}
    pids = {"postgres": big.pid, "small": small.pid}
    with bench.gateway({"customer": (small, database), "orders": (big, database)}) as gateway, gateway.flight() as connection:

        def through_gateway(filtered):
            (_, rows), seconds = ask(connection, QUERY.format(customer="customer", orders="orders", **filtered))
            return rows, seconds

        asked = {"gateway": (through_gateway, {**pids, "gateway": gateway.pid}), "DuckDB": (duck.ask, pids)}
        for number, filtered in enumerate(filters(big, database)):
            wanted = rounded(big.rows(database, QUERY.format(customer="customer", orders="orders", **filtered)))
            for name, (ask_for, watched) in asked.items():
                rows, cost = observed(big, database, watched, functools.partial(ask_for, filtered))
                if rows != wanted:
                    raise Failed(f"{name} answers otherwise than PostgreSQL")
                if number > 0:
                    runs[name].append(cost)
    return runs


def measure(bench):
    big, small = bench.server("postgres"), bench.server(SMALL)
    database = tpch_data.fill(big, DATA)
    tpch_data.fill(small, DATA)
    section = Section(NAME, f"{CUSTOMERS} filtered customers on {small.name} joined with 1.5 million orders on PostgreSQL")
    runs = runs_of(bench, big, small, database)
    section.versions = {**bench.versions(), "DuckDB": Duck.version}
    most = max(run["sent"] / run["rows"] for run in runs["gateway"])
    section.reach(f"rows that PostgreSQL sent are {most:.2f} times the matching rows, at most {MOST_ROWS}", most <= MOST_ROWS)
    speedup = median([run["seconds"] for run in runs["DuckDB"]]) / median([run["seconds"] for run in runs["gateway"]])
    section.reach(f"{speedup:.1f} times as fast as DuckDB, at least {LEAST_SPEEDUP}", speedup >= LEAST_SPEEDUP)
    section.say(f"{ROUNDS} rounds by turns, each with other customers; every answer compared with PostgreSQL's own. Times in milliseconds.")
    rows = []
    for name, each in runs.items():
        m = medians(each)
        small_cpu = m["small cpu"] * 1000 if small.pid else None
        rows.append([name, m["seconds"] * 1000, m["own cpu"] * 1000, m["postgres cpu"] * 1000, small_cpu, int(m["sent"]), int(m["rows"])])
    names = ["", "time", "CPU of it", "CPU of PostgreSQL", f"CPU of {small.name}", "rows sent by PostgreSQL", "rows that match"]
    section.say(table(names, rows))
    return section
