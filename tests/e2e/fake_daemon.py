"""A daemon that runs nothing and answers in either protocol as if it had, with one flaw where a test wants one.

In a session `cat` sends its input back, `wc -c` counts it, `head -c N ...` gives N zero bytes; whatever else is
asked prints `hello`, as it does for every plain command.
"""

import json
import socket
import struct
import threading

HELLO = {
    "type": "hello", "v": 1, "boot": "0" * 32, "server": "a fake", "ping_ms": 15000,
    "limits": {"header": 65535, "payload": 1 << 20, "depth": 8, "stdin_window": 1 << 18},
}  # fmt: skip
PREFACE = b"\0RW\1"
ENDS = {
    "core": None, "reason": "exited", "truncated": False, "cut": False, "survivors": 0,
    "usage": {"wall_ms": None, "user_ms": None, "sys_ms": None, "max_rss_kb": None},
}  # fmt: skip


def frame(header, payload=b""):
    if payload:
        header = {**header, "len": len(payload)}
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + payload


class FakeDaemon:
    """`flaw`: "byte", "offset", "count" or "status" of a command is wrong, what `wc` has "taken" of its input is, or the
    "exit" never comes."""

    def __init__(self, flaw=None):
        self.flaw = flaw
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.links = []
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        for link in (self.listener, *self.links):
            try:
                link.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has ended already
            link.close()

    def accept(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.links.append(link)
            threading.Thread(target=self.serve, args=[link], daemon=True).start()

    def serve(self, link):
        try:
            if link.recv(4, socket.MSG_PEEK).startswith(PREFACE[:1]):
                self.serve_session(link)
            while link.recv(65536):
                plain = {"filename": "cls.txt", "len": 6, "stdout": 6, "stderr": 0, "code": 0, "signal": None, **ENDS}
                link.sendall(frame(plain, b"hello\n"))
        except OSError:
            pass  # this client has gone

    def serve_session(self, link):
        source = link.makefile("rb")
        assert source.read(4) == PREFACE
        commands = {}
        while field := source.read(4):
            header = json.loads(source.read(struct.unpack("<I", field)[0]))
            payload = source.read(header.get("len", 0))
            if header["type"] == "hello":
                link.sendall(frame(HELLO))
            elif header["type"] == "start":
                command = commands[header["id"]] = Command(self, link, header, payload.decode())
                command.start()
            elif header["type"] == "stdin":
                commands[header["id"]].take(payload, header.get("eof", False))


class Command:
    def __init__(self, daemon, link, header, line):
        self.flaw, self.link, self.line = daemon.flaw, link, line
        self.id, self.streams = header["id"], header.get("reply", "stream") == "stream"
        self.sent, self.taken, self.kept = 0, 0, b""

    def start(self):
        if self.streams:
            self.tell({"type": "started", "pid": 1, "existing": False})
        if self.line.startswith("head -c"):
            self.print(bytes(int(self.line.split()[2])))
        elif self.line not in ("cat", "wc -c"):
            self.print(b"hello\n")
        if self.line not in ("cat", "wc -c"):
            self.end()

    def take(self, payload, is_end):
        self.taken += len(payload)
        if payload:
            self.tell({"type": "credit", "stream": "stdin", "bytes": len(payload)})
        if self.line == "cat" and payload:
            self.print(payload)
        if is_end:
            if self.line == "wc -c":
                self.print(b"%d\n" % (self.taken + (self.flaw == "taken")))
            self.end()

    def print(self, output):
        if self.flaw == "byte":
            output = output[:-1] + b"?"
        if self.streams:
            off = self.sent + (self.flaw == "offset")
            self.tell({"type": "output", "stream": "stdout", "off": off}, output)
        else:
            self.kept += output
        self.sent += len(output)

    def end(self):
        if self.flaw == "exit":
            return
        told = self.sent + (self.flaw == "count")
        ended = {"code": 3 if self.flaw == "status" else 0, "signal": None, "stdout": told, "stderr": 0, **ENDS}
        self.tell({"type": "exit", **ended}, self.kept)

    def tell(self, header, payload=b""):
        self.link.sendall(frame({**header, "id": self.id}, payload))
