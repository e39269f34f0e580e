"""Measuring: wall time, the CPU seconds of processes, medians. It must not know what is measured.

CPU seconds are those of /proc, in ticks of usually 10 ms: of a process, of all processes that it started, and of those of them that have ended.
"""

import os
import statistics
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
THIS = "this"


def _stat(pid):
    """Fields of /proc/PID/stat from the third on, or nothing when the process has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _tree(pid):
    """A process and all that descend from it: pid → fields."""
    found = {int(entry): _stat(entry) for entry in os.listdir("/proc") if entry.isdigit()}
    children = {}
    for child, fields in found.items():
        if fields:
            children.setdefault(int(fields[1]), []).append(child)
    tree, pending = {}, [pid]
    while pending:
        current = pending.pop()
        if found.get(current):
            tree[current] = found[current]
            pending += children.get(current, [])
    return tree


def cpu_seconds(pid):
    """What a process, its children and its ended children have used so far, in seconds."""
    return sum(_used(fields) for fields in _tree(pid).values())


def _used(fields):
    # Fields 14 to 17: user and system time, of the process and of the children it has waited for.
    return sum(int(field) for field in fields[11:15]) / TICKS


def _used_by(name, pid):
    return _used(_stat(pid)) if name == THIS else cpu_seconds(pid)


def memory(pid):
    """Resident bytes of a process: now, and the most so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    values = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmRSS", "VmHWM"))}
    return int(values["VmRSS"]) * 1024, int(values["VmHWM"]) * 1024


class Measured:
    """Wall seconds of a block, and CPU seconds of each named process meanwhile. `this` is the measuring program itself with the clients that it
    has waited for, without the servers that it has started."""

    def __init__(self, **pids):
        self.pids = {**pids, THIS: os.getpid()}

    def __enter__(self):
        self.before = {name: _used_by(name, pid) for name, pid in self.pids.items() if pid}
        self.began = time.perf_counter()
        return self

    def __exit__(self, *_):
        self.seconds = time.perf_counter() - self.began
        self.cpu = {name: _used_by(name, self.pids[name]) - before for name, before in self.before.items()}


def median(values):
    return statistics.median(values)


def medians(runs):
    """The median of every field of equal dictionaries."""
    return {name: median([run[name] for run in runs]) for name in runs[0]}
