"""Processes and ports: what every server needs to be started, found and stopped. It must not know any particular server."""

import os
import pwd
import signal
import socket
import subprocess
import time
from pathlib import Path


class Failed(Exception):
    """A server or a tool that did not do what it was asked; the message is for a person."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def data_directory():
    """Where filled databases are kept between runs: a place that the servers' own users can reach."""
    directory = Path(os.environ.get("PORTICO_BENCH_DATA", "/var/tmp/portico-bench"))
    directory.mkdir(mode=0o711, parents=True, exist_ok=True)
    return directory


def as_user(user, command):
    """The command as that user, for servers that refuse to run as root. Nothing stays between it and who starts it."""
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--", *command] if os.geteuid() == 0 else command


def give_to(user, path):
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(path, entry.pw_uid, entry.pw_gid)


def run(command, **options):
    """Runs a tool to its end.

    Raises Failed with the last lines that it printed."""
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **options)
    if done.returncode != 0:
        raise Failed(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def wait_until(ready, seconds, what, process=None, log=None):
    """Asks `ready` until it says yes.

    Raises Failed when the time is over, or the process has ended before."""
    end = time.monotonic() + seconds
    while not ready():
        ended = process is not None and process.poll() is not None
        if ended or time.monotonic() > end:
            last = Path(log).read_text(errors="replace")[-2000:] if log and Path(log).exists() else ""
            raise Failed(f"{what} did not come up{' but ended' if ended else ''}: {last.strip()}")
        time.sleep(0.05)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(process, seconds=10):
    """Asks a process to end, and ends it when it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def secret(path, make):
    """The text of a file that only its owner reads; made when it is not there."""
    path = Path(path)
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(make())
    return path.read_text()
