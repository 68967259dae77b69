"""A server that means no good, or is none: runwire says so, ends with 255, and nothing comes of it elsewhere."""

import os
import struct
import unittest

from client import ClientCase, error, frame, reply, runwire
from session_case import message

HELLO = message("hello", v=1, boot="0" * 32, server="runwired", limits={"stdin_window": 1 << 18}, ping_ms=0)
STARTED = message("started", id="1", pid=1, existing=False)


class HostileServer(ClientCase):
    def assert_not_believed(self, answer, *options):
        server = self.serve(answer)
        done = runwire(*options, server.address, "echo hi")
        self.assertEqual(done.returncode, 255, done)
        self.assertRegex(done.stderr, rb"\Arunwire: [^\x00-\x08\x0b-\x1f\x7f]+\n\Z")
        return done

    def test_garbage_is_255_and_a_text(self):
        """promise 46"""
        garbage = [os.urandom(1000), b"\xff" * 100, b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"\0" * 64]
        garbage += [struct.pack("<I", length) + b"x" * 100 for length in (0, 1, 65536, 0x7FFFFFFF, 0xFFFFFFFF)]
        garbage += [frame(header) for header in (b"[]", b"{}", b'{"type":1}', b'{"type":"hello"}', b"[" * 65535)]
        for answer in garbage:
            with self.subTest(answer[:20]):
                self.assert_not_believed(answer)

    def test_sizes_that_are_none_are_255(self):
        """promise 41"""
        for size in ("-1", "1.5", "1e3", '"5"', "18446744073709551616", "9007199254740993"):
            for head in (f'"output","id":"1","stream":"stdout","off":0,"len":{size}', f'"credit","id":"1","bytes":{size}'):
                with self.subTest(head):
                    self.assert_not_believed(HELLO + STARTED + frame(f'{{"type":{head}}}'.encode()))

    def test_its_words_cannot_steer_a_terminal(self):
        """promise 46"""
        text = "\x1b]0;owned\x07\r\x1b[2K\u202e\u0085you have been \x7f"
        done = self.assert_not_believed(HELLO + message("error", error=text, message=text))
        self.assertNotIn("\u202e".encode(), done.stderr)
        self.assertNotIn("\u0085".encode(), done.stderr)

    def test_a_file_name_names_no_file(self):
        """promise 46"""
        server = self.serve(reply(b"data\n", filename="../../tmp/x/../cls.txt"))
        before = set(os.listdir())
        done = runwire("--plain", server.address, "echo hi")
        self.assert_ran(done, 0, b"data\n")
        self.assertEqual(set(os.listdir()), before)

    def test_a_plain_error_with_a_payload_of_words_is_255(self):
        """promise 46"""
        self.assert_not_believed(error("busy", "later\x1b[2J"), "--plain")


if __name__ == "__main__":
    unittest.main()
