"""What is measured of sessions: each function measures one round of one kind and adds it to the result."""

import contextlib
import json
import socket
import struct
import tempfile

from goals import ECHO, STARTS_A_SECOND, STREAMS
from measured_server import runwired, status_of
from scenarios import costs_of_idle, entry_of, settle

MUX_COMMANDS = 100
HELLO = json.dumps({"type": "hello", "v": 1}).encode()
GREETING = b"\0RW\1" + struct.pack("<I", len(HELLO)) + HELLO


def spawn(result, programs, server, clients, duration):
    """Plain commands, and the same in sessions: replies whole and replies streamed."""
    load = ("-c", str(clients), "-z", duration, "-w", programs.warmup)
    forms = {"plain": (), "whole": ("--scenario", "spawn"), "stream": ("--scenario", "spawn", "--reply", "stream")}
    with server.running() as (address, _):
        reports = {form: programs.bench(address, ECHO, *load, *words) for form, words in forms.items()}
    round_ = {form: report["per_second"] for form, report in reports.items()}
    latencies = {f"{form}_p50_ms": report["latency"]["p50_ms"] for form, report in reports.items()}
    own = {f"{form}_own_cpu_us": report["cost"]["daemon_own_cpu_us_per_command"] for form, report in reports.items()}
    failed = sum(report["failed"] for report in reports.values())
    entry_of(result, "session_spawn", server=server.name, clients=clients)["rounds"].append(
        {**round_, **latencies, **own, "failed": failed}
    )


def mux(result, programs, server, duration):
    """So many commands in flight over one connection, and over as many connections."""
    load = ("-c", str(MUX_COMMANDS), "-z", duration, "-w", programs.warmup)
    with server.running() as (address, _):
        many = programs.bench(address, ECHO, "--scenario", "spawn", *load)
        one = programs.bench(address, ECHO, "--scenario", "mux", *load)
    entry_of(result, "session_mux", server=server.name, commands=MUX_COMMANDS)["rounds"].append(
        {
            "one_connection": one["per_second"],
            "many_connections": many["per_second"],
            "one_p99_ms": one["latency"]["p99_ms"],
            "many_p99_ms": many["latency"]["p99_ms"],
            "failed": one["failed"] + many["failed"],
        }
    )


def first_byte(result, programs, program, duration):
    """From a start to the first byte of output, one command at a time: over a bare pipe, TCP and a Unix socket.

    The bare limit is a loop of posix_spawn; one of clone, which does less, stands beside it."""
    words = ("--scenario", "spawn", "--reply", "stream", "-c", "1", "-z", duration, "-w", programs.warmup)
    bare = programs.spawn_limit(ECHO, duration, 1, 1, "--posix-spawn")["first_byte_p50_ms"]
    bare_clone = programs.spawn_limit(ECHO, duration, 1, 1)["first_byte_p50_ms"]
    with tempfile.TemporaryDirectory(prefix="runwire.") as directory:
        for name, address in (("TCP", "127.0.0.1:0"), ("Unix", f"unix:{directory}/socket")):
            with runwired(program, listen=address).running() as (reached, _):
                report = programs.bench(reached, ECHO, *words)
            entry_of(result, "first_byte", server="runwired", over=name)["rounds"].append(
                {
                    "first_byte_ms": report["first_byte"]["p50_ms"],
                    "bare_ms": bare,
                    "bare_clone_ms": bare_clone,
                    "end_ms": report["latency"]["p50_ms"],
                    "failed": report["failed"],
                }
            )


def bulk(result, programs, server, size):
    """So many bytes out of a command, and into one, each against the bare copy of the same moment."""
    for scenario, bare in (("stream", "copy"), ("stdin", "feed")):
        limit = programs.limit(bare, "--bytes", str(size))["mb_per_s"]
        with server.running() as (address, pid):
            report = programs.bench(address, None, "--scenario", scenario, "--bytes", str(size), "--timeout", "60s")
            peak = status_of(pid, "VmHWM")
        entry_of(result, "session_bulk", server=server.name, what=scenario, bytes=size)["rounds"].append(
            {
                "mb_per_s": report["mb_per_s"],
                "bare_mb_per_s": limit,
                "peak_rss_kb": peak,
                "own_cpu_us_per_mb": per_megabyte(report, "daemon_own_cpu_us_per_command"),
                "failed": report["failed"],
            }
        )


def per_megabyte(report, name):
    cpu_us, through = report["cost"][name], report["bytes_through"]
    return None if cpu_us is None or not through else cpu_us * report["right"] * 1e6 / through


def fair(result, programs, server, sessions, seconds):
    """Streams side by side, and an echo beside them."""
    load = ("--scenario", "stream", "--bytes", "0", "-c", str(STREAMS), "--sessions", str(sessions))
    with server.running() as (address, pid):
        streams = programs.start_bench(address, *load, "-z", f"{seconds + 1.5}s")
        settle(lambda: True)
        echo = programs.bench(address, None, "--scenario", "echo", "-z", f"{seconds}s", "-w", "200ms")
        report = programs.await_bench(streams)
        peak = status_of(pid, "VmHWM")
    entry_of(result, "session_fair", server=server.name, streams=STREAMS, sessions=sessions)["rounds"].append(
        {
            "slowest_share": report["slowest_share"],
            "mb_per_s": report["mb_per_s"],
            "echo_p50_ms": latency_of(echo, "p50_ms"),
            "echo_p99_ms": latency_of(echo, "p99_ms"),
            "peak_rss_kb": peak,
            "failed": report["failed"] + echo["failed"],
        }
    )


def beside_starts(result, programs, server, seconds):
    """Lines there and back, beside so many starts a second and sessions that do nothing."""
    load = ("--scenario", "many-idle", "-r", str(STARTS_A_SECOND), "-w", "0s")
    with server.running() as (address, _):
        starts = programs.start_bench(address, *load, "-z", f"{seconds + 2}s")
        settle(lambda: True)
        echo = programs.bench(address, None, "--scenario", "echo", "-z", f"{seconds}s", "-w", "200ms")
        report = programs.await_bench(starts)
    entry_of(result, "session_starts", server=server.name, starts=STARTS_A_SECOND)["rounds"].append(
        {
            "echo_p50_ms": latency_of(echo, "p50_ms"),
            "echo_p99_ms": latency_of(echo, "p99_ms"),
            "start_p50_ms": latency_of(report, "p50_ms"),
            "failed": report["failed"] + echo["failed"],
        }
    )


def echo_alone(result, programs, server, duration):
    """Lines there and back, with nothing beside them."""
    with server.running() as (address, _):
        report = programs.bench(address, None, "--scenario", "echo", "-z", duration, "-w", "200ms")
    latency = {name: latency_of(report, name) for name in ("p50_ms", "p99_ms")}
    entry_of(result, "session_echo", server=server.name)["rounds"].append({**latency, "failed": report["failed"]})


def latency_of(report, name):
    """None where not one reply was right: 0 would be the best of all."""
    return report["latency"][name] if report["right"] else None


def idle_sessions(result, server, count):
    """What a session that has said hello and nothing else costs."""
    with server.running() as (address, pid), contextlib.ExitStack() as stack:
        costs = costs_of_idle(pid, count, lambda: stack.enter_context(session(address)))
    result["session_idle"].append({"server": server.name, "sessions": count, **costs})


def session(address):
    """A socket whose greeting has been answered."""
    host, _, port = address.rpartition(":")
    link = socket.create_connection((host, int(port)))
    link.sendall(GREETING)
    link.recv(4096)
    return link


def speaks_sessions(server):
    """An earlier build, as --build may name one, does not."""
    with server.running() as (address, _), session(address) as link:
        link.settimeout(1)
        with contextlib.suppress(OSError):
            link.sendall(struct.pack("<I", 15) + b'{"type":"ping"}')
            return b'"pong"' in link.recv(4096)
    return False

