"""A network that falls silent: packets vanish, and neither end is told. Kept commands are there when it is back, with
each byte and their exit, and none has run twice."""

import hashlib
import os
import pathlib
import random
import signal
import subprocess
import unittest

import client
from daemon import until
from network import Network
from session_case import KIB, MIB, SessionCase
from session_client import Session

KEEP_MS = 600_000
WINDOW = 512 * KIB
TOTAL = "".join(f"{n}\n" for n in range(1, 400_001)).encode()  # which is more than may be on its way

# All of a kept command into a file, and credit for what is there.
RECEIVER = """
import os, sys
from session_client import Session
address, window, name, line, path, full = sys.argv[1:]
with open(path, "ab", buffering=0) as file, Session(address, int(window)) as session:
    there = file.tell()
    start = {"id": name, "keep_ms": 600000, "full": full}
    command = session.attach(name, there) if there else session.start(line, **start)
    for _, piece in command.output():
        file.write(piece)
        print(file.tell(), flush=True)
sys.exit(command.end["code"])
"""

# Says hello, and, when it is told to, a start.
STARTER = """
import sys
from session_client import Session
address, name, line = sys.argv[1:]
with Session(address) as session:
    print("met", flush=True)
    sys.stdin.readline()
    command = session.start(line, id=name, keep_ms=600000)
    print("said", flush=True)
    command.wait()
"""


def digest(data):
    return hashlib.sha256(data).hexdigest()


class NetworkCase(SessionCase):
    """The daemon is at the far place. It listens on loopback only: a relay over there carries on what comes for it."""

    options = ("--keepalive", "0.2")

    def setUp(self):
        self.network = Network()
        self.addCleanup(self.network.close)
        super().setUp()
        self.address, end = self.network.relay(self.daemon.tcp)
        self.addCleanup(end)

    def start(self, *options, **how):
        return super().start(*options, prefix=self.network.far.prefix, **how)

    def run_here(self, *words, **how):
        """A process at the near place."""
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "bufsize": 0, **how}
        return self.ended_afterwards(subprocess.Popen([*self.network.near.prefix, *words], **how))

    def python_here(self, *words):
        return self.ended_afterwards(
            self.network.near.python(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        )

    def ended_afterwards(self, process):
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def runwire(self, *words, **how):
        options = ["--keep", "--connect-timeout", "0.5"]
        return self.run_here(client.program(), *options, self.address, *words, env=client.environment(), **how)

    def job(self):
        """What the daemon says about the one command that it keeps."""
        with Session(self.daemon.unix) as session:  # a path, which no network has a part in
            session.send("list")
            header, _ = session.receive()
            return header if header["type"] == "job" else None

    def await_loss(self):
        """Both ends have given the connection up."""
        until(lambda: self.job()["clients"] == 0, "the daemon to give it up")
        until(self.network.near.connects_in_vain, "the client to try for another connection")

    def ran(self):
        return pathlib.Path(self.path("runs")).read_text()

    def senders(self):
        """Who is not heard, in each of the ways in which a network falls silent."""
        return {"both": (), "client": (self.network.near,), "daemon": (self.network.far,)}.items()


class Client(NetworkCase):
    """runwire --keep"""

    def setUp(self):
        super().setUp()
        self.data = random.Random("silence").randbytes(4 * MIB).hex().encode()

    def transfer(self):
        """A command whose stdout is its input in capitals, and whose stderr is its input."""
        source = pathlib.Path(self.path("in"))
        source.write_bytes(self.data)
        line = f"echo ran >> {self.path('runs')}; tee /dev/stderr | tr a-f A-F; exit 7"
        with open(source, "rb") as stdin, open(self.path("err"), "wb") as stderr:
            return self.runwire(line, stdin=stdin, stderr=stderr)

    def read_up_to(self, process, received, place):
        while len(received) < place and (piece := process.stdout.read(64 * KIB)):
            received += piece

    def assert_comes_through(self, *senders):
        process, received, size = self.transfer(), bytearray(), len(self.data)
        for eighths in (1, 3, 5):  # what is left then is more than may be on its way
            self.read_up_to(process, received, size * eighths // 8)
            self.network.fall_silent(*senders)
            self.await_loss()
            self.network.come_back()
        self.assert_ends_whole(process, received)

    def assert_ends_whole(self, process, received):
        self.read_up_to(process, received, len(self.data) + 1)
        self.assertEqual(process.wait(), 7)
        self.assertEqual(digest(received), digest(self.data.upper()))
        self.assertEqual(digest(pathlib.Path(self.path("err")).read_bytes()), digest(self.data))
        self.assertEqual(self.ran(), "ran\n")

    def test_input_and_output_come_through_silences_whole_and_once(self):
        """promise 63, promise 64"""
        self.assert_comes_through()

    def test_so_they_do_where_only_the_client_is_not_heard(self):
        """promise 63, promise 64"""
        self.assert_comes_through(self.network.near)

    def test_so_they_do_where_only_the_daemon_is_not_heard(self):
        """promise 63, promise 64"""
        self.assert_comes_through(self.network.far)

    def test_an_upgrade_of_the_daemon_in_the_silence_changes_nothing(self):
        """promise 67"""
        process, received, size = self.transfer(), bytearray(), len(self.data)
        self.read_up_to(process, received, size // 2)
        self.network.fall_silent()
        self.daemon.upgrade()
        self.await_loss()
        self.network.come_back()
        self.assert_ends_whole(process, received)

    def test_an_exit_that_was_said_into_the_silence_is_not_lost(self):
        """promise 63"""
        for who, senders in self.senders():
            with self.subTest(unheard=who):
                gate = self.gate(f"gate-{who}")
                process = self.runwire(f"echo begun; read x < {gate.path}; echo over; exit 9")
                self.assertEqual(process.stdout.read(6), b"begun\n")
                self.network.fall_silent(*senders)
                gate.open()
                until(lambda: self.job()["state"] == "finished", "the command to end")
                if who != "client":  # else the exit has arrived
                    self.await_loss()
                self.network.come_back()
                self.assertEqual((process.stdout.read(6), process.wait()), (b"over\n", 9))
                self.forget()

    def forget(self):
        with Session(self.daemon.unix) as session:
            session.send("forget", id=self.job()["id"])
            self.assertEqual(session.receive()[0]["type"], "forgotten")


class Receivers(NetworkCase):
    """Clients that are killed while the network is silent, and others that come after them."""

    def receiver(self, full):
        words = [self.address, str(WINDOW), "kept", "seq 400000; exit 3", self.path("received"), full]
        return self.python_here(RECEIVER, *words)

    def begin(self, full):
        """One that has some of the output, and does not get all of it before the network is silent."""
        receiver = self.receiver(full)
        for _ in range(3):
            receiver.stdout.readline()
        receiver.send_signal(signal.SIGSTOP)
        self.network.fall_silent()
        receiver.send_signal(signal.SIGCONT)
        return receiver

    def assert_completed(self, full):
        receiver, path = self.begin(full), pathlib.Path(self.path("received"))
        until(lambda: self.job()["clients"] == 0, "the daemon to give it up")
        receiver.kill()
        self.assertLess(path.stat().st_size, len(TOTAL))
        self.network.come_back()
        other = self.receiver(full)
        other.communicate()
        self.assertEqual(other.returncode, 3)
        self.assertEqual(digest(path.read_bytes()), digest(TOTAL))

    def test_another_completes_the_file_of_a_command_that_blocks(self):
        """promise 63"""
        self.assert_completed("block")

    def test_another_completes_the_file_of_a_command_that_spills(self):
        """promise 63"""
        self.assert_completed("spill")

    def test_one_that_is_not_heard_any_more_holds_up_no_other(self):
        """promise 63"""
        self.begin("block")
        other = self.session(self.daemon.unix, WINDOW).attach("kept", None)
        self.assert_ended(other.wait(), 3)
        self.assertTrue(other.stdout and TOTAL.endswith(other.stdout))


class Starts(NetworkCase):
    """With nobody who gives up by himself."""

    options = ("--keepalive", "0")

    def setUp(self):
        super().setUp()
        self.line = f"echo ran >> {self.path('runs')}; echo out; exit 4"

    def starter(self):
        starter = self.python_here(STARTER, self.address, "once", self.line)
        self.assertEqual(starter.stdout.readline(), b"met\n")
        return starter

    def say_start(self, starter):
        starter.stdin.write(b"\n")
        self.assertEqual(starter.stdout.readline(), b"said\n")

    def has_finished(self):
        job = self.job()
        return job and job["state"] == "finished"

    def assert_runs_once(self):
        again = self.python_here(RECEIVER, self.address, str(WINDOW), "once", self.line, self.path("received"), "block")
        again.communicate()
        self.assertEqual(again.returncode, 4)
        self.assertEqual(pathlib.Path(self.path("received")).read_bytes(), b"out\n")
        self.assertEqual(self.ran(), "ran\n")

    def test_one_whose_answer_got_lost_is_said_again_and_runs_once(self):
        """promise 64"""
        starter = self.starter()
        self.network.fall_silent(self.network.far)
        self.say_start(starter)
        until(self.has_finished, "the command to run")
        starter.kill()
        self.network.come_back()
        self.assert_runs_once()

    def test_one_that_arrives_late_and_is_said_again_runs_once(self):
        """promise 64: the kernel of a client that is dead goes on saying what that had said."""
        starter = self.starter()
        self.network.fall_silent()
        self.say_start(starter)
        starter.kill()
        starter.wait()
        self.assertIsNone(self.job())
        self.network.come_back()
        until(self.has_finished, "the start to arrive, and the command to run")
        self.assert_runs_once()


if __name__ == "__main__":
    unittest.main()
