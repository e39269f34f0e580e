"""The 22 queries of TPC-H at scale factor 0.1 over Flight SQL: every answer compared with PostgreSQL's own, with the tables on one server and
split over several; and on one PostgreSQL, the time compared with `psql -f` of the same text."""

import re
import subprocess
import tempfile
import time
from pathlib import Path

import compare
import tpch_data
from measure import Measured, median, medians
from report import Section, table
from servers.gateway import LONGEST
from servers.process import Failed

NAME = "tpch"
# More than the five after which PostgreSQL may settle for a plan that does not know the parameters.
ROUNDS = 11
GOAL = 1.15
DATA = tpch_data.Dataset(scale=0.1)
QUERIES = {int(path.stem): path for path in sorted((Path(__file__).parents[1] / "tpch").glob("*.sql"))}
# Positions of the columns that a query orders by; its last condition before a limit.
ORDERED_BY = {
    1: [0, 1], 2: [0, 2, 1, 3], 3: [1, 2], 4: [0], 5: [1], 6: [], 7: [0, 1, 2], 8: [0], 9: [0, 1], 10: [2], 11: [1], 12: [0], 13: [1, 0],
    14: [], 15: [0], 16: [3, 0, 1, 2], 17: [], 18: [4, 3], 19: [], 20: [0], 21: [1, 0], 22: [0],
}  # fmt: skip

# Where the tables are: the first is measured, all are compared. What is not named is on PostgreSQL.
SPLITS = {
    "PostgreSQL": {},
    "PostgreSQL, SQLite": dict.fromkeys(["customer", "supplier", "nation", "region"], "sqlite"),
    "PostgreSQL, MariaDB": dict.fromkeys(["customer", "supplier", "nation", "region"], "mysql"),
    "PostgreSQL, MariaDB, SQLite": {
        **dict.fromkeys(["orders", "supplier"], "mysql"),
        **dict.fromkeys(["customer", "nation", "region"], "sqlite"),
    },
}


def text(number):
    return QUERIES[number].read_text()


def expected(server, database):
    """PostgreSQL's own answers, by number."""
    answers = {}
    with server.connect(database) as connection:
        for number in QUERIES:
            cursor = connection.execute(text(number))
            answers[number] = ([column.name for column in cursor.description], cursor.fetchall())
    return answers


def ask(connection, sql):
    """An answer through the gateway, and the seconds until all of it was there."""
    with connection.cursor() as cursor:
        began = time.perf_counter()
        cursor.execute(sql)
        answer = cursor.fetch_arrow_table()
        seconds = time.perf_counter() - began
    # Columns may share a name, so not by name.
    columns = [column.to_pylist() for column in answer.columns]
    return (answer.column_names, list(zip(*columns, strict=True))), seconds


def requests(connection, sql):
    """How many requests EXPLAIN shows, by source."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        parts = cursor.fetch_arrow_table().column("part").to_pylist()
    return sum(part.startswith("source ") for part in parts)


def plain(error):
    """What an error says, without the driver's trailer."""
    return re.sub(r"\s*\. (?:gRPC|Vendor code).*$|\s*\[FlightSQL\]\s*", " ", str(error), flags=re.S).strip()


def gateway_over(bench, split, settings=None, deadline=LONGEST):
    """A gateway over the split, with further settings, and the longest time of a request to a source in seconds."""
    kinds = set(split.values()) | {"postgres"}
    places = {kind: (bench.server(kind), tpch_data.fill(bench.server(kind), DATA)) for kind in sorted(kinds)}
    return bench.gateway({name: places[split.get(name, "postgres")] for name in DATA.tables}, settings, deadline)


def check(bench, split, answers):
    """Query number → what is wrong through the gateway, nothing when all is well; and → requests that EXPLAIN shows."""
    wrong, counts = {}, {}
    try:
        with gateway_over(bench, split) as gateway, gateway.flight() as connection:
            for number in QUERIES:
                try:
                    counts[number] = requests(connection, text(number))
                    answer, _ = ask(connection, text(number))
                    wrong[number] = compare.difference(answers[number], answer, ORDERED_BY[number])
                except Exception as error:  # Whatever the driver raises is what is wrong with this query; the others are asked too.
                    wrong[number] = f"error: {plain(error)}"
    except Failed as error:
        wrong |= dict.fromkeys(QUERIES.keys() - wrong.keys(), f"error: {error}")
    return wrong, counts


def check_all(bench, splits):
    """By split: what is wrong, and the requests. Prints what is wrong as it is seen."""
    server = bench.server("postgres")
    answers = expected(server, tpch_data.fill(server, DATA))
    results = {}
    for name, split in splits.items():
        wrong, counts = results[name] = check(bench, split, answers)
        bad = {number: what for number, what in wrong.items() if what}
        print(f"tpch, {name}: {len(wrong) - len(bad)} equal, {len(bad)} differ or fail", flush=True)
        for what in dict.fromkeys(bad.values()):
            numbers = ", ".join(str(number) for number, one in bad.items() if one == what)
            print(f"  query {numbers}: {what}", flush=True)
    return results


def psql_round(server, database, script):
    """Seconds of each query in one `psql -f`, as psql's own timing has them."""
    command, environment = server.psql(database)
    done = subprocess.run([*command, "-f", script], env=environment, capture_output=True, text=True, check=True)
    times = [float(value) / 1000 for value in re.findall(r"^Time: ([\d.]+) ms", done.stdout, re.M)]
    return dict(zip(QUERIES, times, strict=True))


# What PostgreSQL has spent on this database's statements, those that ask for it excepted.
EXECUTED = """select coalesce(sum(total_exec_time), 0) / 1000 from pg_stat_statements
    where dbid = (select oid from pg_database where datname = current_database()) and query !~ 'pg_stat_statements'"""


def gateway_round(connection, watching):
    """Seconds of each query through the gateway, and those of them that PostgreSQL spent on executing, by its own account."""
    times, executing = {}, {}
    for number in QUERIES:
        watching.execute("select pg_stat_statements_reset()")
        times[number] = ask(connection, text(number))[1]
        executing[number] = watching.execute(EXECUTED).fetchone()[0]
    return times, executing


def timed(bench):
    """Rounds of psql and of the gateway, by turns: medians, by query in seconds, and CPU seconds; medians of the rounds' totals."""
    server = bench.server("postgres")
    database = tpch_data.fill(server, DATA)
    rounds = {"psql": [], "gateway": [], "executing": [], "psql cpu": [], "gateway cpu": []}
    over = (tempfile.NamedTemporaryFile("w", suffix=".sql"), gateway_over(bench, {}), server.connect(database))
    with over[0] as script, over[1] as gateway, gateway.flight() as connection, over[2] as watching:
        script.write("\\timing on\n" + "".join(text(number) for number in QUERIES))
        script.flush()
        # One round more, which warms both up and does not count.
        for number in range(ROUNDS + 1):
            with Measured(postgres=server.pid) as used:
                psql = psql_round(server, database, script.name)
            with Measured(postgres=server.pid, gateway=gateway.pid) as used_by_gateway:
                through, executing = gateway_round(connection, watching)
            if number > 0:
                for name, seen in zip(rounds, (psql, through, executing, used.cpu, used_by_gateway.cpu), strict=True):
                    rounds[name].append(seen)
    totals = {name: median([sum(one.values()) for one in rounds[name]]) for name in ("psql", "gateway", "executing")}
    return {name: medians(runs) for name, runs in rounds.items()}, totals


def measure(bench):
    section = Section(NAME, "the 22 queries of TPC-H, scale factor 0.1, over Flight SQL")
    results = check_all(bench, SPLITS)
    section.versions = bench.versions()
    for name, (wrong, _) in results.items():
        bad = [number for number, what in wrong.items() if what]
        section.reach(f"{name}: every answer equals PostgreSQL's own ({len(wrong) - len(bad)} of {len(wrong)})", not bad)
    wrong, counts = results["PostgreSQL"]
    single = sum(count == 1 for count in counts.values())
    section.reach(f"PostgreSQL alone: one request for each query ({single} of {len(QUERIES)})", single == len(QUERIES))
    failing = [number for number, what in wrong.items() if what and what.startswith("error: ")]
    if failing:
        section.say(f"Not timed, because queries fail: {', '.join(map(str, failing))}.")
        return section
    times, totals = timed(bench)
    ratio = totals["gateway"] / totals["psql"]
    section.reach(f"PostgreSQL alone: the total is {ratio:.2f} times that of `psql -f`, at most {GOAL}", ratio <= GOAL)
    section.say(
        f"Medians of {ROUNDS} rounds, psql and gateway by turns, one session each. Times in milliseconds: psql's own `\\timing`, and from "
        "execute to the last batch in the ADBC driver; of that, what PostgreSQL executed. Requests as EXPLAIN shows them."
    )
    rows = [
        [
            number,
            counts[number],
            *(times[name][number] * 1000 for name in ("psql", "gateway", "executing")),
            times["gateway"][number] / times["psql"][number],
        ]
        for number in QUERIES
    ]
    rows.append(["total", sum(counts.values()), *(totals[name] * 1000 for name in ("psql", "gateway", "executing")), ratio])
    section.say(table(["query", "requests", "psql -f", "gateway", "in PostgreSQL", "ratio"], rows))
    used = [["psql -f", times["psql cpu"]["postgres"], None], ["gateway", times["gateway cpu"]["postgres"], times["gateway cpu"]["gateway"]]]
    section.say("CPU seconds of one round:\n\n" + table(["", "PostgreSQL", "gateway"], used))
    return section
