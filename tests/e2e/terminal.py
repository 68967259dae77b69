"""A terminal for end-to-end tests, with runwire in its foreground."""

import contextlib
import fcntl
import os
import resource
import select
import signal
import struct
import subprocess
import termios

from client import environment, program
from daemon import DaemonCase, until

# A shell that holds the terminal: the system sets one anew whose leader has gone, so that nothing can be said of its modes.
LEADER = 'trap : INT; "$0" "$@"; echo "[status $?]"; read x'
LOCAL_MODES = 3  # of what tcgetattr() gives


class Terminal:
    """A terminal that the test plays, and a runwire that runs in its foreground."""

    def __init__(self, *words, rows=33, cols=99, binary=None, stdout=None, hangup=signal.SIG_DFL, **variables):
        self.master, self.slave = os.openpty()
        self.resize(rows, cols)
        self.hangup = hangup  # what SIGHUP does, also where the test was started by nohup(1)
        self.before = self.modes()
        self.shown = b""
        self.popen = subprocess.Popen(
            [binary or program(), *words], stdin=self.slave, stdout=stdout or self.slave, stderr=self.slave,
            env=environment(TERM="vt220", **variables), start_new_session=True, preexec_fn=self.take,
        )  # fmt: skip

    def take(self):
        signal.signal(signal.SIGHUP, self.hangup)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def close(self):
        with contextlib.suppress(ProcessLookupError):
            self.popen.kill()
        self.popen.wait()
        if self.master is not None:
            os.close(self.master)
        os.close(self.slave)

    def hang_up(self):
        """As when its window is closed."""
        os.close(self.master)
        self.master = None

    def modes(self):
        return termios.tcgetattr(self.slave)

    def is_raw(self):
        return not self.modes()[LOCAL_MODES] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def set_modes(self, modes):
        termios.tcsetattr(self.slave, termios.TCSANOW, modes)

    def resize(self, rows, cols):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def type(self, text):
        os.write(self.master, text)

    def read(self, timeout):
        is_there = bool(select.select([self.master], [], [], timeout)[0])
        if is_there:
            self.shown += os.read(self.master, 1 << 16)
        return is_there

    def wait_shown(self, text):
        def is_shown():
            self.read(0.005)
            return text in self.shown

        until(is_shown, f"{text} on the terminal, not only {self.shown}")

    def wait(self):
        """The exit status. What is written must be read, or runwire would wait."""

        def has_ended():
            self.read(0.005)
            return self.popen.poll() is not None

        until(has_ended, "runwire to end")
        while self.read(0):  # a piece at a time
            pass
        return self.popen.returncode


class TerminalCase(DaemonCase):
    """A daemon, and terminals that end with the test."""

    def setUp(self):
        super().setUp()
        self.daemon = self.start()

    def terminal(self, *words, **how):
        terminal = Terminal(*words, **how)
        self.addCleanup(terminal.close)
        return terminal
