"""Closed-loop load with wrk: as many requests as a server answers, over a fixed number of connections. It must not know who answers."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from measure import Measured
from servers.process import Failed

SCRIPT = Path(__file__).parent / "wrk.lua"
CONNECTIONS = 32
THREADS = 2


@dataclass(frozen=True)
class Target:
    """Whom to ask: the root of its URLs, what stands before and after the key, further headers, and the processes whose time counts."""

    name: str
    http: str
    before: str
    after: str
    headers: dict
    pids: dict

    def path(self, key):
        return f"{self.before}{key}{self.after}"


def load(target, keys, seconds):
    """Requests per second, latencies in milliseconds, and CPU seconds of each process and of wrk per 1,000 requests.

    Raises Failed when a request failed: a server that refuses is fast."""
    headers = [part for name, value in target.headers.items() for part in ("-H", f"{name}: {value}")]
    command = ["wrk", f"-t{THREADS}", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", SCRIPT, *headers, target.http, "--"]
    with Measured(**target.pids) as used:
        done = subprocess.run([*command, keys, target.before, target.after], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"wrk failed: {done.stderr or done.stdout}")
    seen = json.loads(done.stdout.strip().splitlines()[-1])
    if seen["failed"] or not seen["requests"]:
        raise Failed(f"{seen['failed']} of {seen['requests']} requests to {target.name} failed")
    result = {"per second": seen["requests"] / (seen["microseconds"] / 1e6), "p50": seen["p50"] / 1000, "p99": seen["p99"] / 1000}
    return result | {f"cpu {name}": cpu / seen["requests"] * 1000 for name, cpu in used.cpu.items()}
