"""TPC-H on any server: one schema as data, rows from tpchgen, keys, foreign keys and indexes alike everywhere, statistics made. A database is
filled once and kept under a name that says what is in it. It must not know what is asked of it.

Texts are varchar on all servers (the specification leaves char open to that), keys are 64 bits wide, numbers with two places decimal(15,2).
"""

import csv
import hashlib
import itertools
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

# Column → type: k key, i integer, d decimal, t date, a number is a text of that length.
TABLES = {
    "region": "r_regionkey k, r_name 25, r_comment 152",
    "nation": "n_nationkey k, n_name 25, n_regionkey k, n_comment 152",
    "supplier": "s_suppkey k, s_name 25, s_address 40, s_nationkey k, s_phone 15, s_acctbal d, s_comment 101",
    "customer": "c_custkey k, c_name 25, c_address 40, c_nationkey k, c_phone 15, c_acctbal d, c_mktsegment 10, c_comment 117",
    "part": "p_partkey k, p_name 55, p_mfgr 25, p_brand 10, p_type 25, p_size i, p_container 10, p_retailprice d, p_comment 23",
    "partsupp": "ps_partkey k, ps_suppkey k, ps_availqty i, ps_supplycost d, ps_comment 199",
    "orders": "o_orderkey k, o_custkey k, o_orderstatus 1, o_totalprice d, o_orderdate t, o_orderpriority 15, o_clerk 15, o_shippriority i, "
    "o_comment 79",
    "lineitem": "l_orderkey k, l_partkey k, l_suppkey k, l_linenumber i, l_quantity d, l_extendedprice d, l_discount d, l_tax d, "
    "l_returnflag 1, l_linestatus 1, l_shipdate t, l_commitdate t, l_receiptdate t, l_shipinstruct 25, l_shipmode 10, l_comment 44",
}
PRIMARY_KEYS = {
    "region": "r_regionkey",
    "nation": "n_nationkey",
    "supplier": "s_suppkey",
    "customer": "c_custkey",
    "part": "p_partkey",
    "partsupp": "ps_partkey, ps_suppkey",
    "orders": "o_orderkey",
    "lineitem": "l_orderkey, l_linenumber",
}
# (table, columns, referred table, its columns)
FOREIGN_KEYS = [
    ("nation", "n_regionkey", "region", "r_regionkey"),
    ("supplier", "s_nationkey", "nation", "n_nationkey"),
    ("customer", "c_nationkey", "nation", "n_nationkey"),
    ("partsupp", "ps_partkey", "part", "p_partkey"),
    ("partsupp", "ps_suppkey", "supplier", "s_suppkey"),
    ("orders", "o_custkey", "customer", "c_custkey"),
    ("lineitem", "l_orderkey", "orders", "o_orderkey"),
    ("lineitem", "l_partkey, l_suppkey", "partsupp", "ps_partkey, ps_suppkey"),
]
INDEXES = [
    ("nation", "n_regionkey"),
    ("supplier", "s_nationkey"),
    ("customer", "c_nationkey"),
    ("partsupp", "ps_suppkey"),
    ("orders", "o_custkey"),
    ("orders", "o_orderdate"),
    ("lineitem", "l_partkey, l_suppkey"),
    ("lineitem", "l_suppkey"),
    ("lineitem", "l_shipdate"),
]
TYPES = {
    "postgres": {"k": "bigint", "i": "integer", "d": "decimal(15,2)", "t": "date"},
    "mysql": {"k": "bigint", "i": "integer", "d": "decimal(15,2)", "t": "date"},
    "sqlite": {"k": "INTEGER", "i": "INT4", "d": "DECIMAL(15,2)", "t": "DATE"},
}


@dataclass(frozen=True)
class Dataset:
    """A scale factor, the tables that are wanted of it, and for a table of which not all rows are, how many."""

    scale: float
    tables: tuple = tuple(TABLES)
    rows: dict = field(default_factory=dict, hash=False)

    def database(self):
        """A name that differs when anything about the content does."""
        content = repr((self, TABLES, PRIMARY_KEYS, FOREIGN_KEYS, INDEXES, TYPES))
        return f"tpch_{str(self.scale).replace('.', '_')}_{hashlib.sha256(content.encode()).hexdigest()[:8]}"

    def foreign_keys(self):
        return [
            (table, columns, to, there)
            for table, columns, to, there in FOREIGN_KEYS
            if {table, to} <= set(self.tables) and not {table, to} & set(self.rows)
        ]


def columns(table):
    """(name, type) of each column."""
    return [tuple(column.split()) for column in TABLES[table].split(", ")]


def create(kind, table, dataset):
    """The statement that makes a table. SQLite takes foreign keys only here."""
    types = TYPES[kind]
    parts = [f"{name} {types.get(code) or f'varchar({code})'} not null" for name, code in columns(table)]
    parts.append(f"primary key ({PRIMARY_KEYS[table]})")
    if kind == "sqlite":
        parts += [f"foreign key ({own}) references {to} ({there})" for source, own, to, there in dataset.foreign_keys() if source == table]
    return f"create table {table} ({', '.join(parts)})"


def index(table, names):
    return f"create index {table}_{names.replace(', ', '_')} on {table} ({names})"


def generate(dataset, table, directory):
    """Writes a table as CSV with a line of names, and returns its path."""
    generator = Path(sys.executable).parent / "tpchgen-cli"
    command = [os.fspath(generator), "csv", "--scale-factor", str(dataset.scale), "--tables", table, "--output-dir", directory, "--quiet"]
    subprocess.run(command, check=True)
    path = Path(directory) / f"{table}.csv"
    if table in dataset.rows:
        part = path.with_suffix(".part")
        with open(path) as whole, open(part, "w") as first:
            first.writelines(itertools.islice(whole, dataset.rows[table] + 1))
        part.replace(path)
    # Read by the server's user.
    path.chmod(0o644)
    return path


def fill(server, dataset):
    """Fills a database of the server unless an earlier run did, and returns its name."""
    database = dataset.database()
    filled = server.directory / f"{database}.filled"
    if not filled.exists():
        print(f"filling {server.kind} with TPC-H at scale factor {dataset.scale}: {', '.join(dataset.tables)}", flush=True)
        with tempfile.TemporaryDirectory(prefix="portico-tpch.") as directory:
            os.chmod(directory, 0o711)
            LOADERS[server.kind](server, database, dataset, directory)
        filled.touch()
    return database


def _fill_postgres(server, database, dataset, directory):
    with server.connect("postgres") as connection:
        connection.execute(f"drop database if exists {database}")
        connection.execute(f"create database {database}")
    with server.connect(database) as connection:
        connection.execute("create extension pg_stat_statements")
        for table in dataset.tables:
            connection.execute(create("postgres", table, dataset).replace(f", primary key ({PRIMARY_KEYS[table]})", ""))
            with open(generate(dataset, table, directory), "rb") as rows:
                with connection.cursor().copy(f"copy {table} from stdin (format csv, header)") as copy:
                    while block := rows.read(1 << 20):
                        copy.write(block)
            connection.execute(f"alter table {table} add primary key ({PRIMARY_KEYS[table]})")
        _relate(connection.execute, dataset)
        connection.execute("vacuum (analyze)")
        connection.execute("checkpoint")


def _fill_mariadb(server, database, dataset, directory):
    with server.connect(None) as connection, connection.cursor() as cursor:
        cursor.execute(f"drop database if exists {database}")
        cursor.execute(f"create database {database}")
        cursor.execute(f"use {database}")
        cursor.execute("set unique_checks = 0, foreign_key_checks = 0")
        for table in dataset.tables:
            cursor.execute(create("mysql", table, dataset))
            path = generate(dataset, table, directory)
            form = "character set utf8mb4 fields terminated by ',' optionally enclosed by '\"' lines terminated by '\\n' ignore 1 lines"
            cursor.execute(f"load data local infile '{path}' into table {table} {form}")
        cursor.execute("set foreign_key_checks = 1")
        _relate(cursor.execute, dataset)
        for table in dataset.tables:
            cursor.execute(f"analyze table {table} persistent for all")


def _relate(execute, dataset):
    for table, names in INDEXES:
        if table in dataset.tables:
            execute(index(table, names))
    for table, own, to, there in dataset.foreign_keys():
        execute(f"alter table {table} add foreign key ({own}) references {to} ({there})")


def _fill_sqlite(server, database, dataset, directory):
    Path(server.path(database)).unlink(missing_ok=True)
    connection = server.connect(database)
    connection.execute("pragma synchronous = off")
    for table in dataset.tables:
        connection.execute(create("sqlite", table, dataset))
        with open(generate(dataset, table, directory), newline="") as file:
            rows = csv.reader(file)
            next(rows)
            marks = ", ".join("?" for _ in columns(table))
            connection.execute("begin")
            connection.executemany(f"insert into {table} values ({marks})", rows)
            connection.execute("commit")
    for table, names in INDEXES:
        if table in dataset.tables:
            connection.execute(index(table, names))
    connection.execute("analyze")
    connection.close()


LOADERS = {"postgres": _fill_postgres, "mysql": _fill_mariadb, "sqlite": _fill_sqlite}
