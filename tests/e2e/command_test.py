"""What a client sent, as the command that runs: any bytes but NUL, up to 1 MiB, once or not at all."""

import functools
import os
import socket
import unittest

import plain
import process
from daemon import DaemonCase, until
from plain import send_at_once

MAX_COMMAND_BYTES = 1 << 20


class Command(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon = self.start("--log-level", "debug")
        self.connection = self.connect(self.daemon.tcp)

    def padded(self, command, size):
        """`command` and a comment behind it that makes it `size` bytes long."""
        return command + " #" + "x" * (size - len(command) - 2)

    def in_one_burst(self, make, address=None):
        """A connection on which make(N) was sent without a pause, and N, the number of the try. A pause would
        make two commands of one, and a busy machine makes pauses."""
        for tried in range(50):
            connection = self.connect(address or self.daemon.tcp)
            if send_at_once(connection.socket, make(tried).encode()):
                return connection, tried
            connection.close()
        self.skipTest("the machine is too busy to send in one go")

    def runs_of(self, name):
        """How often `echo >> NAME` was run."""
        return os.path.getsize(self.path(name)) if os.path.exists(self.path(name)) else 0

    def test_no_newline_is_needed_and_one_does_no_harm(self):
        for command in ("echo hello", "echo hello\n", "\necho hello"):
            self.assertEqual(self.connection.run(command).stdout, b"hello\n", command)

    def test_several_lines_are_one_command(self):
        reply = self.connection.run("x=1\nif [ $x = 1 ]; then\n echo one\nfi\ncat <<END\ntext\nEND\nexit 3\n")
        self.assert_exited(reply, 3)
        self.assertEqual(reply.stdout, b"one\ntext\n")

    def test_a_blank_line_is_a_command_that_does_nothing(self):
        for command in ("\n", " ", "\t\n"):
            self.assert_exited(self.connection.run(command))

    def test_all_bytes_but_nul_pass_in_a_command(self):
        """promise 6"""
        every = bytes(value for value in range(1, 256) if value != ord("'"))
        reply = self.connection.run(b"printf %s '" + every + b"'")
        self.assert_exited(reply)
        self.assertEqual(reply.stdout, every)

    def test_gbk_and_broken_utf_8_pass_in_a_command(self):
        """promise 6"""
        broken = b"\x80\xbf\xc0\xaf\xed\xa0\x80\xff\xfe"
        for text in ("中文目录".encode("gbk"), broken, "é".encode("latin-1")):
            self.assertEqual(self.connection.run(b"printf %s '" + text + b"'").stdout, text)

    def test_a_file_whose_name_is_gbk_can_be_named(self):
        """promise 6"""
        name = os.fsencode(self.directory) + b"/" + "文件".encode("gbk")
        self.assert_exited(self.connection.run(b"echo inside > '" + name + b"'"))
        with open(name, "rb") as file:
            self.assertEqual(file.read(), b"inside\n")

    def test_commands_of_100_kb_400_kb_and_1_mib_run_once(self):
        """promise 16"""
        for size in (100_000, 131_071, 131_072, 400_000, MAX_COMMAND_BYTES):
            with self.subTest(size):
                ran = self.path(f"ran.{size}")
                connection, tried = self.in_one_burst(
                    lambda n, ran=ran, size=size: self.padded(f"echo >> {ran}.{n}; echo $0; exit 6", size)
                )
                reply = connection.reply()
                self.assert_exited(reply, 6)
                self.assertEqual((reply.stdout, reply.stderr), (b"/bin/sh\n", b""))
                self.assertEqual(self.runs_of(f"ran.{size}.{tried}"), 1)

    def test_the_whole_of_a_long_command_runs(self):
        """promise 16"""
        lines = "".join(f"n=$((n+{i % 7}))\n" for i in range(30_000))
        connection, _ = self.in_one_burst(lambda _: f"n=0\n{lines}echo $n")
        self.assertEqual(connection.reply().stdout, b"%d\n" % sum(i % 7 for i in range(30_000)))

    def test_a_long_command_leaves_its_input_empty_like_a_short_one(self):
        """promise 16"""
        command = self.padded("cat; cat /dev/stdin; readlink /proc/$$/fd/0", 400_000)
        connection, _ = self.in_one_burst(lambda _: command)
        reply = connection.reply()
        self.assert_exited(reply)
        self.assertEqual(reply.stdout, b"/dev/null\n")

    def test_a_command_of_more_than_1_mib_is_refused_whole(self):
        """promise 16"""
        for address in self.daemon.addresses:
            for size in (MAX_COMMAND_BYTES + 1, 2 * MAX_COMMAND_BYTES):
                with self.subTest(size, address=address):
                    make = functools.partial(self.too_long, size, f"{address[:4]}.{size}")
                    connection, tried = self.in_one_burst(make, address)
                    self.assert_error(connection.reply(), "limit")
                    connection.close()
                    self.assert_serves(address)
                    self.assertEqual(self.runs_of(f"head.{address[:4]}.{size}.{tried}"), 0)
                    self.assertEqual(self.runs_of(f"tail.{address[:4]}.{size}.{tried}"), 0)

    def too_long(self, size, name, number):
        """A command that leaves a trace of its beginning and of its end."""
        tail = f"\necho >> {self.path(f'tail.{name}.{number}')}\n"
        return self.padded(f"echo >> {self.path(f'head.{name}.{number}')}", size - len(tail)) + tail

    def test_after_a_command_that_was_too_long_the_connection_goes_on(self):
        """promise 16"""
        connection, _ = self.in_one_burst(lambda _: self.padded("true", 2 * MAX_COMMAND_BYTES))
        self.assert_error(connection.reply(), "limit")
        reply = connection.run("echo hello")
        self.assertEqual(reply.stdout, b"hello\n", reply)

    def test_nul_in_a_command_is_refused_and_nothing_of_it_runs(self):
        """promise 17"""
        canary = self.path("x")
        for command in (f"echo a\0; touch {canary}", f"touch {canary}\0", f"touch {canary}; \0"):
            self.assert_error(self.connection.run(command), "protocol")
        self.assertEqual(self.connection.run("echo hello").stdout, b"hello\n")
        self.assertFalse(os.path.exists(canary))

    def test_nul_deep_in_a_long_command_is_refused_whole(self):
        """promise 17"""

        def make(number):
            touch = f"touch {self.path(f'x.{number}')}"
            return self.padded(touch, 300_000) + f"\0\n{touch}\n"

        connection, tried = self.in_one_burst(make)
        self.assert_error(connection.reply(), "protocol")
        self.assertEqual(connection.run("echo hello").stdout, b"hello\n")
        self.assertFalse(os.path.exists(self.path(f"x.{tried}")))

    def test_a_burst_of_512_bytes_or_more_is_one_command_wherever_it_is_cut(self):
        """promise 43"""
        command = self.padded("echo begin; echo $0", 600) + "\necho end"
        judged = 0
        for address in self.daemon.addresses:
            connection = self.connect(address)
            for cut in range(512, len(command)):
                if not send_at_once(connection.socket, command[:cut].encode(), command[cut:].encode()):
                    connection.close()  # two bursts: not what this test is about
                    connection = self.connect(address)
                    continue
                judged += 1
                self.assertEqual(connection.reply().stdout, b"begin\n/bin/sh\nend\n", f"cut at {cut}")
        self.assertGreater(judged, (len(command) - 512) / 2)

    def test_small_segments_make_one_long_command(self):
        """promise 43"""
        self.connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 100)
        reply = self.connection.run(self.padded("echo begin", 20_000) + "\necho end")
        self.assertEqual(reply.stdout, b"begin\nend\n")

    def test_what_arrives_while_a_command_runs_is_the_next_command(self):
        """promise 43"""
        bell, gate = self.bell(), self.gate()
        self.connection.send(f"echo > {bell}; read x < {gate}; echo first")
        bell.wait()
        self.connection.send("echo second; exit 2")
        gate.open()
        first, second = self.connection.reply(), self.connection.reply()
        self.assertEqual((first.stdout, first.code), (b"first\n", 0))
        self.assertEqual((second.stdout, second.code), (b"second\n", 2))

    def test_commands_of_one_connection_run_one_after_the_other(self):
        bell, gate, log = self.bell(), self.gate(), self.path("log")
        self.connection.send(f"echo begin 1 >> {log}; echo > {bell}; read x < {gate}; echo end 1 >> {log}")
        bell.wait()
        self.connection.send(f"echo begin 2 >> {log}")
        gate.open()
        self.connection.reply(), self.connection.reply()
        with open(log) as file:
            self.assertEqual(file.read().splitlines(), ["begin 1", "end 1", "begin 2"])

    def test_commands_of_different_connections_run_side_by_side(self):
        there, back = self.gate("there"), self.gate("back")
        other = self.connect(self.daemon.unix)
        self.connection.send(f"echo > {there}; read x < {back}; echo met")
        other.send(f"read x < {there}; echo > {back}; echo met")
        self.assertEqual((self.connection.reply().stdout, other.reply().stdout), (b"met\n", b"met\n"))

    def test_64_clients_at_once_get_each_their_own_reply(self):
        connections = [self.connect(self.daemon.addresses[i % 2]) for i in range(64)]
        for turn in range(3):
            for i, connection in enumerate(connections):
                connection.send(f"echo {turn} {i}; exit {i}")
            for i, connection in enumerate(connections):
                reply = connection.reply()
                self.assertEqual((reply.stdout, reply.code), (b"%d %d\n" % (turn, i), i))

    def test_half_close_after_the_command_still_gets_the_reply(self):
        for address in self.daemon.addresses:
            with self.subTest(address):
                bell, gate = self.bell(f"bell.{address[:4]}"), self.gate(f"gate.{address[:4]}")
                connection = self.connect(address)
                connection.send(f"echo > {bell}; read x < {gate}; echo done; exit 9")
                connection.half_close()
                bell.wait()
                gate.open()
                reply = connection.reply()
                self.assert_exited(reply, 9)
                self.assertEqual(reply.stdout, b"done\n")
                self.assertEqual(connection.rest(), b"")

    def test_half_close_after_a_pipelined_command_still_gets_both_replies(self):
        bell, gate = self.bell(), self.gate()
        self.connection.send(f"echo > {bell}; read x < {gate}; echo first")
        bell.wait()
        self.connection.send("echo second")
        self.connection.half_close()
        gate.open()
        self.assertEqual(self.connection.reply().stdout, b"first\n")
        self.assertEqual(self.connection.reply().stdout, b"second\n")
        self.assertEqual(self.connection.rest(), b"")

    def test_a_client_that_connects_and_leaves_without_a_command_leaves_nothing(self):
        self.connection.run("true")
        before = len(process.descriptors(self.daemon.pid))
        for address in self.daemon.addresses * 20:
            plain.Connection(address).close()
        self.assert_serves(self.daemon.tcp)
        until(lambda: len(process.descriptors(self.daemon.pid)) <= before, "their descriptors to be closed")


class Session(DaemonCase):
    """The first byte 0x00 announces the session protocol and its frames."""

    def test_hostile_frame_lengths_end_in_an_error_or_a_close_and_cost_no_memory(self):
        """promise 40"""
        daemon = self.start()
        self.assert_serves(daemon.tcp)
        before = process.kilobytes(daemon.pid, "VmRSS")
        for preface in (b"", b"\0RW\1"):
            for length in (0, 1, 65_536, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
                with self.subTest(length, preface=preface):
                    connection = self.connect(daemon.tcp)
                    connection.send(preface + length.to_bytes(4, "little") + b'{"type":"start"}' * 50)
                    connection.half_close()
                    answer = connection.rest()
                    refused = b'"error":"' in answer or b'"code":127' in answer
                    self.assertTrue(refused or answer == b"", answer)
                    connection.close()
        self.assert_serves(daemon.tcp)
        self.assertLess(process.kilobytes(daemon.pid, "VmRSS") - before, 4096)

    def test_nothing_after_a_session_preface_is_run_by_a_shell(self):
        daemon, canary = self.start(), self.path("canary")
        frame = b"\0RW\1" + b"\x10\0\0\0" + b'{"type":"start"}'
        for opening in (b"\0", b"\0RW\1", b"\0RW\2", b"\0\n", frame):
            connection = self.connect(daemon.tcp)
            connection.send(opening + f"\ntouch {canary}\n".encode())
            connection.half_close()
            connection.rest()
            connection.close()
        self.assert_serves(daemon.tcp)
        self.assertFalse(os.path.exists(canary))


if __name__ == "__main__":
    unittest.main()
