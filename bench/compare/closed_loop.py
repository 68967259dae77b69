"""Measures programs that runwire-bench cannot drive, for they do not speak the plain protocol."""

import concurrent.futures
import contextlib
import functools
import math
import subprocess
import threading
import time

from started_server import DoesNotWork

GIVE_UP = 10  # wrong or missing replies in a row after which a client sends no more


def measure(program, command, clients, duration_s):
    """Starts the program and has each client send its next command when the last one's reply has come.

    {"per_second", "p50_ms", "p99_ms", "failed"}, of the commands that ended in time; the two latencies are
    None when none did. `failed`: other output than /bin/sh gives here, or none at all. The client's cost is
    included: a process or a connection for each command, and Python's own. Raises DoesNotWork.
    """
    expected = output_of(command)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(program.running())
        addresses = [stack.enter_context(program.client(server)) for _ in range(clients)]
        asks = [functools.partial(is_right, program, address, command, expected) for address in addresses]
        if not all(replies_right() for replies_right in asks):
            raise DoesNotWork(f"{program.name} does not answer `{command}` with {expected!r}")
        tallies = side_by_side(closed_loop, asks, duration_s)
    latencies_ms = sorted(latency for tally in tallies for latency in tally[0])
    return {
        "per_second": len(latencies_ms) / duration_s,
        "p50_ms": percentile(latencies_ms, 0.5),
        "p99_ms": percentile(latencies_ms, 0.99),
        "failed": sum(failed for _, failed in tallies),
    }


def is_right(program, address, command, expected):
    try:
        return program.run_one(address, command) == expected
    except (OSError, subprocess.SubprocessError):
        return False


def output_of(command):
    words = ["/bin/sh", "-c", command]
    return subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=False).stdout


def side_by_side(loop, asks, duration_s):
    """What the loop returned for each of `asks`, in a thread of its own. `stopped`: we are interrupted."""
    stopped = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(len(asks)) as pool:
        try:
            return list(pool.map(loop, asks, [duration_s] * len(asks), [stopped] * len(asks)))
        except BaseException:
            stopped.set()
            raise


def closed_loop(replies_right, duration_s, stopped):
    """One client: (milliseconds of each right reply that came in time, number of others)."""
    latencies_ms, failed, in_a_row = [], 0, 0
    begun = time.monotonic()
    end = begun + duration_s
    while begun < end and in_a_row < GIVE_UP and not stopped.is_set():
        right, now = replies_right(), time.monotonic()
        in_a_row = 0 if right else in_a_row + 1
        failed += not right
        if right and now <= end:
            latencies_ms.append((now - begun) * 1000)
        begun = now
    return latencies_ms, failed


def percentile(ordered, share):
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
