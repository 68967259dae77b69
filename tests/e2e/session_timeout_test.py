"""Limits of time that a client sets: what was written is kept, and the whole tree ends."""

import os
import unittest

import process
from daemon import until
from session_case import SessionCase


class Timeout(SessionCase):
    def setUp(self):
        super().setUp()
        self.client = self.session()

    def tearDown(self):
        until(lambda: not self.daemon.commands(), "nothing to be left of the commands")
        super().tearDown()

    def test_it_ends_the_command_by_term_and_keeps_what_was_written(self):
        for reply in ("stream", "whole"):
            line = "echo partial; echo err >&2; exec sleep 1000"
            command = self.run_line(self.client, line, timeout_ms=200, reply=reply)
            self.assert_ended(command, signal="TERM", reason="timeout")
            self.assertEqual((command.stdout, command.stderr), (b"partial\n", b"err\n"))
            self.assertGreater(command.end["usage"]["wall_ms"], 195)
            self.assertLess(command.end["usage"]["wall_ms"], 1000)

    def test_what_is_written_after_term_is_kept_too(self):
        line = "trap 'echo bye; exit 7' TERM; echo partial; while :; do sleep 0.01; done"
        command = self.run_line(self.client, line, timeout_ms=200)
        self.assert_ended(command, 7, reason="timeout")
        self.assertEqual(command.stdout, b"partial\nbye\n")

    def test_what_ignores_term_is_killed_a_second_later(self):
        command = self.run_line(self.client, "trap '' TERM; echo partial; while :; do sleep 0.1; done", timeout_ms=200)
        self.assert_ended(command, signal="KILL", reason="timeout")
        self.assertEqual(command.stdout, b"partial\n")
        self.assertGreaterEqual(command.end["usage"]["wall_ms"], 1150)

    def test_the_whole_tree_ends_with_it_including_what_called_setsid_or_forked_twice(self):
        """promise 66"""
        bell = self.bell()
        ignoring = f"sh -c 'trap \"\" TERM; echo $$ > {bell}; while :; do sleep 1000; done'"
        line = f"{ignoring} & setsid {ignoring} & (setsid {ignoring} &) ; setsid -f {ignoring}; sleep 1000"
        command = self.client.start(line, timeout_ms=700)
        pids = [int(pid) for pid in bell.wait(4)]
        self.assertEqual(command.wait().end["reason"], "timeout")
        for pid in pids:
            until(lambda: not process.is_alive(pid), "it to be killed", deadline_s=3)
        self.assertEqual(command.end["survivors"], 0)

    def test_a_command_that_ends_in_time_leaves_its_background_processes_alone(self):
        """promise 19"""
        bell = self.bell()
        detached = f"setsid sh -c 'echo $$ > {bell}; exec sleep 1000' > /dev/null 2>&1 &"
        command = self.run_line(self.client, detached, timeout_ms=60_000)
        self.assert_ended(command)
        (pid,) = map(int, bell.wait())
        self.assertTrue(process.is_alive(pid))
        os.kill(pid, 9)
        self.assertIsNone(command.end["survivors"])

    def test_0_ms_and_very_long_times_are_legal(self):
        for ms in (0, 1 << 53):
            self.assert_ended(self.run_line(self.client, "sleep 0.1; exit 3", timeout_ms=ms, idle_ms=ms), 3)
        self.assertEqual(self.run_line(self.client, "exec sleep 1000", timeout_ms=1).end["reason"], "timeout")


class IdleTimeout(SessionCase):
    def setUp(self):
        super().setUp()
        self.client = self.session()

    def test_it_ends_a_command_that_is_silent_and_keeps_what_was_written(self):
        for stream in (1, 2):
            line = f"for i in 1 2 3 4 5; do echo $i >&{stream}; sleep 0.1; done; exec sleep 1000"
            command = self.run_line(self.client, line, idle_ms=450)
            self.assert_ended(command, signal="TERM", reason="idle-timeout")
            self.assertEqual(command.stdout + command.stderr, b"1\n2\n3\n4\n5\n")
            self.assertGreaterEqual(command.end["usage"]["wall_ms"], 850)

    def test_output_that_the_client_does_not_take_is_no_silence(self):
        """A slow reader does not end its command."""
        client = self.session(window=1000)
        command = client.start("head -c 500000 /dev/zero; exec sleep 0.01", idle_ms=300)
        self.wait_for(client, lambda: command.got["stdout"] == 1000)
        waiting = self.client.start("sleep 0.6")
        waiting.wait()
        self.assert_ended(command.wait())

    def test_whichever_limit_is_reached_first_is_the_reason(self):
        for limits, reason in (({"timeout_ms": 200, "idle_ms": 60_000}, "timeout"),
                               ({"timeout_ms": 60_000, "idle_ms": 200}, "idle-timeout")):  # fmt: skip
            self.assertEqual(self.run_line(self.client, "exec sleep 1000", **limits).end["reason"], reason)


if __name__ == "__main__":
    unittest.main()
