"""PostgreSQL, set up as for a real installation of its size, but without waiting for the disk. It must not know what is in its databases."""

import os
import secrets
from pathlib import Path

import psycopg

from servers.process import Failed, as_user, data_directory, free_port, give_to, run, secret

SETTINGS = {
    "shared_buffers": "512MB",
    "effective_cache_size": "2GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "random_page_cost": "1.1",
    "max_wal_size": "4GB",
    "max_connections": "100",
    "fsync": "off",
    "shared_preload_libraries": "pg_stat_statements",
    "listen_addresses": "127.0.0.1",
}


class Postgres:
    """A server with the databases of earlier runs. `pid` is its first process, of which all others are children."""

    name = "PostgreSQL"
    kind = "postgres"
    user = "postgres"

    def __init__(self):
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not found:
            raise Failed("PostgreSQL is not installed")
        self.binaries = found[-1]
        self.directory = data_directory() / f"postgres-{self.binaries.parent.name}"
        self.directory.mkdir(mode=0o700, exist_ok=True)
        give_to(self.user, self.directory)
        self.port = None

    def start(self):
        self.password = secret(self.directory / "password", lambda: secrets.token_hex(12))
        give_to(self.user, self.directory / "password")
        data = self.directory / "data"
        if not (self.directory / "made").exists():
            # Also after a run that was ended while it made them.
            run(["rm", "-rf", str(data)])
            passwords = ["-A", "scram-sha-256", f"--pwfile={self.directory / 'password'}"]
            made = ["initdb", "-D", str(data), *passwords, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
            self.tool(made)
            (self.directory / "made").touch()
        if self.is_running():
            raise Failed(f"another run uses the databases in {self.directory}")
        port = free_port()
        settings = {**SETTINGS, "port": port, "unix_socket_directories": self.directory}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        log = self.directory / "server.log"
        self.tool(["pg_ctl", "-D", str(data), "-w", "-l", str(log), "start", "-o", options])
        self.port = port
        self.pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        self.version = self.rows("postgres", "show server_version")[0][0].split()[0]
        return self

    def tool(self, command):
        return run(as_user(self.user, [str(self.binaries / command[0]), *command[1:]]))

    def is_running(self):
        try:
            self.tool(["pg_ctl", "-D", str(self.directory / "data"), "status"])
        except Failed:
            return False
        return True

    def stop(self):
        if self.port:
            self.tool(["pg_ctl", "-D", str(self.directory / "data"), "-m", "fast", "-w", "stop"])
            self.port = None

    def url(self, database):
        return f"postgres://postgres:{self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database):
        return psycopg.connect(self.url(database), autocommit=True)

    def rows(self, database, sql, parameters=None):
        with self.connect(database) as connection:
            return connection.execute(sql, parameters).fetchall()

    def psql(self, database):
        """The command line and the environment that open `psql` on a database."""
        command = ["psql", "-X", "-q", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-d", database, "-v", "ON_ERROR_STOP=1"]
        return command, {**os.environ, "PGPASSWORD": self.password}
