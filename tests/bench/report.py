"""BENCHMARKS.md: one section per benchmark, each with the machine, the versions and the date of its own run. It must not know how anything was
measured."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

import fairness

HEAD = """# Benchmarks

Made by `tests/bench/run`, which measures Portico and its peers side by side, in the same run on the same machine. A section is replaced when
its benchmark runs again, so each says when and where that was. Times are medians; nothing is answered from a cache. CPU seconds are those of all
threads of a process and of the processes that it started. Goals are what the project holds itself to.
"""


def machine():
    """The processor, how many of it there are, memory and kernel, in one line."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    kilobytes = int(re.search(r"^MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text(), re.M)[1])
    name = cpu[1] if cpu else platform.machine()
    return f"{os.cpu_count()} × {name}, {kilobytes / 2**20:.0f} GiB, {platform.system()} {platform.release()}{fairness.said()}"


def load():
    """How busy the machine was with anything else when the run began: processes that wanted a processor."""
    return f"{os.getloadavg()[0]:.1f}"


def commit(repository):
    """What was measured: the commit, and whether the checkout had changes."""
    asked = subprocess.run(["git", "-C", repository, "describe", "--always", "--dirty", "--exclude=*"], capture_output=True, text=True)
    return asked.stdout.strip() or "no commit"


def table(names, rows):
    """A table in Markdown. Text is aligned left, numbers right."""
    numeric = [all(not isinstance(row[place], str) or re.match(r"^[–\d]", row[place]) for row in rows) for place in range(len(names))]
    lines = [list(names), ["---:" if number else "---" for number in numeric], *[[cell(value) for value in row] for row in rows]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value):
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value).replace("|", "\\|").replace("\n", " ")


def goal(text, reached):
    """A line that says what was to be reached, and whether it was."""
    return f"- {'reached' if reached else '**not reached**'}: {text}"


class Section:
    """What one benchmark saw: Markdown in parts, and the versions of what took part."""

    def __init__(self, name, title):
        self.name, self.title = name, title
        self.parts, self.goals, self.versions = [], [], {}

    def say(self, text):
        self.parts.append(text)

    def reach(self, text, reached):
        self.goals.append((text, reached))

    def markdown(self, facts):
        versions = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        seen = f"{facts['date']}; {facts['machine']}; load before the run {facts['load']}; {versions}; commit {facts['commit']}."
        goals = "\n".join(goal(text, reached) for text, reached in self.goals)
        parts = [f"## {self.name}: {self.title}", seen, *([goals] if goals else []), *self.parts]
        return "\n\n".join(parts) + "\n"


def facts(repository):
    date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    return {"date": date, "machine": machine(), "load": load(), "commit": commit(repository)}


def write(path, sections, order, run_facts):
    """Writes sections into the file; those that are there already and not among them stay. They stand in the given order of names."""
    path = Path(path)
    old = re.split(r"^(?=## )", path.read_text(), flags=re.M)[1:] if path.exists() else []
    by_name = {text[3:].split(":")[0]: text for text in old}
    by_name |= {section.name: section.markdown(run_facts) for section in sections}
    kept = [by_name[name].strip() for name in order if name in by_name]
    path.write_text(HEAD + "\n" + "\n\n".join(kept) + "\n")
