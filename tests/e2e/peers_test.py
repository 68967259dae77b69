"""The servers of bench/peers answer as the plain protocol says, so that a comparison with them is one.
RUNWIRE_PEERS names the directory that they are compiled into."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest
import unittest.mock

from fifo import Bell, Gate
from plain import DEADLINE_S, Connection

ROOT = pathlib.Path(__file__).resolve().parents[2]
PEERS = ROOT / "bench/peers"
sys.path.append(str(ROOT / "bench/compare"))
import peers  # noqa: E402

EACH = 200_000  # more than a pipe holds
PRINT = f"head -c {EACH} /dev/zero | tr '\\0' "


def built():
    directory = os.environ.get("RUNWIRE_PEERS")
    assert directory, "set RUNWIRE_PEERS to the directory that the peers are compiled into"
    (runnable, left_out), (yardsticks, no_yardsticks) = (make(PEERS, directory) for make in (peers.build, peers.barest))
    return {**runnable, **yardsticks}, left_out + no_yardsticks


class Peer:
    """Of each peer the same is asked; the classes below name one each."""

    name = ""

    @classmethod
    def setUpClass(cls):
        runnable, left_out = built()
        if cls.name not in runnable:
            raise unittest.SkipTest(dict(left_out)[cls.name])
        cls.argv = runnable[cls.name]

    def setUp(self):
        self.server = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end_server)
        ready = self.server.stdout.readline()
        self.assertRegex(ready, r"\Alistening on 127\.0\.0\.1:\d+\n\Z")
        self.address = ready.split()[-1]

    def end_server(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()

    def connect(self):
        connection = Connection(self.address)
        self.addCleanup(connection.close)
        return connection

    def payload_of_frame(self, connection):
        header = json.loads(connection.exactly(int.from_bytes(connection.exactly(4), "little")))
        self.assertEqual(list(header.items())[0], ("filename", "cls.txt"))
        self.assertEqual(list(header), ["filename", "len"])
        return connection.exactly(header["len"])

    def answer(self, connection, command):
        connection.send(command)
        return self.payload_of_frame(connection)

    def test_each_command_on_a_connection_gets_a_frame_with_its_output(self):
        connection = self.connect()
        for command, output in (
            ("echo hello", b"hello\n"),
            ("exit 3", b""),
            ("echo e >&2; echo o", b"o\ne\n"),
        ):
            self.assertEqual(self.answer(connection, command), output)

    def test_outputs_longer_than_pipes_come_whole_in_whatever_order_they_are_written(self):
        command = f"{PRINT} e >&2; {PRINT} o; {PRINT} e >&2"
        self.assertEqual(self.answer(self.connect(), command), b"o" * EACH + b"e" * 2 * EACH)

    def test_a_client_that_has_gone_leaves_the_others_served(self):
        gone = self.connect()
        gone.send("echo hello")
        gone.reset()
        self.assertEqual(self.answer(self.connect(), "echo hello"), b"hello\n")

    def test_sigterm_ends_it(self):
        self.server.send_signal(signal.SIGTERM)
        self.assertIn(self.server.wait(DEADLINE_S), (0, -signal.SIGTERM))


class ManyClients(Peer):
    def test_commands_of_two_clients_run_side_by_side(self):
        with tempfile.TemporaryDirectory() as directory:
            bell, gate = Bell(f"{directory}/bell"), Gate(f"{directory}/gate")
            self.addCleanup(bell.close)
            self.addCleanup(gate.close)
            waiting, other = self.connect(), self.connect()
            waiting.send(f"echo > {bell}; read x < {gate}; echo first")
            bell.wait()
            self.assertEqual(self.answer(other, "echo second"), b"second\n")
            gate.open()
            self.assertEqual(self.payload_of_frame(waiting), b"first\n")


class Sequential(Peer, unittest.TestCase):
    name = "sequential"


class Asyncio(ManyClients, unittest.TestCase):
    name = "asyncio"


class Node(ManyClients, unittest.TestCase):
    name = "node"


class Go(ManyClients, unittest.TestCase):
    name = "go"


class Rust(ManyClients, unittest.TestCase):
    name = "rust"


class Fork(ManyClients, unittest.TestCase):
    name = "fork"


class Barest(ManyClients):
    leads = ""

    def test_what_a_command_leads_is_what_was_asked_for(self):
        ids = self.answer(self.connect(), "ps -o pid=,pgid=,sid= -p $$").split()
        self.assertEqual(ids[0], ids[1])
        self.assertEqual(ids[0] == ids[2], self.leads == "session")

    def test_long_commands_leave_room_for_others(self):
        with tempfile.TemporaryDirectory() as directory:
            gate = Gate(f"{directory}/gate")
            self.addCleanup(gate.close)
            long = [self.connect() for _ in range(6)]
            for connection in long:
                connection.send(f"read x < {gate}; echo long")
            self.assertEqual(self.answer(self.connect(), "echo short"), b"short\n")
            gate.open(len(long))
            for connection in long:
                self.assertEqual(self.payload_of_frame(connection), b"long\n")


class BarestSession(Barest, unittest.TestCase):
    name, leads = "barest (session)", "session"


class BarestGroup(Barest, unittest.TestCase):
    name, leads = "barest (group)", "group"


class Build(unittest.TestCase):
    def test_what_cannot_be_built_is_left_out_with_the_reason(self):
        with tempfile.TemporaryDirectory() as empty, unittest.mock.patch.dict(os.environ, PATH=empty):
            runnable, left_out = peers.build(PEERS, empty)
        self.assertEqual(list(runnable), ["sequential", "asyncio"])
        self.assertEqual([name for name, _ in left_out], ["node", "go", "rust", "fork"])
        self.assertEqual(dict(left_out)["go"], "go is not installed: apt-get install golang-go")

    def test_a_compilers_complaint_is_the_reason(self):
        with tempfile.TemporaryDirectory() as directory:
            failing = pathlib.Path(directory, "cc")
            failing.write_text("#!/bin/sh\necho no such option >&2\nexit 1\n")
            failing.chmod(0o755)
            with unittest.mock.patch.dict(os.environ, PATH=directory):
                _, left_out = peers.build(PEERS, directory)
        self.assertRegex(dict(left_out)["fork"], r"\A`.*/cc .*fork_server\.c` fails: no such option\Z")

    def test_what_is_newer_than_its_source_is_not_compiled_again(self):
        before, _ = built()
        with tempfile.TemporaryDirectory() as empty, unittest.mock.patch.dict(os.environ, PATH=empty):
            again, _ = built()
        self.assertEqual(again, {name: argv for name, argv in before.items() if name != "node"})


if __name__ == "__main__":
    unittest.main()
