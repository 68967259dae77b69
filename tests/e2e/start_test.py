"""The daemon's start: where it listens, what it says, what it refuses."""

import os
import re
import resource
import shutil
import subprocess
import unittest

import namespace
import process
from daemon import DaemonCase, StartRefused, program
from other_user import needs_root, spare_uid

LISTENING = "0A"  # the state in /proc/net/tcp


def runwired(*arguments, **how):
    """A start that is expected to end by itself."""
    return subprocess.run([program(), *arguments], capture_output=True, text=True, timeout=10, **how)


def listening(pid):
    """(address, port) of all TCP sockets that listen in the network of `pid`, in the kernel's hexadecimal."""
    tables = [process.read(pid, name).decode().splitlines()[1:] for name in ("net/tcp", "net/tcp6")]
    rows = [line.split() for table in tables for line in table]
    return {tuple(row[1].split(":")) for row in rows if row[3] == LISTENING}


class Start(DaemonCase):
    def test_one_line_says_where_it_listens_and_which_command_to_paste(self):
        daemon = self.start()
        self.assertRegex(daemon.tcp, r"^127\.0\.0\.1:[1-9]\d*$")
        self.assertEqual(daemon.unix, daemon.unix_address)
        self.assertEqual(daemon.suggestion, f"runwire {daemon.tcp} 'uname -a'")

    def test_the_pasted_command_works(self):
        client = os.environ.get("RUNWIRE")
        if not client:
            self.skipTest("set RUNWIRE to the client")
        daemon = self.start()
        path = os.path.dirname(os.path.abspath(client)) + ":" + os.environ["PATH"]
        env = {**os.environ, "PATH": path}
        outcome = subprocess.run(daemon.suggestion, shell=True, capture_output=True, env=env, timeout=20)
        self.assertEqual((outcome.returncode, outcome.stdout), (0, subprocess.check_output(["uname", "-a"])))

    def test_it_stays_in_the_foreground(self):
        daemon = self.start()
        self.assert_serves(daemon.tcp)
        self.assertIsNone(daemon.popen.poll())
        self.assertEqual(process.stat(daemon.pid)[1], str(os.getpid()))

    def test_it_listens_wherever_it_is_told_and_prints_the_ports_it_got(self):
        daemon = self.start(listen=["127.0.0.1:0", "[::1]:0", f"unix:{self.path('a.sock')}", "127.0.0.1:0"])
        first, second, third, fourth = daemon.addresses
        self.assertRegex(first, r"^127\.0\.0\.1:[1-9]\d*$")
        self.assertRegex(second, r"^\[::1\]:[1-9]\d*$")
        self.assertEqual(third, f"unix:{self.path('a.sock')}")
        self.assertNotEqual(first, fourth)
        for address in daemon.addresses:
            self.assert_serves(address)

    def test_without_an_option_it_listens_on_port_8098_of_loopback_and_in_the_runtime_directory(self):
        """promise 48"""
        runtime = {"XDG_RUNTIME_DIR": self.directory}
        daemon = self.start(listen=[], prefix=namespace.private_network(), environment=runtime)
        self.assertEqual(daemon.tcp, "127.0.0.1:8098")
        self.assertTrue(daemon.unix.startswith(f"unix:{self.directory}/"), daemon.addresses)
        self.assertEqual(len(daemon.addresses), 2)
        self.assertEqual(listening(daemon.pid), {("0100007F", f"{8098:04X}")})
        self.assert_serves(daemon.unix)

    @needs_root
    def test_without_a_runtime_directory_it_makes_a_private_one_in_tmp(self):
        """promise 48, promise 50"""
        uid = spare_uid()
        directory = f"/tmp/runwire-{uid}"
        daemon = self.start_default_as(uid)
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        self.assertTrue(daemon.unix.startswith(f"unix:{directory}/"), daemon.addresses)
        held = os.stat(directory)
        self.assertEqual((held.st_mode & 0o7777, held.st_uid), (0o700, uid))
        self.assert_serves(daemon.unix)

    @needs_root
    def test_a_directory_in_tmp_that_others_made_or_can_enter_is_refused(self):
        """promise 50"""
        uid = spare_uid()
        directory, elsewhere = f"/tmp/runwire-{uid}", self.path("elsewhere")
        os.mkdir(elsewhere)
        os.chown(elsewhere, uid, uid)
        for name, prepare in {
            "owned by another user": lambda: os.mkdir(directory, 0o700),
            "open to everybody": lambda: self.make_open_directory(directory, uid),
            "a symbolic link": lambda: os.symlink(elsewhere, directory),
        }.items():
            with self.subTest(name):
                prepare()
                try:
                    with self.assertRaisesRegex(StartRefused, directory):
                        self.start_default_as(uid)
                finally:
                    (os.unlink if os.path.islink(directory) else shutil.rmtree)(directory)
        self.assertEqual(os.listdir(elsewhere), [])

    def make_open_directory(self, path, uid):
        os.mkdir(path)
        os.chmod(path, 0o777)
        os.chown(path, uid, uid)

    def start_default_as(self, uid):
        """A daemon with no option, of that user, where all ports are free."""
        os.chmod(self.directory, 0o755)
        binary = shutil.copy(program(), self.directory)
        os.chmod(binary, 0o755)
        become = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
        prefix = [*namespace.private_network(), *become]
        environment = {"XDG_RUNTIME_DIR": None}
        return self.start(listen=[], prefix=prefix, binary=binary, environment=environment, cwd="/")

    def test_it_may_open_as_many_descriptors_as_the_hard_limit_allows(self):
        daemon = self.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2000)))
        self.assertEqual(process.limit(daemon.pid, resource.RLIMIT_NOFILE), (2000, 2000))

    def test_it_starts_with_closed_standard_streams(self):
        """The descriptors 0 to 2 it then opens must not be sockets that commands write to."""
        script = 'exec 0<&- 2>&-; exec "$@"'
        daemon = self.start(prefix=["sh", "-c", script, "sh"])
        connection = self.connect(daemon.tcp)
        self.assertEqual(connection.run("echo out; echo err >&2").payload, b"out\nerr\n")
        connection.send(b"GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(connection.rest(), b"")


class Refusal(DaemonCase):
    """A start that cannot be right ends with status 2 and the reason."""

    def assert_refused(self, arguments, *reasons):
        outcome = runwired(*arguments)
        self.assertEqual((outcome.returncode, outcome.stdout), (2, ""), outcome)
        for reason in reasons:
            self.assertIn(reason, outcome.stderr)

    def test_an_address_that_is_not_loopback_is_refused_with_the_reason(self):
        """promise 48"""
        version_4 = ["0.0.0.0:0", "192.0.2.1:0", "8.8.8.8:0", "0:0"]
        version_6 = ["[::]:0", "[2001:db8::1]:0", "[::ffff:8.8.8.8]:0"]
        for address in version_4 + version_6:
            with self.subTest(address):
                self.assert_refused(["--listen", address], "loopback")

    def test_one_such_address_among_good_ones_refuses_them_all(self):
        """promise 48"""
        socket_path = self.path("x.sock")
        addresses = ["127.0.0.1:0", f"unix:{socket_path}", "0.0.0.0:0"]
        self.assert_refused([word for address in addresses for word in ("--listen", address)], "0.0.0.0")
        self.assertFalse(os.path.exists(socket_path))

    def test_an_unknown_option_is_named(self):
        for word in ("--no-such-option", "-Z", "stray"):
            with self.subTest(word):
                self.assert_refused([word], word)

    def test_a_value_that_makes_no_sense_is_named_with_its_option(self):
        for option, value in (
            ("--max-running", "0"), ("--max-running", "many"), ("--max-running", "-1"), ("--max-queued", "x"),
            ("--max-connections", "0"), ("--max-output", "12Q"), ("--max-output", "-5"),
            ("--max-output", "many"), ("--drain-timeout", "soon"), ("--drain-timeout", "-1"),
            ("--log-level", "loud"), ("--plain", "everybody"),
        ):  # fmt: skip
            with self.subTest(option, value=value):
                self.assert_refused(["--listen", f"unix:{self.path('x.sock')}", option, value], option)

    def test_an_address_that_makes_no_sense_is_named(self):
        ports = ["127.0.0.1:99999", "127.0.0.1:-1", "127.0.0.1:x"]
        for address in [*ports, "unix:", "unix:relative/path", "", "[::1"]:
            with self.subTest(address):
                self.assert_refused(["--listen", address], f"'{address}'")

    def test_a_missing_value_is_named_with_its_option(self):
        for option in ("--listen", "--max-output", "--shell", "--spill-dir", "--log-level"):
            with self.subTest(option):
                self.assert_refused([option], option)

    def test_a_socket_path_that_is_too_long_is_refused_with_the_reason(self):
        outcome = runwired("--listen", f"unix:{self.directory}/{'x' * 200}")
        self.assertNotEqual(outcome.returncode, 0)
        self.assertRegex(outcome.stderr, r"\d+ bytes")

    def test_a_port_that_is_taken_is_named(self):
        taken = self.start().tcp
        outcome = runwired("--listen", taken)
        self.assertNotIn(outcome.returncode, (0, -6, -11))
        self.assertEqual(outcome.stdout, "")
        self.assertIn(taken, outcome.stderr)


class Text(DaemonCase):
    def test_help_fits_one_screen_and_starts_with_examples(self):
        outcome = runwired("--help")
        lines = outcome.stdout.splitlines()
        self.assertEqual((outcome.returncode, outcome.stderr), (0, ""))
        self.assertLessEqual(len(lines), 45)
        self.assertLessEqual(max(map(len, lines)), 110)
        example = next(i for i, line in enumerate(lines) if re.match(r"\s+(\$ )?runwired\b", line))
        first_option = next(i for i, line in enumerate(lines) if re.match(r"\s+-", line))
        self.assertLess(example, first_option)

    def test_help_names_every_option(self):
        text = runwired("--help").stdout
        for option in ("listen max-running max-queued max-connections max-output spill-dir shell "
                       "drain-timeout log-level plain cwd version help").split():  # fmt: skip
            self.assertIn(f"--{option}", text)

    def test_version_is_one_line_that_names_the_program(self):
        outcome = runwired("--version")
        self.assertEqual((outcome.returncode, outcome.stderr), (0, ""))
        self.assertRegex(outcome.stdout.splitlines()[0], r"^runwired 0\.1\.0\b")


if __name__ == "__main__":
    unittest.main()
