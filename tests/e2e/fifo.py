"""Named pipes by which a command tells the test where it is, and waits for the test. In a command, `{bell}`
and `{gate}` stand for their paths: `echo > {bell}; read x < {gate}`."""

import os
import select

from plain import DEADLINE_S


class Fifo:
    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        os.chmod(path, 0o666)
        # Open both ways, so that neither side ever waits in open(2) and nobody sees an end of file.
        self.descriptor = os.open(path, os.O_RDWR)

    def __str__(self):
        return self.path

    def close(self):
        os.close(self.descriptor)


class Bell(Fifo):
    """Commands ring it by writing lines."""

    def wait(self, rings=1):
        """The lines rung, without their newlines."""
        heard = b""
        while heard.count(b"\n") < rings:
            ready, _, _ = select.select([self.descriptor], [], [], DEADLINE_S)
            assert ready, f"the bell {self.path} rang {heard.count(10)} of {rings} times in {DEADLINE_S} s"
            heard += os.read(self.descriptor, 4096)
        return heard.decode().splitlines()

    def has_rung(self):
        return bool(select.select([self.descriptor], [], [], 0)[0])


class Gate(Fifo):
    """Commands wait at it by reading a line."""

    def open(self, commands=1):
        os.write(self.descriptor, b"\n" * commands)
