"""What bounds running commands, waiting commands and output, and what a client sees at a bound."""

import os
import resource
import select
import unittest

import process
from daemon import DaemonCase, until
from other_user import as_user, spare_uid
from plain import DEADLINE_S


def readable(connections):
    return select.select([connection.socket for connection in connections], [], [], DEADLINE_S)[0]


class Running(DaemonCase):
    def test_never_more_than_max_running_run_at_once(self):
        daemon = self.start("--max-running", "3")
        running = self.path("running")
        os.mkdir(running)
        command = f"mkdir {running}/$$; ls {running} | wc -l; rmdir {running}/$$"
        connections = [self.connect(daemon.addresses[i % 2]) for i in range(30)]
        for connection in connections:
            connection.send(command)
        counts = [int(connection.reply().stdout) for connection in connections]
        self.assertLessEqual(max(counts), 3)

    def test_max_running_of_them_do_run_at_once(self):
        daemon = self.start("--max-running", "3")
        bell, gate = self.bell(), self.gate()
        connections = [self.connect(daemon.tcp) for _ in range(5)]
        for connection in connections:
            connection.send(f"echo > {bell}; read x < {gate}; echo done")
        bell.wait(3)
        self.assertFalse(bell.has_rung())
        gate.open(5)
        for connection in connections:
            self.assertEqual(connection.reply().stdout, b"done\n")

    def test_a_connection_with_always_more_to_do_does_not_overtake_one_that_waits(self):
        daemon = self.start("--max-running", "1", "--log-level", "debug")
        bell, gate, order = self.bell(), self.gate(), self.path("order")
        busy, patient = self.connect(daemon.tcp), self.connect(daemon.unix)
        busy.send(f"echo > {bell}; read x < {gate}; echo busy 1 >> {order}")
        bell.wait()
        patient.send(f"echo patient >> {order}")
        until(lambda: b"patient" in daemon.stderr(), "the patient client's command to have been read")
        busy.send(f"echo busy 2 >> {order}")
        gate.open()
        busy.reply(), busy.reply(), patient.reply()
        with open(order) as file:
            self.assertEqual(file.read().splitlines(), ["busy 1", "patient", "busy 2"])

    def test_past_the_queue_limit_the_reply_is_busy_and_the_connection_lives_on(self):
        daemon = self.start("--max-running", "1", "--max-queued", "2")
        bell, gate = self.bell(), self.gate()
        first = self.connect(daemon.tcp)
        first.send(f"echo > {bell}; read x < {gate}; echo done")
        bell.wait()
        connections = [self.connect(daemon.tcp) for _ in range(3)]
        others = {connection.socket: connection for connection in connections}
        for connection in connections:
            connection.send("echo hello")
        (refused,) = readable(connections)
        reply = others[refused].reply()
        self.assert_error(reply, "busy")
        self.assertGreaterEqual(reply.header["retry_ms"], 0)
        gate.open()
        self.assertEqual(first.reply().stdout, b"done\n")
        for link, connection in others.items():
            if link is not refused:
                self.assertEqual(connection.reply().stdout, b"hello\n")
        self.assertEqual(others[refused].run("echo again").stdout, b"again\n")

    def test_a_waiting_command_whose_client_vanishes_is_not_run(self):
        daemon = self.start("--max-running", "1", "--log-level", "debug")
        bell, gate, canary = self.bell(), self.gate(), self.path("canary")
        first, vanishing = self.connect(daemon.tcp), self.connect(daemon.tcp)
        first.send(f"echo > {bell}; read x < {gate}; echo done")
        bell.wait()
        descriptors = len(process.descriptors(daemon.pid))
        vanishing.send(f"touch {canary}")
        until(lambda: b"canary" in daemon.stderr(), "its command to have been read")
        vanishing.reset()
        until(lambda: len(process.descriptors(daemon.pid)) < descriptors, "its connection to be closed")
        gate.open()
        first.reply()
        self.assert_serves(daemon.tcp)
        self.assertFalse(os.path.exists(canary))


class Output(DaemonCase):
    def test_at_max_output_the_command_ends_and_what_it_wrote_until_then_is_delivered(self):
        daemon = self.start("--max-output", "3M")
        for script in ("yes", "yes >&2", "trap '' TERM PIPE; while :; do yes; done", "yes & wait"):
            with self.subTest(script):
                reply = self.connect(daemon.tcp).run(script)
                self.assertEqual((reply.reason, reply.header["truncated"]), ("output-limit", True), reply)
                self.assertEqual(reply.payload, b"y\n" * (3 << 19))
        until(lambda: not daemon.commands(), "the floods to have ended")

    def test_a_command_that_writes_exactly_max_output_is_whole(self):
        daemon = self.start("--max-output", "100K")
        connection = self.connect(daemon.tcp)
        reply = connection.run("head -c 102400 /dev/zero; exit 4")
        self.assert_exited(reply, 4)
        self.assertFalse(reply.header["truncated"])
        self.assertEqual(reply.payload, bytes(102_400))
        self.assertTrue(connection.run("head -c 102401 /dev/zero").header["truncated"])

    def test_after_a_flood_the_connection_goes_on(self):
        connection = self.connect(self.start("--max-output", "64K").tcp)
        self.assertEqual(connection.run("yes").reason, "output-limit")
        self.assertEqual(connection.run("echo hello").stdout, b"hello\n")

    def test_small_output_caps_are_understood_with_every_suffix(self):
        for text, size in (("1000", 1000), ("2K", 2048), ("1M", 1 << 20)):
            daemon = self.start("--max-output", text, listen=[f"unix:{self.path(text)}"])
            self.assertEqual(len(self.connect(daemon.unix).run("yes").payload), size)


class Starting(DaemonCase):
    """The system lets no more processes or descriptors be made: that request fails, the connection lives."""

    def test_a_failed_fork_is_an_error_frame_and_the_next_try_can_succeed(self):
        """promise 31"""
        uid = spare_uid() if os.geteuid() == 0 else os.geteuid()
        daemon = self.start_as(uid) if os.geteuid() == 0 else self.start()
        connection = self.connect(daemon.tcp)
        connection.run("true")
        for _ in range(20):
            self.allow_processes(daemon, uid, 0)
            reply = connection.run("echo hello")
            self.assert_error(reply, "spawn", "busy")
            self.assertEqual((reply.header["stage"], reply.header["errno"]), ("fork", "EAGAIN"), reply)
            self.allow_processes(daemon, uid, resource.getrlimit(resource.RLIMIT_NPROC)[1])
            self.assertEqual(connection.run("echo hello").stdout, b"hello\n")

    def allow_processes(self, daemon, uid, count):
        """Limits how many the daemon's user may have, for the daemon; root is beyond that limit."""

        def change():
            _, hard = process.limit(daemon.pid, resource.RLIMIT_NPROC)
            resource.prlimit(daemon.pid, resource.RLIMIT_NPROC, (count, hard))
            return b""

        as_user(uid, change) if os.geteuid() == 0 else change()

    def test_no_descriptor_for_its_pipes_is_an_error_frame_and_the_next_try_can_succeed(self):
        """promise 31"""
        daemon = self.start()
        connection = self.connect(daemon.tcp)
        for _ in range(3):  # UBSan looks at memory through a pipe when it meets a type for the first time
            connection.run("true")
        limits = process.limit(daemon.pid, resource.RLIMIT_NOFILE)
        lowest = process.lowest_free_descriptor(daemon.pid)
        for more in range(8):
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (lowest + more, limits[1]))
            reply = connection.run("echo hello")
            resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)
            if reply.error:
                self.assert_error(reply, "spawn", "busy")
                self.assertEqual(reply.header["errno"], "EMFILE", reply)
            self.assertTrue(reply.error or reply.stdout == b"hello\n", reply)
            self.assertTrue(reply.error or more > 0, "a command ran without a single new descriptor")
            self.assertEqual(connection.run("echo hello").stdout, b"hello\n")
            self.assertEqual(process.children(daemon.pid), [])


if __name__ == "__main__":
    unittest.main()
