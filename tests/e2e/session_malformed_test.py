"""Bytes that no client of ours would send: one error, the end of that session, and no harm to anybody else."""

import os
import struct
import time
import unittest

import process
from client import frame
from daemon import is_sanitized, until
from session_case import HELLO, MIB, OPENING, PREFACE, SessionCase, message, start

NOT_SIZES = ("-1", "1.5", "1e3", '"5"', "true", "[]", "{}", "18446744073709551616", "9007199254740993", "0x10", "NaN", "01", "+1")
HOSTILE_LENGTHS = (0, 1, 65536, 1 << 20, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def bytes_frame(text):
    return frame(text if isinstance(text, bytes) else text.encode())


class Malformed(SessionCase):
    def setUp(self):
        super().setUp()
        self.canary = self.path("canary")
        self.session_of_another = self.session()
        self.resident = process.kilobytes(self.daemon.pid, "VmRSS")

    def tearDown(self):
        self.assertFalse(os.path.exists(self.canary), "it ran")
        self.assert_session_works(self.session_of_another)
        until(lambda: not process.children(self.daemon.pid), "the commands of refused sessions to end", deadline_s=5)
        super().tearDown()

    def assert_each_refused(self, frames, opening=OPENING, names=()):
        for name, hostile in frames.items() if isinstance(frames, dict) else ((each, each) for each in frames):
            with self.subTest(str(name)[:80]):
                connection = self.raw(opening)
                connection.send(hostile + start(f"touch {self.canary}", id="after"))
                self.assert_refused(connection, *names)
                connection.close()

    def test_a_length_outside_2_to_65535_is_refused_without_memory_for_it(self):
        """promise 40"""
        lengths = {length: struct.pack("<I", length) for length in HOSTILE_LENGTHS}
        self.assert_each_refused(lengths)
        self.assert_each_refused(lengths, opening=PREFACE)
        self.assertLess(process.kilobytes(self.daemon.pid, "VmRSS") - self.resident, 4096 * (8 if is_sanitized() else 1))

    def test_a_length_of_65535_is_served(self):
        connection = self.raw()
        connection.send(bytes_frame(b'{"type":"ping"' + b" " * (65535 - 15) + b"}"))
        self.assertEqual(connection.receive()[0]["type"], "pong")

    def test_a_payload_of_more_than_1_mib_is_refused_at_its_header(self):
        """promise 41"""
        header = {"type": "start", "shell": True, "id": "a"}
        self.assert_each_refused({len: frame(header | {"len": len}) for len in (MIB + 1, 1 << 40, 1 << 53)})

    def test_sizes_must_be_integers_from_0_to_2_to_53(self):
        """promise 41"""
        for key in ("len", "argc", "envc", "timeout_ms", "idle_ms"):
            texts = [f'{{"type":"start","id":"a","shell":true,"{key}":{value}}}' for value in NOT_SIZES]
            self.assert_each_refused({text: bytes_frame(text) for text in texts})
        opening = OPENING + start("exec sleep 1000", id="a", stdin=True)
        for head in ('"type":"stdin","id":"a","off"', '"type":"credit","id":"a","stream":"stdout","bytes"'):
            for value in (*NOT_SIZES, "null"):
                self.assert_each_refused({value: bytes_frame(f"{{{head}:{value}}}")}, opening)

    def test_a_window_must_be_one_too(self):
        """promise 41"""
        texts = [f'{{"type":"hello","v":1,"window":{value}}}' for value in NOT_SIZES]
        self.assert_each_refused({text: bytes_frame(text) for text in texts}, opening=PREFACE)

    def test_json_bombs_are_refused_at_once(self):
        """promise 42"""
        bombs = {
            "depth 9": b'{"type":"ping","a":' + b"[" * 8 + b"]" * 8 + b"}",
            "depth 1,024": b'{"a":' * 1024 + b"1" + b"}" * 1024,
            "64 KiB of [": b"[" * 65535,
            "64 KiB of {": b'{"a":' * 13107,
            "invalid UTF-8": b'{"type":"ping","a":"\xff"}',
            "overlong UTF-8": b'{"type":"ping","a":"\xc0\xaf"}',
            "a surrogate in UTF-8": b'{"type":"ping","a":"\xed\xa0\x80"}',
            "lone surrogate": b'{"type":"ping","a":"\\ud800"}',
            "BOM": b'\xef\xbb\xbf{"type":"ping"}',
            "UTF-16": '{"type":"ping"}'.encode("utf-16"),
            "bytes behind it": b'{"type":"ping"}x',
            "two objects": b'{"type":"ping"}{"type":"ping"}',
            "NUL behind it": b'{"type":"ping"}\0',
            "NUL inside": b'{"type":"pi\0ng"}',
            "raw newline in a string": b'{"type":"ping","a":"\n"}',
            "NaN": b'{"type":"ping","a":NaN}',
            "Infinity": b'{"type":"ping","a":-Infinity}',
            "single quotes": b"{'type':'ping'}",
            "trailing comma": b'{"type":"ping",}',
            "comment": b'{"type":"ping"/**/}',
            "no object": b'["ping"]',
            "a string": b'"ping"',
            "a number": b"10",
            "null": b"null",
            "cut": b'{"type":"ping"',
            "empty object": b"{}",
            "white space": b"  ",
        }
        began = time.monotonic()
        self.assert_each_refused({name: frame(bomb) for name, bomb in bombs.items()})
        self.assert_each_refused({name: frame(bomb) for name, bomb in bombs.items()}, opening=PREFACE)
        self.assertLess(time.monotonic() - began, 10)

    def test_duplicate_keys_are_refused_at_any_level(self):
        texts = (
            '{"type":"ping","type":"ping"}', '{"type":"start","id":"a","shell":true,"len":1,"len":1}',
            '{"type":"ping","x":{"a":1,"a":1}}', '{"type":"ping","\\u0074ype":"ping"}',
            '{"type":"ping","x":[{"b":{"a":1,"a":2}}]}',
        )  # fmt: skip
        self.assert_each_refused({text: bytes_frame(text) for text in texts})

    def test_unknown_types_are_refused(self):
        for kind in ("", "Start", "START", "start ", "exec", "x" * 60000, "output", "exit", "started", "error"):
            self.assert_each_refused({kind: message(kind, id="a")})
        self.assert_each_refused({"optional": message("news", optional="yes"), "false": message("news", optional=False)})
        self.assert_each_refused([bytes_frame(text) for text in ('{"type":1}', '{"type":null}', '{"id":"a"}', '{"type":["ping"]}')])

    def test_ids_are_text_of_1_to_64_bytes_without_nul(self):
        hostile = {str(bad): start("true", id=bad) for bad in ("", "x" * 65, "é" * 33, "a\0b", 5, True, [], {})}
        self.assert_each_refused(hostile)
        client = self.session()
        for good in ("x" * 64, "é" * 32, " ", "../../etc", "\u202e\x1b[31m", "r1"):
            self.assert_ended(self.run_line(client, "true", id=good))

    def test_messages_about_an_id_that_was_never_used_end_the_session(self):
        about = {
            "stdin": message("stdin", b"x", id="no", off=0), "signal": message("signal", id="no", signal="TERM"),
            "stop": message("stop", id="no", stream="stdout"),
            "credit": message("credit", id="no", stream="stdout", bytes=1),
        }  # fmt: skip
        self.assert_each_refused(about, names=("unknown",))

    def test_messages_that_need_an_id_are_refused_without_one(self):
        about = [message("stdin", b"x", off=0), message("signal", signal="TERM"), message("stop", stream="stdout"),
                 message("credit", stream="stdout", bytes=1)]  # fmt: skip
        self.assert_each_refused(about)

    def test_a_start_must_say_what_to_run(self):
        """promise 17"""
        touch = f"touch {self.canary}"
        words = ["touch", self.canary]
        joined = b"".join(word.encode() + b"\0" for word in words)
        hostile = {
            "nothing": message("start", id="a"),
            "neither": message("start", touch.encode(), id="a"),
            "both": message("start", joined, id="a", argc=2, shell=True),
            "argc 0": message("start", joined, id="a", argc=0),
            "too many words": message("start", joined, id="a", argc=1),
            "too few words": message("start", joined, id="a", argc=3),
            "argc 2^53": message("start", joined, id="a", argc=1 << 53),
            "envc 2^53": message("start", joined, id="a", argc=2, envc=1 << 53),
            "no last NUL": message("start", joined[:-1], id="a", argc=2),
            "no program": message("start", b"\0\0", id="a", argc=2),
            "NUL in a line": message("start", touch.encode() + b"\0; true", id="a", shell=True),
            "NUL behind a line": message("start", touch.encode() + b"\0", id="a", shell=True),
            "a line and too few variables": message("start", touch.encode() + b"\0A=1\0", id="a", shell=True, envc=2),
            "a variable without =": message("start", joined + b"A\0", id="a", argc=2, envc=1),
            "a variable without a name": message("start", joined + b"=1\0", id="a", argc=2, envc=1),
            "an empty variable": message("start", joined + b"\0", id="a", argc=2, envc=1),
        }
        self.assert_each_refused(hostile)

    def test_fields_of_a_start_have_their_types_and_values(self):
        wrong = (
            {"reply": "both"}, {"reply": 1}, {"linger": "forever"}, {"linger": True}, {"stdin": "yes"}, {"stdin": 1},
            {"cwd": 1}, {"cwd": ["/"]}, {"cwd": {"b64": "?"}}, {"cwd": {}}, {"cwd": "/\0"}, {"cwd": {"b64": "AA=="}},
            {"clear_env": "no"}, {"shell": "true"},
        )  # fmt: skip
        self.assert_each_refused({str(each): start("true", **{"id": "a", **each}) for each in wrong})

    def test_streams_have_names(self):
        opening = OPENING + start("exec sleep 1000", id="a", stdin=True)
        for bad in ("stdin", "", "out", 1, None, "STDOUT"):
            self.assert_each_refused([message("stop", id="a", stream=bad)], opening)
            self.assert_each_refused([message("credit", id="a", stream=bad, bytes=1)], opening)

    def test_input_for_a_command_that_takes_none_is_refused(self):
        self.assert_each_refused([message("stdin", b"x", id="a", off=0)], OPENING + start("exec sleep 1000", id="a"))

    def test_messages_without_a_payload_cannot_have_one(self):
        for kind in ("ping", "pong", "stop", "signal", "credit"):
            fields = {"id": "a", "stream": "stdout", "bytes": 1, "signal": "TERM"} if kind not in ("ping", "pong") else {}
            opening = OPENING + start("exec sleep 1000", id="a")
            with self.subTest(kind):
                connection = self.raw(opening)
                connection.send(message(kind, b"x" * 10, **fields))
                self.assert_refused(connection)


class Beginning(SessionCase):
    def test_another_preface_is_refused(self):
        for preface in (b"\0", b"\0R", b"\0RW"):  # begun well
            for wrong in (b"\0", b"x", b"\xff"):
                connection = self.raw(preface + wrong)
                self.assert_refused(connection)
        for version in (0, 2, 255):
            self.assert_refused(self.raw(b"\0RW" + bytes([version]) + HELLO))

    def test_anything_before_hello_is_refused_and_nothing_runs(self):
        canary = self.path("canary")
        early = [start(f"touch {canary}", id="a"), message("ping"), message("pong"), message("list"),
                 message("signal", id="a", signal="TERM"), message("stdin", b"x", id="a", off=0),
                 message("news", optional=True)]  # fmt: skip
        for each in early:
            connection = self.raw(PREFACE + each)
            connection.send(HELLO)
            self.assert_refused(connection)
        self.assert_serves(self.daemon.tcp)
        self.assertFalse(os.path.exists(canary))

    def test_a_second_hello_is_refused(self):
        self.assert_refused(self.raw(OPENING + HELLO))

    def test_another_version_is_refused(self):
        for version in ("0", "2", '"1"', "1.0", "null", "-1"):
            self.assert_refused(self.raw(PREFACE + bytes_frame(f'{{"type":"hello","v":{version}}}')))
        self.assert_refused(self.raw(PREFACE + bytes_frame('{"type":"hello"}')))

    def test_200_clients_that_are_slow_to_say_hello_are_closed_after_10_s_and_delay_nobody(self):
        """promise 28"""
        silent = [self.raw(PREFACE) for _ in range(100)]
        trickling = [self.raw(PREFACE[:1]) for _ in range(100)]
        pieces = iter([*(bytes([byte]) for byte in PREFACE[1:] + HELLO[:4])] + [b" "] * 100)
        began = time.monotonic()
        closed = lambda: len(process.descriptors(self.daemon.pid)) <= self.daemon.descriptors_at_start + 6  # noqa: E731
        next_piece = began + 1
        while time.monotonic() - began < 9:
            before = time.monotonic()
            self.assert_session_works(session := self.session())
            session.link.close()
            self.assertLess(time.monotonic() - before, 0.5)
            if time.monotonic() > next_piece:
                self.trickle(trickling, next(pieces))
                next_piece += 1
            self.assertFalse(closed())
        until(closed, "all of them to be closed", deadline_s=5)
        self.assertGreater(time.monotonic() - began, 9.5)
        self.assertEqual([connection.rest() for connection in silent + trickling], [b""] * 200)

    def trickle(self, connections, piece):
        for connection in connections:
            connection.send(piece)


if __name__ == "__main__":
    unittest.main()
