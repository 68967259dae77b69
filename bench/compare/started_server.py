"""Servers of others: found, started on a free port of loopback, waited for, and ended with all they left."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TIMEOUT_S = 10  # for a server to get ready, and for a reply


class DoesNotWork(Exception):
    """Which program does not start or answer, and what it said."""


def find(program):
    """Its path, also where only root's PATH would lead to it; None when it is not installed."""
    places = [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"]
    return shutil.which(program, path=os.pathsep.join(places))


@contextlib.contextmanager
def scratch():
    with tempfile.TemporaryDirectory(prefix="runwire.") as path:
        yield pathlib.Path(path)


class Started:
    def __init__(self, words, log):
        self.log = log
        with open(log, "wb") as opened:
            # A session of its own: Ctrl-C must reach us alone, so that we end it in good order.
            self.popen = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=opened, stderr=opened, start_new_session=True
            )

    def has_ended(self):
        return self.popen.poll() is not None

    def said(self):
        return self.log.read_text(errors="replace").strip() or "it says nothing"

    def end(self):
        """With what it has started and left in its group."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.popen.pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.popen.wait(TIMEOUT_S)
                return


@contextlib.contextmanager
def started(words, log):
    server = Started(words, log)
    try:
        yield server
    finally:
        server.end()


def until(ready, server):
    """Waits until the server is ready. Raises DoesNotWork with what it said."""
    end = time.monotonic() + TIMEOUT_S
    while not ready():
        if server.has_ended() or time.monotonic() > end:
            raise DoesNotWork(f"{server.popen.args[0]} does not start: {server.said()}")
        time.sleep(0.01)


def free_port():
    """A port that nobody had a moment ago: none of these servers can choose one and say which."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    try:
        connected(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


def connected(address):
    link = socket.create_connection(address, TIMEOUT_S)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def rest_of(link):
    pieces = []
    while piece := link.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)
