"""`runwire` and the real `runwired` together, about commands that outlive their connection: over a relay that cuts it or
falls silent, and after the client's own end."""

import contextlib
import hashlib
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import unittest

from client import environment, program, runwire, start_runwire_for
from daemon import DaemonCase, until
from plain import DEADLINE_S

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "kept.md")


class Relay:
    """Stands between clients and a daemon. Each of its connections has an allowance of bytes, those of both directions
    together, and when that is used up it is cut with a reset, or falls silent; None: it has no end."""

    def __init__(self, address, allowances, silent=False):
        self.target, self.allowances, self.silent = address, iter(allowances), silent
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self.listener.getsockname())
        self.connections, self.sockets, self.threads = 0, [], []
        self.spawn(self.accept)

    def spawn(self, function, *arguments):
        thread = threading.Thread(target=function, args=arguments)
        self.threads.append(thread)
        thread.start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                self.connections += 1
                server = socket.create_connection(self.target.rsplit(":", 1))
                pair = [client, server]
                self.sockets += pair
                allowance = [next(self.allowances, None)]
                self.spawn(self.carry, client, server, pair, allowance)
                self.spawn(self.carry, server, client, pair, allowance)

    def carry(self, source, sink, pair, allowance):
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                if allowance[0] is not None:
                    piece = piece[: allowance[0]]
                    allowance[0] -= len(piece)
                sink.sendall(piece)
                if allowance[0] == 0:
                    return None if self.silent else self.cut(pair)
            sink.shutdown(socket.SHUT_WR)
        return None

    def cut(self, pair):
        for each in pair:
            with contextlib.suppress(OSError):  # the other direction may have done it
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.threads[0].join(DEADLINE_S)
        self.cut(self.sockets)
        for thread in self.threads:
            thread.join(DEADLINE_S)
        for each in [self.listener, *self.sockets]:
            each.close()


class KeptDaemonCase(DaemonCase):
    options = ()

    def setUp(self):
        super().setUp()
        self.daemon = self.start(*self.options)

    def relay(self, allowances, **how):
        relay = Relay(self.daemon.tcp, allowances, **how)
        self.addCleanup(relay.close)
        return relay

    def assert_ran(self, done, status=0, stdout=b"", stderr=b""):
        self.assertEqual((done.returncode, done.stdout, done.stderr), (status, stdout, stderr))

    def detached(self, *words):
        """The id of a command that runs on."""
        done = runwire("-d", self.daemon.tcp, *words)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode().strip()

    def spawn(self, *words, **how):
        return start_runwire_for(self, *words, **how)


class Cuts(KeptDaemonCase):
    options = ("--keepalive", "0.3")

    def test_output_and_status_survive_a_connection_that_is_cut_again_and_again(self):
        """promise 63"""
        dice = random.Random(1)
        relay = self.relay([dice.randrange(400, 400000) for _ in range(12)])
        done = runwire("--keep", relay.address, "head -c 3000000 /dev/zero | tr '\\0' x; echo err >&2; exit 7")
        self.assertEqual((done.returncode, done.stderr), (7, b"err\n"))
        self.assertEqual(hashlib.sha256(done.stdout).digest(), hashlib.sha256(b"x" * 3000000).digest())
        self.assertGreater(relay.connections, 5)

    def test_input_arrives_once_and_whole_over_cuts(self):
        """promise 63"""
        dice = random.Random(2)
        relay = self.relay([dice.randrange(400, 300000) for _ in range(12)])
        data = dice.randbytes(1500000)
        done = runwire("--keep", relay.address, "cat", stdin=data)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertTrue(done.stdout == data, "what came back is not what was sent")
        self.assertGreater(relay.connections, 5)

    def early_cuts(self):
        """Relays whose first connection is cut at places all over the start and its answer, and what a run over it gave,
        with the file to which the command adds a line. Where no daemon had been met nothing had been asked for."""
        for place in range(1, 700, 23):
            yield place, self.relay([place]), self.path(f"ran.{place}")

    def was_met(self, relay, done):
        return relay.connections > 1 or done.returncode != 255 or b"the server closed the connection; is it" not in done.stderr

    def assert_ran_once(self, path, place):
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "x\n", place)

    def test_a_connection_cut_at_any_place_runs_the_command_once(self):
        """promise 64"""
        met = 0
        for place, relay, path in self.early_cuts():
            done = runwire("--keep", relay.address, f"echo x >> {path}; echo out; exit 3")
            if self.was_met(relay, done):
                self.assert_ran(done, 3, b"out\n")
                self.assert_ran_once(path, place)
                met += 1
        self.assertGreater(met, 10)

    def test_a_start_that_detaches_runs_once_over_cuts(self):
        """promise 64"""
        for place, relay, path in self.early_cuts():
            done = runwire("-d", relay.address, f"echo x >> {path}; exit 3")
            if self.was_met(relay, done):
                self.assertEqual((done.returncode, done.stderr), (0, b""), place)
                self.assert_ran(runwire("wait", self.daemon.tcp, done.stdout.decode().strip()), 3)
                self.assert_ran_once(path, place)

    def test_a_silent_connection_is_left_for_another(self):
        """promise 63"""
        relay = self.relay([30000], silent=True)
        done = runwire("--keep", relay.address, "head -c 100000 /dev/zero; exit 5")
        self.assert_ran(done, 5, bytes(100000))
        self.assertEqual(relay.connections, 2)


class Client(KeptDaemonCase):
    def test_a_killed_client_leaves_a_command_that_another_follows_to_its_end(self):
        """promise 63"""
        gate = self.gate()
        process = self.spawn("--keep", self.daemon.tcp, f"echo one; read x < {gate}; echo two; exit 4")
        self.assertEqual(process.stdout.readline(), b"one\n")
        process.kill()
        process.wait()
        [line] = runwire("ps", self.daemon.tcp).stdout.decode().splitlines()[1:]
        gate.open()
        self.assert_ran(runwire("attach", self.daemon.tcp, line.split()[0]), 4, b"one\ntwo\n")

    def test_several_follow_one_command_and_see_the_same(self):
        gate = self.gate()
        name = self.detached(f"echo one; read x < {gate}; echo two; exit 4")
        others = [self.spawn("attach", self.daemon.tcp, name) for _ in range(3)]
        for process in others:
            self.assertEqual(process.stdout.readline(), b"one\n")
        gate.open()
        for process in others:
            self.assertEqual(process.communicate(timeout=DEADLINE_S), (b"two\n", b""))
            self.assertEqual(process.returncode, 4)

    def test_ps_shows_a_command_as_it_was_written(self):
        self.detached("echo 'grüße' \x1b[2J\udcff" + "é" * 200)
        [line] = runwire("ps", self.daemon.tcp).stdout.decode().splitlines()[1:]
        self.assertRegex(line, r"  echo 'grüße' \\x1b\[2J\\xffé{80,90}\.\.\.$")

    def test_output_can_be_had_twice_and_after_rm_never(self):
        name = self.detached("echo out; echo err >&2; exit 2")
        self.assert_ran(runwire("wait", self.daemon.tcp, name), 2)
        for verb, status in (("logs", 0), ("logs", 0), ("attach", 2)):
            self.assert_ran(runwire(verb, self.daemon.tcp, name), status, b"out\n", b"err\n")
        self.assert_ran(runwire("rm", self.daemon.tcp, name))
        done = runwire("attach", self.daemon.tcp, name)
        self.assertEqual((done.returncode, done.stdout), (255, b""))
        self.assertIn(b"has ended, and nothing of it is kept any more", done.stderr)

    def test_logs_show_what_is_there_of_a_command_that_goes_on(self):
        name = self.detached(f"echo one; exec cat {self.gate()}")
        until(lambda: runwire("logs", self.daemon.tcp, name).stdout == b"one\n", "the output to be there")
        done = runwire("rm", self.daemon.tcp, name)
        self.assertEqual(done.returncode, 255)
        self.assertIn(b"it has not ended; `runwire kill ", done.stderr)
        self.assert_ran(runwire("kill", self.daemon.tcp, name))
        self.assertEqual(runwire("wait", self.daemon.tcp, name).returncode, 143)

    def test_kill_ends_all_that_the_command_has_started(self):
        bell = self.bell()
        name = self.detached(f"setsid sh -c 'echo $$ > {bell}; exec sleep 1000' & wait")
        [pid] = bell.wait()
        self.assert_ran(runwire("kill", self.daemon.tcp, name))
        until(lambda: not os.path.exists(f"/proc/{pid}"), "its child to end")

    def test_a_signal_reaches_the_command_alone(self):
        name = self.detached(f"trap 'exit 9' USR1; echo up; while :; do read x < {self.gate()}; done")
        until(lambda: runwire("logs", self.daemon.tcp, name).stdout == b"up\n", "it to be up")
        self.assert_ran(runwire("kill", "-s", "USR1", self.daemon.tcp, name))
        self.assertEqual(runwire("wait", self.daemon.tcp, name).returncode, 9)

    def test_a_signal_that_ends_it_at_once_is_a_success_and_afterwards_it_is_told_that_it_has_ended(self):
        name = self.detached("exec sleep 1000")
        self.assert_ran(runwire("kill", "-s", "KILL", self.daemon.tcp, name))
        self.assertEqual(runwire("wait", self.daemon.tcp, name).returncode, 137)
        done = runwire("kill", "-s", "KILL", self.daemon.tcp, name)
        self.assertEqual(done.returncode, 255)
        self.assertIn(b"it has ended, and no signal reaches it any more", done.stderr)

    def test_attach_with_i_gives_it_input(self):
        process = self.spawn("--keep", self.daemon.tcp, "cat", stdin=subprocess.PIPE)
        process.stdin.write(b"one\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), b"one\n")
        [line] = runwire("ps", self.daemon.tcp).stdout.decode().splitlines()[1:]
        process.send_signal(signal.SIGHUP)
        process.wait(DEADLINE_S)
        done = runwire("attach", "-i", self.daemon.tcp, line.split()[0], stdin=b"two\n")
        self.assert_ran(done, 0, b"one\ntwo\n")

    def test_another_daemon_in_its_place_runs_nothing_again(self):
        """promise 64"""
        ran = self.path("ran")
        process = self.spawn("--keep", self.daemon.unix, f"echo x >> {ran}; echo up; exec sleep 1000")
        self.assertEqual(process.stdout.readline(), b"up\n")
        self.daemon.kill()
        self.daemon.end_everything()
        self.start()
        _, stderr = process.communicate(timeout=DEADLINE_S)
        self.assertEqual(process.returncode, 255)
        self.assertIn(b"the daemon is a new one", stderr)
        self.assertEqual(os.path.getsize(ran), 2)


class Document(KeptDaemonCase):
    def test_its_examples_do_what_they_say(self):
        with open(DOCUMENT, encoding="utf-8") as document:
            script = "".join(re.findall(r"^```sh\n(.*?)^```$", document.read(), re.MULTILINE | re.DOTALL))
        path = os.path.dirname(program()) + ":" + os.environ["PATH"]
        done = subprocess.run(
            ["sh", "-c", script], capture_output=True, stdin=subprocess.DEVNULL, timeout=DEADLINE_S,
            env=environment(RUNWIRE_HOST=self.daemon.unix_address) | {"PATH": path},
        )  # fmt: skip
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        shown = done.stdout.decode().splitlines()
        self.assertTrue(shown[0].startswith("ID "), shown)
        self.assertEqual(shown[2:], ["working", "done", "3", "working", "done", "3", "129", "a", "b"])


if __name__ == "__main__":
    unittest.main()
