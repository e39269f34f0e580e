"""Programs of this repository, built as they are shipped. It must not know what they do."""

import functools
import os
import subprocess
from pathlib import Path

from servers.process import Failed

REPOSITORY = Path(__file__).resolve().parents[3]
PROFILE = "dist"


@functools.cache
def build(package, program):
    """Builds a program of a package unless it is up to date, once in a run, and returns its path."""
    print(f"building {program} as it is shipped", flush=True)
    command = ["cargo", "build", "--profile", PROFILE, "--quiet", "-p", package, "--bin", program]
    if subprocess.run(command, cwd=REPOSITORY).returncode != 0:
        raise Failed(f"{program} does not build")
    target = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target"))
    return os.fspath(target / PROFILE / program)
