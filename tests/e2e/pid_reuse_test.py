"""Process numbers are given away again, and what has got one is a stranger: whatever is said of a command that has gone,
it is never signalled.

Each test runs in a PID namespace of its own, where a number can be asked for: so a command's is a stranger's as soon as
it is free.
"""

import functools
import os
import signal
import subprocess
import sys
import unittest

import namespace
import process
from daemon import until
from session_case import SessionCase
from upgrade_test import UpgradeCase

INSIDE = "RUNWIRE_TEST_HAS_PRIVATE_PIDS"
HOUR_MS = 3600 * 1000
SIGNALS = ("HUP", "INT", "QUIT", "USR1", "USR2", "ALRM", "CONT", "WINCH", "STOP", "TERM", "KILL")
ATTEMPTS = 1000  # at a number, for others are born, too
ENDED, STOPPED = ("", "X", "Z"), ("T", "t")

# Who takes a command's number, whether it leads a session and a group, and what it does: another one in a group of its
# own is its child, or it goes itself and leaves another one in its group.
KINDS = {
    "alone": (False, "exec sleep 1000"),
    "leader": (True, "exec sleep 1000"),
    "parent": (True, "setsid sleep 1000 & echo $!; wait"),
    "bereaved": (True, "sleep 1000 & echo $!"),
}


def with_private_pids(test):
    @functools.wraps(test)
    def run(self):
        if os.environ.get(INSIDE):
            return test(self)
        words = [*namespace.private_pids(), sys.executable, __file__, f"{type(self).__name__}.{test.__name__}"]
        done = subprocess.run(words, env={**os.environ, INSIDE: "1"}, capture_output=True, text=True, timeout=50)
        self.assertEqual(done.returncode, 0, done.stderr)

    return run


class Stranger:
    """All signals are blocked for it, so that one that it gets waits where it can be seen."""

    def __init__(self, number, kind):
        self.kind, self.number, self.pids = kind, number, []
        self.popen = next(filter(None, (self.try_to_be(number, *KINDS[kind]) for _ in range(ATTEMPTS))))

    def begin(self):
        self.popen.stdin.write(b"go\n")
        self.popen.stdin.flush()
        self.pids = [] if self.kind == "bereaved" else [self.number]
        if self.kind in ("parent", "bereaved"):
            self.pids.append(int(self.popen.stdout.readline()))
        if self.kind == "parent":
            until(lambda: os.getsid(self.pids[1]) == self.pids[1], "the child to be in a session of its own")
        if self.kind == "bereaved":
            self.popen.wait()
            assert os.getpgid(self.pids[0]) == self.number

    @staticmethod
    def try_to_be(number, leads, line):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            namespace.ask_for_number(number)
            popen = subprocess.Popen(
                ["sh", "-c", f"read go || exit; {line}"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=leads,
            )  # fmt: skip
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if popen.pid == number:
            return popen
        popen.communicate()
        return None

    def is_harmed(self):
        return any(map(self.got_something, self.pids))

    @staticmethod
    def got_something(pid):
        waiting = [process.status(pid).get(field, "0") for field in ("SigPnd", "ShdPnd")]
        return process.state(pid) in ENDED + STOPPED or any(int(each, 16) for each in waiting)

    def end(self):
        for pid in self.pids:
            if process.is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self.popen.wait()
        self.popen.stdin.close()
        self.popen.stdout.close()


class ReuseCase(SessionCase):
    """A command that is over leaves something that holds its output, is in a group of its own, and does not mind TERM."""

    def setUp(self):
        if os.environ.get(INSIDE):
            super().setUp()
            self.client, self.left, self.strangers = self.session(), [], []

    def start_all(self, then, **how):
        """A command for each kind of stranger. What each has left is there, and in its own group."""
        bell = self.bell(f"bell{len(self.left)}")
        line = f"setsid sh -c \"trap '' TERM; echo \\$\\$ > {bell}; exec sleep 1000\" & {then}"
        commands = [self.client.start(line, linger="wait", **how) for _ in KINDS]
        self.left += map(int, bell.wait(len(KINDS)))
        self.addCleanup(self.end_what_is_left)
        self.wait_for(self.client, lambda: all(command.pid for command in commands))
        return commands

    def replace(self, numbers):
        for number in numbers:
            until(lambda number=number: not process.stat(number), "the command to be gone")
        strangers = [Stranger(number, kind) for number, kind in zip(numbers, KINDS, strict=True)]
        for stranger in strangers:  # what these start may have no number that is still to be given away
            stranger.begin()
            self.addCleanup(stranger.end)
        self.strangers += strangers
        for pid in self.left[-len(KINDS) :]:
            self.assertTrue(process.is_alive(pid), "it is too late for what the test is about")

    def leave(self, **how):
        gate = self.gate(f"gate{len(self.left)}")
        commands = self.start_all(f"read x < {gate}; exit 0", **how)
        gate.open(len(KINDS))
        self.replace([command.pid for command in commands])
        return commands

    def tell_all(self, session, commands, kind, **fields):
        for command in commands:
            session.send(kind, id=command.id, **fields)

    def settle(self):
        """What was said before has been done."""
        self.assert_ended(self.run_line(self.client, "exit 0"))
        self.assert_unharmed()

    def end_what_is_left(self):
        for pid in filter(process.is_alive, self.left):
            os.kill(pid, signal.SIGKILL)

    def assert_unharmed(self):
        for stranger in self.strangers:
            self.assertFalse(stranger.is_harmed(), f"{stranger.kind}, by the number {stranger.number}")

    def assert_left_is_ended(self):
        for pid in self.left:
            until(lambda pid=pid: not process.is_alive(pid), "what the command has left to be ended")
        self.assert_unharmed()

    def assert_all_ended(self, commands, reason):
        """What was theirs is, and no stranger was taken for it."""
        for command in commands:
            end = command.wait().end
            self.assertEqual((end["reason"], end["survivors"]), (reason, 0))
        self.assert_left_is_ended()


class Asked(ReuseCase):
    """A session's own command, and a kept one."""

    WAYS = ({}, {"keep_ms": HOUR_MS})

    @with_private_pids
    def test_signals_find_nobody(self):
        """promise 22"""
        for how in self.WAYS:
            commands = self.leave(**how)
            for name in SIGNALS:
                self.tell_all(self.client, commands, "signal", signal=name)
            self.settle()

    @with_private_pids
    def test_of_what_is_over_and_kept_nobody_is_asked_to_end(self):
        """promise 22"""
        commands = self.leave(keep_ms=HOUR_MS)
        self.end_what_is_left()
        for command in commands:
            self.assertEqual(command.wait().end["reason"], "exited")
        for name in SIGNALS:
            self.tell_all(self.client, commands, "signal", signal=name)
        for kind in ("cancel", "attach", "stop", "forget", "cancel"):
            fields = {"stop": {"stream": "stdout"}}.get(kind, {})
            self.tell_all(self.client, commands, kind, **fields)
        self.settle()

    @with_private_pids
    def test_cancel_ends_what_is_left_and_no_stranger(self):
        """promise 22"""
        for how in self.WAYS:
            commands = self.leave(**how)
            self.tell_all(self.client, commands, "stop", stream="stdout")
            self.tell_all(self.client, commands, "cancel")
            self.assert_all_ended(commands, "cancelled")

    @with_private_pids
    def test_neither_does_the_kill_that_follows_a_term(self):
        """promise 22"""
        for how in self.WAYS:
            commands = self.start_all("exec sleep 1000", **how)
            self.tell_all(self.client, commands, "cancel")
            self.replace([command.pid for command in commands])
            self.assert_all_ended(commands, "cancelled")


class Unasked(ReuseCase):
    options = ("--drain-timeout", "1000")

    @with_private_pids
    def test_a_timeout_ends_what_is_left_and_no_stranger(self):
        """promise 22"""
        self.assert_all_ended(self.leave(timeout_ms=1000), "timeout")

    @with_private_pids
    def test_so_does_the_end_of_the_session(self):
        """promise 22"""
        self.leave()
        self.client.__exit__()
        self.assert_left_is_ended()

    @with_private_pids
    def test_so_does_the_end_of_the_daemon(self):
        """promise 22"""
        self.leave()
        self.leave(keep_ms=HOUR_MS)
        self.daemon.terminate()
        until(lambda: self.daemon.events("shutdown"), "the daemon to have heard it")
        self.daemon.terminate()
        self.daemon.await_end()
        self.assert_left_is_ended()

    @with_private_pids
    def test_nor_does_the_end_of_a_plain_connection_find_one(self):
        """promise 22"""
        numbers, bell, gate = self.bell("numbers"), self.bell(), self.gate()
        connections = [self.connect(self.daemon.tcp) for _ in KINDS]
        for connection in connections:
            writes = f"echo > {bell}; while :; do echo more; sleep 0.05; done"  # so that the reply waits
            connection.send(f"echo $$ > {numbers}; setsid sh -c '{writes}' & read x < {gate}; exit 0")
        bell.wait(len(KINDS))
        gate.open(len(KINDS))
        self.replace([int(number) for number in numbers.wait(len(KINDS))])
        for connection in connections:
            connection.close()
        self.settle()
        self.left += self.daemon.commands()
        self.end_what_is_left()


class Upgraded(ReuseCase, UpgradeCase):
    @with_private_pids
    def test_the_next_program_takes_no_stranger_for_a_command_either(self):
        """promise 22"""
        commands = self.leave(keep_ms=HOUR_MS)
        self.client.__exit__()
        self.upgrade()
        self.client = self.session()
        for name in SIGNALS:
            self.tell_all(self.client, commands, "signal", signal=name)
        self.settle()
        self.tell_all(self.client, commands, "cancel")
        self.assert_all_ended([self.client.attach(command.id) for command in commands], "cancelled")


if __name__ == "__main__":
    unittest.main()
