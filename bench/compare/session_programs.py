"""Commands of long life through ssh, as sessions run them: a stream, an input, lines there and back, many at once.

The clients are the ones that come with it (a process of `ssh -S` for each command, over a master's connection) and
asyncssh (one connection, a channel for each command, in one Python program). Beside them `runc exec`, which is what
`docker exec` comes down to.
"""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import time

from container_exec import RuncExec
from goals import GIB
from ssh_servers import OpenSsh, ssh_through
from started_server import DoesNotWork

ASYNCSSH_CLIENT = pathlib.Path(__file__).with_name("asyncssh_client.py")
PIECE = 1 << 18
LINE = b"." * 63 + b"\n"
TIMEOUT_S = 300


class SshMux:
    """`ssh -S`, over a connection that is open."""

    name = "ssh -S, to OpenSSH"
    server = OpenSsh()

    def missing(self):
        return self.server.missing()

    def measure(self, seconds):
        with self.server.running() as address, self.server.client(address) as control:
            return measured_through(ssh_through(control), seconds)


class Container:
    """A process of runc for each command, which hands over its own pipes."""

    name = "runc exec"
    server = RuncExec()

    def missing(self):
        return self.server.missing()

    def measure(self, seconds):
        with self.server.running() as words:
            return measured_through([*words, "/bin/sh", "-c"], seconds)


class AsyncSsh:
    """asyncssh, over one connection."""

    name = "asyncssh, to OpenSSH"
    server = OpenSsh()

    def missing(self):
        return self.server.missing() or ("" if python_with_asyncssh() else "asyncssh: apt-get install python3-asyncssh")

    def measure(self, seconds):
        with self.server.running() as (directory, port):
            words = [python_with_asyncssh(), ASYNCSSH_CLIENT, str(port), directory / "key", str(seconds)]
            done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        if done.returncode != 0:
            raise DoesNotWork(f"{self.name}: {done.stderr.strip().splitlines()[-1:]}")
        return json.loads(done.stdout)


SESSION_PROGRAMS = [SshMux(), AsyncSsh(), Container()]


@functools.cache
def python_with_asyncssh():
    """The Python that has it: not always the one that runs this."""
    for python in ("/usr/bin/python3", shutil.which("python3")):
        if python and subprocess.run([python, "-c", "import asyncssh"], capture_output=True, check=False).returncode == 0:
            return python
    return None


def measured_through(words, seconds):
    """Of a program that is given the command line behind these words."""
    p50, p99 = echo_latency([*words, "cat"], seconds)
    return {
        "stream_mb_per_s": stream_rate([*words, f"head -c {GIB} /dev/zero"]),
        "stdin_mb_per_s": stdin_rate([*words, "wc -c"]),
        "echo_p50_ms": p50,
        "echo_p99_ms": p99,
    }


def stream_rate(words):
    """MB/s of a command's 1 GiB of output; every byte counted."""
    begun, received = time.monotonic(), 0
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as client:
        piece = bytearray(PIECE)
        while count := os.readv(client.stdout.fileno(), [piece]):
            received += count
    if received != GIB:
        raise DoesNotWork(f"{words[0]}: {received:,} bytes of {GIB:,} arrived")
    return GIB / 1e6 / (time.monotonic() - begun)


def stdin_rate(words):
    """MB/s into `wc -c`, which says how many bytes it was."""
    begun, piece = time.monotonic(), bytes(PIECE)
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
        for _ in range(GIB // PIECE):
            client.stdin.write(piece)
        client.stdin.close()
        counted = client.stdout.read()
    if counted.split() != [b"%d" % GIB]:
        raise DoesNotWork(f"{words[0]}: wc counted {counted!r}")
    return GIB / 1e6 / (time.monotonic() - begun)


def echo_latency(words, seconds):
    """Milliseconds of a line through `cat`: (p50, p99)."""
    times = []
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as client:
        end = time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            client.stdin.write(LINE)
            back = b""
            while len(back) < len(LINE):
                back += client.stdout.read(len(LINE) - len(back)) or lost(words)
            times.append((time.monotonic() - begun) * 1000)
        client.stdin.close()
    ordered = sorted(times[len(times) // 10 :])  # the first ones start it
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]


def lost(words):
    raise DoesNotWork(f"{words[0]}: the conversation ended")
