"""Who may run commands: the daemon's own user and root, on loopback and on the Unix socket. Everybody else is
closed, logged and not served."""

import os
import platform
import unittest

import plain
import seccomp
from daemon import DaemonCase, until
from other_user import NOBODY, as_user, needs_root, spare_uid

LISTEN = ["127.0.0.1:0", "[::1]:0"]


class OtherUser(DaemonCase):
    """A local user who is neither the daemon's nor root."""

    def setUp(self):
        super().setUp()
        os.chmod(self.directory, 0o755)
        self.canary = self.path("canary")
        self.command = f"touch {self.canary}"

    def attack(self, address, uid=NOBODY):
        """Everything that the other user gets to see when he sends the command."""

        def send():
            connection = plain.Connection(address)
            try:
                connection.send(self.command)
            except (BrokenPipeError, ConnectionResetError):
                pass
            return connection.rest()

        return as_user(uid, send)

    def assert_refused(self, answer):
        """A `denied` frame or nothing, and then the end."""
        self.assertTrue(answer == b"" or b'"error":"denied"' in answer, answer)

    def assert_nothing_ran(self, daemon):
        self.assert_serves(daemon.addresses[0])
        self.assertFalse(os.path.exists(self.canary))

    @needs_root
    def test_he_is_refused_on_loopback_tcp_and_nothing_runs(self):
        """promise 49"""
        daemon = self.start(listen=LISTEN)
        for address in daemon.addresses:
            with self.subTest(address):
                self.assert_refused(self.attack(address))
        self.assert_nothing_ran(daemon)
        until(lambda: daemon.events("refused"), "the refusal to be logged")
        self.assertEqual(daemon.events("refused")[0]["reason"], "other-user")

    @needs_root
    def test_he_cannot_connect_to_the_unix_socket(self):
        """promise 49, promise 50"""
        daemon = self.start()
        with self.assertRaisesRegex(AssertionError, "PermissionError"):
            self.attack(daemon.unix)

    @needs_root
    def test_he_is_refused_on_a_unix_socket_that_was_opened_up(self):
        """promise 49"""
        daemon = self.start()
        os.chmod(daemon.unix.removeprefix("unix:"), 0o666)
        self.assert_refused(self.attack(daemon.unix))
        self.assert_nothing_ran(daemon)

    @needs_root
    def test_he_is_refused_when_he_has_closed_before_anybody_looked(self):
        """promise 49: the kernel has no owner for a closed socket, and says 0, which is root's number."""
        daemon = self.start(listen=LISTEN)

        def send_and_vanish():
            for address in daemon.addresses:
                for half_close in (False, True):
                    connection = plain.Connection(address)
                    connection.send(self.command)
                    if half_close:
                        connection.half_close()
                    connection.close()
            return b""

        daemon.stop()
        try:
            as_user(NOBODY, send_and_vanish)
        finally:
            daemon.resume()
        self.assert_nothing_ran(daemon)

    @needs_root
    def test_he_is_refused_by_the_daemon_of_an_ordinary_user(self):
        """promise 49"""
        daemon = self.start_as(spare_uid())
        os.chmod(self.path("home/x.sock"), 0o666)
        for address in daemon.addresses:
            with self.subTest(address):
                self.assert_refused(self.attack(address))
        self.assert_nothing_ran(daemon)

    @needs_root
    def test_the_user_himself_and_root_are_served_by_his_daemon(self):
        """promise 49"""
        uid = spare_uid()
        daemon = self.start_as(uid)
        for address in daemon.addresses:
            self.assert_serves(address)
            reply = as_user(uid, lambda address=address: plain.Connection(address).run("id -u").stdout)
            self.assertEqual(reply, b"%d\n" % uid)

    @needs_root
    def test_many_refusals_are_logged_once_a_minute(self):
        """promise 49"""
        daemon = self.start()
        for _ in range(10):
            self.attack(daemon.tcp)
        self.assert_nothing_ran(daemon)
        self.assertEqual([event["reason"] for event in daemon.events("refused")], ["other-user"])

    @needs_root
    def test_he_is_served_where_any_local_user_may(self):
        for option in (["--plain=any-local"], ["--plain", "any-local"]):
            daemon = self.start(*option, listen=["127.0.0.1:0"])
            address = daemon.tcp
            reply = as_user(NOBODY, lambda address=address: plain.Connection(address).run("echo hi").stdout)
            self.assertEqual(reply, b"hi\n")


@unittest.skipUnless(seccomp.SOCKET_CALL, f"does not know the system calls of {platform.machine()}")
class UnknownOwner(DaemonCase):
    """A kernel that does not tell whose the peer's socket is."""

    def test_plain_over_tcp_is_refused_and_nothing_runs(self):
        """promise 48, promise 49"""
        daemon, canary = self.start(preexec_fn=seccomp.without_netlink), self.path("canary")
        connection = self.connect(daemon.tcp)
        connection.send(f"touch {canary}")
        answer = connection.rest()
        self.assertTrue(answer == b"" or b'"error":"denied"' in answer, answer)
        self.assert_serves(daemon.unix)
        self.assertFalse(os.path.exists(canary))
        self.assertEqual([event["reason"] for event in daemon.events("refused")], ["owner-unknown"])

    def test_plain_over_tcp_is_served_where_any_local_user_may(self):
        daemon = self.start("--plain=any-local", preexec_fn=seccomp.without_netlink)
        for address in daemon.addresses:
            self.assert_serves(address)


class OwnUser(DaemonCase):
    def test_it_is_served_on_every_kind_of_address(self):
        sockets = [f"unix:{self.path(name)}" for name in ("a", "b")]
        daemon = self.start(listen=["127.0.0.1:0", "[::1]:0", "127.0.0.1:0", *sockets])
        self.assertEqual(len(daemon.addresses), 5)
        for address in daemon.addresses:
            self.assert_serves(address)

    def test_it_is_served_among_many_connections_each_judged_exactly(self):
        daemon = self.start()
        idle = [self.connect(daemon.tcp) for _ in range(300)]
        for connection in idle[::50]:
            self.assertEqual(connection.run("echo hello").stdout, b"hello\n")


if __name__ == "__main__":
    unittest.main()
