"""The program under test: built for release, configured with TPC-H tables on sources, started on free ports. It knows the command line, the
configuration and the doors, and nothing of what is inside."""

import hashlib
import os
import secrets
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight_sql
import yaml
from adbc_driver_flightsql import DatabaseOptions

from servers import cargo
from servers.process import Failed, free_port, stop, wait_until

# Longest time of one statement, in seconds. It is a limit against standstill, not a goal.
LONGEST = 300


def program():
    """The program, built when the environment names none."""
    given = os.environ.get("PORTICO_BENCH_GATEWAY")
    if given:
        if not (os.path.isfile(given) and os.access(given, os.X_OK)):
            raise Failed(f"PORTICO_BENCH_GATEWAY is no program: {given}")
        return given
    return cargo.build("portico", "portico")


class Gateway:
    """A gateway over `tables`: name of a virtual table → (server, database). Each is the table of that name there. `settings` are for its
    `gateway:`, `sources` those of a kind of source; a request to a source may last `deadline` seconds."""

    def __init__(self, directory, tables, settings=None, deadline=LONGEST, sources=None):
        self.directory = Path(directory)
        self.program = program()
        self.key = secrets.token_hex(16)
        self.environment = {"PORTICO_TOKEN_KEY": secrets.token_hex(16)}
        self.ports = {door: free_port() for door in ("http", "flight", "admin")}
        self.settings, self.deadline, self.sources = settings or {}, deadline, sources or {}
        self.tables = tables
        self.process = None

    def config(self):
        doors = {door: {"listen": f"127.0.0.1:{port}"} for door, port in self.ports.items()}
        gateway = {**doors, "token_key": {"env": "PORTICO_TOKEN_KEY"}, "log": {"level": "warn", "format": "text"}}
        for name, value in self.settings.items():
            gateway[name] = {**gateway.get(name, {}), **value}
        sources, published = {}, {}
        for table, (server, database) in self.tables.items():
            name = f"{server.kind}_source"
            sources[name] = {"kind": server.kind, "limits": {"timeout": f"{self.deadline}s"}, **self.sources.get(server.kind, {})}
            if server.kind == "sqlite":
                sources[name]["path"] = server.path(database)
                remote = table
            else:
                variable = f"{name.upper()}_URL"
                self.environment[variable] = server.url(database)
                sources[name]["url"] = {"env": variable}
                remote = f"{'public' if server.kind == 'postgres' else database}.{table}"
            published[table] = {"source": name, "remote": remote}
        roles = {"bench": {table: {} for table in published}}
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        access = {"roles": roles, "operators": ["bench"], "keys": {"bench": {"sha256": digest, "roles": ["bench"]}}, "anonymous": "none"}
        return {"gateway": gateway, "sources": sources, "tables": published, "access": access}

    def start(self):
        file = self.directory / f"portico-{self.ports['http']}.yaml"
        file.write_text(yaml.safe_dump(self.config(), sort_keys=False))
        log = file.with_suffix(".log")
        environment = {**os.environ, **self.environment}
        with open(log, "w") as output:
            command = [self.program, "serve", "--config", os.fspath(file)]
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        self.pid = self.process.pid
        try:
            wait_until(lambda: self.is_ready(), 60, "the gateway", self.process, log)
        except Failed:
            self.stop()
            raise
        return self

    def is_ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['admin']}/ready", timeout=5) as response:
                return response.status == 200
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def stop(self):
        if self.process:
            stop(self.process, 40)
            self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def http(self):
        return f"http://127.0.0.1:{self.ports['http']}"

    def flight(self):
        """A connection of the ADBC driver, whose statements end after LONGEST."""
        seconds = str(float(LONGEST))
        options = {
            DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {self.key}",
            DatabaseOptions.TIMEOUT_FETCH.value: seconds,
            DatabaseOptions.TIMEOUT_QUERY.value: seconds,
        }
        return flight_sql.connect(f"grpc://127.0.0.1:{self.ports['flight']}", db_kwargs=options, autocommit=True)

    def version(self):
        return subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
