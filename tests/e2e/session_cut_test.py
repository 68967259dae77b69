"""A connection that ends after any byte of a session leaves nothing behind."""

import unittest

import process
from daemon import is_sanitized, until
from session_case import PREFACE, SessionCase, message, start


class Cut(SessionCase):
    """The session that is cut: a shell, an argv that reads input, one that fails, signals, credit, an unknown message."""

    SCRIPT = (
        PREFACE + message("hello", v=1, window=65536)
        + start("echo out; echo err >&2; exec sleep 1000", id="a")
        + message("start", b"cat\0A=1\0", id="b", argc=1, envc=1, stdin=True, linger="wait")
        + message("start", b"/none\0", id="c", argc=1, reply="whole")
        + message("stdin", b"some input", id="b", off=0) + message("credit", id="a", stream="stdout", bytes=100)
        + message("news", b"\0\1\2", optional=True) + message("ping") + message("signal", id="b", signal="CONT")
        + message("stdin", b"more", id="b", off=10, eof=True) + message("stop", id="a", stream="stderr")
    )  # fmt: skip

    def setUp(self):
        super().setUp()
        self.assert_serves(self.daemon.tcp)
        self.resident = process.kilobytes(self.daemon.pid, "VmRSS")

    def tearDown(self):
        until(self.daemon.is_at_rest, "its children to be reaped and its descriptors closed")
        until(lambda: not self.daemon.commands(), "all commands to end")
        grown = process.kilobytes(self.daemon.pid, "VmRSS") - self.resident
        self.assertLess(grown, 8 * 1024 * (6 if is_sanitized() else 1))
        self.assert_session_works(self.session())
        super().tearDown()

    def cut_everywhere(self, end, addresses):
        for size in range(1, len(self.SCRIPT) + 1):
            connection = self.raw(b"", addresses[size % len(addresses)])
            connection.send(self.SCRIPT[:size])
            end(connection)

    def test_a_reset_after_every_byte(self):
        """promise 44"""
        self.cut_everywhere(lambda connection: connection.reset(), [self.daemon.tcp])

    def test_a_close_after_every_byte(self):
        """promise 44"""
        self.cut_everywhere(lambda connection: connection.close(), self.daemon.addresses)

    def test_a_half_close_after_every_byte_is_answered_by_a_close(self):
        """promise 44: whoever says nothing more has gone, also if he still reads."""
        for size in range(1, len(self.SCRIPT) + 1, 7):
            connection = self.raw(b"", self.daemon.addresses[size % 2])
            connection.send(self.SCRIPT[:size])
            connection.half_close()
            connection.rest()
            connection.close()

    def test_a_reset_after_every_third_byte_received(self):
        """promise 44: the daemon is in the middle of what it says."""
        for size in range(0, 400, 3):
            connection = self.raw(b"", self.daemon.addresses[size % 2])
            connection.send(self.SCRIPT)
            connection.exactly(size)
            connection.reset()


if __name__ == "__main__":
    unittest.main()
