"""Many connections: held when idle, capped, refused early, and survived when descriptors run out."""

import contextlib
import re
import resource
import unittest

import plain
import process
from daemon import DaemonCase, until


@contextlib.contextmanager
def many_descriptors(needed):
    """Lets this process open so many, or skips the test."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed + 100:
        raise unittest.SkipTest(f"needs {needed} descriptors, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, needed + 100), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def try_to_connect(address):
    """A socket, or nothing where the connection was refused."""
    try:
        return plain.dial(address)
    except OSError:
        return None


class Idle(DaemonCase):
    def open(self, daemon, count):
        held = contextlib.ExitStack()
        self.addCleanup(held.close)
        links = [held.enter_context(plain.dial(daemon.addresses[i % 2])) for i in range(count)]
        until(lambda: len(process.descriptors(daemon.pid)) > count, "the daemon to have accepted all")
        return links

    def test_10_000_idle_connections_are_held_and_cost_next_to_nothing(self):
        """promise 29, promise 38"""
        with many_descriptors(10_000):
            daemon = self.start()
            self.assert_serves(daemon.tcp)
            before = process.kilobytes(daemon.pid, "VmRSS")
            links = self.open(daemon, 10_000)
            self.assertLess((process.kilobytes(daemon.pid, "VmRSS") - before) / len(links), 16, "KB for each")
            self.assertLess(daemon.cpu_during(1), 0.05)
            for link in (links[0], links[1], links[-2], links[-1]):
                link.sendall(b"echo hello")
                self.assertTrue(link.recv(4096).endswith(b"hello\n"))
            for link in links:
                link.close()
            until(lambda: len(process.descriptors(daemon.pid)) < 100, "their descriptors to be closed")
            self.assert_serves(daemon.tcp)

    def test_1000_idle_connections_cost_no_cpu_and_wake_nobody(self):
        """promise 38"""
        with many_descriptors(1000):
            daemon = self.start()
            self.assert_serves(daemon.tcp)
            self.open(daemon, 1000)
            woken = int(process.status(daemon.pid)["voluntary_ctxt_switches"])
            self.assertLess(daemon.cpu_during(1), 0.05)
            self.assertLess(int(process.status(daemon.pid)["voluntary_ctxt_switches"]) - woken, 20)


class Cap(DaemonCase):
    def test_a_connection_beyond_the_cap_is_refused_with_a_reason_and_the_others_are_served(self):
        """promise 29"""
        daemon = self.start("--max-connections", "5")
        held = [self.connect(daemon.addresses[i % 2]) for i in range(5)]
        for connection in held:
            self.assertEqual(connection.run("echo hello").stdout, b"hello\n")
        for address in daemon.addresses:
            answer = self.connect(address).rest()
            self.assertTrue(answer == b"" or b'"error":"busy"' in answer, answer)
        for connection in held:
            self.assertEqual(connection.run("echo hello").stdout, b"hello\n")
        self.assertEqual([event["reason"] for event in daemon.events("refused")], ["too-many-connections"])

    def test_when_one_of_them_leaves_another_is_served(self):
        """promise 29"""
        daemon = self.start("--max-connections", "5")
        held = [self.connect(daemon.tcp) for _ in range(5)]
        for connection in held:
            connection.run("true")
        descriptors = len(process.descriptors(daemon.pid))
        held[0].close()
        until(lambda: len(process.descriptors(daemon.pid)) < descriptors, "it to have left")
        self.assert_serves(daemon.tcp)

    def test_1000_connects_beyond_the_cap_are_refused_and_logged_once(self):
        """promise 29"""
        daemon = self.start("--max-connections", "5")
        held = [self.connect(daemon.tcp) for _ in range(5)]
        for connection in held:
            connection.run("true")
        for i in range(1000):
            refused = plain.Connection(daemon.addresses[i % 2])
            refused.rest()
            refused.close()
        self.assertEqual(held[0].run("echo hello").stdout, b"hello\n")
        self.assertEqual(len(daemon.events("refused")), 1)

    def test_1000_connections_fit_into_the_listen_queue(self):
        """promise 29"""
        with open("/proc/sys/net/core/somaxconn") as file:
            if int(file.read()) < 1024:
                self.skipTest("this system bounds listen queues below 1024")
        with many_descriptors(1000):
            daemon = self.start()
            daemon.stop()
            try:
                links = [self.connect(daemon.tcp) for _ in range(1000)]
            finally:
                daemon.resume()
            self.assertEqual(links[-1].run("echo hello").stdout, b"hello\n")


class DescriptorExhaustion(DaemonCase):
    def test_with_64_descriptors_200_connects_are_survived_without_spinning(self):
        """promise 30"""
        daemon = self.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
        first = self.connect(daemon.tcp)
        self.assertEqual(first.run("echo hello").stdout, b"hello\n")
        descriptors = len(process.descriptors(daemon.pid))
        links = [try_to_connect(daemon.addresses[i % 2]) for i in range(200)]
        self.assertEqual(first.run("echo hello").stdout, b"hello\n")
        self.assertLess(daemon.cpu_during(1), 0.25)
        for link in filter(None, links):
            link.close()
        until(lambda: len(process.descriptors(daemon.pid)) <= descriptors, "their descriptors to be closed")
        for address in daemon.addresses:
            self.assert_serves(address)

    def test_each_command_that_may_run_has_room_for_three_pipes_and_two_files(self):
        allowed = []
        for running in (10, 50):
            daemon = self.start(
                *("--max-connections", "100000", "--max-running", str(running)),
                listen=[f"unix:{self.path(f'{running}.sock')}"],
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1000, 1000)),
            )
            until(lambda: b"max_connections=" in daemon.stderr(), "the daemon to say what it allows")
            allowed.append(int(re.search(rb"max_connections=(\d+)", daemon.stderr())[1]))
        self.assertEqual(allowed[0] - allowed[1], (50 - 10) * 5)

    def test_an_accept_that_finds_no_descriptor_does_not_spin_and_recovers_by_itself(self):
        """promise 30"""
        daemon = self.start()
        first = self.connect(daemon.tcp)
        for _ in range(3):  # UBSan looks at memory through a pipe when it meets a type for the first time
            first.run("true")
        limits = process.limit(daemon.pid, resource.RLIMIT_NOFILE)
        lowest = process.lowest_free_descriptor(daemon.pid)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (lowest, limits[1]))
        links = [try_to_connect(daemon.addresses[i % 2]) for i in range(50)]
        self.assertLess(daemon.cpu_during(1), 0.25)
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
        for address in daemon.addresses:
            self.assert_serves(address)
        self.assertEqual(first.run("echo hello").stdout, b"hello\n")
        for link in filter(None, links):
            link.close()


if __name__ == "__main__":
    unittest.main()
