"""What tests of sessions stand on: a daemon, its clients, and connections whose every byte is the test's."""

import json
import struct

import plain
from client import frame
from daemon import DaemonCase
from plain import no_duplicates
from session_client import Session

PREFACE = b"\0RW\1"
HELLO = frame({"type": "hello", "v": 1})
OPENING = PREFACE + HELLO
KIB, MIB = 1 << 10, 1 << 20
STDIN_WINDOW = 256 * KIB


def message(kind, payload=b"", **fields):
    return frame({"type": kind, **fields, **({"len": len(payload)} if payload else {})}, payload)


def start(line, **fields):
    return message("start", line.encode(), **{"shell": True, **fields})


class Raw(plain.Connection):
    def tell(self, kind, payload=b"", **fields):
        self.send(message(kind, payload, **fields))

    def receive(self):
        """The next message: its header and its payload."""
        (size,) = struct.unpack("<I", self.exactly(4))
        assert 2 <= size <= plain.MAX_HEADER_BYTES, f"a header of {size} bytes"
        header = json.loads(self.exactly(size).decode(), object_pairs_hook=no_duplicates)
        return header, self.exactly(header.get("len", 0))

    def receive_until(self, *kinds):
        """All up to the first message of one of these types."""
        received = [self.receive()]
        while received[-1][0]["type"] not in kinds:
            received.append(self.receive())
        return received

    def header_of(self, *kinds):
        return self.receive_until(*kinds)[-1][0]

    def to_the_end(self):
        """All headers up to the end of the connection."""
        headers = []
        try:
            while True:
                headers.append(self.receive()[0])
        except (plain.Ended, ConnectionError):
            return headers


class SessionCase(DaemonCase):
    options = ()

    def setUp(self):
        super().setUp()
        self.daemon = self.start(*self.options)

    def session(self, address=None, window=None):
        session = Session(address or self.daemon.unix, window)
        self.addCleanup(session.__exit__)
        return session

    def raw(self, opening=OPENING, address=None):
        """A session by hand; if it was opened, its hello has been read."""
        connection = Raw(address or self.daemon.tcp)
        self.addCleanup(connection.close)
        connection.send(opening)
        if opening.startswith(OPENING):
            self.assertEqual(connection.receive()[0]["type"], "hello")
        return connection

    def run_line(self, session, what, **how):
        return session.start(what, **how).wait()

    def assert_ended(self, command, code=0, signal=None, reason=None):
        record = command.end
        self.assertEqual(record["type"], "exit", record)
        reason = reason or ("signal" if signal else "exited")
        code = None if signal else code
        self.assertEqual((record["code"], record["signal"], record["reason"]), (code, signal, reason), record)

    def assert_never_ran(self, command, error, **fields):
        record = command.end
        self.assertEqual((record["type"], record["error"]), ("error", error), record)
        self.assertEqual({key: record.get(key) for key in fields}, fields, record)
        self.assertTrue(record["message"])

    def assert_refused(self, connection, *names):
        """What was sent is answered with an error that ends the session."""
        last = connection.to_the_end()[-1:]
        self.assertTrue(last, "the connection was closed without a word")
        self.assertEqual(last[0]["type"], "error", last)
        self.assertNotIn("id", last[0])
        self.assertIn(last[0]["error"], names or ("protocol",))
        self.assertTrue(last[0]["message"])
        return last[0]["message"]

    def assert_session_works(self, session):
        command = self.run_line(session, "echo still here")
        self.assert_ended(command)
        self.assertEqual(command.stdout, b"still here\n")

    def wait_for(self, session, condition):
        """Takes in messages until `condition()` holds."""
        while not condition():
            session.receive()
