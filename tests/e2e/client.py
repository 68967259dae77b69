"""The client `runwire`, run as people run it, and the servers that a test plays to it. The program is the one that
the environment variable RUNWIRE names."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import unittest

from daemon import SANITIZER, until
from plain import DEADLINE_S

ENVIRONMENT = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"}


def program():
    path = os.environ.get("RUNWIRE")
    assert path, "set RUNWIRE to the runwire to be tested"
    return os.path.abspath(path)


def environment(**more):
    """What a test gives to runwire: nothing that the person who runs the test has set, but for the sanitizers'."""
    given = {key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}
    return {**given, **ENVIRONMENT, **more}


def runwire(*words, stdin=b"", stdout=subprocess.PIPE, stderr=subprocess.PIPE, **variables):
    """The CompletedProcess of one run."""
    done = subprocess.run(
        [program(), *words], input=stdin, stdout=stdout, stderr=stderr, env=environment(**variables), timeout=DEADLINE_S
    )
    assert not SANITIZER.search(done.stderr or b""), done.stderr.decode()
    return done


def plain_runwire(*words, **how):
    """The same, in the plain protocol."""
    return runwire("--plain", *words, **how)


def start_runwire(*words, **how):
    return subprocess.Popen([program(), *words], **{"stdin": subprocess.DEVNULL, "env": environment(), **how})


def start_runwire_for(case, *words, **how):
    """With pipes for what it says; over when the test is."""
    process = start_runwire(*words, **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how))
    case.addCleanup(end_process, process)
    return process


def end_process(process):
    if process.poll() is None:
        process.kill()
    process.communicate()


def frame(header, payload=b""):
    """`header`: a dict, or the bytes that stand in its place."""
    if isinstance(header, dict):
        header = json.dumps(header).encode()
    return struct.pack("<I", len(header)) + header + payload


def reply(stdout=b"", stderr=b"", code=0, **more):
    header = {"filename": "cls.txt", "len": len(stdout) + len(stderr), "stdout": len(stdout), "stderr": len(stderr)}
    header |= {"code": code, "signal": None, "reason": "exited", "truncated": False, "cut": False}
    return frame(header | more, stdout + stderr)


def error(name, message, **more):
    return frame({"filename": "cls.txt", "len": 0, "code": None, "signal": None, "error": name, "message": message, **more})


class FakeServer:
    """Listens on a Unix socket (the only kind whose sender can see what the other side has read) or on loopback.
    Plays one script after the other, one a connection: bytes are sent as the answer to the first command, and then
    the connection ends; a function gets the connected socket. What went wrong in there is raised by close().
    `user` (which takes root) is whose server the kernel says it is."""

    def __init__(self, *scripts, family=socket.AF_UNIX, user=None):
        self.directory = tempfile.mkdtemp(prefix="runwire-")
        self.listener = socket.socket(family)
        self.listener.bind(f"{self.directory}/s" if family == socket.AF_UNIX else ("127.0.0.1", 0))
        self.listen_as(os.geteuid() if user is None else user)
        self.listener.settimeout(DEADLINE_S)
        name = self.listener.getsockname()
        self.address = f"unix:{name}" if family == socket.AF_UNIX else f"{name[0]}:{name[1]}"
        self.commands = []
        self.failure = None
        self.scripts = scripts
        self.ended = threading.Semaphore(0)
        self.thread = threading.Thread(target=self.play)
        self.thread.start()

    def listen_as(self, user):
        """The kernel takes him who calls listen() for the server's user."""
        own = os.geteuid()
        os.seteuid(user)
        try:
            self.listener.listen()
        finally:
            os.seteuid(own)

    def play(self):
        try:
            for script in self.scripts:
                connection, _ = self.listener.accept()
                connection.settimeout(DEADLINE_S)
                with connection:
                    self.answer(connection, script) if isinstance(script, bytes) else script(connection)
                self.ended.release()
        except BaseException as failure:
            self.failure = failure
        finally:
            self.listener.close()

    def answer(self, connection, script):
        self.commands.append(connection.recv(1 << 20))
        connection.sendall(script)

    def await_end_of_connection(self):
        assert self.ended.acquire(timeout=DEADLINE_S), "the client's connection did not end"

    def close(self):
        self.thread.join(DEADLINE_S)
        shutil.rmtree(self.directory)
        if self.failure:
            raise self.failure


def send_and_see_read(connection, piece):
    """Sends a piece and returns when the other side has read it, so that it cannot become one with the next."""
    connection.sendall(piece)
    until(lambda: unread_bytes(connection) == 0, "the client to read what it was sent")


def unread_bytes(connection):
    """Of a Unix socket: how much the other side has not yet read."""
    return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]


def original_server(connection, encoding=None):
    """One connection of the teaching note's server: a command is what one recv gives, the answer is three sends.
    It ends when the client is gone."""
    with contextlib.suppress(ConnectionError):
        answer_as_the_original(connection, encoding)


def answer_as_the_original(connection, encoding):
    while command := connection.recv(1024):
        done = subprocess.run(command, shell=True, capture_output=True)
        output = done.stdout + done.stderr
        if encoding:
            output = output.decode().encode(encoding)
        header = json.dumps({"filename": "cls.txt", "len": len(output)}).encode()
        connection.send(struct.pack("i", len(header)))
        connection.send(header)
        connection.sendall(output)


class SessionPeer:
    """A server's side of one session, which says what the test has it say and reads what the client sends. It checks
    nothing that the client is told: `bytes_sent` is what an honest exit would say of each stream."""

    def __init__(self, connection):
        self.connection = connection
        self.bytes_sent = {"stdout": 0, "stderr": 0}
        self.start = None

    def read_exactly(self, size):
        data = bytearray()
        while len(data) < size:
            piece = self.connection.recv(min(size - len(data), 1 << 20))
            if not piece:
                raise EOFError(f"the client's end after {len(data)} of {size} bytes")
            data += piece
        return bytes(data)

    def read(self):
        """The client's next message: its header, and under "payload" what follows."""
        (size,) = struct.unpack("<I", self.read_exactly(4))
        message = json.loads(self.read_exactly(size))
        return message | {"payload": self.read_exactly(message.get("len", 0))}

    def read_until(self, kind):
        while (message := self.read())["type"] != kind:
            pass
        return message

    def read_but(self, kind):
        while (message := self.read())["type"] == kind:
            pass
        return message

    def say(self, kind, payload=b"", **fields):
        self.connection.sendall(frame({"type": kind, **fields}, payload))

    def type_after_ping(self):
        """The type of what the client says next, which should be its pong."""
        self.say("ping")
        return self.read()["type"]

    def meet_client(self, **hello):
        """Preface and both hellos."""
        assert self.read_exactly(4) == b"\0RW\1"
        self.hello = self.read()
        assert self.hello["type"] == "hello", self.hello
        self.say("hello", **({"v": 1, "boot": "0" * 32, "server": "fake", "ping_ms": 0} | hello))

    def meet(self, **hello):
        """These and the start, which is not answered."""
        self.meet_client(**hello)
        return self.await_start()

    def await_start(self):
        self.start = self.read()
        assert self.start["type"] == "start", self.start
        self.id = self.start["id"]
        self.bytes_sent = {"stdout": 0, "stderr": 0}
        return self.start

    def begin(self, **hello):
        """All up to a command that runs."""
        self.meet(**hello)
        self.started()
        return self.start

    def started(self, **more):
        self.say("started", **({"id": self.id, "pid": 4711, "existing": False} | more))

    def output(self, data, stream="stdout", **more):
        header = {"id": self.id, "stream": stream, "off": self.bytes_sent[stream], "len": len(data)}
        self.bytes_sent[stream] += len(data)
        self.say("output", data, **(header | more))

    def exit(self, code=0, **more):
        self.say("exit", **(self.exit_fields(code) | more))

    def exit_fields(self, code=0):
        usage = {"wall_ms": 1.0, "user_ms": 0.5, "sys_ms": 0.25, "max_rss_kb": 1000}
        ending = {"code": code, "signal": None, "core": None, "reason": "exited"}
        return {"id": self.id, **ending, **self.bytes_sent, "truncated": False, "cut": False, "survivors": None, "usage": usage}

    def await_end(self):
        """Reads on until the client has gone."""
        with contextlib.suppress(ConnectionError, EOFError):
            while True:
                self.read()


def session(play, **hello):
    """A script for FakeServer: `play` gets a SessionPeer whose command runs."""

    def script(connection):
        peer = SessionPeer(connection)
        peer.begin(**hello)
        play(peer)

    return script


class ClientCase(unittest.TestCase):
    def serve(self, *scripts, **how):
        server = FakeServer(*scripts, **how)
        self.addCleanup(server.close)
        return server

    def assert_ran(self, done, status=0, stdout=b"", stderr=b""):
        self.assertEqual((done.returncode, done.stdout, done.stderr), (status, stdout, stderr))

    def assert_failed(self, done, *texts):
        """255, nothing on stdout, and one line of ours on stderr with all of `texts` in it."""
        self.assertEqual((done.returncode, done.stdout), (255, b""), done.stderr)
        self.assertRegex(done.stderr, rb"\Arunwire: [^\x00-\x1f]+\n\Z")
        for text in texts:
            self.assertIn(text, done.stderr.decode())
