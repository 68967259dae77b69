"""The Unix socket's file: private from its birth, never in the place of somebody else's."""

import os
import socket
import stat
import threading
import unittest

import seccomp
from daemon import DaemonCase
from other_user import NOBODY, needs_root


class SocketFile(DaemonCase):
    def setUp(self):
        super().setUp()
        self.file = self.path("x.sock")
        self.listen = [f"unix:{self.file}"]

    def dead_socket(self):
        """What a daemon leaves that was killed."""
        left = socket.socket(socket.AF_UNIX)
        left.bind(self.file)
        left.close()

    def assert_refused(self):
        self.assert_start_refused(self.file, listen=self.listen)

    def test_it_is_private_whatever_the_umask(self):
        """promise 50"""
        for mask in (0, 0o022, 0o077):
            name = self.path(f"{mask}.sock")
            self.start(listen=[f"unix:{name}"], umask=mask)
            self.assertEqual(stat.S_IMODE(os.stat(name).st_mode), 0o600)

    def test_it_is_private_from_birth(self):
        """promise 50"""
        seen, done = [], threading.Event()

        def watch():
            while not done.is_set():
                try:
                    seen.append(stat.S_IMODE(os.stat(self.file).st_mode))
                except FileNotFoundError:
                    pass

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            self.start(listen=self.listen, umask=0)
        finally:
            done.set()
            watcher.join()
        self.assertLessEqual(set(seen), {0o600})

    @unittest.skipUnless(seccomp.LISTEN_CALL, "does not know this machine's number of listen(2)")
    def test_none_stays_behind_where_listening_fails(self):
        self.assert_start_refused("listen", listen=self.listen, preexec_fn=seccomp.without_listen)
        self.assertFalse(os.path.exists(self.file))

    def test_one_that_a_killed_daemon_left_is_replaced(self):
        """promise 50"""
        self.dead_socket()
        self.assert_serves(self.start(listen=self.listen).unix)

    def test_one_that_a_living_daemon_serves_is_left_alone(self):
        """promise 50"""
        first = self.start(listen=self.listen)
        self.assert_refused()
        self.assert_serves(first.unix)

    @needs_root
    def test_one_of_another_user_is_left_alone(self):
        """promise 50"""
        self.dead_socket()
        os.chown(self.file, NOBODY, NOBODY)
        self.assert_refused()
        self.assertEqual(os.stat(self.file).st_uid, NOBODY)

    def test_a_file_of_another_kind_is_left_alone(self):
        """promise 50"""
        with open(self.file, "w") as file:
            file.write("precious")
        self.assert_refused()
        with open(self.file) as file:
            self.assertEqual(file.read(), "precious")

    def test_a_directory_is_left_alone(self):
        """promise 50"""
        os.mkdir(self.file)
        self.assert_refused()
        self.assertTrue(os.path.isdir(self.file))

    def test_a_symbolic_link_is_not_followed(self):
        """promise 50"""
        victim = self.path("victim")
        for kind in ("missing", "file", "socket"):
            with self.subTest(kind):
                if kind == "file":
                    open(victim, "w").close()
                if kind == "socket":
                    os.unlink(victim)
                    left = socket.socket(socket.AF_UNIX)
                    left.bind(victim)
                    left.close()
                before = os.path.lexists(victim) and os.lstat(victim)
                os.symlink(victim, self.file)
                try:
                    self.assert_refused()
                    self.assertTrue(os.path.islink(self.file))
                    self.assertEqual(os.path.lexists(victim) and os.lstat(victim), before)
                finally:
                    os.unlink(self.file)

    def test_a_missing_directory_is_named(self):
        self.assert_start_refused(self.path("missing"), listen=[f"unix:{self.path('missing/x.sock')}"])

    def test_it_is_removed_at_the_end(self):
        daemon = self.start(listen=self.listen)
        daemon.terminate()
        self.assertEqual(daemon.await_end(), 0)
        self.assertFalse(os.path.lexists(self.file))

    def test_at_the_end_one_that_somebody_else_put_there_is_left_alone(self):
        daemon = self.start(listen=self.listen)
        os.unlink(self.file)
        with open(self.file, "w") as file:
            file.write("precious")
        daemon.terminate()
        self.assertEqual(daemon.await_end(), 0)
        self.assertTrue(os.path.exists(self.file))


if __name__ == "__main__":
    unittest.main()
