"""A running `runwired`, seen from outside: started on free addresses, watched through /proc and its log, and
ended as an operator ends it. The program is the one that the environment variable RUNWIRED names."""

import functools
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import fifo
import plain
import process
from plain import DEADLINE_S

READY = re.compile(r"runwired (\S+) listening on (\S+(?: and \S+)*) - try: (runwire .+)\n")
LOG_VALUE = r'(?:"(?:[^"\\]|\\.)*"|[^\s"]*)'
LOG_LINE = re.compile(rf"time=\S+ level=(?:error|warn|info|debug) event=[a-z-]+(?: [a-z_]+={LOG_VALUE})*")
LOG_FIELD = re.compile(rf"([a-z_]+)=({LOG_VALUE})")
SANITIZER = re.compile(rb"runtime error:|ERROR: \w+Sanitizer|\w+Sanitizer has encountered")
MARK = "RUNWIRE_TEST_MARK"  # in the environment of a daemon, and so of everything it starts
LAZY_DESCRIPTORS = 4  # what a daemon may open on first use and keep


def until(condition, what, deadline_s=DEADLINE_S):
    """Waits until `condition()` is true and returns what it gave. The only place in the tests that ticks."""
    end = time.monotonic() + deadline_s
    tick = threading.Event()
    while not (outcome := condition()):
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        tick.wait(0.005)
    return outcome


def program():
    path = os.environ.get("RUNWIRED")
    assert path, "set RUNWIRED to the runwired to be tested"
    return os.path.abspath(path)


@functools.cache
def is_sanitized():
    """Sanitizers multiply memory and time; bounds on these mean something else then."""
    return "sanitizers on" in subprocess.run([program(), "--version"], capture_output=True, text=True).stdout


def sanitizer_options(given):
    """Freed memory is kept back by AddressSanitizer; little of it, or no test could see memory grow."""
    return ":".join(filter(None, ["quarantine_size_mb=4:thread_local_quarantine_size_kb=64", given]))


class StartRefused(Exception):
    """The program ended, and said why, instead of getting ready."""


class Daemon:
    """`directory` holds its socket and log. `prefix` is a command line that ends in exec'ing its arguments;
    other keywords are those of subprocess.Popen."""

    def __init__(self, directory, *options, listen=None, prefix=(), environment=None, binary=None, **how):
        self.directory = directory
        self.mark = secrets.token_hex(8)
        self.log_path = os.path.join(directory, f"log.{self.mark}")
        self.unix_address = f"unix:{directory}/x.sock"
        listen = ["127.0.0.1:0", self.unix_address] if listen is None else listen
        words = [word for address in listen for word in ("--listen", address)]
        sanitizer = sanitizer_options(os.environ.get("ASAN_OPTIONS"))
        env = {**os.environ, "ASAN_OPTIONS": sanitizer, MARK: self.mark, **(environment or {})}
        env = {key: value for key, value in env.items() if value is not None}
        with open(self.log_path, "wb") as log:
            self.popen = subprocess.Popen(
                [*prefix, binary or program(), *words, *options],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=env, **how,
            )  # fmt: skip
        self.pid = self.popen.pid
        try:
            self.await_ready()
        except BaseException:
            self.end_everything()
            raise

    def await_ready(self):
        self.ready_line = self.popen.stdout.readline().decode()
        if not self.ready_line:
            self.explain_end()
        match = READY.fullmatch(self.ready_line)
        assert match, f"no ready line but {self.ready_line!r}"
        self.version, addresses, self.suggestion = match.groups()
        self.addresses = addresses.split(" and ")
        self.descriptors_at_start = len(process.descriptors(self.pid))

    def explain_end(self):
        status, said = self.await_end(), self.stderr().decode(errors="replace")
        assert status in (1, 2) and not SANITIZER.search(said.encode()), f"exit status {status}: {said}"
        raise StartRefused(said)

    @property
    def tcp(self):
        return next(address for address in self.addresses if not address.startswith("unix:"))

    @property
    def unix(self):
        return next(address for address in self.addresses if address.startswith("unix:"))

    # What it says.

    def stderr(self):
        with open(self.log_path, "rb") as log:
            return log.read()

    def events(self, name=None):
        """The log, each line as {key: value}; quoted values keep their quotes and escapes."""
        lines = self.stderr().decode().splitlines()
        events = [dict(LOG_FIELD.findall(line)) for line in lines]
        return [event for event in events if name in (None, event.get("event"))]

    def upgrade(self):
        """Makes it go on as the program that is in its place now."""
        before = len(self.events("upgraded"))
        self.popen.send_signal(signal.SIGUSR2)
        until(lambda: len(self.events("upgraded")) > before, "the daemon to be another program")

    # What it has.

    def is_running(self):
        return self.popen.poll() is None

    def commands(self):
        """All processes that it has started and their children, wherever these went; not zombies."""
        mark = f"{MARK}={self.mark}".encode()
        others = [pid for pid in process.running_pids() if pid != self.pid]
        return [pid for pid in others if mark in process.words(pid, "environ")]

    def is_at_rest(self):
        """No child, not even a zombie, and no descriptor more than at the start."""
        spare = self.descriptors_at_start + LAZY_DESCRIPTORS - len(process.descriptors(self.pid))
        return spare >= 0 and not process.children(self.pid)

    def cpu_during(self, seconds):
        """The CPU time that it spends in that much time."""
        before, end = process.cpu_seconds(self.pid), time.monotonic() + seconds
        until(lambda: time.monotonic() >= end, "the end of the measurement", deadline_s=seconds + DEADLINE_S)
        return process.cpu_seconds(self.pid) - before

    # Its end.

    def stop(self):
        """Freezes it, so that what clients do meanwhile reaches it all at once."""
        self.popen.send_signal(signal.SIGSTOP)
        until(lambda: process.state(self.pid) == "T", "the daemon to stop")

    def resume(self):
        self.popen.send_signal(signal.SIGCONT)

    def terminate(self):
        self.popen.send_signal(signal.SIGTERM)

    def await_end(self):
        try:
            return self.popen.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it runs on {DEADLINE_S} s later; log: {self.stderr()[-2000:]!r}") from None

    def kill(self):
        """Crashes it. Its commands are the test's business then."""
        self.popen.kill()
        self.popen.wait()
        process.remove_control_groups(self.pid)

    def finish(self):
        """Ends it, and checks what every test expects of every daemon."""
        try:
            if self.popen.returncode == -signal.SIGKILL:
                return
            if self.is_running():
                until(self.is_at_rest, "the daemon to have no child and the descriptors it began with")
                self.terminate()
            self.expect_clean_end()
        finally:
            self.end_everything()

    def expect_clean_end(self):
        status = self.await_end()
        assert not SANITIZER.search(self.stderr()), self.stderr().decode(errors="replace")
        assert status == 0, f"exit status {status}; its log ends in {self.stderr()[-2000:]!r}"
        assert not self.popen.stdout.read(), "more than the ready line on stdout"
        until(lambda: not self.commands(), "its commands to have ended with it", deadline_s=2)

    def end_everything(self):
        if self.is_running():
            self.popen.kill()
            self.popen.wait()
        self.popen.stdout.close()
        for pid in self.commands():
            os.kill(pid, signal.SIGKILL)


@unittest.skipUnless(sys.platform == "linux", "looks at the daemon through Linux's /proc")
class DaemonCase(unittest.TestCase):
    """A test that drives daemons, in a directory of its own."""

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="runwire-")
        self.addCleanup(shutil.rmtree, self.directory)

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self, *options, **how):
        daemon = Daemon(self.directory, *options, **how)
        self.addCleanup(daemon.finish)
        return daemon

    def start_as(self, uid, *options, **how):
        """A daemon of another user, in a directory `home` that is his. Needs root."""
        home = self.path("home")
        os.chmod(self.directory, 0o755)
        os.mkdir(home)
        binary = shutil.copy(program(), home)  # the build directory may be closed to him
        os.chmod(binary, 0o755)
        for path in (home, binary):
            os.chown(path, uid, uid)
        how = {"user": uid, "group": uid, "extra_groups": [], "binary": binary, "cwd": home, **how}
        listen = ["127.0.0.1:0", f"unix:{home}/x.sock"]
        return self.start("--spill-dir", home, *options, listen=listen, **how)

    def connect(self, address):
        connection = plain.Connection(address)
        self.addCleanup(connection.close)
        return connection

    def gate(self, name="gate"):
        return self.fifo(fifo.Gate, name)

    def bell(self, name="bell"):
        return self.fifo(fifo.Bell, name)

    def fifo(self, kind, name):
        made = kind(self.path(name))
        self.addCleanup(made.close)
        return made

    def assert_exited(self, reply, code=0):
        self.assertEqual((reply.code, reply.signal, reply.reason), (code, None, "exited"), reply)

    def assert_error(self, reply, *names):
        self.assertIn(reply.error, names, reply)
        self.assertEqual((reply.header["len"], reply.code, reply.signal), (0, None, None), reply)
        self.assertTrue(reply.header["message"], reply)

    def assert_start_refused(self, reason, *options, **how):
        with self.assertRaisesRegex(StartRefused, re.escape(reason)):
            self.start(*options, **how)

    def assert_serves(self, address):
        connection = self.connect(address)
        reply = connection.run("echo hello")
        connection.close()
        self.assert_exited(reply)
        self.assertEqual(reply.stdout, b"hello\n")
