"""What README.md shows is run, and does what it says."""

import os
import re
import subprocess
import sys

from daemon import DaemonCase

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEFAULT = "127.0.0.1:8098"


class Readme(DaemonCase):
    def setUp(self):
        super().setUp()
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as readme:
            self.text = readme.read()
        self.blocks = BLOCK.findall(self.text)
        self.daemon = self.start()
        self.port = self.daemon.tcp.rpartition(":")[2]

    def shell(self, script):
        """With our programs in PATH, and the daemon where the document has the default one."""
        programs = [os.path.dirname(os.path.abspath(os.environ[name])) for name in ("RUNWIRE", "RUNWIRE_BENCH")]
        path = ":".join([*programs, os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "RUNWIRE_HOST": self.daemon.unix_address, "LC_ALL": "C.UTF-8"}
        script = script.replace(DEFAULT, f"127.0.0.1:{self.port}")
        return subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=environment, timeout=60)

    def examples(self):
        return [body.strip() for kind, body in self.blocks if kind == "sh" and body.startswith("runwire")]

    def test_the_first_transcript_is_what_is_seen(self):
        transcript = next(body for kind, body in self.blocks if body.startswith("$ "))
        command, _, shown = transcript[2:].partition("\n")
        outcome = self.shell(f"exec 2>&1; {command}")
        self.assertEqual(sorted(outcome.stdout.splitlines()), sorted(shown.splitlines()))

    def test_three_examples_stand_there_and_work(self):
        self.assertEqual(len(self.examples()), 3)
        for example in self.examples():
            with self.subTest(example):
                outcome = self.shell(example)
                self.assertEqual(outcome.returncode, 0, outcome.stderr)
                self.assertTrue(outcome.stdout)

    def test_words_arrive_as_they_are(self):
        example = next(example for example in self.examples() if "printf" in example)
        self.assertEqual(self.shell(example).stdout, "a  b\n$HOME\nit's\n")

    def test_the_python_client_works_and_is_ten_lines_long(self):
        body = next(body for kind, body in self.blocks if kind == "python")
        definition = body[: body.index("\n\nheader")]
        self.assertLessEqual(len([line for line in definition.splitlines() if line]), 10)
        outcome = subprocess.run(
            [sys.executable, "-c", body.replace("8098", self.port)], capture_output=True, text=True, timeout=60
        )
        self.assertEqual(outcome.stdout, "3 b'hello\\n'\n", outcome.stderr)

    def test_every_file_it_links_is_there(self):
        for target in re.findall(r"\]\(([^)]+)\)", self.text):
            self.assertTrue(os.path.exists(os.path.join(ROOT, target)), target)
