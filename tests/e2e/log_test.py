"""The log: one line an event, which no client can forge."""

import datetime
import os
import re
import unittest

from daemon import LOG_LINE, DaemonCase, until


class Log(DaemonCase):
    def begin(self, *options, **how):
        self.daemon = self.start(*options, **how)
        self.connection = self.connect(self.daemon.tcp)

    def logged(self, marker):
        """The lines that hold `marker`, as soon as there are any."""
        until(lambda: marker in self.daemon.stderr(), f"{marker} to be logged")
        return [line for line in self.daemon.stderr().splitlines() if marker in line]

    def assert_well_formed(self):
        text = self.daemon.stderr()
        self.assertNotRegex(text, rb"[^\x20-\x7e\n]")
        for line in text.decode().splitlines():
            self.assertIsNotNone(LOG_LINE.fullmatch(line), line)

    def test_each_line_is_key_value_from_the_start_to_the_end(self):
        """promise 54"""
        self.begin("--log-level", "debug")
        self.connection.run("echo hello")
        self.connection.run("no-such-program")
        self.connection.send(b"GET / HTTP/1.1\r\n\r\n")
        self.connection.rest()
        self.daemon.terminate()
        self.daemon.await_end()
        self.assert_well_formed()
        names = [event["event"] for event in self.daemon.events()]
        for name in ("ready", "accepted", "connection", "command", "started", "job", "refused", "shutdown"):
            self.assertIn(name, names)
        self.assertEqual(names[0], "ready")

    def test_times_are_utc_to_the_millisecond_in_any_time_zone(self):
        """promise 54"""
        utc = datetime.timezone.utc
        before = datetime.datetime.now(utc) - datetime.timedelta(seconds=1)
        self.begin(environment={"TZ": "Asia/Tokyo"})
        (event,) = until(lambda: self.daemon.events("ready"), "the start to be logged")
        self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        logged = datetime.datetime.strptime(event["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=utc)
        self.assertTrue(before < logged < before + datetime.timedelta(minutes=1))

    def test_command_bytes_appear_only_at_debug_level(self):
        """promise 54"""
        for level, expected in (("debug", True), ("info", False), ("warn", False), ("error", False)):
            self.begin("--log-level", level, listen=["127.0.0.1:0"])
            self.connection.run("echo secret-word")
            self.connection.run("echo secret-word\0")
            self.daemon.terminate()
            self.daemon.await_end()
            self.assertEqual(b"secret-word" in self.daemon.stderr(), expected, level)

    def test_levels_are_kept(self):
        self.begin("--log-level", "error")
        self.connection.send(b"GET / HTTP/1.1\r\n\r\n")
        self.connection.rest()
        self.daemon.terminate()
        self.daemon.await_end()
        self.assertEqual(self.daemon.stderr(), b"")

    def test_newlines_in_a_command_forge_no_line(self):
        """promise 54"""
        self.begin("--log-level", "debug")
        forged = "time=2026-01-01T00:00:00.000Z level=error event=forged"
        for newline in ("\n", "\r\n", "\r", "\x85", "\u2028", "\0\n"):
            self.connection.run(f": marker{newline}{forged}{newline}")
        self.logged(b"marker")
        self.assertEqual(self.daemon.events("forged"), [])
        self.assert_well_formed()

    def test_escapes_of_terminals_quotes_and_invalid_bytes_are_escaped(self):
        """promise 54"""
        self.begin("--log-level", "debug")
        self.connection.run(b": marker \x1b]0;owned\x07 \x1b[2J \x9b \xff\xfe \x7f \t")
        self.connection.run(': marker "quoted" \\ event=forged" event="forged')
        self.logged(b"marker")
        self.assert_well_formed()
        self.assertEqual(self.daemon.events("forged"), [])
        self.assertTrue(re.search(rb"\\x1b", self.daemon.stderr(), re.IGNORECASE))

    def test_a_command_of_1_mb_is_capped(self):
        """promise 54"""
        self.begin("--log-level", "debug")
        self.connection.run(": marker " + "x" * 1_000_000)
        for line in self.logged(b"marker"):
            self.assertLess(len(line), 4096)
        self.assert_well_formed()

    def test_a_command_on_each_connection_can_be_told_from_start_to_end(self):
        self.begin("--log-level", "debug")
        self.connection.run("exit 7")
        self.connection.close()
        self.logged(b"to=closed")
        names = [event["event"] for event in self.daemon.events()]
        positions = [names.index(name) for name in ("accepted", "command", "job", "started", "connection")]
        self.assertEqual(positions, sorted(positions))
        states = [event["to"] for event in self.daemon.events("job")]
        self.assertEqual((states[0], states[-1]), ("starting", "over"))

    def test_a_log_that_nobody_reads_stops_no_command(self):
        """A full pipe as stderr: lines are lost, commands are not."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        try:
            prefix = ["sh", "-c", f'exec "$@" 2>&{writer}', "sh"]
            self.begin("--log-level", "debug", prefix=prefix, pass_fds=[writer])
        finally:
            os.close(writer)
        for _ in range(300):
            self.assertEqual(self.connection.run(f"echo hello # {'x' * 400}").stdout, b"hello\n")


if __name__ == "__main__":
    unittest.main()
