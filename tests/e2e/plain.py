"""The plain protocol as any language speaks it, written from its description alone, so that a mistake shared
by runwire's own client and server is seen here.

A connection sends a command's bytes; the answer is one frame: 4 bytes of length (little-endian), that many
bytes of JSON, and `len` bytes of payload, all of stdout and then all of stderr.
"""

import json
import socket
import struct
import time

DEADLINE_S = 20  # for whatever must come at all; never the subject of a test
MAX_HEADER_BYTES = 65535


class Ended(Exception):
    """The other side closed in the middle of a frame, or where one was due."""


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    assert len(keys) == len(set(keys)), f"a key stands twice: {keys}"
    return dict(pairs)


class Reply:
    def __init__(self, header, payload):
        self.header = header
        self.payload = payload

    stdout = property(lambda self: self.payload[: self.header["stdout"]])
    stderr = property(lambda self: self.payload[self.header["stdout"] :])
    code = property(lambda self: self.header["code"])
    signal = property(lambda self: self.header["signal"])
    reason = property(lambda self: self.header.get("reason"))
    error = property(lambda self: self.header.get("error"))
    cut = property(lambda self: self.header["cut"])

    def __repr__(self):
        return f"Reply({self.header}, {self.payload[:200]!r}{'...' if len(self.payload) > 200 else ''})"


def dial(address, deadline_s=DEADLINE_S):
    """A blocking socket to `unix:/path`, `host:port` or `[host]:port`."""
    if address.startswith("unix:"):
        link = socket.socket(socket.AF_UNIX)
        # Not settimeout() yet: connect(2) would fail with EAGAIN where a full listen queue wants patience.
        link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", deadline_s, 0))
        link.connect(address.removeprefix("unix:"))
        link.settimeout(deadline_s)
        return link
    host, _, port = address.rpartition(":")
    link = socket.create_connection((host.strip("[]"), int(port)), deadline_s)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


class Connection:
    def __init__(self, address):
        self.socket = dial(address)

    def send(self, command):
        self.socket.sendall(command if isinstance(command, bytes) else command.encode())

    def run(self, command):
        self.send(command)
        return self.reply()

    def reply(self):
        header = self.header()
        return Reply(header, self.exactly(header["len"]))

    def header(self):
        """The next frame's header; `len` bytes of payload follow it."""
        (size,) = struct.unpack("<I", self.exactly(4))
        assert 2 <= size <= MAX_HEADER_BYTES, f"a header of {size} bytes"
        header = json.loads(self.exactly(size).decode(), object_pairs_hook=no_duplicates)
        assert list(header)[:2] == ["filename", "len"], f"original clients expect other keys first: {header}"
        assert header.get("error") or header["stdout"] + header["stderr"] == header["len"], header
        return header

    def exactly(self, size):
        return b"".join(self.pieces(size))

    def pieces(self, size):
        """`size` bytes as they come, for payloads that are too large to hold."""
        while size:
            piece = self.socket.recv(min(size, 1 << 20))
            if not piece:
                raise Ended(f"the connection ended {size} bytes too early")
            size -= len(piece)
            yield piece

    def rest(self):
        """All that comes until the other side closes; a reset counts as a close."""
        received = b""
        try:
            while piece := self.socket.recv(1 << 16):
                received += piece
        except ConnectionResetError:
            pass
        return received

    def half_close(self):
        """Says that no more commands follow; replies can still come."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Vanishes with RST instead of FIN (on TCP)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self):
        self.socket.close()


def send_at_once(link, *parts):
    """Sends the parts one after the other. Returns whether no pause came near the 10 ms that make two bursts
    of one: a busy machine may stop this process at any point."""
    longest_s, before = 0, time.monotonic()
    for part in parts:
        rest = memoryview(part)
        while rest:
            rest = rest[link.send(rest[:65536]) :]
            now = time.monotonic()
            longest_s, before = max(longest_s, now - before), now
    return longest_s < 0.005
