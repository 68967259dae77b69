"""The programs of examples/, run as their comments say. RUNWIRE_EXAMPLES names the directory they were built in."""

import os
import re
import subprocess
import unittest

from client import runwire
from plain import DEADLINE_S, Connection

LISTENS = re.compile(r"hello_server listens; now run: hello_client (127\.0\.0\.1:\d+)\n")


def example(name):
    directory = os.environ.get("RUNWIRE_EXAMPLES")
    assert directory, "set RUNWIRE_EXAMPLES to the directory of the built examples"
    return os.path.join(os.path.abspath(directory), name)


def run(name, *words):
    return subprocess.run([example(name), *words], capture_output=True, text=True, timeout=DEADLINE_S)


class Hello(unittest.TestCase):
    def setUp(self):
        self.server = subprocess.Popen([example("hello_server")], stdout=subprocess.PIPE, text=True)
        self.addCleanup(self.end_server)
        self.address = LISTENS.fullmatch(self.server.stdout.readline())[1]

    def end_server(self):
        self.server.kill()
        self.server.wait()
        self.server.stdout.close()

    def test_the_server_answers_hello_and_the_client_prints_it(self):
        for _ in range(2):
            done = run("hello_client", self.address)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "hello\n", ""))

    def test_the_answer_is_one_frame_of_the_original_protocol(self):
        connection = Connection(self.address)
        self.addCleanup(connection.close)
        connection.send("hi")
        header = b'{"filename":"hello.txt","len":5}'
        answer = len(header).to_bytes(4, "little") + header + b"hello"
        self.assertEqual(connection.exactly(len(answer)), answer)

    def test_runwire_understands_the_server(self):
        done = runwire("--plain", "-q", self.address, "hi")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"hello", b""))


class HelloAlone(unittest.TestCase):
    def test_a_client_without_a_server_says_what_to_do(self):
        done = run("hello_client", "unix:/nonexistent")
        text = "hello_client: cannot connect to unix:/nonexistent: no such socket; start runwired, or name another HOST\n"
        self.assertEqual((done.returncode, done.stdout, done.stderr), (1, "", text))
        self.assertEqual(run("hello_client").returncode, 1)


class StickyPackets(unittest.TestCase):
    def test_reads_cut_the_stream_anywhere_and_frames_give_the_messages_back(self):
        done = run("sticky_packets")
        lines = [
            "sent:                   [hello] [sticky] [TCP]",
            "read 4, 5, 5 at a time: [hell] [ostic] [kyTCP]",
            "the same, in frames:    [hello] [sticky] [TCP]",
        ]
        self.assertEqual((done.returncode, done.stdout.splitlines(), done.stderr), (0, lines, ""))


if __name__ == "__main__":
    unittest.main()
