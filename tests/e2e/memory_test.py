"""What clients can make the daemon hold: bounded for each and for all, the rest in files without a name."""

import hashlib
import os
import select
import unittest

import namespace
import process
from daemon import DaemonCase, is_sanitized, until

MIB = 1 << 20
# AddressSanitizer keeps freed memory for a while and surrounds what is used: with it, a bound only tells held
# bytes from those passed on.
SANITIZER_SLACK_KB = 48 * 1024


class Memory(DaemonCase):
    def begin(self, *options, **how):
        self.daemon = self.start("--spill-dir", self.spill_directory(), *options, **how)
        for address in self.daemon.addresses:
            self.assert_serves(address)
        self.resident = process.kilobytes(self.daemon.pid, "VmRSS")
        process.forget_peak(self.daemon.pid)
        return self.daemon

    def spill_directory(self):
        os.makedirs(self.path("spill"), exist_ok=True)
        return self.path("spill")

    def assert_peak_below(self, kilobytes):
        grown = process.kilobytes(self.daemon.pid, "VmHWM") - self.resident
        slack = SANITIZER_SLACK_KB if is_sanitized() else 0
        self.assertLess(grown, kilobytes + slack, f"KB more than the {self.resident} at rest")

    def spill_files(self):
        held = process.descriptors(self.daemon.pid).values()
        return [name for name in held if name.startswith(os.path.realpath(self.spill_directory()))]

    def test_300_mb_to_a_client_that_reads_late_cost_less_than_16_mib(self):
        """promise 26"""
        daemon = self.begin()
        size = 300_000_000
        for address in daemon.addresses:
            with self.subTest(address):
                connection = self.connect(address)
                connection.send(f"yes 0123456789abcde | head -c {size}")
                header = connection.header()
                self.assertEqual(header["stdout"], size)
                block, received, expected = b"0123456789abcde\n" * 65536, hashlib.sha256(), hashlib.sha256()
                for piece in connection.pieces(size):
                    received.update(piece)
                for start in range(0, size, len(block)):
                    expected.update(block[: size - start])
                self.assertEqual(received.digest(), expected.digest())
        self.assert_peak_below(16 * 1024)

    def test_long_output_is_in_a_file_without_a_name_that_goes_with_its_reply(self):
        """promise 26"""
        daemon = self.begin()
        connection = self.connect(daemon.tcp)
        connection.send("head -c 30000000 /dev/zero; head -c 30000000 /dev/zero >&2")
        header = connection.header()
        self.assertTrue(self.spill_files())
        self.assertTrue(all(name.endswith(" (deleted)") for name in self.spill_files()), self.spill_files())
        self.assertEqual(os.listdir(self.spill_directory()), [])
        self.assertEqual(sum(map(len, connection.pieces(header["len"]))), 60_000_000)
        until(lambda: not self.spill_files(), "the files to be closed")

    def test_short_output_touches_no_disk(self):
        self.begin()
        os.rmdir(self.path("spill"))
        connection = self.connect(self.daemon.tcp)
        self.assertEqual(len(connection.run("head -c 1000000 /dev/zero").stdout), 1_000_000)
        os.mkdir(self.path("spill"))

    def test_a_full_disk_is_an_error_frame_and_the_connection_lives_on(self):
        """promise 26"""
        spill = self.spill_directory()
        daemon = self.begin(prefix=namespace.small_disk(spill, "4m"))
        connection = self.connect(daemon.tcp)
        reply = connection.run("yes")
        self.assert_error(reply, "spool")
        self.assertIn("no space", reply.header["message"].lower())
        until(lambda: not daemon.commands(), "the command to have ended")
        self.assertEqual(len(connection.run("head -c 3000000 /dev/zero").stdout), 3_000_000)

    def test_a_spill_directory_that_has_gone_is_an_error_frame(self):
        """promise 26"""
        daemon = self.begin()
        os.rmdir(self.path("spill"))
        connection = self.connect(daemon.tcp)
        reply = connection.run("head -c 30000000 /dev/zero")
        self.assert_error(reply, "spool")
        self.assertIn(self.path("spill"), reply.header["message"])
        self.assertEqual(connection.run("echo hello").stdout, b"hello\n")
        os.mkdir(self.path("spill"))

    def test_30_clients_that_read_nothing_hurt_only_themselves(self):
        """promise 25"""
        daemon = self.begin()
        size, bell = 8_000_000, self.bell()
        slow = [self.connect(daemon.addresses[i % 2]) for i in range(30)]
        for connection in slow:
            connection.send(f"yes slow | head -c {size}; echo > {bell}")
        bell.wait(len(slow))
        for address in daemon.addresses * 10:
            self.assert_serves(address)
        self.assert_peak_below(30 * 2 * 1024 + 16 * 1024)
        for connection in slow:
            self.assertEqual(connection.reply().stdout, b"slow\n" * (size // 5))

    def test_a_client_that_reads_a_little_now_and_then_delays_nobody(self):
        """promise 25"""
        daemon = self.begin()
        slow = self.connect(daemon.tcp)
        slow.send("head -c 20000000 /dev/zero")
        header = slow.header()
        for _ in range(20):
            slow.exactly(1000)
            self.assert_serves(daemon.tcp)
        self.assertEqual(len(slow.exactly(header["len"] - 20_000)), 20_000_000 - 20_000)

    def test_a_flood_leaves_room_for_others(self):
        """promise 35"""
        daemon = self.begin("--max-output", "64G")
        bell = self.bell()
        flood = self.connect(daemon.tcp)
        flood.send(f"echo > {bell}; yes; echo never")
        bell.wait()
        for address in daemon.addresses * 5:
            self.assert_serves(address)
        self.assertTrue(daemon.commands(), "the flood ended by itself")
        flood.reset()
        until(lambda: not daemon.commands(), "the flood to end with its client")
        self.assert_peak_below(16 * 1024)

    def test_a_flood_through_both_streams_of_many_commands_leaves_room_for_others(self):
        """promise 35"""
        daemon = self.begin("--max-output", "64G")
        bell = self.bell()
        floods = [self.connect(address) for address in daemon.addresses * 2]
        for flood in floods:
            flood.send(f"echo > {bell}; yes & yes >&2")
        bell.wait(len(floods))
        for address in daemon.addresses * 3:
            self.assert_serves(address)
        for flood in floods:
            flood.reset()
        until(lambda: not daemon.commands(), "the floods to end with their clients")

    def test_bytes_sent_ahead_without_end_cost_no_memory(self):
        daemon = self.begin()
        bell, gate = self.bell(), self.gate()
        connection = self.connect(daemon.tcp)
        connection.send(f"echo > {bell}; read x < {gate}")
        bell.wait()
        connection.socket.setblocking(False)
        sent, chunk = 0, b"#" * (1 << 16)
        try:
            while sent < 100 * MIB and select.select([], [connection.socket], [], 1)[1]:
                sent += connection.socket.send(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass
        self.assert_peak_below(8 * 1024)
        gate.open()
        self.assert_serves(daemon.tcp)

    def test_replies_that_nobody_reads_stop_the_next_commands(self):
        """promise 25"""
        daemon = self.begin()
        count = self.path("count")
        connection = self.connect(daemon.tcp)
        connection.send(f"echo >> {count}; head -c 20000000 /dev/zero")
        connection.header()
        connection.send(f"echo >> {count}; echo second")
        for _ in range(20):
            self.assert_serves(daemon.tcp)
        self.assertEqual(os.path.getsize(count), 1)
        self.assertEqual(len(connection.exactly(20_000_000)), 20_000_000)
        self.assertEqual(connection.reply().stdout, b"second\n")


if __name__ == "__main__":
    unittest.main()
