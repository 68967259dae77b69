"""Many kept commands that are over: each is found, with what it said, at a cost that docs/operating.md states.

RUNWIRE_KEPT=10000 makes so many of them.
"""

import json
import os
import sys
import threading
import time
import unittest

import process
from client import runwire
from daemon import is_sanitized
from session_case import SessionCase
from session_client import Session

COMMANDS = int(os.environ.get("RUNWIRE_KEPT", "1000"))
KEEP_MS = 3600 * 1000
BYTES_EACH = 3072  # of memory; as the document says
BYTES_GONE = 1024  # of which so many stay behind
SANITIZED = 4  # times that
SMALL_QUARANTINE = {"ASAN_OPTIONS": "quarantine_size_mb=1:thread_local_quarantine_size_kb=16"}
SESSIONS, AT_ONCE = 4, 16  # so many commands in each


class Many(SessionCase):
    def setUp(self):
        super().setUp()
        self.finish("warm", 200)
        self.resident = self.memory()

    def start(self, *options, **how):
        return super().start(*options, environment=SMALL_QUARANTINE, **how)

    def memory(self):
        return process.kilobytes(self.daemon.pid, "VmRSS")

    def finish(self, name, count):
        """So many commands, up to their ends."""
        failures = []

        def work(first):
            try:
                self.finish_each(name, range(first, count, SESSIONS))
            except Exception as error:  # noqa: BLE001 - told below
                failures.append(error)

        workers = [threading.Thread(target=work, args=(first,)) for first in range(SESSIONS)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        self.assertEqual(failures, [])

    def finish_each(self, name, numbers):
        with Session(self.daemon.unix) as session:
            running = []
            for number in numbers:
                if len(running) == AT_ONCE:
                    running.pop(0).wait()
                line = f"echo {number}; exit {number % 200}"
                running.append(session.start(line, id=f"{name}-{number}", keep_ms=KEEP_MS))
            for command in running:
                command.wait()

    def forget(self, name, count):
        with Session(self.daemon.unix) as session:
            for number in range(count):
                session.send("forget", id=f"{name}-{number}")
                self.assertEqual(session.receive()[0]["type"], "forgotten")

    def assert_grown_by(self, most):
        """Of each command no more than that."""
        each = (self.memory() - self.resident) * 1024 / COMMANDS
        self.told(f"{each:.0f} bytes of memory each")
        self.assertLess(each, most * (SANITIZED if is_sanitized() else 1))

    def told(self, text):
        print(f"{self.id()}: {COMMANDS} commands, {text}", file=sys.stderr)

    def test_each_is_there_with_its_output_and_its_exit(self):
        """promise 63"""
        self.finish("many", COMMANDS)
        with Session(self.daemon.tcp) as session:
            for number in range(COMMANDS):
                command = session.attach(f"many-{number}").wait()
                self.assertEqual((command.stdout, command.end["code"]), (b"%d\n" % number, number % 200))

    def test_each_costs_no_more_memory_than_is_stated(self):
        self.finish("many", COMMANDS)
        self.assert_grown_by(BYTES_EACH)

    def test_the_memory_of_those_that_are_forgotten_is_there_for_others(self):
        """promise 37"""
        self.finish_and_forget("first")
        self.resident = self.memory()
        self.finish_and_forget("second")
        self.finish_and_forget("third")
        self.assert_grown_by(BYTES_GONE)

    def finish_and_forget(self, name):
        self.finish(name, COMMANDS)
        self.forget(name, COMMANDS)

    def test_ps_shows_all_in_a_part_of_the_time_that_they_took(self):
        _, without = self.timed(lambda: runwire("ps", self.daemon.tcp))
        _, ran = self.timed(lambda: self.finish("many", COMMANDS))
        shown, took = self.timed(lambda: runwire("ps", self.daemon.tcp))
        self.told(f"{ran:.2f} s to run them, {took:.3f} s to list them")
        self.assert_all_among(line.split()[0] for line in shown.stdout.decode().splitlines())
        as_json = runwire("ps", self.daemon.tcp, "--json").stdout
        self.assert_all_among(json.loads(line)["id"] for line in as_json.splitlines())
        self.assertLess(took - without, ran / 2)

    def timed(self, action):
        began = time.monotonic()
        return action(), time.monotonic() - began

    def assert_all_among(self, names):
        shown = sorted(name for name in names if name.startswith("many-"))
        self.assertEqual(shown, sorted(f"many-{number}" for number in range(COMMANDS)))


if __name__ == "__main__":
    unittest.main()
