"""OData key lookups and pages of 1,000 entities over PostgreSQL at full load, beside a hand-written program that gives the same JSON (the floor)
and PostgREST, all on the same processors and the same database. Keys are random, so that every request reaches the database."""

import json
import os
import urllib.request

import tpch_data
from measure import medians
from report import Section, table
from servers.rest import Floor, PostgRest, postgrest_version
from wrk import CONNECTIONS, Target, load

NAME = "lookup"
ROUNDS = 5
SECONDS = 5
DATA = tpch_data.Dataset(scale=1, tables=("region", "nation", "customer", "orders"))
KEYS = 200_000
PAGE = 1000
# What is asked → (least share of the floor's requests per second).
GOALS = {"key": 0.7, "page": 0.8}


def targets(gateway, floor, postgrest, database_pid):
    """By what is asked: whom to ask, and how."""
    pids = {"PostgreSQL": database_pid}
    key = {"X-Api-Key": gateway.key}
    own = {"gateway": (gateway.http, key, {"server": gateway.pid, **pids})}
    own["floor"] = (floor.http, {}, {"server": floor.pid, **pids})
    own["PostgREST"] = (postgrest.http, {}, {"server": postgrest.pid, **pids})
    paths = {
        "key": {
            "gateway": ("/odata/orders(", ")"),
            "floor": ("/orders/", ""),
            "PostgREST": ("/orders?o_orderkey=eq.", ""),
        },
        "page": {
            "gateway": ("/odata/orders?$filter=o_orderkey%20ge%20", f"&$orderby=o_orderkey&$top={PAGE}"),
            "floor": ("/orders?from=", f"&top={PAGE}"),
            "PostgREST": ("/orders?o_orderkey=gte.", f"&order=o_orderkey&limit={PAGE}"),
        },
    }
    return {
        what: [Target(name, own[name][0], before, after, *own[name][1:]) for name, (before, after) in each.items()] for what, each in paths.items()
    }


def body(target, key):
    request = urllib.request.Request(target.http + target.path(key), headers=target.headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.loads(response.read().decode().replace(target.http, ""))


def same(gateway, floor, postgrest, key):
    """Whether all three give the same rows, and the first two the same document. What differs would make the comparison void."""
    wanted = body(gateway, key)
    rows = wanted["value"] if "value" in wanted else [{name: value for name, value in wanted.items() if not name.startswith("@")}]
    return rows and body(floor, key) == wanted and body(postgrest, key) == rows


def random_keys(server, database, directory):
    """A file of keys, of which every one can begin a full page."""
    path = os.path.join(directory, "order-keys")
    last = server.rows(database, "select o_orderkey from orders order by o_orderkey desc offset %s limit 1", [PAGE])[0][0]
    sql = "select o_orderkey from orders where o_orderkey < %s order by random() limit %s"
    with open(path, "w") as file:
        file.writelines(f"{key}\n" for (key,) in server.rows(database, sql, [last, KEYS]))
    return path


def measure(bench):
    server = bench.server("postgres")
    database = tpch_data.fill(server, DATA)
    keys = random_keys(server, database, bench.directory)
    section = Section(NAME, "key lookups and pages over OData at full load, PostgreSQL with TPC-H at scale factor 1")
    seen = {}
    over = (bench.directory, server, database)
    with bench.gateway({"orders": (server, database)}) as gateway, Floor(*over) as floor, PostgRest(*over) as postgrest:
        section.versions = {**bench.versions(), "PostgREST": postgrest_version()}
        for what, asked in targets(gateway, floor, postgrest, server.pid).items():
            with open(keys) as file:
                some = [next(file).strip() for _ in range(20)]
            different = [key for key in some if not same(*asked, key)]
            section.reach(f"{what}: the same JSON as the floor's, and the same rows as PostgREST's", not different)
            rounds = {target.name: [] for target in asked}
            # One round more, which warms all up and does not count.
            for number in range(ROUNDS + 1):
                for target in asked:
                    result = load(target, keys, SECONDS)
                    if number > 0:
                        rounds[target.name].append(result)
            seen[what] = {name: medians(results) for name, results in rounds.items()}
    for what, least in GOALS.items():
        rates = {name: result["per second"] for name, result in seen[what].items()}
        share = rates["gateway"] / rates["floor"]
        section.reach(f"{what}: {share:.2f} times the requests per second of the floor, at least {least}", share >= least)
        against = rates["gateway"] / rates["PostgREST"]
        section.reach(f"{what}: {against:.2f} times those of PostgREST, at least 1", against >= 1)
    section.say(
        f"`wrk` with {CONNECTIONS} connections on the same processors, {ROUNDS} rounds of {SECONDS} s by turns, random keys out of {KEYS:,}. "
        f"*key*: one order by its key. *page*: {PAGE:,} orders from a key on. Latency in milliseconds, CPU milliseconds per request."
    )
    section.say(
        table(
            ["asked", "of", "requests/s", "p50", "p99", "CPU of it", "CPU of PostgreSQL", "CPU of wrk"],
            [
                [what, name, r["per second"], r["p50"], r["p99"], r["cpu server"], r["cpu PostgreSQL"], r["cpu this"]]
                for what, results in seen.items()
                for name, r in results.items()
            ],
        )
    )
    return section
