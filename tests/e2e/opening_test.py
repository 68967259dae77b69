"""Who is talking: HTTP, TLS and SSH on the plain port are closed without a byte and never executed, because a
web page can make a browser connect to loopback. Shell text that looks a little like them still runs."""

import os
import unittest

from daemon import DaemonCase, until
from plain import send_at_once


class Opening(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon = self.start()
        self.canary = self.path("canary")
        self.body = f"\r\ntouch {self.canary}\ntouch {self.canary}\r\n".encode()

    def requests(self):
        """HTTP as browsers, programs and attackers write it; each carries a body that a shell would run."""
        host = b"Host: 127.0.0.1:8098\r\n"
        return {
            "get": b"GET / HTTP/1.1\r\n" + host,
            "post": b"POST /run HTTP/1.1\r\n" + host + b"Content-Type: text/plain\r\nContent-Length: 99\r\n",
            "put": b"PUT /x HTTP/1.0\r\n",
            "options of a preflight": b"OPTIONS / HTTP/1.1\r\n" + host + b"Origin: http://example.com\r\n",
            "head": b"HEAD / HTTP/1.1\r\n",
            "delete": b"DELETE / HTTP/1.1\r\n",
            "connect": b"CONNECT example.com:443 HTTP/1.1\r\n",
            "trace": b"TRACE / HTTP/1.1\r\n",
            "patch": b"PATCH / HTTP/1.1\r\n",
            "http/0.9": b"GET /\r\n",
            "lower case": b"get / http/1.1\r\n" + host,
            "mixed case": b"PoSt / HtTp/1.1\r\n" + host,
            "a bare newline": b"GET / HTTP/1.1\n" + host,
            "empty lines before": b"\r\n\r\nGET / HTTP/1.1\r\n" + host,
            "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
            "websocket": b"GET /chat HTTP/1.1\r\n" + host + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        }  # fmt: skip

    def assert_closed_unread(self, connection, what):
        try:
            self.assertEqual(connection.rest(), b"", what)
        except BrokenPipeError:
            pass
        connection.close()

    def assert_nothing_ran(self):
        self.assert_serves(self.daemon.tcp)
        self.assertFalse(os.path.exists(self.canary))

    def test_http_requests_are_closed_without_a_byte_and_nothing_runs(self):
        """promise 47"""
        for address in self.daemon.addresses:
            for name, request in self.requests().items():
                with self.subTest(name, address=address):
                    connection = self.connect(address)
                    connection.send(request + self.body)
                    self.assert_closed_unread(connection, name)
        self.assert_nothing_ran()

    def test_http_requests_split_at_any_byte_are_closed_and_nothing_runs(self):
        """promise 47"""
        judged = 0
        for name in ("get", "lower case", "http/2", "empty lines before"):
            request = self.requests()[name] + self.body
            for cut in range(1, len(self.requests()[name])):
                connection = self.connect(self.daemon.addresses[cut % 2])
                if self.send_split(connection, request, cut):
                    judged += 1
                    self.assert_closed_unread(connection, f"{name} cut at {cut}")
                else:
                    connection.close()
        self.assertGreater(judged, 50)
        self.assert_nothing_ran()

    def send_split(self, connection, request, cut):
        """Whether both parts went out as one burst, or the daemon closed before the second."""
        try:
            return send_at_once(connection.socket, request[:cut], request[cut:])
        except (BrokenPipeError, ConnectionResetError):
            return True

    def test_an_http_request_after_a_plain_command_is_closed_and_nothing_runs(self):
        """promise 47"""
        for name, request in self.requests().items():
            with self.subTest(name):
                connection = self.connect(self.daemon.tcp)
                self.assertEqual(connection.run("echo hello").stdout, b"hello\n")
                connection.send(request + self.body)
                self.assert_closed_unread(connection, name)
        self.assert_nothing_ran()

    def test_an_http_request_while_a_command_runs_is_never_executed(self):
        """promise 47"""
        bell, gate = self.bell(), self.gate()
        connection = self.connect(self.daemon.tcp)
        connection.send(f"echo > {bell}; read x < {gate}; echo done")
        bell.wait()
        connection.send(self.requests()["post"] + self.body)
        gate.open()
        answer = connection.rest()
        self.assertTrue(answer == b"" or answer.endswith(b"done\n"), answer)
        self.assert_nothing_ran()

    def test_tls_and_ssh_openings_are_closed_without_a_byte_and_nothing_runs(self):
        """promise 47"""
        hello = bytes.fromhex("1603010200010001fc0303")
        openings = {"tls": hello, "ssh": b"SSH-2.0-OpenSSH_9.2p1\r\n", "old ssh": b"SSH-1.99-x\n"}
        for name, opening in openings.items():
            for address in self.daemon.addresses:
                with self.subTest(name, address=address):
                    connection = self.connect(address)
                    connection.send(opening + self.body)
                    self.assert_closed_unread(connection, name)
        self.assert_nothing_ran()

    def test_ssh_and_tls_openings_split_at_any_byte_are_closed(self):
        """promise 47"""
        judged = 0
        for opening in (b"SSH-2.0-OpenSSH_9.2p1\r\n", bytes.fromhex("1603010200010001fc0303")):
            for cut in range(1, len(opening)):
                connection = self.connect(self.daemon.tcp)
                if self.send_split(connection, opening + self.body, cut):
                    judged += 1
                    self.assert_closed_unread(connection, f"{opening} cut at {cut}")
        self.assertGreater(judged, 10)
        self.assert_nothing_ran()

    def test_each_kind_is_logged_once_a_minute_with_its_reason(self):
        """promise 47"""
        for opening in [b"GET / HTTP/1.1\r\n\r\n", bytes.fromhex("1603010200"), b"SSH-2.0-x\r\n"] * 10:
            connection = self.connect(self.daemon.tcp)
            connection.send(opening)
            self.assert_closed_unread(connection, opening)
        until(lambda: len(self.daemon.events("refused")) >= 3, "the refusals to be logged")
        reasons = [event["reason"] for event in self.daemon.events("refused")]
        self.assertEqual(sorted(reasons), ["http", "ssh", "tls"])

    def test_shell_text_that_looks_like_http_still_runs(self):
        """promise 47"""
        file = self.path("file")
        with open(file, "w") as text:
            text.write("first\nsecond\n")
        connection = self.connect(self.daemon.tcp)
        for command, code, stdout in (
            (f"head -1 {file}", 0, b"first\n"),
            (f"head {file} | tail -1", 0, b"second\n"),
            ("echo GET / HTTP/1.1", 0, b"GET / HTTP/1.1\n"),
            ("get", 127, b""),
            ("get\n", 127, b""),
            ("post-x", 127, b""),
            ("GETTING=1; echo $GETTING", 0, b"1\n"),
            ("true; echo 'POST / HTTP/1.1'", 0, b"POST / HTTP/1.1\n"),
            ("patch --version >/dev/null 2>&1; echo $?", None, None),
            ("patch --version", None, None),
            ("G", 127, b""),
            ("p", 127, b""),
            ("SSH=1; echo $SSH", 0, b"1\n"),
        ):
            with self.subTest(command):
                reply = connection.run(command)
                self.assertEqual(reply.reason, "exited")
                self.assertIn(code, (None, reply.code), reply)
                self.assertIn(stdout, (None, reply.stdout), reply)


if __name__ == "__main__":
    unittest.main()
