"""Measures what one client's commands take beside a command that spins on many processes, as a build does.

Linux shares the processors between sessions first (sched_autogroup): where each command leads one of its own, the
build gets one share however many processes it has; where all are in the server's, a command is one among so many.
"""

import contextlib
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile
import time

from goals import BUILD_PROCESSES, ECHO
from measured_server import end_group
from scenarios import READY_DEADLINE_S, connected, entry_of
from session_scenarios import latency_of

BOUND_S = 120  # of CPU time for each process: an end even when nobody is left to bring it


def beside_build(result, programs, server, duration, bare):
    """One client alone, and beside the build that another client has sent to the same server."""
    load = ("-c", "1", "-z", duration, "-w", programs.warmup)
    with server.running() as (address, _), connected(address) as client:
        alone = programs.bench(address, ECHO, *load)
        with building(lambda command: client.sendall(command.encode())):
            beside = programs.bench(address, ECHO, *load)
    round_ = {
        "p50_ms": latency_of(beside, "p50_ms"),
        "p99_ms": latency_of(beside, "p99_ms"),
        "p50_ms_alone": latency_of(alone, "p50_ms"),
        "p99_ms_alone": latency_of(alone, "p99_ms"),
        "failed": alone["failed"] + beside["failed"],
    }
    entry = entry_of(result, "beside_build", server=server.name, processes=BUILD_PROCESSES)
    entry["rounds"].append({**round_, **bare})


def bare_limit(programs, duration):
    """The same of the bare loop, beside a build in a session of its own."""
    alone = programs.spawn_limit(ECHO, duration, 1, 1)
    with contextlib.ExitStack() as stack, building(lambda command: stack.enter_context(own_session(command))):
        beside = programs.spawn_limit(ECHO, duration, 1, 1)
    return {
        "bare_p50_ms": beside["p50_ms"],
        "bare_p99_ms": beside["p99_ms"],
        "bare_p50_ms_alone": alone["p50_ms"],
        "bare_p99_ms_alone": alone["p99_ms"],
    }


@contextlib.contextmanager
def own_session(command):
    shell = subprocess.Popen(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        end_group(shell, signal.SIGKILL)
        shell.wait()


@contextlib.contextmanager
def building(start):
    """In the block start(command) has made a build, all of whose processes spin; when it is left they have ended."""
    with tempfile.TemporaryDirectory(prefix="runwire.") as directory:
        listed = pathlib.Path(directory, "pids")
        listed.touch()
        try:
            start(spinning(listed))
            await_all(listed)
            yield
            if not all(map(is_there, pids_in(listed))):
                sys.exit("the build ended before its time: what was measured beside it is nothing")
        finally:
            for pid in pids_in(listed):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def spinning(listed):
    """A command for /bin/sh that lists its processes there, and ends when they have ended."""
    each = " ".join(str(number + 1) for number in range(BUILD_PROCESSES))
    note = f"echo $! >> {shlex.quote(str(listed))}"
    return f"ulimit -t {BOUND_S}; for i in {each}; do (while :; do :; done) & {note}; done; wait"


def await_all(listed):
    deadline = time.monotonic() + READY_DEADLINE_S
    while len(pids_in(listed)) < BUILD_PROCESSES:
        if time.monotonic() > deadline:
            sys.exit(f"a build of {BUILD_PROCESSES} processes did not start within {READY_DEADLINE_S} s")
        time.sleep(0.01)


def pids_in(listed):
    """Of whole lines alone: one may be being written."""
    return [int(line) for line in listed.read_text().splitlines(keepends=True) if line.endswith("\n")]


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
