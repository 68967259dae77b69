#!/usr/bin/env python3
"""Writes the seeds of the corpus: make_seeds.py, which needs no arguments. Each is a conversation or a part of one,
from proto/vectors or made here; what fuzzers find beyond them lies beside them under its digest."""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

from client import frame, reply  # noqa: E402
from protocol_document_test import cases, lines, pieces  # noqa: E402
from session_case import HELLO, PREFACE, message, start  # noqa: E402

CORPUS = HERE / "corpus"


def session_from_client():
    """Every message that a client can send."""
    return [
        message("hello", v=1, window=65536),
        start("echo hi", id="a"),
        message("start", b"cat\0-\0A=1\0", id="b", argc=2, envc=1, clear_env=True, stdin=True, reply="whole",
                linger="return", timeout_ms=1000, idle_ms=2000, cwd={"b64": "/w=="}),
        message("start", b"echo $A\0A=1\0", shell=True, envc=1, cwd="/tmp", linger="wait"),
        message("stdin", b"in", id="b", off=0),
        message("stdin", id="b", off=2, eof=True),
        message("signal", id="a", signal="TERM"),
        message("stop", id="a", stream="stdout"),
        message("credit", id="a", stream="stderr", bytes=65536),
        message("ping"), message("pong"),
        message("list"),
        message("news", b"\0\xff", optional=True),
        message("start", b"x\0", id="c", argc=1, pty={"rows": 24}, full="spill", keep_ms=5, limits={}),
        message("start", b"sleep 1", shell=True, id="k", full="drop", keep_ms=60000, pty={"term": "xterm", "cols": 132},
                limits={"cpu": 1, "as": 1 << 30, "nofile": 64, "nproc": 9, "fsize": 5, "core": 0, "nice": 19, "umask": 63}),
        message("attach", id="k", stdout=0, stderr=1 << 40),
        message("attach", id="k", output=False),
        message("detach", id="k"), message("forget", id="k"), message("cancel", id="a"),
        message("resize", id="a", rows=50, cols=132),
        message("stats", b"?", id="a"),
    ]  # fmt: skip


def session_from_server():
    """Every message that a server can send."""
    limits = {"header": 65535, "payload": 1 << 20, "depth": 8, "stdin_window": 1 << 18, "keep_ms": 86400000}
    kept = {"stdout": 5, "stderr": 0, "stdin": 3, "window": 1000, "eof": False}
    counts = {"age_ms": 1, "stdout": 5, "stderr": 0, "clients": 1}
    usage = {"wall_ms": 1.5, "user_ms": 0.25, "sys_ms": None, "max_rss_kb": 1792}
    end = {"code": 0, "signal": None, "core": False, "reason": "exited", "truncated": False, "cut": False}
    end |= {"survivors": None, "usage": usage}
    return [
        message("hello", v=1, boot="00" * 16, server="runwired 0.1.0", limits=limits, ping_ms=15000),
        message("started", id="a", pid=4242, existing=False),
        message("output", b"hi\n", id="a", stream="stdout", off=0),
        message("output", b"\0\xff", id="a", stream="stderr", off=1 << 40),
        message("exit", id="a", stdout=3, stderr=2, **end),
        message("exit", b"hello", id="b", stdout=3, stderr=2, **{**end, "code": None, "signal": "KILL"}),
        message("error", id="c", error="spawn", message="no such program", stage="exec", errno="ENOENT"),
        message("error", error="busy", message="later", retry_ms=100),
        message("stop", id="a", stream="stdin"),
        message("credit", id="a", stream="stdin", bytes=65536),
        message("ping"), message("pong"),
        message("news", b"later", optional=True),
        message("started", id="k", pid=None, existing=True, kept=kept),
        message("output", b"hello", id="k", stream="stdout", off=0, replay=True),
        message("gap", id="k", stream="stderr", **{"from": 0, "to": 1 << 40}),
        message("detached", id="k", reason="slow"), message("forgotten", id="k"),
        message("job", id="k", state="waiting", pid=None, command="ls", who="unix", **counts),
        message("job", id="k", state="finished", pid=7, command="ls", who="", expires_ms=5, **end, **counts),
        message("listed", jobs=2),
        message("error", id="k", error="expired", message="gone"),
        message("error", error="upgrade", message="come back"),
    ]  # fmt: skip


def frames():
    for name, case in cases("frames.txt"):
        yield f"vector-{name}", b"".join(pieces(rest) for keyword, rest in case if keyword == "bytes")
    for number, (name, case) in enumerate(cases("headers.txt")):
        header = b"".join(pieces(rest) for keyword, rest in case if keyword == "bytes")
        if 2 <= len(header) <= 2000:
            yield f"header-{number}", frame(header)
    for number, (_, rest) in enumerate(lines("openings.txt")):
        if number % 7 == 0 and len(pieces(rest)) <= 100:
            yield f"opening-{number}", pieces(rest)
    for side, messages in (("client", session_from_client()), ("server", session_from_server())):
        yield f"session-{side}", b"".join(messages)
        for number, each in enumerate(messages):
            yield f"session-{side}-{number}", each
    yield "reply", reply(b"out", b"err", 3) * 2


# The steps of connection_fuzz.cpp.
HEAR, TURN = b"\x08", b"\x09"
CLOSE, HALF_CLOSE, WIND_UP = b"\x0a\x00", b"\x0a\x01", b"\x0a\x02"


def counted(data):
    if len(data) < 255:
        return bytes([len(data)]) + data
    blocks = (len(data) - 255 + 15) // 16
    return bytes([255, blocks]) + data.ljust(255 + 16 * blocks)


def say(data):
    return b"\x00" + counted(data)


def say_messages(*messages, at_once=False):
    """As steps that a mutation does not easily break: without their lengths. At once: the loop turns after them all."""
    steps = b""
    for each in messages:
        size = int.from_bytes(each[:4], "little")
        steps += (b"\x84" if at_once else b"\x04") + counted(each[4 : 4 + size]) + counted(each[4 + size :])
    return steps


def output(child, stream, size=1):
    return bytes([11, child, stream, size])


def close_output(child, stream):
    return bytes([12, child, stream])


def close_input(child):
    return bytes([13, child, 0])


def read_input(child):
    return bytes([13, child, 255])


def leave(child, code=0):
    return close_output(child, 0) + close_output(child, 1) + bytes([14, child, code])


def connection():
    hello, window = message("hello", v=1), message("hello", v=1, window=1000)
    begin, slow = say(PREFACE) + say_messages(hello), say(PREFACE) + say_messages(window)
    line, whole = start("echo hi", id="a"), start("echo hi", id="b", reply="whole")
    reading = start("cat", id="a", stdin=True)
    yield "plain", say(b"echo hi") + TURN + output(0, 0) + leave(0) + HEAR
    yield "plain-two", say(b"echo hi") + TURN + say(b"echo ho") + leave(0) + TURN + HEAR + leave(1) + HEAR + HALF_CLOSE
    yield "plain-http", say(b"GET / HTTP/1.1\r\n\r\n") + HEAR
    yield "stream", begin + say_messages(line) + TURN + output(0, 0) + output(0, 1) + TURN + leave(0) + HEAR
    yield "whole", begin + say_messages(whole) + TURN + output(0, 0, 200) + output(0, 1) + TURN + leave(0, 3) + HEAR
    yield "many", begin + say_messages(line, whole, *(start("x", id=f"c{i}") for i in range(8))) + TURN + leave(0) + leave(1) + TURN + HEAR
    yield "window", slow + say_messages(line) + TURN + output(0, 0, 60) + TURN + HEAR + say_messages(
        message("credit", id="a", stream="stdout", bytes=900)) + TURN + leave(0) + HEAR + say_messages(
        message("credit", id="a", stream="stdout", bytes=99999)) + TURN + HEAR  # fmt: skip
    yield "stop", begin + say_messages(line, message("stop", id="a", stream="stdout")) + TURN + output(0, 0) + TURN + leave(0) + HEAR
    yield "stdin", begin + say_messages(reading, message("stdin", b"in" * 100, id="a", off=0)) + TURN + read_input(0) + say_messages(
        message("stdin", id="a", off=200, eof=True)) + TURN + read_input(0) + leave(0) + HEAR  # fmt: skip
    yield "stdin-closed", begin + say_messages(reading) + close_input(0) + say_messages(
        message("stdin", b"in", id="a", off=0)) + TURN + HEAR + leave(0) + HEAR  # fmt: skip
    yield "fails", begin + say_messages(line, whole) + TURN + bytes([15, 0, 0, 15, 1, 0]) + TURN + HEAR
    yield "gone", begin + say_messages(line, reading) + TURN + output(0, 0) + CLOSE
    at_once = b"\x80" + counted(PREFACE) + say_messages(hello, line, reading, whole, at_once=True)
    yield "gone-before", at_once + CLOSE + TURN * 3
    yield "half-gone-before", at_once + HALF_CLOSE + TURN * 3
    yield "deaf", at_once + b"\x0a\x03" + TURN + say_messages(line) + TURN * 3
    yield "wind-up", begin + say_messages(line) + TURN + WIND_UP + say_messages(whole) + TURN + leave(0) + HEAR
    yield "conflict", begin + say_messages(line, line, message("signal", id="a", signal="TERM")) + TURN + leave(0) + HEAR
    yield "every", begin + say_messages(*session_from_client()[1:]) + TURN + HEAR + leave(0) + leave(1) + leave(2) + HEAR
    yield from kept_commands(begin, slow)
    yield from terminals(begin, slow)
    for number, each in enumerate(session_from_client()):
        yield f"one-{number}", begin + say_messages(line, reading.replace(b'"a"', b'"b"'), each) + TURN + leave(0) + HEAR


def kept_commands(begin, slow):
    kept, attach = start("cat", id="k", stdin=True, keep_ms=1000), message("attach", id="k", stdout=0, stderr=0)
    wants = [kept.replace(b'"keep_ms"', b'"full":"%s","keep_ms"' % full) for full in (b"block", b"spill", b"drop")]
    running = [opening + say_messages(each) + TURN for opening in (begin, slow) for each in wants]
    for number, opening in enumerate(running):
        yield f"kept-{number}", opening + output(0, 0, 255) * 4 + TURN + HEAR + output(0, 1) + TURN + leave(0) + HEAR
    yield "kept-again", running[0] + output(0, 0) + TURN + say_messages(kept) + TURN + HEAR + leave(0) + HEAR
    yield "kept-conflict", running[0] + say_messages(start("other", id="k", keep_ms=1000)) + TURN + HEAR
    away = running[0] + output(0, 0) + TURN + say_messages(message("detach", id="k")) + TURN + HEAR
    yield "kept-away", away + output(0, 0) + TURN + say_messages(attach) + TURN + HEAR + output(0, 0) + leave(0) + HEAR
    yield "kept-over", away + leave(0) + TURN + say_messages(attach, attach, message("forget", id="k"), attach) + TURN + HEAR
    yield "kept-tail", away + say_messages(message("attach", id="k", output=False)) + output(0, 0) + leave(0) + HEAR
    yield "kept-stdin", running[0] + say_messages(message("stdin", b"in", id="k", off=0), message("detach", id="k"), attach,
        message("stdin", b"input", id="k", off=0), message("stdin", id="k", off=5, eof=True)) + TURN + read_input(0) + leave(0) + HEAR  # fmt: skip
    yield "kept-cancel", away + say_messages(message("cancel", id="k"), message("signal", id="k", signal="INT")) + TURN + leave(0) + HEAR
    yield "kept-list", running[0] + say_messages(message("list")) + TURN + HEAR + leave(0) + say_messages(message("list")) + TURN + HEAR
    yield "kept-gone", running[0] + output(0, 0) + CLOSE
    yield "kept-waits", begin + say_messages(*(kept.replace(b'"k"', b'"%d"' % i) for i in range(8)), message("attach", id="7")) + TURN + HEAR + leave(0) + HEAR
    yield "kept-wind-up", running[0] + WIND_UP + TURN + leave(0) + HEAR
    yield "recorded", slow + say_messages(start("x", id="a", full="drop")) + TURN + output(0, 0, 255) * 9 + TURN + leave(0) + HEAR


def terminals(begin, slow):
    size = message("resize", id="t", rows=50, cols=132)
    own = start("sh", id="t", stdin=True, pty={"term": "xterm", "rows": 24, "cols": 80})
    kept = own.replace(b'"stdin"', b'"keep_ms":1000,"full":"drop","stdin"')
    keys, hang_up = message("stdin", b"ls\x04", id="t", off=0), message("stop", id="t", stream="stdout")
    for name, asked in (("own", own), ("kept", kept)):
        there = begin + say_messages(asked, size) + TURN + output(0, 0, 9) + TURN + HEAR
        yield f"terminal-{name}", there + say_messages(keys, size) + TURN + read_input(0) + TURN + leave(0) + HEAR
        yield f"terminal-{name}-hung-up", there + say_messages(hang_up, size, keys) + TURN + leave(0) + TURN + HEAR
        yield f"terminal-{name}-cancel", there + say_messages(message("cancel", id="t"), size) + TURN + leave(0, 200) + HEAR
    away = slow + say_messages(kept, message("detach", id="t")) + TURN + output(0, 0, 255) + TURN
    back = say_messages(message("attach", id="t", stdout=0), size, message("credit", id="t", stream="stdout", bytes=9))
    yield "terminal-back", away + back + TURN + HEAR + leave(0) + TURN + say_messages(message("forget", id="t")) + TURN + HEAR


HOSTS = """[build1]
address = "10.0.0.7:8098"  # as HOST is written
workdir = "/srv/build"
env = { CC = "clang", LANG = "C.UTF-8" }
connect_timeout = "2s"
linger = "wait"
["web.prod"]
address = 'unix:/run/x.sock'
connect_timeout = 2.5
"""

# Command lines, by what options_fuzz.cpp is told of them: 1 ssh's, 2 the first word is a hosts.toml, 4 RUNWIRE_HOST.
COMMAND_LINES = {
    0: [
        "", "-h", "--version", ". ls", "127.0.0.1:8098 ls -l", "[::1]:80 -- -x", "unix:/run/x.sock", "-v localhost make",
        "-e A=1 -eB=2 --env HOME --clear-env -w /tmp -n -T h.example cat -", "--timeout 1.5s --idle-timeout=2m -q h true",
        "--linger wait --status-file s --json --connect-timeout 500ms h:1 x", "--plain --encoding GBK h:1 x y", "-- h x",
        "-oProxyCommand=x", "-lroot h x", "-- -h x", "tcp://h:1 x", "h:0 x", "h:99999 x", ":1:[]:80 x", "unix x", "[unix]:80 x", "-e =1 h x", "--linger x h x",
    ],
    1: [
        "h true", "-V", "-G -l u h", "-p 22 u@h ls -l", "ssh://u@[::1]:22 x", "-oPort=1 -o User=u -o ConnectTimeout=5 h x",
        "-o SendEnv=LC_*|LANG -oSetEnv=A=1|B=\"2|3\" h x", "-s h sftp", "-tt -A -x -C -4 h -n x", "-N h", "-W a:1 h",
        "-o RemoteCommand=x h", "-o SessionType=subsystem h sftp", "-oProxyCommand=x", "-lroot", "-l -x h", "-- -h x",
        "-o HostName=h -- -x x",
        "-F /dev/null -i k -c aes -m hmac -S none -L 1:h:1 h", "-vvv -E log h x", "-o LogLevel=QUIET h x", "-@h x", "h",
    ],
    2: ["build1 make", "web.prod x", "nobody x", "build1:80 x"],
    3: ["build1 make", "-p 5 build1 x", "-o HostName=web.prod h x"],
    4: ["", ". ls"],
    6: ["", ". ls"],
}  # fmt: skip

WRONG_HOSTS = (
    "a", "[a", "[a]\n", "[!]\naddress='h'", "\u00ca='h'", "[-a]\naddress='h'", "[a]\naddress=1", "[a]\naddress='h:0'", "[a]\nadress='h'",
    "[a.b]\naddress='h'", "[a]\naddress='h'\nenv={A=1}", "[a]\naddress='h'\nlinger='x'", "[a]\naddress='h'\n[a]",
)  # fmt: skip


def command_line(role, line, hosts=HOSTS):
    """Blanks part its words; a | is a blank."""
    words = [hosts] * bool(role & 2) + [word.replace("|", " ") for word in line.split()]
    return bytes([role]) + b"".join(word.encode() + b"\0" for word in words)


def options():
    for role, command_lines in COMMAND_LINES.items():
        for number, line in enumerate(command_lines):
            yield f"role-{role}-{number}", command_line(role, line)
    for number, hosts in enumerate(WRONG_HOSTS):
        yield f"hosts-{number}", command_line(2, "a x", hosts)


def write(target, seeds):
    directory = CORPUS / target
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in seeds:
        (directory / f"{name.replace(' ', '-').replace('/', '-')}.seed").write_bytes(data)


def main():
    write("connection", connection())
    write("options", options())
    for step in (0, 1, 7):
        whole = [(f"{name}-by-{step}", bytes([step]) + data) for name, data in frames()]
        write("frames", [each for number, each in enumerate(whole) if step == 0 or number % 5 == step % 5])


if __name__ == "__main__":
    main()
