"""A slow reader hurts only itself: windows for each stream of each command, or as the transport takes it."""

import contextlib
import os
import resource
import signal
import statistics
import threading
import time
import unittest

import process
from daemon import is_sanitized, until
from session_case import KIB, MIB, PREFACE, SessionCase, message, start

SANITIZER_SLACK_KB = 48 * KIB  # AddressSanitizer keeps freed memory for a while


class FlowCase(SessionCase):
    def watch_memory(self):
        self.assert_serves(self.daemon.tcp)
        self.resident = process.kilobytes(self.daemon.pid, "VmRSS")
        process.forget_peak(self.daemon.pid)

    def assert_peak_below(self, kilobytes):
        grown = process.kilobytes(self.daemon.pid, "VmHWM") - self.resident
        self.assertLess(grown, kilobytes + (SANITIZER_SLACK_KB if is_sanitized() else 0), f"more than {self.resident} KB")


class Deaf(FlowCase):
    def test_who_asks_without_an_end_and_takes_no_answer_fills_no_memory(self):
        """promise 26"""
        self.watch_memory()
        connection = self.raw()
        connection.socket.settimeout(1)  # for a daemon that does not hear any more
        questions, sent = message("ping") * 1000, 0
        with contextlib.suppress(TimeoutError):
            while sent < 100 * MIB:  # far more than sockets hold
                sent += connection.socket.send(questions)
        self.assertLess(sent, 100 * MIB, "it is still heard")
        self.assert_peak_below(8 * KIB)
        self.assert_serves(self.daemon.tcp)

    def test_and_gets_all_answers_once_he_listens(self):
        connection = self.raw()
        number = 100000
        sender = threading.Thread(target=connection.send, args=(message("ping") * number,))
        sender.start()
        for _ in range(number):
            self.assertEqual(connection.receive()[0]["type"], "pong")
        sender.join()


class Windows(FlowCase):
    def test_never_more_than_the_window_is_sent_and_each_byte_of_credit_is_one_byte(self):
        connection = self.raw(PREFACE + message("hello", v=1, window=1000))
        connection.receive()
        connection.send(start("exec yes", id="a"))
        total, expected = 0, 1000
        for credit in (0, 1, 1, 999, 5000, 65536):
            if credit:
                connection.tell("credit", id="a", stream="stdout", bytes=credit)
                expected += credit
            while total < expected:
                header, payload = connection.receive()
                total += len(payload)
            self.assertEqual(total, expected)
        for _ in range(5):
            connection.tell("ping")
            self.assertEqual(connection.receive()[0]["type"], "pong")

    def test_each_stream_has_its_own_window(self):
        client = self.session(window=1000)
        command = client.start("yes & head -c 1000 /dev/zero >&2; wait")
        self.wait_for(client, lambda: command.got == {"stdout": 1000, "stderr": 1000})

    def test_credit_may_make_the_window_2_to_53_and_no_more(self):
        connection = self.raw(PREFACE + message("hello", v=1, window=0))
        connection.receive()
        connection.send(start("exec sleep 1000", id="a"))
        connection.tell("credit", id="a", stream="stdout", bytes=1 << 53)
        connection.tell("ping")
        connection.receive_until("pong")
        connection.tell("credit", id="a", stream="stdout", bytes=1)
        self.assert_refused(connection)

    def test_credit_without_a_window_is_refused(self):
        connection = self.raw()
        connection.send(start("exec sleep 1000", id="a"))
        connection.tell("credit", id="a", stream="stdout", bytes=1)
        self.assert_refused(connection)

    def test_a_window_of_0_lets_nothing_through_before_there_is_credit(self):
        connection = self.raw(PREFACE + message("hello", v=1, window=0))
        connection.receive()
        connection.send(start("echo hi", id="a") + message("ping"))
        self.assertEqual([header["type"] for header, _ in connection.receive_until("pong")][-1], "pong")
        connection.tell("credit", id="a", stream="stdout", bytes=4)
        received = connection.receive_until("exit")
        self.assertIn(b"hi\n", [payload for _, payload in received])


class SlowReader(FlowCase):
    """promise 25, for sessions"""

    def test_one_stopped_subscriber_among_ten_on_one_connection(self):
        """promise 25: it is a window that stops it."""
        self.watch_memory()
        client = self.session(window=64 * KIB)
        stopped, *others = [client.start("exec yes") for _ in range(10)]
        while any(command.got["stdout"] < 5 * MIB for command in others):
            for command in others:
                for stream, piece in command.pieces:
                    command.tell("credit", stream=stream, bytes=len(piece))
                command.pieces.clear()
            client.receive()
        self.assertEqual(stopped.got["stdout"], 64 * KIB)
        self.assert_peak_below(8 * KIB)
        client.link.close()

    def test_one_stopped_subscriber_among_ten_on_connections_of_their_own(self):
        """promise 25: it is the transport that stops it."""
        self.watch_memory()
        stopped = self.raw()
        stopped.send(start("exec yes", id="a"))
        others = [self.session(self.daemon.addresses[number % 2]) for number in range(9)]
        commands = [client.start("exec yes") for client in others]
        for client, command in zip(others, commands):
            while command.got["stdout"] < 5 * MIB:
                client.receive()
                command.pieces.clear()
        self.assert_peak_below(16 * KIB)
        for client in others:
            client.link.close()
        stopped.close()

    def test_one_that_reads_a_little_at_a_time_delays_nobody(self):
        """promise 25"""
        slow = self.raw()
        slow.send(start("exec yes", id="a"))
        client = self.session()
        times = []
        for _ in range(30):
            slow.exactly(1000)
            began = time.monotonic()
            self.assert_session_works(client)
            times.append(time.monotonic() - began)
        self.assertLess(statistics.median(times), 0.05)
        slow.close()

    def test_output_that_nobody_reads_stops_the_command_not_the_daemon(self):
        """promise 25, promise 26"""
        self.watch_memory()
        connections = [self.raw(address=self.daemon.addresses[number % 2]) for number in range(30)]
        for connection in connections:
            connection.send(start("exec yes", id="a") + start("exec yes >&2", id="b"))
        until(lambda: len(self.daemon.commands()) == 60, "all to run")
        self.assertLess(self.idle_cpu(), 0.4)
        self.assert_peak_below(60 * KIB)
        self.assert_serves(self.daemon.tcp)
        for connection in connections:
            connection.close()

    def idle_cpu(self):
        """Once all wait for their readers."""
        until(lambda: all(process.state(pid) == "S" for pid in self.daemon.commands()), "all commands to be blocked")
        return self.daemon.cpu_during(1)

    def test_a_flood_leaves_room_for_others_on_the_same_connection(self):
        """promise 35"""
        client = self.session(window=256 * KIB)
        floods = [client.start("exec yes") for _ in range(8)]
        echo = client.start("cat", stdin=True)
        times = []
        for _ in range(50):
            began = time.monotonic()
            echo.write(b"x")
            while not echo.pieces:
                client.receive()
                for flood in floods:
                    for stream, piece in flood.pieces:
                        flood.tell("credit", stream=stream, bytes=len(piece))
                    flood.pieces.clear()
            times.append(time.monotonic() - began)
            echo.pieces.clear()
        self.assertLess(statistics.median(times), 0.25 if is_sanitized() else 0.05)
        client.link.close()


class Spawning(FlowCase):
    """What a command costs the daemon is told by its CPU time, which other load on the machine does not lengthen."""

    IDLE, CHILDREN, COMMANDS = 1000, 5000, 900
    ROUNDS = 100
    options = ("--max-running", "6000")

    def setUp(self):
        self.need(resource.RLIMIT_NOFILE, "open files", 2 * self.IDLE + 2 * self.COMMANDS)
        self.need(resource.RLIMIT_NPROC, "processes", self.CHILDREN + 1000)
        super().setUp()

    def need(self, what, name, number):
        soft, hard = resource.getrlimit(what)
        if hard != resource.RLIM_INFINITY and hard < number:
            self.skipTest(f"needs {number} {name}, and the hard limit is {hard}")
        if soft != resource.RLIM_INFINITY and soft < number:
            resource.setrlimit(what, (number, hard))
            self.addCleanup(resource.setrlimit, what, (soft, hard))

    def test_it_stalls_no_one(self):
        """promise 33: an echo beside constant starts, with 1,000 idle connections."""
        client, starter = self.session(), self.session()
        echo = client.start("cat", stdin=True)
        _, alone_s = self.echo_beside_starts(client, echo, starter)
        idle = [self.raw() for _ in range(self.IDLE)]
        times, beside_s = self.echo_beside_starts(client, echo, starter)
        self.assertLess(statistics.median(times), 0.1 if is_sanitized() else 0.02)
        self.assertLess(beside_s, alone_s * 2 + 0.1 * self.ROUNDS / 1000)
        for connection in idle:
            connection.close()
        client.link.close()

    def echo_beside_starts(self, client, echo, starter):
        """How long each echo took, and what all of it cost the daemon's loop."""
        times, before = [], process.loop_seconds(self.daemon.pid)
        for _ in range(self.ROUNDS):
            command = starter.start("true")
            began = time.monotonic()
            echo.write(b"x")
            self.wait_for(client, lambda: echo.pieces)
            times.append(time.monotonic() - began)
            echo.pieces.clear()
            command.wait()
        return times, process.loop_seconds(self.daemon.pid) - before

    def test_its_cost_stays_flat_with_many_children(self):
        """promise 34: 900 commands, and what others have left until it is 5,000 children of the daemon."""
        client = self.session()
        few = self.cost_of_a_command(client)
        many = [self.session() for _ in range(2)]
        sleepers = [each.start(["sleep", "1000"]) for each in many for _ in range(self.COMMANDS // 2)]
        for sleeper in sleepers:
            self.wait_for(sleeper.session, lambda sleeper=sleeper: sleeper.pid)
        left = self.leave_children(client, self.CHILDREN - self.COMMANDS)
        until(lambda: len(process.children(self.daemon.pid)) == self.CHILDREN, "all of them to be there", deadline_s=40)
        cost = self.cost_of_a_command(client)
        self.assertLess(cost, few * 2 + 0.001)
        self.assertLess(cost, 0.02 if is_sanitized() else 0.002)
        os.killpg(left.pid, signal.SIGKILL)
        for each in many:
            each.link.close()
        until(lambda: not process.children(self.daemon.pid), "all of them to be gone", deadline_s=40)

    def leave_children(self, client, number):
        """Their parent has gone, so the daemon is. They have its process group."""
        line = f"i=0; while [ $i -lt {number} ]; do sleep 1000 & i=$((i+1)); done >/dev/null 2>&1 </dev/null"
        left = self.run_line(client, line)
        self.addCleanup(self.end_group, left.pid)
        self.assert_ended(left)
        return left

    def end_group(self, leader):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(leader, signal.SIGKILL)

    def cost_of_a_command(self, client):
        """To the daemon's loop, to start and to reap it, in seconds."""
        before = process.loop_seconds(self.daemon.pid)
        for _ in range(self.ROUNDS):
            self.run_line(client, ["true"])
        return (process.loop_seconds(self.daemon.pid) - before) / self.ROUNDS


if __name__ == "__main__":
    unittest.main()
