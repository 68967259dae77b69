"""Input of a session's commands: every byte, an end of its own, and never more of it held than was agreed."""

import hashlib
import os
import time
import unittest

import process
from daemon import is_sanitized
from session_case import KIB, MIB, OPENING, STDIN_WINDOW, SessionCase, message, start


class Stdin(SessionCase):
    def setUp(self):
        super().setUp()
        self.client = self.session()

    def test_its_end_is_the_commands_end_of_file_and_output_goes_on(self):
        """promise 7"""
        gate = self.gate()
        command = self.client.start(f"cat; read x < {gate}; echo after; exit 9", stdin=True)
        command.write(b"in\n", eof=True)
        self.wait_for(self.client, lambda: command.pieces)
        gate.open()
        self.assert_ended(command.wait(), 9)
        self.assertEqual(command.stdout, b"in\nafter\n")

    def test_the_end_may_come_with_bytes_behind_them_or_without_any(self):
        """promise 7"""
        connection = self.raw()
        for pieces in ([(b"abc", True)], [(b"abc", False), (b"", True)], [(b"", False), (b"abc", True)]):
            connection.send(start("cat", id="a", stdin=True))
            off = 0
            for piece, eof in pieces:
                connection.tell("stdin", piece, id="a", off=off, eof=eof)
                off += len(piece)
            output = b"".join(payload for header, payload in connection.receive_until("exit") if header["type"] == "output")
            self.assertEqual(output, b"abc")

    def test_no_input_at_all_is_an_end_of_file(self):
        command = self.client.start("cat; exit 2", stdin=True)
        command.write(eof=True)
        self.assert_ended(command.wait(), 2)

    def test_it_may_be_sent_with_the_start_in_one_go(self):
        connection = self.raw(OPENING + start("cat", id="a", stdin=True) + message("stdin", b"hi", id="a", off=0, eof=True))
        self.assertIn(b"hi", [payload for _, payload in connection.receive_until("exit")])

    def test_40_mb_pass_both_ways(self):
        """promise 6"""
        data = os.urandom(MIB) * 40
        command = self.client.start("cat", stdin=True)
        digest = hashlib.sha256()
        command.write(data, eof=True)
        for _, piece in command.output():
            digest.update(piece)
        self.assert_ended(command)
        self.assertEqual(digest.digest(), hashlib.sha256(data).digest())

    def test_it_is_a_pipe_that_can_be_reopened(self):
        """promise 12"""
        command = self.client.start("cat /dev/stdin; readlink /proc/self/fd/0", stdin=True)
        command.write(b"in ", eof=True)
        self.assertRegex(command.wait().stdout, rb"\Ain pipe:")

    def test_100_commands_at_once_each_get_their_own(self):
        commands = [self.client.start("cat", stdin=True) for _ in range(100)]
        for piece in range(20):
            for number, command in enumerate(commands):
                command.write(f"{number} {piece};".encode())
        for number, command in enumerate(commands):
            command.write(eof=True)
            self.assertEqual(command.wait().stdout, "".join(f"{number} {piece};" for piece in range(20)).encode())

    def test_open_idle_input_does_not_delay_the_exit(self):
        """promise 9"""
        for line in ("true", "echo hi; exit 3", "sleep 0.1"):
            command = self.client.start(line, stdin=True)
            command.write(b"unread")
            command.wait()
            self.assertIsNotNone(command.end["code"])

    def test_a_descendant_that_holds_the_input_does_not_either(self):
        """promise 9, promise 18"""
        command = self.client.start("exec 3<&0; sleep 30 <&3 >/dev/null 2>&1 & echo $!", stdin=True)
        self.addCleanup(lambda: os.kill(int(command.stdout), 9))
        self.assert_ended(command.wait())

    def test_10_mb_to_a_command_that_reads_none_end_with_it(self):
        """promise 8"""
        for line in ("true", "sleep 0.3; exit 3", "head -c 100000 | wc -c"):
            command = self.client.start(line, stdin=True)
            began = time.monotonic()
            command.write(b"x" * 10 * MIB, eof=True)
            command.wait()
            self.assertEqual(command.end["reason"], "exited")
            self.assertLess(time.monotonic() - began, 1 + 0.3 + 0.7)

    def test_a_command_that_closes_its_input_says_stop(self):
        """promise 8"""
        gate = self.gate()
        command = self.client.start(f"exec <&-; echo closed; read x < {gate}", stdin=True)
        self.wait_for(self.client, lambda: command.pieces)
        command.write(b"nobody reads this")
        self.wait_for(self.client, lambda: not command.takes_stdin)
        self.client.send("stdin", b"crossed", id=command.id, off=command.sent)  # may have been on its way
        gate.open()
        self.assert_ended(command.wait())

    def test_input_for_a_command_that_has_just_ended_is_ignored(self):
        connection = self.raw(OPENING + start("exit 4", id="a", stdin=True))
        self.assertEqual(connection.header_of("exit")["code"], 4)
        connection.tell("stdin", b"late", id="a", off=0)
        connection.tell("stdin", id="a", off=4, eof=True)
        connection.tell("ping")
        self.assertEqual(connection.receive()[0]["type"], "pong")


class Window(SessionCase):
    def test_as_much_as_the_window_may_be_sent_ahead_and_credit_follows_what_is_read(self):
        connection = self.raw(OPENING + start("wc -c", id="a", stdin=True))
        total, allowed, sent = 5 * MIB, STDIN_WINDOW, 0
        while sent < total:
            size = min(allowed - sent, total - sent)
            connection.tell("stdin", b"x" * size, id="a", off=sent, eof=sent + size == total)
            sent += size
            while allowed == sent < total:
                header = connection.receive()[0]
                if header["type"] == "credit":
                    self.assertEqual((header["id"], header["stream"]), ("a", "stdin"))
                    allowed += header["bytes"]
        output = [payload for header, payload in connection.receive_until("exit") if header["type"] == "output"]
        self.assertEqual(int(b"".join(output)), total)

    def test_more_than_that_to_a_command_that_does_not_read_is_a_protocol_error(self):
        """stdin beyond the window; what the pipe took (64 KiB) may have been credited."""
        for piece in (STDIN_WINDOW + 1, MIB, 16 * KIB):
            connection = self.raw(OPENING + start("sleep 1000", id="a", stdin=True))
            off = 0
            try:
                while off < 2 * MIB:
                    connection.tell("stdin", b"x" * piece, id="a", off=off)
                    off += piece
            except ConnectionError:
                pass  # it was closed meanwhile
            self.assert_refused(connection)
            connection.close()

    def test_the_offset_must_be_the_next_one(self):
        for offsets in ([1], [5], [0, 0], [0, 2], [0, 4], [0, 3, 3], [1 << 53]):
            connection = self.raw(OPENING + start("sleep 1000", id="a", stdin=True))
            for off in offsets:
                connection.tell("stdin", b"abc", id="a", off=off)
            self.assert_refused(connection)

    def test_nothing_may_follow_the_end(self):
        connection = self.raw(OPENING + start("sleep 1000", id="a", stdin=True))
        connection.tell("stdin", b"abc", id="a", off=0, eof=True)
        connection.tell("stdin", b"abc", id="a", off=3)
        self.assert_refused(connection)

    def test_commands_that_read_nothing_cost_their_window_and_no_more(self):
        """promise 27, seen from the server: 100 x 10 MB are on offer."""
        client = self.session()
        before = process.kilobytes(self.daemon.pid, "VmRSS")
        commands = [client.start("sleep 1000", stdin=True) for _ in range(100)]
        for command in commands:
            command.write(b"x" * (STDIN_WINDOW))
        for _ in range(3):
            self.assert_serves(self.daemon.tcp)
        grown = process.kilobytes(self.daemon.pid, "VmRSS") - before
        self.assertLess(grown, 100 * 256 * 1.3 + (64 * KIB if is_sanitized() else 8 * KIB))

    def test_one_that_reads_nothing_does_not_stop_another_on_the_same_connection(self):
        """promise 25"""
        client = self.session()
        stuck, command = client.start("sleep 1000", stdin=True), client.start("wc -c", stdin=True)
        stuck.write(b"x" * STDIN_WINDOW)
        command.write(b"x" * 5_000_000, eof=True)
        self.assertEqual(command.wait().stdout, b"5000000\n")


if __name__ == "__main__":
    unittest.main()
