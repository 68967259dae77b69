"""What a command wrote: every byte, in order, the two streams apart."""

import hashlib
import unittest

import plain
from daemon import DaemonCase

MIB = 1 << 20


def repeated(line, size):
    """What `yes LINE | head -c SIZE` writes."""
    line = line + b"\n"
    return (line * (size // len(line) + 1))[:size]


class Output(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon = self.start()
        self.connection = self.connect(self.daemon.tcp)

    def test_100_mb_before_the_exit_arrive_whole(self):
        """promise 3"""
        size = 100_000_000
        for address in self.daemon.addresses:
            with self.subTest(address):
                connection = self.connect(address)
                connection.send(f"yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c {size}")
                header = connection.header()
                received = hashlib.sha256()
                for piece in connection.pieces(header["len"]):
                    received.update(piece)
                expected = hashlib.sha256(repeated(b"0123456789abcdefghijklmnopqrstuvwxyz", size))
                self.assertEqual((header["stdout"], header["stderr"]), (size, 0))
                self.assertEqual(received.hexdigest(), expected.hexdigest())

    def test_what_the_pipe_holds_at_the_exit_is_not_lost(self):
        """promise 3"""
        for size in (1, 4095, 4096, 4097, 60_001, 65_535, 65_536, 65_537, 131_072, 200_001):
            with self.subTest(size):
                reply = self.connection.run(f"yes abcdefg | head -c {size}; exit 3")
                self.assert_exited(reply, 3)
                self.assertEqual(reply.stdout, repeated(b"abcdefg", size))

    def test_a_command_killed_at_full_pipes_loses_nothing_it_wrote(self):
        """promise 3"""
        for _ in range(50):
            reply = self.connection.run("head -c 65536 /dev/zero; head -c 65536 /dev/zero >&2; kill -9 $$")
            self.assertEqual((len(reply.stdout), len(reply.stderr), reply.signal), (65_536, 65_536, "KILL"))

    def test_no_output_is_an_empty_payload(self):
        reply = self.connection.run("true")
        self.assertEqual((reply.header["stdout"], reply.header["stderr"], reply.payload), (0, 0, b""))

    def test_stdout_and_stderr_are_apart_each_in_order(self):
        """promise 4"""
        script = "i=0; while [ $i -lt 500 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
        reply = self.connection.run(script)
        self.assertEqual(reply.stdout, b"".join(b"out %d\n" % i for i in range(500)))
        self.assertEqual(reply.stderr, b"".join(b"err %d\n" % i for i in range(500)))

    def test_4_mb_on_each_stream_in_any_order_of_writing_do_not_deadlock(self):
        """promise 4"""
        out, err = "yes out | head -c 4000000", "yes err | head -c 4000000 >&2"
        turns = "for i in 1 2 3 4 5 6 7 8; do yes out | head -c 500000; yes err | head -c 500000 >&2; done"
        for script in (f"{out}; {err}", f"{err}; {out}", f"{out} & {err}; wait", turns):
            with self.subTest(script):
                reply = self.connection.run(script)
                self.assert_exited(reply)
                self.assertEqual(reply.stdout, repeated(b"out", 4_000_000))
                self.assertEqual(reply.stderr, repeated(b"err", 4_000_000))

    def test_a_reader_that_comes_late_gets_both_streams_whole(self):
        """promise 4"""
        bell = self.bell()
        self.connection.send(f"yes out | head -c 4000000; yes err | head -c 4000000 >&2; echo > {bell}")
        bell.wait()
        reply = self.connection.reply()
        self.assertEqual(reply.stdout, repeated(b"out", 4_000_000))
        self.assertEqual(reply.stderr, repeated(b"err", 4_000_000))

    def test_a_reader_that_takes_a_byte_at_a_time_gets_the_same_reply(self):
        """promise 43"""
        self.connection.send("echo hello; echo trouble >&2; exit 7")
        frame = b""
        while not frame.endswith(b"hello\ntrouble\n"):
            frame += self.connection.exactly(1)
        size = int.from_bytes(frame[:4], "little")
        self.assertEqual(len(frame), 4 + size + len("hello\ntrouble\n"))
        self.assertIn(b'"code":7', frame[4 : 4 + size])

    def test_all_256_bytes_pass_in_the_output(self):
        """promise 6"""
        octal = "".join(f"\\{value:03o}" for value in range(256))
        reply = self.connection.run(f"printf '{octal}'; printf '{octal}' >&2")
        self.assertEqual(reply.stdout, bytes(range(256)))
        self.assertEqual(reply.stderr, bytes(range(256)))

    def test_random_bytes_beyond_any_buffer_pass_in_the_output(self):
        """promise 6"""
        bytes_made = b"".join(hashlib.sha256(i.to_bytes(4, "big")).digest() for i in range(3 * MIB // 32))
        with open(self.path("random"), "wb") as file:
            file.write(bytes_made)
        self.assertEqual(self.connection.run(f"cat {self.path('random')}").payload, bytes_made)

    def test_a_command_can_reopen_its_streams(self):
        """promise 12"""
        reply = self.connection.run("echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin")
        self.assert_exited(reply)
        self.assertEqual((reply.stdout, reply.stderr), (b"out\n", b"err\n"))

    def test_the_streams_are_pipes_and_the_input_is_dev_null(self):
        """promise 12"""
        reply = self.connection.run("readlink /proc/$$/fd/0; test -p /dev/stdout && test -p /dev/stderr")
        self.assert_exited(reply)
        self.assertEqual(reply.stdout, b"/dev/null\n")

    def test_a_reply_leaves_room_for_the_next_one_on_the_same_connection(self):
        for i in range(20):
            self.assertEqual(self.connection.run(f"echo {i}; echo {i} >&2").payload, b"%d\n%d\n" % (i, i))

    def test_a_client_that_stops_in_the_middle_of_a_reply_and_goes_on_gets_the_rest(self):
        self.connection.send("yes abcdefg | head -c 5000000")
        header = self.connection.header()
        first = self.connection.exactly(1000)
        other = plain.Connection(self.daemon.tcp)
        self.addCleanup(other.close)
        self.assertEqual(other.run("echo hello").stdout, b"hello\n")
        rest = self.connection.exactly(header["len"] - 1000)
        self.assertEqual(first + rest, repeated(b"abcdefg", 5_000_000))


if __name__ == "__main__":
    unittest.main()
