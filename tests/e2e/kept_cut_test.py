"""A kept command outlives every end that its connection can have, and its client comes back to each byte and to its exit.

A relay on loopback cuts the connection at each frame, and inside of frames; RUNWIRE_CUTS=1000 makes a longer run of that.
"""

import hashlib
import os
import pathlib
import random
import subprocess
import sys
import time
import unittest

import process
from daemon import until
from relay import Cut, Relay
from session_case import KIB, MIB, SessionCase
from session_client import Session

HERE = pathlib.Path(__file__).resolve().parent
CUTS = int(os.environ.get("RUNWIRE_CUTS", "60"))
WINDOW = 8 * KIB
PIECE = 6 * KIB  # of input, so that there are many frames
KEEP_MS = 600_000
HELD, BLOCK = MIB, 64 * KIB  # of a stream, under block and drop; it is given up in blocks

# What another process does with a kept command: all of it into a file, and credit for what is there. It stops itself
# when it has written so many pieces; 0: never.
RECEIVER = """
import os, signal, sys
from session_client import Session
address, name, line, path, full, pieces = sys.argv[1:]
with open(path, "ab", buffering=0) as file, Session(address, 512 << 10) as session:
    there = file.tell()
    start = {"id": name, "keep_ms": 600000, "full": full}
    command = session.attach(name, there) if there else session.start(line, **start)
    for count, (_, piece) in enumerate(command.output(), 1):
        file.write(piece)
        if count == int(pieces):
            os.kill(os.getpid(), signal.SIGSTOP)
sys.exit(command.end["code"])
"""


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Transfer:
    """A kept command whose input goes there, and whose output comes back, over as many connections as it takes."""

    def __init__(self, name, line, data=None, full="block", window=WINDOW):
        self.id, self.line, self.data, self.full, self.window = name, line, data, full, window
        self.has_started, self.end, self.connections, self.failures = False, None, 0, []
        self.places = {"stdout": 0, "stderr": 0}
        self.pieces = {"stdout": [], "stderr": []}  # (place, bytes)
        self.gaps = {"stdout": [], "stderr": []}  # (from, to)

    def run(self, address, most=50):
        """Comes back until it is over."""
        while not self.end:
            self.connections += 1
            assert self.connections <= most, f"it comes to no end: {self.failures}"
            try:
                self.go_on(address)
            except ConnectionError as error:
                self.failures.append(error)
        return self

    def go_on(self, address, is_enough=lambda: False):
        """Over one connection, up to its end, the command's or until it is enough."""
        with Session(address, self.window) as session:
            command = self.follow(session)
            while not command.end and not is_enough():
                self.say_more(session, command)
                self.take(command)
            self.take(command)
            self.end = command.end

    def follow(self, session):
        if self.has_started:
            command = session.attach(self.id, **self.places)
            command.sent = max(0, command.sent - self.connections * KIB)  # as who does not quite know what had arrived
            return command
        how = {"id": self.id, "keep_ms": KEEP_MS, "full": self.full, "stdin": self.data is not None}
        command = session.start(self.line, **how)
        while not (command.pid or command.kept or command.end):
            session.receive()
        self.has_started = True  # until then it is said again: perhaps it arrived
        return command

    def say_more(self, session, command):
        """A piece of input, if it may be, and one message."""
        if self.data is not None and command.takes_stdin:
            left, room = len(self.data) - command.sent, command.allowed - command.sent
            if room or not left:
                piece = self.data[command.sent :][: min(PIECE, room)]
                command.write(piece, eof=len(piece) == left)
                command.takes_stdin = len(piece) < left
                if piece and command.kept and command.sent <= command.kept["stdin"]:
                    return  # it had arrived: nothing comes of it
        session.receive()

    def take(self, command):
        for stream, piece in command.pieces:
            if not piece:
                _, start, end = command.gaps.pop(0)
                self.gaps[stream].append((start, end))
                self.places[stream] = end
                continue
            self.pieces[stream].append((self.places[stream], piece))
            self.places[stream] += len(piece)
            if not command.end:
                command.tell("credit", stream=stream, bytes=len(piece))
        command.pieces.clear()

    def whole(self, stream):
        return b"".join(piece for _, piece in self.pieces[stream])


class CutCase(SessionCase):
    def setUp(self):
        super().setUp()
        self.relay = Relay(self.daemon.tcp)
        self.addCleanup(self.relay.close)
        self.numbers = iter(range(1_000_000))
        self.random = random.Random(f"{CUTS} cuts")
        self.data = self.random.randbytes(18 * KIB).hex().encode()

    def transfer(self, full="block", *cuts):
        """One that says how often it ran, whose stdout is its input in capitals, and whose stderr is its input."""
        name = f"cut-{next(self.numbers)}"
        self.relay.cuts.clear()
        self.relay.cuts.extend(cuts)
        line = f"echo ran >> {self.path(name)}; tee /dev/stderr | tr a-z A-Z; exit 7"
        transfer = Transfer(name, line, self.data, full).run(self.relay.address)
        self.assert_whole(transfer, self.data.upper(), self.data, 7)
        self.assertEqual(pathlib.Path(self.path(name)).read_text(), "ran\n")
        with Session(self.daemon.tcp) as session:
            session.send("forget", id=name)
            self.assertEqual(session.receive()[0]["type"], "forgotten")
        return transfer

    def assert_whole(self, transfer, stdout, stderr, code):
        self.assertEqual((transfer.end["type"], transfer.end.get("code")), ("exit", code), transfer.end)
        self.assertEqual(transfer.gaps, {"stdout": [], "stderr": []})
        for stream, expected in (("stdout", stdout), ("stderr", stderr)):
            self.assertEqual(transfer.end[stream], len(expected))
            self.assertEqual(digest(transfer.whole(stream)), digest(expected), stream)

    def assert_exact(self, transfer, stream, expected):
        """Its bytes are those of their places, and with the gaps they are all, none of them twice."""
        parts = [(place, place + len(piece)) for place, piece in transfer.pieces[stream]] + transfer.gaps[stream]
        place = 0
        for start, end in sorted(parts):
            self.assertEqual(start, place)
            place = end
        self.assertEqual((place, transfer.end[stream]), (len(expected), len(expected)))
        for start, piece in transfer.pieces[stream]:
            self.assertEqual(digest(piece), digest(expected[start : start + len(piece)]))

    def cuts_made(self):
        return sum(way.is_cut for carried in self.relay.carried for way in carried.ways.values())

    def job(self, name):
        """What a list says about it."""
        with Session(self.daemon.tcp) as session:
            session.send("list")
            while (header := session.receive()[0])["type"] != "listed":
                if header["id"] == name:
                    return header
        return None

    def told(self, text):
        print(f"{self.id()}: {text}", file=sys.stderr)


class Cuts(CutCase):
    def test_at_every_frame_boundary(self):
        """promise 63"""
        for full in ("block", "spill"):
            self.transfer(full)
            recorded = {name: way.frames for name, way in self.relay.carried[0].ways.items()}
            plans = [(way, frames) for way, count in recorded.items() for frames in range(count + 1)]
            before = self.cuts_made()
            for number, (way, frames) in enumerate(plans):
                with self.subTest(full=full, way=way, frames=frames):
                    self.transfer(full, Cut(way, frames, is_reset=number % 2 == 1))
            self.assertGreater(self.cuts_made() - before, len(plans) / 2)

    def test_at_random_places_inside_of_frames(self):
        """promise 63"""
        began, sent, commands = time.monotonic(), 0, 0
        while (made := self.cuts_made()) < CUTS:
            cuts = [self.random_cut() for _ in range(min(self.random.randint(1, 4), CUTS - made))]
            full = self.random.choice(["block", "spill", "drop"])
            with self.subTest(full=full, cuts=cuts):
                sent += sum(self.transfer(full, *cuts).places.values())
            commands += 1
            self.assertLess(commands, 4 * CUTS + 10, "they cut nothing")
        seconds = time.monotonic() - began
        self.told(f"{CUTS} cuts, {commands} commands, {sent} bytes of output, {seconds:.1f} s")

    def random_cut(self):
        way = self.random.choice(["up", "down"])
        return Cut(way, self.random.randrange(14), self.random.random(), self.random.random() < 0.5)


class Away(CutCase):
    """Nobody is there while the command writes."""

    LINE, TOTAL = "seq 400000; seq 5 >&2; exit 3", "".join(f"{i}\n" for i in range(1, 400_001)).encode()
    ERRORS = b"1\n2\n3\n4\n5\n"

    def leave(self, full):
        """After some of its output."""
        transfer = Transfer("away", self.LINE, full=full, window=64 * KIB)
        transfer.go_on(self.relay.address, lambda: transfer.places["stdout"] > 100 * KIB)
        return transfer

    def until_finished(self):
        until(lambda: self.job("away")["state"] == "finished", "the command to end")

    def test_what_is_spilled_is_there_afterwards_and_twice(self):
        """promise 63, promise 65"""
        transfer = self.leave("spill")
        self.until_finished()
        self.assert_whole(transfer.run(self.relay.address), self.TOTAL, self.ERRORS, 3)
        with Session(self.daemon.unix) as other:
            again = other.attach("away").wait()
        self.assertEqual((digest(again.stdout), again.stderr), (digest(self.TOTAL), self.ERRORS))

    def test_a_command_that_blocks_waits_for_somebody(self):
        """promise 65"""
        transfer = self.leave("block")
        until(lambda: self.job("away")["stdout"] >= transfer.places["stdout"] + HELD // 2, "it to fill its record")
        self.assertEqual(self.job("away")["state"], "running")
        self.assertLessEqual(self.job("away")["stdout"], transfer.places["stdout"] + HELD)
        self.assert_whole(transfer.run(self.relay.address), self.TOTAL, self.ERRORS, 3)

    def test_what_is_dropped_is_told_to_the_byte(self):
        """promise 65"""
        transfer = self.leave("drop")
        place = transfer.places["stdout"]
        self.until_finished()
        transfer.run(self.relay.address)
        self.assert_exact(transfer, "stdout", self.TOTAL)
        self.assert_exact(transfer, "stderr", self.ERRORS)
        [(start, end)] = transfer.gaps["stdout"]
        self.assertEqual(start, place)
        self.assertLessEqual(len(self.TOTAL) - end, HELD)

    def test_what_is_dropped_while_the_reader_is_cut_again_and_again_is_told_to_the_byte(self):
        transfer = Transfer("away", self.LINE, full="drop", window=4 * KIB)
        self.relay.cuts.extend(Cut("down", 8, self.random.random(), number % 2 == 1) for number in range(20))
        transfer.run(self.relay.address)
        self.assert_exact(transfer, "stdout", self.TOTAL)
        self.assert_exact(transfer, "stderr", self.ERRORS)


class Gone(CutCase):
    """Ends that nobody announces."""

    LINE, TOTAL = Away.LINE, Away.TOTAL
    options = ("--keepalive", "0.2")

    def test_a_network_that_falls_silent_holds_up_nobody_for_long(self):
        """promise 63"""
        for full in ("block", "spill"):
            with self.subTest(full):
                transfer = Transfer(f"silent-{full}", self.LINE, full=full, window=64 * KIB)
                relay = Relay(self.daemon.tcp)
                self.addCleanup(relay.close)
                silent = Session(relay.address, 64 * KIB)
                self.addCleanup(silent.__exit__)
                command = transfer.follow(silent)
                while transfer.places["stdout"] < 100 * KIB:
                    silent.receive()
                    transfer.take(command)
                relay.fall_silent()
                self.assert_whole(transfer.run(self.daemon.tcp), self.TOTAL, Away.ERRORS, 3)

    def test_a_client_that_is_killed_left_a_file_that_others_complete(self):
        """promise 63: another process, that knows nothing but the file"""
        for full in ("block", "spill"):
            with self.subTest(full):
                path = self.path(f"received-{full}")
                for _ in range(3):
                    with self.receiver(full, path, pieces=3) as receiver:
                        until(lambda: process.state(receiver.pid) == "T", "the client to stop")  # noqa: B023
                        self.until_full(f"killed-{full}", os.path.getsize(path))
                        receiver.kill()
                self.assertLess(os.path.getsize(path), len(self.TOTAL), "they were killed too late")
                with self.receiver(full, path) as receiver:
                    receiver.communicate()
                self.assertEqual(receiver.returncode, 3)
                self.assertEqual(digest(pathlib.Path(path).read_bytes()), digest(self.TOTAL))

    def until_full(self, name, place):
        """The command has written all that it may, for a reader who is at that place."""
        full = min(len(self.TOTAL), place + HELD - 2 * BLOCK)
        until(lambda: self.job(name)["stdout"] >= full, "the record to be full")

    def receiver(self, full, path, pieces=0):
        words = [sys.executable, "-c", RECEIVER, self.daemon.tcp, f"killed-{full}", "seq 400000; exit 3", path, full, str(pieces)]
        return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(HERE)})

    def test_a_daemon_that_is_killed_is_another_one_afterwards_and_knows_nothing(self):
        """promise 64: the outcome is unknown, and nothing runs a second time."""
        runs = self.path("runs")
        client = self.session(self.daemon.tcp)
        command = client.start(f"echo ran >> {runs}; exec sleep 1000", id="lost", keep_ms=KEEP_MS)
        until(lambda: os.path.exists(runs), "it to run")
        self.daemon.kill()
        with self.assertRaises(ConnectionError):
            command.wait()
        self.assertIsNone(command.end)
        after = self.session(self.start().tcp)
        self.assertNotEqual(after.hello["boot"], client.hello["boot"])
        self.assertEqual(after.attach("lost").end["error"], "unknown")
        self.assertEqual(pathlib.Path(runs).read_text(), "ran\n")


class Once(CutCase):
    def test_the_same_start_on_many_connections_at_once_runs_once(self):
        """promise 64"""
        runs, gate = self.path("runs"), self.gate()
        line = f"echo ran >> {runs}; read x < {gate}; echo done; exit 4"
        sessions = [self.session(address) for address in self.daemon.addresses * 5]
        commands = [session.start(line, id="once", keep_ms=KEEP_MS) for session in sessions]
        for session, command in zip(sessions, commands):
            self.wait_for(session, lambda: command.pid or command.kept)
        self.assertEqual(sum(command.kept is None for command in commands), 1)
        gate.open()
        for command in commands:
            self.assert_ended(command.wait(), 4)
            self.assertEqual(command.stdout, b"done\n")
        self.assertEqual(pathlib.Path(runs).read_text(), "ran\n")

    def test_another_command_under_that_id_is_a_conflict_and_touches_nothing(self):
        gate, canary = self.gate(), self.path("canary")
        line = f"read x < {gate}; exit 5"
        command = self.session().start(line, id="once", keep_ms=KEEP_MS)
        self.wait_for(command.session, lambda: command.pid)
        others = ({"keep_ms": KEEP_MS + 1}, {"stdin": True}, {"cwd": "/"}, {"full": "drop"}, {"environment": {"A": "b"}})
        for other in others:
            with self.subTest(other):
                refused = self.session().start(line, **{"id": "once", "keep_ms": KEEP_MS, **other}).wait()
                self.assert_never_ran(refused, "conflict")
        self.assert_never_ran(self.session().start(f"touch {canary}", id="once", keep_ms=KEEP_MS).wait(), "conflict")
        gate.open()
        self.assert_ended(command.wait(), 5)
        self.assertFalse(os.path.exists(canary))


if __name__ == "__main__":
    unittest.main()
