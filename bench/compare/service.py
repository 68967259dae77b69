"""Measures a server in a CPU control group of its own, as nearly every one runs that is not started by hand."""

import subprocess

import scenarios
from control_group import control_group
from goals import ECHO
from measured_server import Server
from started_server import DoesNotWork


def missing():
    """Why it cannot be measured here, with the next step; empty when it can."""
    try:
        with control_group() as prefix:
            tried = subprocess.run([*prefix, "/bin/true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except DoesNotWork as why:
        return str(why)
    return tried.stderr.decode(errors="replace").strip() if tried.returncode else ""


def latency_limit(programs, duration):
    """L, of the bare loop in such a group."""
    with control_group() as prefix:
        return programs.spawn_limit(ECHO, duration, 1, 1, prefix=prefix)["p50_ms"]


def limits(programs, duration):
    """The yardsticks of a number of clients: R and the CPU of the bare loop in such a group."""
    with control_group() as prefix:
        bare = programs.rate_limit(ECHO, duration, prefix)
    return {"r": bare["per_second"], "bare_cpu_us": bare["cpu_us"]}


def service(result, programs, server, clients, duration, yardsticks):
    """The load generator stays outside, as clients do."""
    with control_group() as prefix:
        inside = Server(server.name, [*prefix, *server.argv])
        scenarios.closed(result, programs, inside, ECHO, clients, duration, yardsticks, kind="service")
