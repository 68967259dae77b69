"""Clients that nobody of this project wrote for runwire: the teaching note's own loop, and raw sockets."""

import ctypes
import json
import os
import platform
import socket
import struct
import unittest

import process
from daemon import DaemonCase

PIDFD_GETFD = 438  # the same on every architecture of Linux
REPLY_KEYS = "filename len stdout stderr code signal reason truncated cut usage".split()
USAGE_KEYS = {"wall_ms", "user_ms", "sys_ms", "max_rss_kb"}


def as_the_note_does(client, command):
    """One round of the note's client: every line as the note has it, but for the prompt and the print."""
    client.send(command.encode("utf-8"))
    header_size = struct.unpack("i", client.recv(4))[0]
    header = json.loads(client.recv(header_size).decode("utf-8"))
    total_size = header["len"]
    received = b""
    while len(received) < total_size:
        received += client.recv(1024)
    return header, received


def borrowed_sockets(pid):
    """Copies of the connected TCP sockets of another process: pidfd_getfd(2)."""
    libc, pidfd = ctypes.CDLL(None, use_errno=True), os.pidfd_open(pid)
    try:
        for number, name in process.descriptors(pid).items():
            if not name.startswith("socket:"):
                continue
            copy = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
            if copy < 0:
                raise OSError(ctypes.get_errno(), "pidfd_getfd")
            with socket.socket(fileno=copy) as borrowed:
                listens = borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if borrowed.family == socket.AF_INET and not listens:
                    yield borrowed
    finally:
        os.close(pidfd)


class Interop(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon = self.start()

    def note_client(self):
        host, port = self.daemon.tcp.split(":")
        client = socket.create_connection((host, int(port)), 20)
        self.addCleanup(client.close)
        return client

    def test_the_notes_client_gets_header_and_output(self):
        header, received = as_the_note_does(self.note_client(), "echo hello; echo trouble >&2")
        self.assertEqual(header["filename"], "cls.txt")
        self.assertEqual(header["len"], len(b"hello\ntrouble\n"))
        self.assertEqual(received, b"hello\ntrouble\n")

    def test_the_notes_client_runs_command_after_command_on_one_connection(self):
        client = self.note_client()
        for i in range(50):
            _, received = as_the_note_does(client, f"echo {i}; printf '%01000d' {i}")
            self.assertEqual(received, b"%d\n%01000d" % (i, i))

    def test_the_notes_client_gets_gbk_text_from_a_utf_8_command(self):
        _, received = as_the_note_does(self.note_client(), "echo 中文 | iconv -f UTF-8 -t GBK")
        self.assertEqual(received.decode("gbk"), "中文\n")

    def test_two_of_the_notes_clients_are_served_at_once(self):
        """The note's own server serves the second one when the first has left."""
        first, second = self.note_client(), self.note_client()
        self.assertEqual(as_the_note_does(first, "echo 1")[1], b"1\n")
        self.assertEqual(as_the_note_does(second, "echo 2")[1], b"2\n")

    def test_the_header_has_exactly_the_described_keys_in_the_described_order(self):
        header = self.connect(self.daemon.tcp).run("echo hello; exit 3").header
        self.assertEqual(list(header), REPLY_KEYS)
        usage = header.pop("usage")
        self.assertEqual(
            header,
            {"filename": "cls.txt", "len": 6, "stdout": 6, "stderr": 0, "code": 3, "signal": None,
             "reason": "exited", "truncated": False, "cut": False},
        )  # fmt: skip
        self.assertEqual(set(usage), USAGE_KEYS)
        self.assertGreater(usage["wall_ms"], 0)

    def test_an_error_frame_has_len_0_and_says_what_to_do(self):
        header = self.connect(self.daemon.tcp).run("echo a\0b").header
        self.assertEqual(list(header)[:5], ["filename", "len", "code", "signal", "error"])
        self.assertEqual(list(header.values())[:5], ["cls.txt", 0, None, None, "protocol"])
        self.assertIn("NUL", header["message"])

    def test_the_length_field_is_little_endian_on_every_machine(self):
        connection = self.connect(self.daemon.tcp)
        connection.send("true")
        field = connection.exactly(4)
        header = connection.exactly(int.from_bytes(field, "little"))
        self.assertTrue(header.startswith(b'{"filename":"cls.txt","len":0,'), header)
        self.assertTrue(header.endswith(b"}"), header)

    def test_a_reply_is_one_write_that_arrives_in_one_piece(self):
        """promise 36"""
        for address in self.daemon.addresses:
            connection = self.connect(address)
            for i in range(200):
                connection.send(f"echo {i}; echo trouble >&2")
                frame = connection.socket.recv(65536)
                self.assertTrue(frame.endswith(b"%d\ntrouble\n" % i), frame)

    @unittest.skipUnless(hasattr(os, "pidfd_open"), f"no pidfd_open on {platform.release()}")
    def test_tcp_connections_do_not_wait_for_acknowledgements(self):
        """promise 36"""
        connections = [self.connect(self.daemon.tcp) for _ in range(3)]
        for connection in connections:
            connection.run("true")
        try:
            links = borrowed_sockets(self.daemon.pid)
            delays = [not link.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for link in links]
        except OSError as refusal:
            self.skipTest(f"cannot look at the daemon's sockets: {refusal}")
        self.assertEqual(delays, [False] * 3)

    def test_a_one_shot_client_writes_half_closes_and_reads_to_the_end(self):
        """What `printf command | nc -N` does."""
        for address in self.daemon.addresses:
            connection = self.connect(address)
            connection.send("echo one shot; exit 5")
            connection.half_close()
            self.assertTrue(connection.rest().endswith(b"one shot\n"))


if __name__ == "__main__":
    unittest.main()
