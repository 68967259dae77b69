"""SIGTERM: nothing new is accepted, what runs may finish for a while and is ended then, nothing survives."""

import os
import signal
import unittest

import plain
import process
from client import unread_bytes
from daemon import DaemonCase, until

UNBOUNDED_S = "1000"


class Shutdown(DaemonCase):
    def begin(self, *options, commands, command):
        """A daemon with that many running commands, each on a connection of its own."""
        self.daemon = self.start("--log-level", "debug", *options)
        bell = self.bell("began")
        connections = [self.connect(self.daemon.addresses[i % 2]) for i in range(commands)]
        for connection in connections:
            connection.send(command.replace("BEGAN", f"echo > {bell}"))
        bell.wait(commands)
        return connections

    def terminate(self):
        self.daemon.terminate()
        until(lambda: self.daemon.events("shutdown"), "the shutdown to begin")

    def assert_ended(self):
        self.assertEqual(self.daemon.await_end(), 0)
        self.assertEqual(self.daemon.commands(), [])

    def test_an_idle_daemon_ends_at_once_with_status_0(self):
        """promise 57"""
        daemon = self.start()
        daemon.terminate()
        self.assertEqual(daemon.await_end(), 0)

    def test_idle_connections_are_closed(self):
        """promise 57"""
        daemon = self.start("--drain-timeout", UNBOUNDED_S)
        idle = [self.connect(address) for address in daemon.addresses * 2]
        idle[0].run("true")
        daemon.terminate()
        for connection in idle:
            self.assertEqual(connection.rest(), b"")
        self.assertEqual(daemon.await_end(), 0)

    def test_running_commands_finish_and_their_replies_arrive(self):
        """promise 57"""
        gate = self.gate()
        command = f"BEGAN; read x < {gate}; echo done; exit 5"
        connections = self.begin("--drain-timeout", UNBOUNDED_S, commands=20, command=command)
        self.terminate()
        gate.open(20)
        for connection in connections:
            reply = connection.reply()
            self.assert_exited(reply, 5)
            self.assertEqual(reply.stdout, b"done\n")
            self.assertEqual(connection.rest(), b"")
        self.assert_ended()

    def test_a_long_reply_that_is_being_sent_arrives_whole(self):
        """promise 57"""
        daemon = self.start("--drain-timeout", UNBOUNDED_S, "--log-level", "debug")
        connection = self.connect(daemon.tcp)
        connection.send("head -c 50000000 /dev/zero")
        header = connection.header()
        daemon.terminate()
        until(lambda: daemon.events("shutdown"), "the shutdown to begin")
        self.assertEqual(sum(map(len, connection.pieces(header["len"]))), 50_000_000)
        self.assertEqual(daemon.await_end(), 0)

    def test_a_reader_that_never_reads_does_not_hold_up_the_end(self):
        """promise 57"""
        daemon = self.start("--drain-timeout", "1")
        connection = self.connect(daemon.tcp)
        connection.send("head -c 50000000 /dev/zero")
        connection.header()
        daemon.terminate()
        self.assertEqual(daemon.await_end(), 0)

    def test_new_connections_and_new_commands_are_not_taken_meanwhile(self):
        """promise 57"""
        gate, canary = self.gate(), self.path("canary")
        command = f"BEGAN; read x < {gate}; echo done"
        (running,) = self.begin("--drain-timeout", UNBOUNDED_S, commands=1, command=command)
        self.terminate()
        for address in self.daemon.addresses:
            with self.assertRaises(OSError):
                late = plain.Connection(address)
                late.send(f"touch {canary}")
                raise ConnectionError(late.exactly(1))
        running.send(f"touch {canary}")
        gate.open()
        self.assertEqual(running.reply().stdout, b"done\n")
        answer = running.rest()
        self.assertTrue(answer == b"" or b'"error":"shutdown"' in answer, answer)
        self.assert_ended()
        self.assertFalse(os.path.exists(canary))

    def test_a_command_sent_behind_the_running_one_is_told_that_it_was_not_started(self):
        """promise 57"""
        self.daemon = self.start("--drain-timeout", UNBOUNDED_S, "--log-level", "debug")
        gate, bell, canary = self.gate(), self.bell(), self.path("canary")
        connection = self.connect(self.daemon.unix)
        connection.send(f"echo > {bell}; read x < {gate}; echo done")
        bell.wait()
        connection.send(f"touch {canary}")
        until(lambda: unread_bytes(connection.socket) == 0, "the second command to have been read")
        self.terminate()
        gate.open()
        self.assertEqual(connection.reply().stdout, b"done\n")
        self.assert_error(connection.reply(), "shutdown")
        self.assertEqual(connection.rest(), b"")
        self.assert_ended()
        self.assertFalse(os.path.exists(canary))

    def test_a_command_that_waits_for_its_turn_is_told_so_or_finished(self):
        """promise 57"""
        gate = self.gate()
        options = ["--drain-timeout", UNBOUNDED_S, "--max-running", "1"]
        (running,) = self.begin(*options, commands=1, command=f"BEGAN; read x < {gate}; echo done")
        waiting = self.connect(self.daemon.tcp)
        waiting.send("echo patient")
        until(lambda: b"patient" in self.daemon.stderr(), "the second command to have been read")
        self.terminate()
        gate.open()
        self.assertEqual(running.reply().stdout, b"done\n")
        reply = waiting.reply()
        self.assertTrue(reply.error == "shutdown" or reply.stdout == b"patient\n", reply)
        self.assert_ended()

    def test_after_the_drain_time_commands_get_term_and_the_reply_says_shutdown(self):
        """promise 57"""
        cleaned = self.bell("cleaned")
        script = f"trap 'echo cleaned > {cleaned}; exit 3' TERM; sleep 1000 & echo out; BEGAN; wait"
        connections = self.begin("--drain-timeout", "1", commands=20, command=script)
        self.daemon.terminate()
        self.assertEqual(cleaned.wait(20), ["cleaned"] * 20)
        for connection in connections:
            reply = connection.reply()
            self.assertEqual((reply.reason, reply.stdout), ("shutdown", b"out\n"), reply)
        self.assert_ended()

    def test_commands_that_ignore_term_are_killed_and_their_replies_arrive(self):
        """promise 57"""
        script = "trap '' TERM; sleep 1000 & echo out; BEGAN; while :; do sleep 1000; done"
        connections = self.begin("--drain-timeout", "0", commands=5, command=script)
        self.daemon.terminate()
        for connection in connections:
            reply = connection.reply()
            self.assertEqual((reply.reason, reply.stdout), ("shutdown", b"out\n"), reply)
        self.assert_ended()

    def test_a_second_sigterm_ends_at_once_and_leaves_no_command(self):
        """promise 57"""
        script = "trap '' TERM; BEGAN; while :; do sleep 1000; done"
        connections = self.begin("--drain-timeout", UNBOUNDED_S, commands=5, command=script)
        self.terminate()
        self.daemon.terminate()
        self.daemon.await_end()
        self.assert_ended()
        for connection in connections:
            connection.rest()

    def test_ctrl_c_ends_it_like_sigterm(self):
        self.begin("--drain-timeout", "0", commands=1, command="BEGAN; sleep 1000; true")
        self.daemon.popen.send_signal(signal.SIGINT)
        self.assert_ended()

    def test_a_hangup_of_the_terminal_leaves_no_command(self):
        self.begin("--drain-timeout", "0", commands=1, command="BEGAN; sleep 1000; true")
        self.daemon.popen.send_signal(signal.SIGHUP)
        self.assert_ended()

    def test_no_zombie_is_left_while_it_drains(self):
        """promise 57, promise 24"""
        gate = self.gate()
        command = f"BEGAN; read x < {gate}"
        connections = self.begin("--drain-timeout", UNBOUNDED_S, commands=5, command=command)
        self.terminate()
        gate.open(4)
        until(lambda: len(process.children(self.daemon.pid)) == 1, "four commands to end and be reaped")
        gate.open(1)
        for connection in connections:
            connection.reply()
        self.assert_ended()


if __name__ == "__main__":
    unittest.main()
