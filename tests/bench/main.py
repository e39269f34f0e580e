"""`tests/bench/run`, once everything is installed: starts what the named benchmarks need, runs them in order, writes BENCHMARKS.md, and stops all
that it started. It must not know what a benchmark does."""

import argparse
import fcntl
import shutil
import signal
import sys
import tempfile
import traceback

import fairness
import report
from benchmarks import bindjoin, load, lookup, scan, tpch
from servers.cargo import REPOSITORY
from servers.gateway import LONGEST, Gateway
from servers.mariadb import MariaDb
from servers.postgres import Postgres
from servers.process import Failed, data_directory
from servers.sqlite import Sqlite

BENCHMARKS = {module.NAME: module for module in (tpch, bindjoin, lookup, scan, load)}
SERVERS = {server.kind: server for server in (Postgres, MariaDb, Sqlite)}


class Bench:
    """What benchmarks share: servers, started when they are first asked for; a directory for the run."""

    def __init__(self, directory):
        self.directory = directory
        self.servers = {}
        self.gateways = []

    def server(self, kind):
        if kind not in self.servers:
            server = SERVERS[kind]()
            # Before it starts, so that one that comes up too late is stopped too.
            self.servers[kind] = server
            server.start()
        return self.servers[kind]

    def gateway(self, tables, settings=None, deadline=LONGEST, sources=None):
        gateway = Gateway(self.directory, tables, settings, deadline, sources)
        self.gateways.append(gateway)
        return gateway

    def versions(self):
        versions = {server.name: server.version for server in self.servers.values()}
        return {"Portico": self.gateways[-1].version(), **versions} if self.gateways else versions

    def stop(self):
        for running in [*self.gateways, *self.servers.values()]:
            try:
                running.stop()
            except Failed as error:
                print(f"tests/bench/run: {error}", file=sys.stderr)


def arguments():
    parser = argparse.ArgumentParser(prog="tests/bench/run", description="Benchmarks side by side with peers; see the head of tests/bench/run.")
    parser.add_argument("names", nargs="*", metavar="name", help="benchmarks to run; all without any")
    parser.add_argument("--check", action="store_true", help="only compare the answers of TPC-H with PostgreSQL's own")
    parser.add_argument("--clean", action="store_true", help="remove the databases that are kept between runs")
    parser.add_argument("--list", action="store_true", help="print the names of the benchmarks")
    parsed = parser.parse_args()
    unknown = [name for name in parsed.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}: there are {', '.join(BENCHMARKS)}")
    if parsed.check and parsed.names:
        parser.error("--check takes no names: it is about tpch")
    return parsed


def interrupted(number, _):
    raise SystemExit(128 + number)


def run(parsed, bench):
    """The exit status."""
    if parsed.check:
        results = tpch.check_all(bench, tpch.SPLITS)
        return int(any(what for wrong, _ in results.values() for what in wrong.values()))
    facts = report.facts(REPOSITORY)
    failed = False
    for name in parsed.names or BENCHMARKS:
        print(f"== {name}", flush=True)
        try:
            section = BENCHMARKS[name].measure(bench)
        except Exception:  # The others are still measured, and what was seen is written.
            traceback.print_exc()
            failed = True
            continue
        print(section.markdown(facts), flush=True)
        report.write(REPOSITORY / "BENCHMARKS.md", [section], list(BENCHMARKS), facts)
    return int(failed)


def main():
    parsed = arguments()
    if parsed.list:
        print("\n".join(BENCHMARKS))
        return 0
    signal.signal(signal.SIGTERM, interrupted)
    with open(data_directory() / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"tests/bench/run: another run uses {data_directory()}", file=sys.stderr)
            return 1
        if parsed.clean:
            shutil.rmtree(data_directory())
            return 0
        with tempfile.TemporaryDirectory(prefix="portico-bench.") as directory:
            bench = Bench(directory)
            try:
                with fairness.between_threads():
                    return run(parsed, bench)
            except Failed as error:
                print(f"tests/bench/run: {error}", file=sys.stderr)
                return 1
            finally:
                bench.stop()


if __name__ == "__main__":
    sys.exit(main())
