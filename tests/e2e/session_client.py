"""A client of runwire's sessions in Python's standard library, written from the protocol's description alone.

    with Session("127.0.0.1:8098") as session:
        command = session.start("sort", stdin=True)  # a line for the shell; a list would be an argv
        command.write(b"b\\na\\n", eof=True)
        print([*command.output()])  # as it comes
        kept = session.start("make", id="make-17", keep_ms=600000)
    with Session("127.0.0.1:8098") as session:  # it went on
        print(session.attach("make-17", stdout=kept.got["stdout"]).wait().end["code"])
        session.send("forget", id="make-17")  # or "list"; and receive() gives the answers
"""

import contextlib
import itertools
import json
import select
import socket
import struct

WAIT_S = 60  # how long the server may be silent


class Session(contextlib.AbstractContextManager):
    def __init__(self, address, window=None):
        """`window`: so much of each stream may be sent unread; None: as much as the transport takes."""
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

    def start(self, what, environment=None, stdin=False, **options):
        """`options`: cwd, clear_env, reply, linger, timeout_ms, keep_ms and so on, and id, as in the protocol."""
        command = Command(self, options.pop("id", None) or f"c{next(self.ids)}", 0, 0)
        is_line = isinstance(what, (str, bytes))
        words = [what] if is_line else [*what]
        options |= {"shell": True} if is_line else {"argc": len(words)}
        words += [f"{name}={value}" for name, value in (environment or {}).items()]
        payload = b"\0".join(word if isinstance(word, bytes) else word.encode() for word in words)
        payload += b"" if is_line and not environment else b"\0"
        self.send("start", payload, id=command.id, envc=len(environment or {}), stdin=stdin, **options)
        return command

    def attach(self, name, stdout=0, stderr=0, **options):
        """Follows a kept command of whose output so much is there already; None: from its end on."""
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
        """Sends what finds room and reads what is there: a server whose own bytes find no room need not take ours."""
        readable, writable, _ = select.select([self.link], [self.link] if unsent else [], [], WAIT_S)
        if readable:
            self.received += (received := self.link.recv(1 << 18))
        if not writable and not (readable and received):
            raise ConnectionError("the connection ended, or is dead; what became of its commands is unknown")
        return unsent[self.link.send(unsent) :] if writable else unsent

    def receive(self):
        """Takes in one message, and returns its header and payload."""
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
        taken = bytes(self.received[:size])
        del self.received[:size]
        return taken


class Command:
    def __init__(self, session, name, stdout, stderr):
        self.session, self.id, self.pid, self.kept = session, name, None, None
        self.end = None  # the exit record, the error that says why it never ran, or `detached`
        self.stdout, self.stderr = bytearray(), bytearray()  # what wait() has collected
        self.pieces, self.gaps, self.got = [], [], {"stdout": stdout, "stderr": stderr}
        self.sent, self.allowed, self.takes_stdin = 0, session.hello["limits"]["stdin_window"], True
        session.commands[name] = self

    def on_message(self, header, payload):
        kind = header["type"]
        if kind == "started":
            self.pid = header["pid"]
            if header["existing"] and not self.kept:
                self.kept = header["kept"]
                self.sent, self.takes_stdin = self.kept["stdin"], not self.kept["eof"]
                self.allowed = self.sent + self.kept["window"]
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
        """Returns when all of it is on its way. What the command does not take is dropped."""
        while (data or eof) and self.takes_stdin and not self.end:
            size = min(len(data), self.allowed - self.sent, self.session.hello["limits"]["payload"])
            if size or not data:
                self.tell("stdin", data[:size], off=self.sent, eof=eof and size == len(data))
                data, eof, self.sent = data[size:], eof and size < len(data), self.sent + size
            else:
                self.session.receive()

    def tell(self, kind, payload=b"", **fields):
        """tell("signal", signal="INT"), tell("cancel"), tell("detach"), tell("stop", stream="stdout"), ..."""
        self.session.send(kind, payload, id=self.id, **fields)

    def output(self):
        """(stream, bytes) as they come, up to the command's end."""
        while self.pieces or not self.end:
            if not self.pieces:
                self.session.receive()
                continue
            stream, piece = self.pieces.pop(0)
            yield stream, piece
            if self.session.window and piece and not self.end:
                self.tell("credit", stream=stream, bytes=len(piece))

    def wait(self):
        for stream, piece in self.output():
            getattr(self, stream).extend(piece)
        return self
