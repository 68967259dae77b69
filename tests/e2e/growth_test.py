"""After thousands of commands, connects and aborts the daemon is as it was."""

import unittest

import plain
import process
from daemon import DaemonCase, until

SMALL_QUARANTINE = {"ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_size_kb=16"}


class Growth(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon = self.start(environment=SMALL_QUARANTINE)
        self.began = self.bell()
        self.live(commands=200, connects=200, aborts=20)
        self.descriptors = self.at_rest()
        self.memory = process.kilobytes(self.daemon.pid, "VmRSS")

    def live(self, commands, connects, aborts):
        kept = [self.connect(address) for address in self.daemon.addresses]
        for i in range(commands):
            kept[i % 2].run("echo hello; echo trouble >&2; exit 3")
        for connection in kept:
            connection.close()
        for i in range(connects):
            plain.Connection(self.daemon.addresses[i % 2]).close()
        for i in range(aborts):
            aborting = plain.Connection(self.daemon.addresses[i % 2])
            aborting.send(f"echo > {self.began}; sleep 1000; true")
            self.began.wait()
            aborting.reset()

    def at_rest(self):
        """The number of descriptors once all children and connections have gone."""
        until(self.daemon.is_at_rest, "children and connections to go")
        until(lambda: not self.daemon.commands(), "commands to end")
        return len(process.descriptors(self.daemon.pid))

    def assert_as_before(self):
        until(lambda: self.at_rest() <= self.descriptors, "as few descriptors as before")
        self.assertEqual(process.zombies(self.daemon.pid), [])
        self.assertLess(process.kilobytes(self.daemon.pid, "VmRSS") - self.memory, 8192)

    def test_1500_commands_leave_no_descriptor_no_zombie_and_no_memory(self):
        """promise 24, promise 37"""
        self.live(commands=1500, connects=0, aborts=0)
        self.assert_as_before()

    def test_2000_connects_leave_no_descriptor_and_no_memory(self):
        """promise 37"""
        self.live(commands=0, connects=2000, aborts=0)
        self.assert_as_before()

    def test_200_aborts_leave_no_descriptor_no_zombie_and_no_memory(self):
        """promise 24, promise 37"""
        self.live(commands=0, connects=0, aborts=200)
        self.assert_as_before()

    def test_300_clients_with_one_command_each_leave_nothing(self):
        """promise 24, promise 37"""
        for i in range(300):
            connection = plain.Connection(self.daemon.addresses[i % 2])
            self.assertEqual(connection.run(f"echo {i}").stdout, b"%d\n" % i)
            connection.close()
        self.assert_as_before()


if __name__ == "__main__":
    unittest.main()
