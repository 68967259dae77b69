"""How long the daemon asks to compute before another gets the CPU, and that its commands hear nothing of it."""

import contextlib
import os
import shutil
import signal
import unittest

import process
from daemon import DaemonCase, program, until
from session_client import Session

STOPPED = "kill -STOP $$"
SPINNING = "while :; do :; done"
USUAL = process.time_slice_ns(0)


@unittest.skipUnless(USUAL, "needs Linux 6.12")
class TimeSlice(DaemonCase):
    def slice_of(self, daemon):
        return process.time_slice_ns(daemon.pid)

    def stop_one(self, daemon, before=()):
        """The pid of a command with a whole reply, once it has stopped itself."""
        connection = self.connect(daemon.tcp)
        connection.send(STOPPED)

        def stopped():
            return [pid for pid in process.children(daemon.pid) if pid not in before and process.state(pid) == "T"]

        (pid,) = until(stopped, "the command to stop")
        self.addCleanup(self.kill, pid)
        return pid

    def kill(self, pid):
        with contextlib.suppress(ProcessLookupError):  # the test has done it
            os.kill(pid, signal.SIGKILL)

    def test_it_is_ample_for_a_command_that_is_alone_which_itself_has_the_usual_one(self):
        for spawner in ("native", "uv"):
            daemon = self.start("--spawner", spawner, listen=["127.0.0.1:0"])
            pid = self.stop_one(daemon)
            self.assertGreater(self.slice_of(daemon), USUAL)
            self.assertEqual(process.time_slice_ns(pid), USUAL)

    def test_it_is_brief_while_a_command_streams_its_output_whatever_else_is_started(self):
        daemon = self.start()
        with Session(daemon.unix) as session:
            command = session.start(STOPPED)
            while command.pid is None:
                session.receive()
            until(lambda: process.state(command.pid) == "T", "the command to stop")
            self.assertLess(self.slice_of(daemon), USUAL)
            self.assertEqual(process.time_slice_ns(command.pid), USUAL)
            pid = self.stop_one(daemon, before=(command.pid,))
            self.assertLess(self.slice_of(daemon), USUAL)
            self.assertEqual(process.time_slice_ns(pid), USUAL)
            self.kill(pid)
            command.tell("signal", signal="KILL")
            command.wait()
        until(lambda: not process.children(daemon.pid), "both to be gone")
        self.stop_one(daemon)
        self.assertGreater(self.slice_of(daemon), USUAL)

    def test_it_is_the_usual_one_where_commands_wait_for_a_processor(self):
        daemon = self.start()
        self.stop_one(daemon)
        self.assertGreater(self.slice_of(daemon), USUAL)
        for _ in range(16 * os.cpu_count()):
            self.connect(daemon.tcp).send(SPINNING)
        until(lambda: self.slice_of(daemon) == USUAL, "the daemon to have its usual slice")

    def test_a_program_that_takes_over_chooses_its_own(self):
        binary = self.path("runwired")
        shutil.copy(program(), binary)
        daemon = self.start(binary=binary)
        with Session(daemon.unix) as session:
            session.start("exit").wait()
        self.assertLess(self.slice_of(daemon), USUAL)
        daemon.upgrade()
        self.stop_one(daemon)
        self.assertGreater(self.slice_of(daemon), USUAL)

    def test_it_is_left_alone_where_the_daemon_was_started_with_another_policy(self):
        daemon = self.start(preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)))
        pid = self.stop_one(daemon)
        self.assertEqual(self.slice_of(daemon), USUAL)
        for one in (daemon.pid, pid):
            self.assertEqual(os.sched_getscheduler(one), os.SCHED_BATCH)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_it_is_left_alone_where_the_daemon_was_started_with_a_negative_nice_value(self):
        daemon = self.start(preexec_fn=lambda: os.nice(-5))
        pid = self.stop_one(daemon)
        self.assertEqual(self.slice_of(daemon), USUAL)
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, pid), -5)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_a_nice_value_given_to_the_daemon_later_stays(self):
        daemon = self.start()
        os.setpriority(os.PRIO_PROCESS, daemon.pid, 5)
        self.stop_one(daemon)
        self.assertGreater(self.slice_of(daemon), USUAL)
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, daemon.pid), 5)


if __name__ == "__main__":
    unittest.main()
