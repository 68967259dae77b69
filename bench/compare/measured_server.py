"""Servers of the plain protocol, runwired and its peers: started for one measurement, and measured by runwire-bench."""

import contextlib
import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import tempfile
import time

from control_group import scheduling

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "build" / "release"
READY = "listening on "
TIMEOUT = "10s"  # what a client waits for a reply
ENDING_S = 10


class Server:
    def __init__(self, name, argv):
        self.name = name
        self.argv = argv

    @contextlib.contextmanager
    def running(self):
        """A fresh one, as (address, pid), in a session of its own, as a service manager or a container has it; with it
        ends its process group. Every ready line names the address: 'listening on 127.0.0.1:PORT'."""
        with tempfile.TemporaryFile() as log:
            server = subprocess.Popen(self.argv, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True)
            try:
                ready = server.stdout.readline()
                if READY not in ready:
                    log.seek(0)
                    sys.exit(f"{self.name} does not start: {log.read().decode().strip() or ready}")
                yield ready.partition(READY)[2].split()[0], server.pid
            finally:
                end_with_its_group(server)
                server.wait()
                server.stdout.close()

    def milliseconds_to_ready(self):
        begun = time.monotonic()
        with self.running():
            return (time.monotonic() - begun) * 1000


def result_of(running):
    """What it has written to stdout and stderr; when we are interrupted it is not left running."""
    try:
        return running.communicate()
    except BaseException:
        running.kill()
        running.wait()
        raise


def end_with_its_group(server):
    """Some do not end on SIGTERM while they start a command: Python's asyncio then waits for ever."""
    end_group(server)
    with contextlib.suppress(subprocess.TimeoutExpired):
        server.wait(ENDING_S)
    end_group(server, signal.SIGKILL)


def end_group(leader, how=signal.SIGTERM):
    """Before the leader is waited for, for until then its pid is nobody else's, even if it has ended."""
    if leader.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: none but ended ones are left
            os.killpg(leader.pid, how)


def runwired(program, *options, name="runwired", listen="127.0.0.1:0"):
    return Server(name, [program, "--listen", listen, *options])


class Programs:
    """runwire-bench and runwire-limits."""

    def __init__(self, directory, warmup=None):
        self.warmup = warmup
        self.bench_program = str(directory / "bench" / "runwire-bench")
        self.limits_program = str(directory / "bench" / "runwire-limits")

    def bench(self, address, command, *options):
        """The report. Wrong or missing replies are a result; nothing measured is the end. `command` is None where the
        scenario, among the options, brings its own."""
        return self.await_bench(self.start_bench(address, *options, command=command))

    def start_bench(self, address, *options, command=None):
        words = [self.bench_program, "--json", "-", "--no-progress", "--timeout", TIMEOUT, *options, address]
        words += [command] if command else []
        return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def await_bench(self, bench):
        said, complaint = result_of(bench)
        if bench.returncode not in (0, 1):
            sys.exit(f"{' '.join(bench.args)}: {complaint.strip()}")
        return json.loads(said)

    def limit(self, *words, prefix=()):
        words = [*prefix, self.limits_program, *words]
        limits = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        said, complaint = result_of(limits)
        if limits.returncode != 0:
            sys.exit(complaint.strip())
        return json.loads(said)

    def rate_limit(self, command, duration, prefix=()):
        """R."""
        return self.spawn_limit(command, duration, 2, 4, prefix=prefix)

    def spawn_limit(self, command, duration, processes, in_flight, *options, prefix=()):
        count = ["--processes", str(processes), "--in-flight", str(in_flight)]
        return self.limit("spawn", *count, *options, "--duration", duration, command, prefix=prefix)


def figures_of(report):
    """One round of a cell, out of a report of runwire-bench."""
    latency, cost = report["latency"], report["cost"]
    own, children = cost["daemon_own_cpu_us_per_command"], cost["daemon_children_cpu_us_per_command"]
    percentiles = [(50, "p50_ms"), (90, "p90_ms"), (95, "p95_ms"), (99, "p99_ms"), (99.9, "p99_9_ms")]
    return {
        "per_second": report["per_second"],
        "p50_ms": latency["p50_ms"],
        "p90_ms": latency["p90_ms"],
        "p99_ms": latency["p99_ms"],
        "p999_ms": latency["p99_9_ms"],
        "percentiles": [[percent, latency[name]] for percent, name in percentiles],
        "own_cpu_us": own,
        "cpu_us": None if own is None else own + children,
        "rss_kb": cost["daemon_rss_kb"],
        "failed": report["failed"],
        "foreign_cpu_share": cost["foreign_cpu_share"],
    }


def status_of(pid, name):
    """A number of /proc/PID/status; None where there is none."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
    return None


def children_of(pid):
    with contextlib.suppress(OSError):
        tasks = pathlib.Path(f"/proc/{pid}/task").iterdir()
        return sum(len((task / "children").read_text().split()) for task in tasks)
    return 0


def as_many_descriptors_as_allowed():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def machine():
    info = pathlib.Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    uname = os.uname()
    return {
        "cpu": models[0].partition(": ")[2] if models else uname.machine,
        "cores": os.cpu_count(),
        "kernel": f"{uname.sysname} {uname.release} {uname.machine}",
        "scheduling": scheduling(),
    }
