"""The kernel's scheduler, told to be fair between threads for the time of a run. With sessions as groups (`sched_autogroup_enabled`, which
desktops have), everything that a database server runs counts as one: its answers to look-ups wait because of its own long queries, whoever asks
them. Services in containers are not grouped so. It must not know what is measured."""

import contextlib
from pathlib import Path

AUTOGROUP = Path("/proc/sys/kernel/sched_autogroup_enabled")


@contextlib.contextmanager
def between_threads():
    """Restored at the end. Where this user may not set it, it stays as it is, and the report says so."""
    before = AUTOGROUP.read_text() if AUTOGROUP.exists() else None
    changed = False
    if before and before.strip() == "1":
        try:
            AUTOGROUP.write_text("0")
            changed = True
        except OSError:
            pass
    try:
        yield
    finally:
        if changed:
            AUTOGROUP.write_text(before)


def said():
    """For the report, where sessions are groups."""
    grouped = AUTOGROUP.exists() and AUTOGROUP.read_text().strip() == "1"
    return ", scheduled by session" if grouped else ""
