#!/usr/bin/env python3
"""Counts the daemon's own instructions for a command with callgrind: the same on any machine, however busy it is.

    instructions.py [--check FILE] [--write FILE]

Of two runs that differ by some hundred commands the difference is taken, so that the start does not count. The
commands are started through uv_spawn: callgrind cannot follow a child that is born in its parent's memory. Children
do not count. With --check it fails if a figure is more than a tenth above the one in FILE; --write writes them.
"""

import argparse
import json
import pathlib
import re
import shutil
import sys
import tempfile

from measured_server import RELEASE, Programs, Server

COMMAND = "bench/compare/instructions.py"
COMMANDS = ("echo hello", "true")
FEW, MANY = 50, 350
GROWTH = 0.1  # more of it is a regression
TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


class CannotCount(Exception):
    """Why, and what to do."""


def per_command(release, command):
    if shutil.which("valgrind") is None:
        raise CannotCount("valgrind is not installed: apt-get install valgrind")
    with tempfile.TemporaryDirectory(prefix="runwire.") as directory:
        few = count(release, command, FEW, pathlib.Path(directory, "few"))
        many = count(release, command, MANY, pathlib.Path(directory, "many"))
    return round((many - few) / (MANY - FEW))


def count(release, command, times, profile):
    callgrind = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}.%p"]
    daemon = [str(release / "server" / "runwired"), "--spawner", "uv", "--listen", f"unix:{profile}.sock"]
    with Server("runwired under callgrind", [*callgrind, *daemon]).running() as (address, pid):
        Programs(release).bench(address, command, "-c", "1", "-n", str(times), "-w", "0s")
    # The children have files of their own, by their pids.
    return int(TOTAL.search(pathlib.Path(f"{profile}.{pid}").read_text()).group(1))


def grown(counted, allowed):
    """Lines about the figures that are more than a tenth above the allowed ones."""
    return [
        f"{command}: {now:,} instructions for a command, {now / allowed[command] - 1:+.1%} against {allowed[command]:,}"
        for command, now in counted.items()
        if command in allowed and now > allowed[command] * (1 + GROWTH)
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", metavar="FILE", help="fail if the figures have grown")
    parser.add_argument("--write", metavar="FILE", help="write the figures there")
    options = parser.parse_args()
    try:
        counted = {command: per_command(RELEASE, command) for command in COMMANDS}
    except CannotCount as why:
        sys.exit(f"instructions.py: {why}")
    print(json.dumps(counted))
    if options.write:
        pathlib.Path(options.write).write_text(json.dumps(counted, indent=1) + "\n")
    if options.check:
        worse = grown(counted, json.loads(pathlib.Path(options.check).read_text()))
        print("\n".join(worse))
        sys.exit(1 if worse else 0)


if __name__ == "__main__":
    main()
