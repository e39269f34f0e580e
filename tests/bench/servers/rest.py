"""The two peers that answer over HTTP: PostgREST, and the floor program of this repository. They must not know what they are asked."""

import os
import subprocess
import urllib.error
import urllib.request

from servers import cargo
from servers.process import Failed, free_port, stop, wait_until

# As many as the gateway opens at most to one source.
CONNECTIONS = 16


class _OverHttp:
    """A program that serves one database. It is stopped at the end of a `with`."""

    def __init__(self, directory, server, database):
        self.directory, self.url = directory, server.url(database)
        self.port = free_port()
        self.http = f"http://127.0.0.1:{self.port}"

    def start(self, command, environment):
        log = os.path.join(self.directory, f"{self.name}.log")
        with open(log, "w") as output:
            environment = {**os.environ, **environment}
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        self.pid = self.process.pid
        try:
            wait_until(self.answers, 30, self.name, self.process, log)
        except Failed:
            stop(self.process)
            raise
        return self

    def answers(self):
        """Whether it has found its database, whatever it says to a request for nothing in particular."""
        try:
            urllib.request.urlopen(self.http, timeout=5).close()
        except urllib.error.HTTPError as error:
            return error.code < 500
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
        return True

    def __exit__(self, *_):
        stop(self.process)


class Floor(_OverHttp):
    name = "floor"

    def __enter__(self):
        return self.start([cargo.build("portico-bench", "floor"), f"127.0.0.1:{self.port}"], {"PORTICO_BENCH_FLOOR_URL": self.url})


class PostgRest(_OverHttp):
    name = "PostgREST"

    def __enter__(self):
        settings = {
            "PGRST_DB_URI": self.url,
            "PGRST_DB_SCHEMAS": "public",
            "PGRST_DB_ANON_ROLE": "postgres",
            "PGRST_DB_POOL": str(CONNECTIONS),
            "PGRST_SERVER_HOST": "127.0.0.1",
            "PGRST_SERVER_PORT": str(self.port),
            "PGRST_LOG_LEVEL": "crit",
        }
        return self.start([program()], settings)


def program():
    path = os.environ.get("PORTICO_BENCH_POSTGREST")
    if not path or not os.access(path, os.X_OK):
        raise Failed("PORTICO_BENCH_POSTGREST must name PostgREST: tests/bench/run installs it")
    return path


def postgrest_version():
    return subprocess.run([program(), "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
