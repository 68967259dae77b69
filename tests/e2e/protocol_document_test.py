"""proto/PROTOCOL.md says what is so: its numbers are those of the code, its bytes those of proto/vectors, its client
works, and runwired answers as its example does. A reader written from the document alone agrees with the vectors."""

import json
import math
import pathlib
import re
import signal
import struct
import subprocess
import sys
import unittest

from daemon import DaemonCase
from plain import Ended

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
DOCUMENT = (PROTO / "PROTOCOL.md").read_text()
MAX_HEADER_BYTES = 65535
MAX_HEADER_DEPTH = 8
MAX_PAYLOAD_BYTES = 1 << 53
DEADLINE_S = 20

PIECE = re.compile(r"(?:'([^']*)'|([0-9a-f]{2}))(?:\*(\d+))?(?: +|$)")
REASONS = {"exited", "signal", "timeout", "idle-timeout", "output-limit", "cancelled", "client-gone", "shutdown"}


def pieces(text):
    """The bytes that a line of pieces stands for."""
    whole, at = b"", 0
    text = text.strip()
    while at < len(text):
        match = PIECE.match(text, at)
        assert match, f"no piece: {text[at:]}"
        quoted, digits, times = match.groups()
        whole += (bytes.fromhex(digits) if digits else quoted.encode("ascii")) * int(times or 1)
        at = match.end()
    return whole


def lines(name):
    """(keyword, rest) of each line of a file of vectors."""
    joined = []
    for line in (PROTO / "vectors" / name).read_text().splitlines():
        if line.startswith("+ "):
            joined[-1] += line[1:]
        elif line and not line.startswith("#"):
            joined.append(line)
    return [tuple((line + " ").split(" ", 1)) for line in joined]


def cases(name):
    """(name, [(keyword, rest)]) of each case."""
    found = []
    for keyword, rest in lines(name):
        if keyword == "case":
            found.append((rest.strip(), []))
        else:
            found[-1][1].append((keyword, rest.strip()))
    return found


def blocks(kind):
    """The fenced blocks whose opening line starts with `kind`: (what follows it there, text)."""
    return re.findall(rf"^```{kind} ?([^\n]*)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def table(first_heading):
    """The cells of the table's rows whose first column is headed so."""
    heading = rf"^\| {re.escape(first_heading)} \|[^\n]*\n\|-"
    [text] = re.findall(heading + r".*?\n\n", DOCUMENT, re.MULTILINE | re.DOTALL)
    rows = text.strip().splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


# A reader of frames and headers, from the document alone.


class Malformed(Exception):
    pass


def require(holds, what):
    if not holds:
        raise Malformed(what)


def no_duplicates(pairs):
    require(len(pairs) == len(dict(pairs)), "a key stands twice")
    return dict(pairs)


def integer_of_64_bits(digits):
    require(-(1 << 63) <= int(digits) < 1 << 64, "a number too large")
    return int(digits)


def finite(digits):
    require(math.isfinite(float(digits)), "a number too large")
    return float(digits)


def no_constant(name):
    raise Malformed(name)


def depth(value):
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def load(header):
    try:
        value = json.loads(
            header.decode(),
            object_pairs_hook=no_duplicates,
            parse_int=integer_of_64_bits,
            parse_float=finite,
            parse_constant=no_constant,
        )
        json.dumps(value, ensure_ascii=False).encode()  # not with a lone surrogate
    except (ValueError, RecursionError) as error:
        raise Malformed(error) from None
    require(isinstance(value, dict), "no object")
    require(depth(value) <= MAX_HEADER_DEPTH, "too deep")
    return value


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def is_size(value):
    return is_integer(value) and 0 <= value <= MAX_PAYLOAD_BYTES


def is_signal(value):
    known = isinstance(value, str) and value in {each.name.removeprefix("SIG") for each in signal.Signals}
    number = isinstance(value, str) and re.fullmatch("[0-9]{1,3}", value) and 0 < int(value) < 128
    return known or bool(number)


def is_number(value):
    return is_integer(value) or isinstance(value, float)


def is_text(value):
    return isinstance(value, str)


FIELDS = {
    "filename": is_text, "len": is_size, "stdout": is_size, "stderr": is_size,
    "code": lambda value: is_integer(value) and 0 <= value <= 255, "signal": is_signal, "reason": is_text,
    "truncated": lambda value: isinstance(value, bool), "cut": lambda value: isinstance(value, bool),
    "usage": lambda value: isinstance(value, dict),
    "error": is_text, "message": is_text, "stage": is_text, "errno": is_text, "retry_ms": is_integer,
}  # fmt: skip
NEW_KEYS = set(FIELDS) - {"filename", "len", "message", "stage", "errno", "retry_ms"}  # no original server has these
USAGE = {"wall_ms": is_number, "user_ms": is_number, "sys_ms": is_number, "max_rss_kb": is_integer}


def known(value, fields):
    """The fields that are known and not null."""
    found = {key: value[key] for key in fields if value.get(key) is not None}
    for key, field in found.items():
        require(fields[key](field), f"{key}: {field}")
    return found


def parse_header(header):
    everything = load(header)
    found = known(everything, FIELDS)
    require("len" in found, "len is missing")
    status = {"code", "signal"} & set(found)
    require(len(status) <= 1, "code and signal")
    require("error" not in found or (not status and found["len"] == 0), "error and a status or output")
    if "stdout" in found or "stderr" in found:
        require(found.get("stdout", 0) + found.get("stderr", 0) == found["len"], "sizes do not add up")
    return {**found, "usage": known(found.get("usage", {}), USAGE), "original": not set(everything) & NEW_KEYS}


def read_frames(stream):
    """([[header, payload]], how the stream ends)."""
    frames, at = [], 0
    while at < len(stream):
        if len(stream) < at + 4:
            return frames, "short"
        (size,) = struct.unpack_from("<I", stream, at)
        if not 2 <= size <= MAX_HEADER_BYTES:
            return frames, "broken"
        header = stream[at + 4 : at + 4 + size]
        if len(header) < size:
            return frames, "short"
        frames.append([header, b""])
        try:
            length = parse_header(header)["len"]
        except Malformed:
            return frames, "malformed"
        at += 4 + size
        frames[-1][1] = stream[at : at + length]
        if len(frames[-1][1]) < length:
            return frames, "short"
        at += length
    return frames, "whole"


def in_words(header):
    """A header as the vectors' `means` has it."""
    words = []
    keys = ["filename", "len", "stdout", "stderr", "signal", "code", "reason", "truncated", "cut", *USAGE]
    for key in keys + ["error", "stage", "errno", "retry_ms"]:
        value = header.get(key, header["usage"].get(key))
        if key in ("truncated", "cut"):
            words += [key] if value else []
        elif value is not None and (key != "reason" or value in REASONS):
            words.append(f"{key}={value:.3f}" if key.endswith("_ms") and key in USAGE else f"{key}={value}")
    return " ".join(words + (["original"] if header["original"] else []))


def meaning(rest):
    """Words as they stand; bytes beyond ASCII are in hex behind `error= `."""
    words, hexadecimal, digits = rest.partition("error= ")
    return words + hexadecimal.strip() + pieces(digits).decode()


class Vectors(unittest.TestCase):
    def test_streams_hold_the_frames_that_the_vectors_say(self):
        for name, given in cases("frames.txt"):
            with self.subTest(name):
                expected, stream = [], b""
                for keyword, rest in given:
                    if keyword == "bytes":
                        stream = pieces(rest)
                    elif keyword == "header":
                        expected.append([pieces(rest), b""])
                    elif keyword == "payload":
                        expected[-1][1] = pieces(rest)
                self.assertEqual(read_frames(stream), (expected, dict(given)["end"]))

    def test_headers_mean_what_the_vectors_say(self):
        for name, given in cases("headers.txt"):
            with self.subTest(name):
                given = dict(given)
                header = pieces(given.get("bytes", ""))
                if "means" in given:
                    self.assertEqual(in_words(parse_header(header)), meaning(given["means"]))
                else:
                    self.assertRaises(Malformed, parse_header, header)


class Document(unittest.TestCase):
    def dumps(self):
        return {name: re.findall(r"^[0-9a-f]{4}  (.{47})  \|(.*)\|$", text, re.M) for name, text in blocks("hexdump")}

    def test_both_columns_of_its_hex_dumps_show_the_same_bytes(self):
        self.assertEqual(set(self.dumps()), {"request", "hello"})
        for rows in self.dumps().values():
            for digits, text in rows:
                shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in bytes.fromhex(digits))
                self.assertEqual(text, shown)

    def test_its_hex_dumps_count_their_rows(self):
        for _, text in blocks("hexdump"):
            offsets = [int(row.split()[0], 16) for row in text.splitlines()]
            self.assertEqual(offsets, [16 * row for row in range(len(offsets))])

    def test_its_exchange_is_the_vector_hello(self):
        dumps = {name: bytes.fromhex("".join(digits for digits, _ in rows)) for name, rows in self.dumps().items()}
        self.assertEqual(dumps["request"], b"echo hello")
        self.assertEqual(dumps["hello"], pieces(dict(dict(cases("frames.txt"))["hello"])["bytes"]))
        [[header, payload]], end = read_frames(dumps["hello"])
        self.assertEqual((end, payload, len(header)), ("whole", b"hello\n", 198))
        self.assertIn("`c6 00 00 00` is 198", DOCUMENT)

    def test_its_other_examples_of_frames_are_vectors(self):
        vectors = dict(cases("frames.txt"))
        self.assertEqual([name for name, _ in blocks("bytes")], ["original", "error"])
        for name, text in blocks("bytes"):
            self.assertEqual(pieces(text.replace("\n", " ")), pieces(dict(vectors[name])["bytes"]))

    def test_its_examples_of_openings_are_vectors(self):
        vectors = {pieces(rest): verdict for verdict, rest in lines("openings.txt")}
        rows = table("the request starts with")
        self.assertEqual(len(rows), 7)
        for opening, what, _ in rows:
            verdict = vectors[pieces(opening.strip("`"))]
            self.assertIn({"plain": "command", "http": "HTTP"}.get(verdict, verdict).lower(), what.lower())
        text = re.sub(r"\s+", " ", DOCUMENT)
        [(runs, waits)] = re.findall(r"Shell text that merely (.*?) Bytes that may still (.*?) To run a program", text)
        for part, verdict in ((runs, "plain"), (waits, "undecided")):
            for opening in re.findall(r"`('.*?)`", part):
                self.assertEqual(vectors[pieces(opening)], verdict, opening)

    def test_its_limits_are_those_of_the_code(self):
        code = re.sub(r"//.*", "", (PROTO / "limits.hpp").read_text())
        found = re.findall(r"constexpr \S+ (k\w+)\s*=\s*(.*?);", code, re.DOTALL)
        value = {name: eval(re.sub(r"std::\w+\{(\d+)\}|\s+", r"\1", text)) for name, text in found}
        self.assertEqual(value, {row[0].strip("`"): int(row[1]) for row in table("constant")})
        for text in (f"from 2 to {value['kMaxHeaderBytes']}", f"nested at most {value['kMaxHeaderDepth']} deep",
                     f"Fewer than {value['kUncutBytes']}", f"after {value['kBurstQuietMs']} ms of silence",
                     f"quiet for {value['kLingerQuietMs']} ms", f"for {value['kLingerCapMs']} ms at most",
                     f"1 MiB = {value['kMaxCommandBytes']} bytes", f"port {value['kDefaultPort']} by default"):  # fmt: skip
            self.assertIn(text, re.sub(r"\s+", " ", DOCUMENT))

    def test_its_errors_and_reasons_are_those_of_the_code(self):
        header, source = (PROTO / "outcome.hpp").read_text(), (PROTO / "outcome.cpp").read_text()
        errors = set(re.findall(r'string_view k\w+ =\s*"([a-z]+)"', header))
        self.assertEqual(errors, {row[0].strip("`") for row in table("`error`")})
        [names] = re.findall(r"kReasonNames\[\] = \{(.*?)\}", source, re.DOTALL)
        documented = re.findall(r"`([a-z-]+)`", " ".join(row[0] for row in table("`reason`")))
        self.assertEqual(set(re.findall(r'"(.*?)"', names)), set(documented))

    def test_its_keys_are_those_of_the_code(self):
        source = (PROTO / "message.cpp").read_text() + (PROTO / "outcome.cpp").read_text()
        read = set(re.findall(r'(?:fields|header|found)(?:\.|->)(?:size|number|decimal|text|flag|object)\("(\w+)"\)', source))
        self.assertEqual(read, {row[0].strip("`").split(".")[-1] for row in table("key")})


class Client(DaemonCase):
    """The document's example and its client against runwired."""

    def setUp(self):
        super().setUp()
        self.daemon = self.start()

    def client(self):
        [(_, program)] = blocks("python")
        return program

    def test_its_client_has_ten_lines(self):
        self.assertLessEqual(len([line for line in self.client().splitlines() if line.strip()]), 10)

    def run_client(self, command="echo hello"):
        port = self.daemon.tcp.rpartition(":")[2]
        program = self.client().replace("8098", port).replace('run("echo hello")', f"run({command!r})")
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_S)

    def test_its_client_runs_a_command(self):
        done = self.run_client()
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("'code': 0", done.stdout)
        self.assertTrue(done.stdout.endswith(r"b'hello\n'" + "\n"), done.stdout)

    def test_its_client_shows_a_status_and_errors(self):
        self.assertIn("'code': 3", self.run_client("exit 3").stdout)
        self.assertIn("'error': 'protocol'", self.run_client("a\0b").stdout)

    def test_its_client_does_not_take_a_large_reply_for_a_short_one(self):
        done = self.run_client("head -c 3000000 /dev/zero")
        self.assertIn("'len': 3000000", done.stdout)
        self.assertEqual(done.returncode, 0)

    def test_the_daemon_answers_the_example_as_shown_but_for_usage(self):
        [[example, output]], _ = read_frames(pieces(dict(dict(cases("frames.txt"))["hello"])["bytes"]))
        reply = self.connect(self.daemon.tcp).run("echo hello")
        expected = json.loads(example)
        self.assertEqual(list(reply.header), list(expected))
        self.assertEqual(list(reply.header["usage"]), list(expected["usage"]))
        self.assertEqual({**reply.header, "usage": 0}, {**expected, "usage": 0})
        self.assertEqual(reply.payload, output)

    def test_the_daemon_refuses_a_nul_as_shown(self):
        connection = self.connect(self.daemon.tcp)
        connection.send(b"echo a\0b")
        connection.half_close()
        self.assertEqual(connection.rest(), pieces(dict(dict(cases("frames.txt"))["error"])["bytes"]))

    def test_the_daemon_gives_every_opening_of_the_vectors_the_answer_of_the_document(self):
        for verdict, rest in lines("openings.txt"):
            opening = pieces(rest)
            if verdict in ("plain", "undecided") or not opening:
                continue
            with self.subTest(rest):
                connection = self.connect(self.daemon.tcp)
                connection.send(opening)
                if verdict == "session" and opening == PREFACE[: len(opening)]:
                    connection.close()  # it may go on
                    continue
                if verdict == "session":
                    self.assertEqual(session_frame(connection)[0]["error"], "protocol")
                self.assertRaises((Ended, ConnectionResetError), connection.header)


PREFACE = b"\0RW\1"
TURN = re.compile(r"([CS]) (preface|\{.*\})(.*)")


def session_frame(connection):
    """(header, payload) of the next frame."""
    header = json.loads(connection.exactly(int.from_bytes(connection.exactly(4), "little")))
    return header, connection.exactly(header.get("len", 0))


KEYS_IN_PROSE = {"header", "payload", "depth", "stdin_window", "b64"}  # of hello's `limits`, and of a `cwd`


def overlaid(whole, part):
    """`whole` with the fields that `part` shows, also inside of objects."""
    inner = {key: overlaid(whole.get(key, {}), each) for key, each in part.items() if isinstance(each, dict)}
    return {**whole, **part, **inner}


class Sessions(DaemonCase):
    """The document's chapter on sessions against runwired and against the code."""

    def test_the_daemon_answers_its_conversations_as_shown(self):
        conversations = blocks("conversation")
        self.assertGreaterEqual(len(conversations), 5)
        daemon = self.start()  # one for all of them, in their order
        for _, text in conversations:
            connection = self.connect(daemon.tcp)
            for turn in map(TURN.fullmatch, text.splitlines()):
                who, header, payload = turn.groups()
                with self.subTest(turn[0]):
                    self.say(connection, header, pieces(payload)) if who == "C" else self.expect(
                        connection, json.loads(header), pieces(payload)
                    )
            connection.close()

    def test_its_conversations_are_made_of_whole_frames(self):
        for name, text in blocks("conversation"):
            for turn in map(TURN.fullmatch, text.splitlines()):
                who, header, payload = turn.groups()
                header = {} if header == "preface" else load(header.encode())
                with self.subTest(turn[0]):
                    self.assertEqual(header.get("len", 0), len(pieces(payload)))

    def say(self, connection, header, payload):
        if header == "preface":
            return connection.send(PREFACE)
        connection.send(struct.pack("<I", len(header)) + header.encode() + payload)

    def expect(self, connection, shown, payload):
        header, found = session_frame(connection)
        self.assertEqual(overlaid(header, shown), header)
        self.assertEqual(found, payload)

    def sources(self):
        """What reads the headers of a session's messages, but for what stands in any frame."""
        names = ("client_message.cpp", "server_message.cpp", "message_fields.cpp", "message_fields.hpp")
        return "".join((PROTO / name).read_text() for name in names)

    def documented(self, *headings, column=0):
        return {
            name for heading in headings for row in table(heading) for name in re.findall(r"`([\w.]+)`", row[column])
        }

    def test_its_keys_of_sessions_are_those_of_the_code(self):
        documented = self.documented("key of `start`", "key of `exit`", "key of `job`", "key of `kept`")
        documented |= self.documented("a client sends", "a server sends", column=1)
        documented = {key.rpartition(".")[2] for key in documented} | KEYS_IN_PROSE
        asks = re.compile(r'(?:(?:fields|inner|limits)(?:\.|->)\w+\(|[\w>]\(\*?(?:fields|inner), )"(\w+)"')
        read = set(asks.findall(self.sources()))
        common = {"code", "signal", "reason", "usage", "truncated", "cut", "error"}
        self.assertEqual(read - documented - common, {"type", "optional"})
        self.assertEqual(documented - read - common, {"message", "stage", "errno", "retry_ms"})
        for key in KEYS_IN_PROSE:
            self.assertTrue(re.search(rf'[`"]{key}[`"]', DOCUMENT), key)

    def test_its_messages_of_sessions_are_those_of_the_code(self):
        verb = re.compile(r'type == "(\w+)"\)\s*return (\w+)\((\w+)')
        named = {name: type if what == "ClientMessage" else "" for name, what, type in verb.findall(self.sources())}
        reserved = {name for name, type in named.items() if type == "Reserved"}
        self.assertEqual(set(named) - reserved, self.documented("a client sends", "a server sends"))
        [later] = re.findall(r"\n\n([^.\n]*?) has its place here and comes in a later version", DOCUMENT)
        self.assertEqual(reserved, set(re.findall(r"`(\w+)`", later)))


if __name__ == "__main__":
    unittest.main()
