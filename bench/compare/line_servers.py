"""Servers that start a shell for each connection: xinetd, socat, websocketd."""

import contextlib
import os
import pwd

from measured_program import Program
from started_server import accepts, connected, find, free_port, rest_of, scratch, started, until

MANY = 100_000  # where xinetd has a limit that we do not want to measure
BACKLOG = 1024

# One shell for each connection, which runs the line it reads. xinetd and socat find it in a file: they split
# the words of a command line at blanks.
SERVICE = 'read -r line; eval "$line"\n'


class LineServer(Program):
    """A connection for each command: its line goes there, and the output is all that comes back.
    To be filled in: words(directory, port), the server's command line."""

    @contextlib.contextmanager
    def running(self):
        with scratch() as directory:
            (directory / "service").write_text(SERVICE)
            port = free_port()
            with started(self.words(directory, port), directory / "log") as server:
                until(lambda: accepts(port), server)
                yield "127.0.0.1", port

    def run_one(self, address, command):
        with connected(address) as link:
            link.sendall(command.encode() + b"\n")
            return rest_of(link)


class Xinetd(LineServer):
    name = "xinetd"
    needs = {"xinetd": "xinetd"}

    def words(self, directory, port):
        config = directory / "xinetd.conf"
        config.write_text(
            f"defaults\n{{\n instances = UNLIMITED\n per_source = UNLIMITED\n cps = {MANY} 1\n}}\n"
            "service runwire_compare\n{\n type = UNLISTED\n socket_type = stream\n protocol = tcp\n"
            f" wait = no\n bind = 127.0.0.1\n port = {port}\n user = {pwd.getpwuid(os.geteuid()).pw_name}\n"
            f" flags = NODELAY\n server = /bin/sh\n server_args = {directory / 'service'}\n}}\n"
        )
        return [find("xinetd"), "-dontfork", "-f", config, "-pidfile", directory / "xinetd.pid"]


class Socat(LineServer):
    """With `nofork`: the shell then has the socket itself, and twice as many commands run as when socat stays
    between the two, which is what `fork EXEC` alone does."""

    name = "socat"
    needs = {"socat": "socat"}

    def words(self, directory, port):
        listen = f"TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork,nodelay,backlog={BACKLOG}"
        return ["socat", listen, f"EXEC:/bin/sh {directory / 'service'},nofork"]


class Websocketd(LineServer):
    """A message is a line, both ways, without its newline. (As binary data it would be simpler here, but
    websocketd 0.4.1 is three times slower then.)"""

    name = "websocketd"
    needs = {"websocketd": "websocketd"}

    # The key may be any; that of RFC 6455's own example.
    UPGRADE = (
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    TEXT, CLOSE, FINAL, MASKED = 0x1, 0x8, 0x80, 0x80

    def words(self, directory, port):
        options = ["--address=127.0.0.1", f"--port={port}", "--loglevel=error"]
        return ["websocketd", *options, "/bin/sh", directory / "service"]

    def run_one(self, address, command):
        line = command.encode()
        if len(line) > 125:
            raise ValueError("a command for websocketd has at most 125 bytes here")
        with connected(address) as link, link.makefile("rb") as replies:
            link.sendall(self.UPGRADE)
            if b" 101 " not in replies.readline():
                raise ConnectionError("websocketd refuses the upgrade")
            while replies.readline().strip():
                pass
            # A client has to mask what it sends; a mask of zeros leaves it as it is.
            link.sendall(bytes([self.FINAL | self.TEXT, self.MASKED | len(line)]) + bytes(4) + line)
            return b"".join(line + b"\n" for line in self.messages(replies))

    def messages(self, replies):
        while len(start := replies.read(2)) == 2 and start[0] & 0xF != self.CLOSE:
            size, longer = start[1], {126: 2, 127: 8}.get(start[1])
            yield replies.read(int.from_bytes(replies.read(longer), "big") if longer else size)
