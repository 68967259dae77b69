"""A client of runwire's sessions in Python's standard library, written from the protocol's description alone.

    with Session("127.0.0.1:8098") as session:
        command = session.start("sort", stdin=True)  # a line for the shell; a list would be an argv
        command.write(b"b\\na\\n", eof=True)
        for stream, piece in command.output():  # as it comes
            print(stream, piece)
        both = [session.start(["ping", "-c1", host], reply="whole") for host in hosts]  # side by side
        print([(command.wait().end["code"], command.stdout) for command in both])
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
        self.link.close()  # this ends the commands that still run

    def start(self, what, environment=None, stdin=False, **options):
        """`options`: cwd, clear_env, reply, linger, timeout_ms, idle_ms and id, as in the protocol."""
        command = Command(self, options.pop("id", None) or f"c{next(self.ids)}")
        self.commands[command.id] = command
        is_line = isinstance(what, (str, bytes))
        words = [what] if is_line else [*what]
        options |= {"shell": True} if is_line else {"argc": len(words)}
        words += [f"{name}={value}" for name, value in (environment or {}).items()]
        payload = b"".join(word + b"\0" if isinstance(word, bytes) else f"{word}\0".encode() for word in words)
        payload = payload[:-1] if is_line and not environment else payload
        self.send("start", payload, id=command.id, envc=len(environment or {}), stdin=stdin, **options)
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
    def __init__(self, session, name):
        self.session, self.id, self.pid = session, name, None
        self.end = None  # the exit record, or the error that says why it never ran
        self.stdout, self.stderr = bytearray(), bytearray()  # what wait() has collected
        self.pieces, self.got = [], {"stdout": 0, "stderr": 0}
        self.sent, self.allowed, self.takes_stdin = 0, session.hello["limits"]["stdin_window"], True

    def on_message(self, header, payload):
        kind = header["type"]
        if kind == "started":
            self.pid = header["pid"]
        elif kind == "output":
            self.add(header["stream"], header["off"], payload)
        elif kind == "credit":
            self.allowed += header["bytes"]
        elif kind == "stop":
            self.takes_stdin = False
        elif kind in ("exit", "error"):
            self.end = self.session.commands.pop(self.id) and header
        if payload and kind == "exit":  # reply="whole"
            self.add("stdout", 0, payload[: header["stdout"]])
            self.add("stderr", 0, payload[header["stdout"] :])
        if kind == "exit" and self.got != {stream: header[stream] for stream in self.got}:
            raise ConnectionError(f"output was lost: {self.got} of {header}")

    def add(self, stream, offset, piece):
        if offset != self.got[stream]:
            raise ConnectionError(f"{stream}: byte {offset} came where {self.got[stream]} was due")
        self.got[stream] += len(piece)
        self.pieces.append((stream, piece))

    def write(self, data=b"", eof=False):
        """Returns when all of it is on its way. What the command does not take is dropped."""
        while (data or eof) and self.takes_stdin and not self.end:
            size = min(len(data), self.allowed - self.sent, self.session.hello["limits"]["payload"])
            if data and not size:
                self.session.receive()
                continue
            piece, data, off = data[:size], data[size:], self.sent
            self.sent += size
            self.tell("stdin", piece, off=off, eof=eof and not data)
            eof = eof and bool(data)

    def tell(self, kind, payload=b"", **fields):
        """tell("signal", signal="INT"), or tell("stop", stream="stdout"): nobody wants more of it."""
        self.session.send(kind, payload, id=self.id, **fields)

    def output(self):
        """(stream, bytes) as they come, up to the command's end."""
        while self.pieces or not self.end:
            if self.pieces:
                stream, piece = self.pieces.pop(0)
                yield stream, piece
                if self.session.window and not self.end:
                    self.tell("credit", stream=stream, bytes=len(piece))
            else:
                self.session.receive()

    def wait(self):
        for stream, piece in self.output():
            getattr(self, stream).extend(piece)
        return self
