"""A client of runwire's sessions in Python's standard library, written from the protocol's description alone.

    with Session("127.0.0.1:8098") as session:
        command = session.start("sort", stdin=True, id="s1", keep_ms=60000)  # a line for the shell; a list: an argv
        command.write(b"b\\na\\n", eof=True)
        print([*command.output()])  # as it comes; it is still there for session.attach("s1")
"""

import contextlib
import itertools
import json
import select
import socket
import struct

WAIT_S = 60  # how long the server may be silent


class Session(contextlib.AbstractContextManager):
    def __init__(self, address, window=None):  # of each stream, unread; None: as much as the transport takes
        kind, _, name = address.rpartition(":")
        self.link = socket.socket(socket.AF_UNIX if kind == "unix" else socket.AF_INET)
        self.link.connect(name if kind == "unix" else (kind, int(name)))
        self.link.setblocking(False)
        self.window, self.received, self.commands, self.ids = window, bytearray(), {}, itertools.count()
        self.exchange(b"\0RW\1")
        self.send("hello", v=1, **({"window": window} if window else {}))
        self.hello, _ = self.receive()

    def __exit__(self, *_):
        self.link.close()  # this ends the commands that still run, but for kept ones

    def start(self, what, environment=None, stdin=False, **options):  # cwd, keep_ms, id, ...: as in the protocol
        command = Command(self, options.pop("id", None) or f"c{next(self.ids)}", 0, 0)
        is_line = isinstance(what, (str, bytes))
        options |= {"shell": True} if is_line else {"argc": len(what)}
        words = [*([what] if is_line else what), *(f"{name}={value}" for name, value in (environment or {}).items())]
        payload = b"\0".join(word if isinstance(word, bytes) else word.encode() for word in words)
        payload += b"" if is_line and not environment else b"\0"
        self.send("start", payload, id=command.id, envc=len(environment or {}), stdin=stdin, **options)
        return command

    def attach(self, name, stdout=0, stderr=0, **options):  # a kept command, from these places on; None: from now on
        command = Command(self, name, stdout, stderr)
        self.send("attach", id=name, stdout=stdout, stderr=stderr, **options)
        while not command.kept and not command.end:
            self.receive()
        return command

    def send(self, kind, payload=b"", **fields):
        header = json.dumps({"type": kind, **fields, "len": len(payload)}).encode()
        rest = struct.pack("<I", len(header)) + header + payload
        while rest:
            rest = self.exchange(rest)

    def exchange(self, unsent=b""):
        # A server whose own bytes find no room need not take ours.
        readable, writable, _ = select.select([self.link], [self.link] if unsent else [], [], WAIT_S)
        if readable:
            self.received += (received := self.link.recv(1 << 18))
        if not writable and not (readable and received):
            raise ConnectionError("the connection ended, or is dead; what became of its commands is unknown")
        return unsent[self.link.send(unsent) :] if writable else unsent

    def receive(self):
        (size,) = struct.unpack("<I", self.take(4))
        if not 2 <= size <= 65535:
            raise ConnectionError(f"a header of {size} bytes")
        header = json.loads(self.take(size))
        payload = self.take(header.get("len", 0))
        if command := self.commands.get(header.get("id")):
            command.on_message(header, payload)
        elif header["type"] == "ping":
            self.send("pong")
        elif header["type"] == "error" and "id" not in header:
            raise ConnectionError(header["message"])
        return header, payload

    def take(self, size):
        while len(self.received) < size:
            self.exchange()
        taken, self.received = bytes(self.received[:size]), self.received[size:]
        return taken


class Command:
    def __init__(self, session, name, stdout, stderr):
        self.session, self.id, self.pid, self.kept = session, name, None, None
        self.stdout, self.stderr = bytearray(), bytearray()  # what wait() has collected
        self.pieces, self.gaps, self.got = [], [], {"stdout": stdout, "stderr": stderr}
        self.end = None  # the exit record, the error that says why it never ran, or `detached`
        self.sent, self.allowed, self.takes_stdin = 0, session.hello["limits"]["stdin_window"], True
        session.commands[name] = self

    def on_message(self, header, payload):
        kind = header["type"]
        if kind == "started":
            self.pid = header["pid"]
            if header["existing"] and not self.kept:
                self.kept, self.sent = header["kept"], header["kept"]["stdin"]
                self.takes_stdin, self.allowed = not self.kept["eof"], self.sent + self.kept["window"]
        elif kind == "output":
            self.add(header["stream"], header["off"], header["off"] + len(payload), payload)
        elif kind == "gap":
            self.gaps.append((header["stream"], header["from"], header["to"]))
            self.add(*self.gaps[-1])
        elif kind == "credit":
            self.allowed += header["bytes"]
        elif kind == "stop":
            self.takes_stdin = False
        elif kind in ("exit", "detached") or kind == "error" and (not self.pid or header["error"] == "spawn"):
            self.end = self.session.commands.pop(self.id) and header
        if payload and kind == "exit":  # reply="whole"
            self.add("stdout", 0, header["stdout"], payload[: header["stdout"]])
            self.add("stderr", 0, header["stderr"], payload[header["stdout"] :])
        if kind == "exit" and any(got not in (None, header[stream]) for stream, got in self.got.items()):
            raise ConnectionError(f"output was lost: {self.got} of {header}")

    def add(self, stream, start, end, piece=b""):
        if start != self.got[stream] is not None:
            raise ConnectionError(f"{stream}: byte {start} came where {self.got[stream]} was due")
        self.got[stream] = end
        self.pieces.append((stream, piece))

    def write(self, data=b"", eof=False):
        while (data or eof) and self.takes_stdin and not self.end:
            size = min(len(data), self.allowed - self.sent, self.session.hello["limits"]["payload"])
            if size or not data:
                self.tell("stdin", data[:size], off=self.sent, eof=eof and size == len(data))
                data, eof, self.sent = data[size:], eof and size < len(data), self.sent + size
            else:
                self.session.receive()

    def tell(self, kind, payload=b"", **fields):
        self.session.send(kind, payload, id=self.id, **fields)

    def output(self):
        """(stream, bytes) as they come, up to the command's end."""
        while self.pieces or not self.end:
            if self.pieces:
                yield (taken := self.pieces.pop(0))
                if self.session.window and taken[1] and not self.end:
                    self.tell("credit", stream=taken[0], bytes=len(taken[1]))
            else:
                self.session.receive()

    def wait(self):
        for stream, piece in self.output():
            getattr(self, stream).extend(piece)
        return self
