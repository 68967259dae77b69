"""Signals to a session's commands, and the end of a client, which is the end of its commands."""

import os
import unittest

import process
from daemon import until
from session_case import OPENING, SessionCase, message, start

FORWARDED = ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2")


class Signal(SessionCase):
    def setUp(self):
        super().setUp()
        self.client = self.session()

    def begin(self, line, **how):
        """Starts a command that rings {bell} once it is ready."""
        bell = self.bell(f"bell{len(os.listdir(self.directory))}")
        command = self.client.start(line.format(bell=bell), **how)
        bell.wait()
        return command

    def test_a_trap_runs_and_its_exit_code_arrives(self):
        """promise 23"""
        for name in FORWARDED:
            command = self.begin(f"trap 'echo caught; exit 42' {name}; echo > {{bell}}; while :; do sleep 0.01; done")
            command.tell("signal", signal=name)
            self.assert_ended(command.wait(), 42)
            self.assertEqual(command.stdout, b"caught\n")

    def test_one_that_is_not_caught_is_told_by_its_name(self):
        """promise 23"""
        for name in (*FORWARDED, "KILL"):
            command = self.begin("ulimit -c 0; echo > {bell}; exec sleep 1000")
            command.tell("signal", signal=name)
            self.assert_ended(command.wait(), signal=name)

    def test_it_goes_to_the_whole_process_group(self):
        """promise 23"""
        bell = self.bell("children")
        child = f"sh -c 'trap \"echo term > {bell}; exit\" TERM; echo ready > {bell}; while :; do sleep 0.01; done'"
        command = self.client.start(f"trap 'wait; exit 5' TERM; {child} & {child} & wait")
        bell.wait(2)
        command.tell("signal", signal="TERM")
        self.assertEqual(bell.wait(2), ["term", "term"])
        self.assert_ended(command.wait(), 5)

    def test_a_stopped_command_goes_on_after_cont(self):
        gate = self.gate()
        command = self.begin(f"echo > {{bell}}; read x < {gate}; echo went on")
        command.tell("signal", signal="STOP")
        until(lambda: process.state(command.pid or self.pid_of(command)) == "T", "the command to stop")
        command.tell("signal", signal="CONT")
        gate.open()
        self.assertEqual(command.wait().stdout, b"went on\n")

    def pid_of(self, command):
        self.wait_for(self.client, lambda: command.pid)
        return command.pid

    def test_one_that_comes_with_the_start_is_not_lost(self):
        for _ in range(20):
            connection = self.raw(OPENING + start("exec sleep 1000", id="a") + message("signal", id="a", signal="TERM"))
            self.assertEqual(connection.header_of("exit")["signal"], "TERM")

    def test_a_stop_that_comes_with_the_start_keeps_no_other_commands_input_open(self):
        for _ in range(20):
            reader = self.raw(OPENING + start("cat", id="a", stdin=True))
            reader.header_of("started")
            stopped = self.raw(OPENING + start("exec sleep 1000", id="a") + message("signal", id="a", signal="STOP"))
            pid = stopped.header_of("started")["pid"]
            until(lambda: process.state(pid) == "T", "the command to stop")
            reader.tell("stdin", id="a", off=0, eof=True)
            self.assertEqual(reader.header_of("exit")["code"], 0)
            stopped.close(), reader.close()

    def test_one_that_crosses_with_the_exit_is_ignored(self):
        connection = self.raw(OPENING + start("true", id="a"))
        connection.receive_until("exit")
        for _ in range(3):
            connection.tell("signal", id="a", signal="TERM")
        connection.tell("credit", id="a", stream="stdout", bytes=5)
        connection.tell("stop", id="a", stream="stdout")
        connection.tell("ping")
        self.assertEqual(connection.receive()[0]["type"], "pong")

    def test_one_that_names_no_signal_or_no_command_ends_the_session(self):
        for fields in ({"id": "a", "signal": "NONE"}, {"id": "a", "signal": ""}, {"id": "a", "signal": 15}, {"id": "a"}):
            connection = self.raw(OPENING + start("sleep 1000", id="a") + message("signal", **fields))
            self.assert_refused(connection)
        connection = self.raw(OPENING + message("signal", id="never", signal="TERM"))
        self.assert_refused(connection, "unknown")


class EndOfClient(SessionCase):
    """A command of a session does not outlive its connection (promise 20)."""

    def setUp(self):
        super().setUp()
        self.rung = self.bell()

    def begin(self, *lines, address=None):
        connection = self.raw(address=address)
        for line in lines:
            connection.send(start(line.format(bell=self.rung)))
        self.rung.wait(len(lines))
        return connection

    def assert_nothing_left(self):
        until(lambda: not self.daemon.commands(), "the commands' processes to end", deadline_s=3)
        until(self.daemon.is_at_rest, "its children to be reaped and its descriptors closed")

    def test_the_end_of_the_connection_ends_them_all(self):
        """promise 20"""
        lines = ["echo > {bell}; exec sleep 1000", "sleep 1001 & (sleep 1002; true) & echo > {bell}; sleep 1003; true"]
        ends = (lambda it: it.close(), lambda it: it.reset(), lambda it: it.half_close())
        for end in ends:
            for address in self.daemon.addresses:
                connection = self.begin(*lines, address=address)
                end(connection)
                self.assert_nothing_left()

    def test_term_comes_first_so_that_they_can_clean_up(self):
        """promise 20"""
        cleaned = self.bell("cleaned")
        connection = self.begin(f"trap 'echo > {cleaned}; exit' TERM; echo > {{bell}}; while :; do sleep 0.01; done")
        connection.close()
        cleaned.wait()
        self.assert_nothing_left()

    def test_what_ignores_term_or_has_left_the_session_is_killed(self):
        """promise 20"""
        connection = self.begin(
            "trap '' TERM; echo > {bell}; while :; do sleep 1000; done",
            "setsid sh -c 'trap \"\" TERM; echo > {bell}; sleep 1000; true' & sleep 1000",
            "setsid -f sh -c 'echo > {bell}; exec sleep 1000'; sleep 1000",
        )
        connection.reset()
        self.assert_nothing_left()

    def test_one_whose_output_nobody_takes_is_ended_as_well(self):
        """promise 20"""
        connection = self.begin("echo > {bell}; exec yes", "echo > {bell}; exec yes >&2")
        until(lambda: all(process.state(pid) == "S" for pid in self.daemon.commands()), "both to wait for a reader")
        connection.reset()
        self.assert_nothing_left()

    def test_a_violation_of_the_protocol_ends_them_too(self):
        connection = self.begin("echo > {bell}; exec sleep 1000")
        connection.tell("no such type")
        self.assert_refused(connection)
        self.assert_nothing_left()

    def test_a_violation_by_a_client_that_reads_nothing_ends_them_too(self):
        connection = self.begin("echo > {bell}; exec yes", "echo > {bell}; exec yes >&2")
        until(lambda: all(process.state(pid) == "S" for pid in self.daemon.commands()), "both to wait for a reader")
        connection.tell("no such type")
        self.assert_nothing_left()
        connection.close()

    def test_commands_of_other_connections_go_on(self):
        """promise 20"""
        gate = self.gate()
        other = self.begin(f"echo > {{bell}}; read x < {gate}; echo mine")
        self.begin("echo > {bell}; exec sleep 1000").reset()
        until(lambda: len(process.children(self.daemon.pid)) == 1, "the vanished client's command to end")
        gate.open()
        self.assertIn(b"mine\n", [payload for _, payload in other.receive_until("exit")])

    def test_200_commands_of_one_client_end_together(self):
        """promise 20, promise 24"""
        connection = self.begin(*["echo > {bell}; exec sleep 1000"] * 200)
        connection.reset()
        self.assert_nothing_left()
        self.assertEqual(process.zombies(self.daemon.pid), [])


class Shutdown(SessionCase):
    options = ("--drain-timeout", "0.2")

    def test_what_runs_at_the_end_of_the_daemon_is_ended_and_its_exit_record_says_shutdown(self):
        """promise 57"""
        client = self.session()
        bell = self.bell()
        command = client.start(f"echo partial; echo > {bell}; exec sleep 1000")
        bell.wait()
        self.daemon.terminate()
        self.assert_ended(command.wait(), signal="TERM", reason="shutdown")
        self.assertEqual(command.stdout, b"partial\n")
        self.assertEqual(self.daemon.await_end(), 0)


if __name__ == "__main__":
    unittest.main()
