"""`runwire --plain` against servers that answer well, badly and not at all: what it prints, where, and its exit status."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

from client import (
    ClientCase, environment, error, frame, original_server, plain_runwire, program, reply, runwire,
    send_and_see_read, start_runwire,
)  # fmt: skip
from daemon import until
from plain import DEADLINE_S

HELP = """\
Runs commands on a machine where runwired listens.

  runwire 127.0.0.1:8098 'ls | wc -l'    one line for the shell there
  runwire -w /src build1 grep 'a b' f    one program and its arguments
  runwire                                a prompt on this machine's own runwired

Usage: runwire [OPTIONS] [HOST [COMMAND [ARG...]]]
       runwire ps|attach|wait|logs|kill|rm ...  for those kept: `runwire ps -h`

  HOST     host, host:port, [::1]:port, unix:/path, or a name that hosts.toml
           in $XDG_CONFIG_HOME/runwire (~/.config/runwire) has; the port
           is 8098 unless given. Without HOST, or with `.`: $RUNWIRE_HOST, else
           $XDG_RUNTIME_DIR/runwire.sock, else /tmp/runwire-UID/runwire.sock
  COMMAND  one word is a line for the server's shell; several, a program and its
           arguments. A `--` before it is dropped. None: prompt; with -t, shell

  -e, --env NAME=VALUE        one more variable; NAME alone: as it is here (no)
  --clear-env                 no variables but these (all that runwired has)
  -w, --workdir DIR           where the command runs (runwired's directory)
  -n, --no-stdin              its stdin is /dev/null (it is ours)
  -t, -tt, -T                 at a terminal if stdin is one; always; never (-T)
  --timeout DURATION          end it after 500ms, 10s, 2m, 1h; 5 is 5s (never)
  --idle-timeout DURATION     end it after so long without output (never)
  --linger grace|wait|return  when it ended and another holds its output open:
                              up to 1s more, all of it, no more (grace)
  --limit NAME=MAX,...        of cpu, as, nofile, nproc, fsize, core (as there)
  --nice N, --umask OCTAL     its niceness, -20 to 19; its umask (as there)
  -d, --detach                start it, print its ID and leave it running (no)
  --keep[=DURATION]           it outlives a lost connection; kept so long (1h)
  --status-file PATH          write there as a JSON line how it ended (nowhere)
  --json                      output, too, as JSON lines on stdout (as bytes)
  --plain                     the original protocol: output at the end, no stdin
  --encoding NAME             programs there speak NAME (GBK): convert all (no)
  --connect-timeout DURATION  how long connecting may take (5s)
  -v, --verbose; -q, --quiet  tell how it went; failures only (what matters)
  --version; -h, --help       show the version; this

Signals go to the command; the third INT or TERM in a row ends the connection.
Exit status: the command's; 128+n if signal n killed it; 127 no such program,
126 not to be run; 124 if it took too long; 255 if runwire itself failed.
"""

UNKNOWN = "what became of the command is unknown, the server's log may tell"
NOT_RUNWIRED = "is it a runwired that listens there? Check HOST and its port"

# What a server answers, and what is said about it after `runwire: unix:PATH: `.
FAILURES = {
    "nothing": (b"", f"no reply: the server closed the connection; {UNKNOWN}"),
    "half a length": (
        b"\x10\x00",
        f"the reply ends inside its header, after 2 bytes: the server closed the connection; {UNKNOWN}",
    ),
    "half a header": (
        frame(b'{"len":1}')[:-3],
        f"the reply ends inside its header, after 10 bytes: the server closed the connection; {UNKNOWN}",
    ),
    "no payload": (
        frame({"filename": "f", "len": 5}),
        f"the reply ends after 0 of 5 bytes of output: the server closed the connection; {UNKNOWN}",
    ),
    "length 0": (b"\0\0\0\0", f"the reply makes no sense: header length 0 is outside 2..65535; {NOT_RUNWIRED}"),
    "length 1": (b"\1\0\0\0", f"the reply makes no sense: header length 1 is outside 2..65535; {NOT_RUNWIRED}"),
    "length 65536": (
        b"\0\0\1\0",
        f"the reply makes no sense: header length 65536 is outside 2..65535; {NOT_RUNWIRED}",
    ),
    "length 2^31-1": (
        b"\xff\xff\xff\x7f",
        f"the reply makes no sense: header length 2147483647 is outside 2..65535; {NOT_RUNWIRED}",
    ),
    "length -2^31": (
        b"\0\0\0\x80",
        f"the reply makes no sense: header length 2147483648 is outside 2..65535; {NOT_RUNWIRED}",
    ),
    "length -1": (
        b"\xff\xff\xff\xff",
        f"the reply makes no sense: header length 4294967295 is outside 2..65535; {NOT_RUNWIRED}",
    ),
    "an HTTP server": (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        f"the reply makes no sense: header length 1347703880 is outside 2..65535; {NOT_RUNWIRED}",
    ),
    "no object": (frame(b"[1,2]"), f"reply header: not a JSON object; {NOT_RUNWIRED}"),
    "no len": (frame({"filename": "f"}), f'reply header: "len" is missing; {NOT_RUNWIRED}'),
    "len null": (frame({"len": None}), f'reply header: "len" is missing; {NOT_RUNWIRED}'),
    "len -1": (frame({"len": -1}), f'reply header: "len" must be an integer from 0 to 2^53; {NOT_RUNWIRED}'),
    "len 1.5": (frame({"len": 1.5}), f'reply header: "len" must be an integer in range; {NOT_RUNWIRED}'),
    "len in quotes": (frame({"len": "5"}), f'reply header: "len" must be an integer in range; {NOT_RUNWIRED}'),
    "len over 2^53": (
        frame({"len": 2**53 + 1}),
        f'reply header: "len" must be an integer from 0 to 2^53; {NOT_RUNWIRED}',
    ),
    "len twice": (frame(b'{"len":1,"len":2}'), f"reply header: a key stands twice; {NOT_RUNWIRED}"),
    "counts without a status": (
        frame({"len": 0, "stdout": 0, "stderr": 0}),
        f"the reply has no exit status; {UNKNOWN}",
    ),
    "two replies": (
        reply(code=0) + reply(code=0),
        f"the server answered more than once, so it took the command for several; {UNKNOWN}",
    ),
}


@contextlib.contextmanager
def full_queue():
    """The path of a socket whose server accepts nobody and has as many waiting as it allows."""
    with tempfile.TemporaryDirectory(prefix="runwire-") as directory, contextlib.ExitStack() as links:
        path = f"{directory}/s"
        listener = links.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        waits = 0
        while waits == 0:
            link = links.enter_context(socket.socket(socket.AF_UNIX))
            link.setblocking(False)
            waits = link.connect_ex(path)
        yield path


class Failures(ClientCase):
    """promises 40, 41, 46, 59: 255 and a text, whatever the server does."""

    def test_each_bad_answer_has_its_text(self):
        for name, (answer, text) in FAILURES.items():
            with self.subTest(name):
                server = self.serve(answer)
                done = plain_runwire(server.address, "true")
                self.assert_ran(done, 255, stderr=f"runwire: {server.address}: {text}\n".encode())

    def test_a_header_that_is_no_json_is_told_as_such(self):
        for header in (b"xx", b'{"len":1', b'{"len":1}x', b"\xff\xff", b'{"len":18446744073709551616}', b"[" * 3000):
            with self.subTest(header[:30]):
                done = plain_runwire(self.serve(frame(header)).address, "true")
                self.assert_failed(done, "reply header: not JSON within the limits: ", NOT_RUNWIRED)

    def test_output_that_came_before_the_connection_was_lost_is_shown_and_is_no_success(self):
        done = plain_runwire(self.serve(reply(b"0123456789")[:-4]).address, "true")
        self.assertEqual((done.returncode, done.stdout), (255, b"012345"))
        self.assertIn(b"the reply ends after 6 of 10 bytes of output", done.stderr)

    def test_a_reset_is_told_as_a_reset(self):
        def reset(connection):
            connection.recv(64)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

        done = plain_runwire(self.serve(reset, family=socket.AF_INET).address, "true")
        self.assert_failed(done, "no reply: read: Connection reset by peer; the server ended the connection; ", UNKNOWN)

    def test_an_error_frame_is_shown_with_the_servers_words(self):
        done = plain_runwire(self.serve(error("spawn", "cannot start; try", stage="exec", errno="ENOENT")).address, "true")
        text = b"runwire: the server did not run the command: spawn: cannot start; try (at exec, ENOENT)\n"
        self.assert_ran(done, 255, stderr=text)

    def test_a_busy_server_means_try_again_later(self):
        done = plain_runwire(self.serve(error("busy", "")).address, "true")
        self.assert_ran(done, 255, stderr=b"runwire: the server did not run the command: busy; try again later\n")
        done = plain_runwire(self.serve(error("busy", "too much to do", retry_ms=250)).address, "true")
        text = b"runwire: the server did not run the command: busy: too much to do; wait at least 250 ms\n"
        self.assert_ran(done, 255, stderr=text)

    def test_text_from_the_server_cannot_steer_the_terminal(self):
        hostile = "\x1b]0;x\x07\x9b2J\r\nrunwire: all is well\u202e"
        done = plain_runwire(self.serve(error(hostile, hostile)).address, "true")
        self.assert_failed(done, "\\x1b]0;x\\x07\\x9b2J\\x0d\\x0arunwire: all is well\\u202e")

    def test_a_verbose_header_cannot_steer_the_terminal(self):
        header = b'{"filename":"\xe2\x80\xae../x","len":0,"code":0}'
        done = plain_runwire("-v", self.serve(frame(header)).address, "true")
        self.assertIn(b'runwire: reply header: {"filename":"\\u202e../x","len":0,"code":0}\n', done.stderr)

    def test_a_refused_connection_says_what_to_do(self):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            port = unused.getsockname()[1]
            done = plain_runwire(f"127.0.0.1:{port}", "true")
        text = f"cannot connect to 127.0.0.1:{port}: connection refused; start runwired there, or name another HOST"
        self.assert_failed(done, text)

    def test_no_daemon_at_the_default_address_says_what_to_do(self):
        done = plain_runwire(".", "true", XDG_RUNTIME_DIR="/nonexistent")
        text = b"cannot connect to unix:/nonexistent/runwire.sock: no such socket; start runwired, or name another HOST"
        self.assert_ran(done, 255, stderr=b"runwire: " + text + b"\n")

    @unittest.skipUnless(os.geteuid() == 0, "needs root, to be another user for a moment")
    def test_the_default_socket_of_another_user_is_told_nothing(self):
        server = self.serve(lambda connection: self.assertEqual(connection.recv(64), b""), user=65534)
        directory = os.path.dirname(server.address.removeprefix("unix:"))
        os.symlink("s", f"{directory}/runwire.sock")
        done = plain_runwire(".", "echo secret", XDG_RUNTIME_DIR=directory)
        text = f"unix:{directory}/runwire.sock is a server of user 65534, who would see the commands; start your own"
        self.assert_failed(done, text)

    def test_connecting_ends_with_its_timeout(self):
        with full_queue() as path:
            done = plain_runwire("--connect-timeout", "0.05", f"unix:{path}", "true")
        self.assert_failed(done, f"cannot connect to unix:{path}: no answer within 50 ms; check the address")

    def test_wrong_usage_is_255_too(self):
        for words in (["--prot", "9", "h"], ["-x"], ["--encoding"], ["-v", "-q", "h"], ["-", "x"], ["a b"], ["h", ""]):
            with self.subTest(words):
                self.assert_failed(plain_runwire(*words))

    def test_an_unknown_encoding_is_refused_before_anything_is_sent(self):
        done = plain_runwire("--encoding", "no-such", "unix:/nonexistent", "true")
        self.assert_failed(done, "encoding 'no-such' is not known on this system; `iconv -l` lists those that are")


def waits_in_poll(pid):
    """Asleep in a system call whose first argument is an address; that of read or write would be a descriptor."""
    with open(f"/proc/{pid}/syscall") as syscall:
        words = syscall.read().split()
    return words[0] != "running" and int(words[1], 16) > 1 << 20


class Output(ClientCase):
    def test_stdout_and_stderr_arrive_apart(self):
        done = plain_runwire(self.serve(reply(b"out\n", b"err\n", 7)).address, "true")
        self.assert_ran(done, 7, b"out\n", b"err\n")

    def test_every_byte_passes_untouched(self):
        data = bytes(range(256)) * 300
        done = plain_runwire(self.serve(reply(data, data[::-1])).address, "true")
        self.assert_ran(done, 0, data, data[::-1])

    def test_a_reply_split_at_any_byte_gives_the_same(self):
        """promise 43"""
        whole = reply(b"out\xc4\xe3", b"err")

        def split_everywhere(connection):
            for cut in range(1, len(whole)):
                connection.recv(64)
                send_and_see_read(connection, whole[:cut])
                connection.sendall(whole[cut:])

        times = len(whole) - 1
        done = plain_runwire(self.serve(split_everywhere).address, stdin=b"true\n" * times)
        self.assert_ran(done, 0, b"out\xc4\xe3" * times, b"err" * times)

    def test_a_reply_that_comes_byte_by_byte_gives_the_same(self):
        """promise 43"""

        def byte_by_byte(connection):
            connection.recv(64)
            for byte in reply(b"out", b"err", 3):
                send_and_see_read(connection, bytes([byte]))

        self.assert_ran(plain_runwire(self.serve(byte_by_byte).address, "true"), 3, b"out", b"err")

    def test_a_full_disk_is_an_error(self):
        """promise 11"""
        with open("/dev/full", "wb") as full:
            done = plain_runwire(self.serve(reply(b"out")).address, "true", stdout=full)
        text = b"stdout: No space left on device; the rest of the output is lost, and the command's exit status with it"
        self.assertEqual((done.returncode, done.stderr), (255, b"runwire: " + text + b"\n"))

    def test_a_closed_stdout_is_an_error_and_never_a_socket(self):
        """promise 11"""
        for closed in (">&-", "<&- >&-"):
            with self.subTest(closed):
                server = self.serve(reply(b"out"))
                done = subprocess.run(
                    ["sh", "-c", f'exec "$@" {closed}', "sh", program(), "--plain", server.address, "true"],
                    stderr=subprocess.PIPE, env=environment(),
                )  # fmt: skip
                self.assertEqual(done.returncode, 255)
                self.assertTrue(done.stderr.startswith(b"runwire: stdout: Bad file descriptor; "), done.stderr)

    def test_help_and_version_on_a_full_disk_are_errors(self):
        for option in ("--help", "--version"):
            with open("/dev/full", "wb") as full, self.subTest(option):
                self.assertEqual(runwire(option, stdout=full).returncode, 255)

    @unittest.skipUnless(sys.platform == "linux", "looks at the client through Linux's /proc")
    def test_a_stdout_that_somebody_made_non_blocking_gets_every_byte(self):
        """promise 60"""
        has_read = threading.Event()

        def answer(connection):
            connection.recv(64)
            send_and_see_read(connection, reply(b"out"))
            has_read.set()

        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        with self.assertRaises(BlockingIOError):
            while True:
                os.write(write_end, b"x")
        process = start_runwire("--plain", self.serve(answer).address, "true", stdout=write_end)
        os.close(write_end)
        self.assertTrue(has_read.wait(DEADLINE_S))
        until(lambda: process.poll() is not None or waits_in_poll(process.pid), "the client to wait for room")
        with open(read_end, "rb") as pipe:
            self.assertEqual(pipe.read().lstrip(b"x"), b"out")
        self.assertEqual(process.wait(DEADLINE_S), 0)

    def test_a_reader_of_stderr_who_has_gone_changes_no_status(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = start_runwire(
            "--plain", self.serve(reply(b"out", b"err", 3)).address, "true", stdout=subprocess.PIPE, stderr=write_end
        )
        os.close(write_end)
        self.assertEqual((process.communicate(timeout=DEADLINE_S)[0], process.returncode), (b"out", 3))

    def test_a_reader_of_the_help_who_has_gone_ends_it_in_silence(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        process = start_runwire("--help", stdout=write_end, stderr=subprocess.PIPE)
        os.close(write_end)
        self.assertEqual((process.communicate(timeout=DEADLINE_S)[1], process.returncode), (b"", -signal.SIGPIPE))

    def test_truncated_output_is_told(self):
        answer = reply(b"o", code=None, signal="TERM", reason="output-limit", truncated=True)
        done = plain_runwire("-q", self.serve(answer).address, "true")
        text = b"runwire: the output is incomplete: it reached the server's limit on output (--max-output)\n"
        self.assert_ran(done, 255, b"o", text)

    def test_cut_output_is_told_when_asked_for(self):
        self.assert_ran(plain_runwire(self.serve(reply(cut=True)).address, "true"))
        done = plain_runwire("-v", self.serve(reply(cut=True)).address, "true")
        text = b"runwire: a process that the command left behind kept its output open: more may have followed\n"
        self.assertIn(text, done.stderr)

    def test_a_command_that_the_server_ended_is_told_with_the_reason(self):
        ended = reply(code=None, signal="TERM", reason="shutdown")
        done = plain_runwire(self.serve(ended).address, "true")
        self.assert_ran(done, 143, stderr=b"runwire: the server ended the command: shutdown\n")

    def test_verbose_shows_connection_header_and_status(self):
        server = self.serve(frame(b'{"filename":"f","len":0,"code":3}'))
        lines = [f"connected to {server.address}", 'reply header: {"filename":"f","len":0,"code":3}', "exit status 3"]
        done = plain_runwire("-v", server.address, "true")
        self.assert_ran(done, 3, stderr="".join(f"runwire: {line}\n" for line in lines).encode())


class CommandLine(ClientCase):
    def test_help_is_this_text(self):
        self.assert_ran(runwire("--help"), 0, HELP.encode())
        self.assert_ran(runwire("-h"), 0, HELP.encode())

    def test_version_is_one_line(self):
        self.assertRegex(runwire("--version").stdout, rb"\Arunwire \d+\.\d+\.\d+\n\Z")

    def test_one_word_is_sent_as_it_is(self):
        server = self.serve(reply())
        plain_runwire(server.address, b"echo \xc4\xe3 'a | b' $HOME")
        self.assertEqual(server.commands, [b"echo \xc4\xe3 'a | b' $HOME"])

    def test_several_words_mean_a_program_and_its_arguments_to_a_real_shell(self):
        words = ["a b", "it's", "", "$HOME", "[a,b]", "*", "--", "-v", "\\", "x\ny", ";", '"']
        server = self.serve(reply())
        plain_runwire(server.address, "printf", "%s\\0", *words)
        said = subprocess.run(["sh", "-c", server.commands[0]], capture_output=True).stdout
        self.assertEqual(said.decode().split("\0")[:-1], words)

    def test_the_largest_command_is_sent_and_one_byte_more_is_refused(self):
        """promise 16. Linux takes no word over 128 KiB, so it comes from stdin."""

        def count(connection):
            size = 0
            while size < 1 << 20:
                size += len(connection.recv(1 << 20))
            connection.sendall(reply(b"%d" % size))

        largest = b"#" * (1 << 20)
        self.assert_ran(plain_runwire(self.serve(count).address, stdin=largest), 0, b"1048576")
        done = plain_runwire(self.serve(lambda connection: connection.recv(1)).address, stdin=largest + b"#")
        self.assert_failed(done, "a line of the input is longer than a command may be (1 MiB)")

    def test_a_server_that_refuses_a_long_command_before_its_end_is_heard(self):
        def refuse(connection):
            connection.recv(10)
            connection.sendall(error("limit", "too long"))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1 << 20):
                pass

        done = plain_runwire(self.serve(refuse).address, stdin=b"#" * (1 << 20))
        self.assert_failed(done, "the server did not run the command: limit: too long")

    def test_the_default_host_comes_from_the_environment(self):
        server = self.serve(reply(b"hi"))
        self.assert_ran(plain_runwire(".", "true", RUNWIRE_HOST=server.address), 0, b"hi")


class LinesOfStdin(ClientCase):
    def test_each_line_is_a_command_and_the_last_ones_status_counts(self):
        def answer(connection):
            for code in (1, 0, 4):
                command = connection.recv(64)
                connection.sendall(reply(command + b"\n", code=code))

        done = plain_runwire("-q", self.serve(answer).address, stdin=b"one\n\n  \ntwo\nthree")
        self.assert_ran(done, 4, b"one\ntwo\nthree\n")

    def test_a_status_that_is_not_0_is_told(self):
        done = plain_runwire(self.serve(reply(code=None, signal="KILL", reason="signal")).address, stdin=b"x\n")
        self.assert_ran(done, 137, stderr=b"runwire: killed by signal KILL (exit status 137)\n")

    def test_no_line_is_success_if_the_server_is_there(self):
        self.assert_ran(plain_runwire(self.serve(lambda connection: connection.recv(1)).address), 0)
        self.assert_failed(plain_runwire("unix:/nonexistent"), "no such socket")

    def test_the_first_failure_of_our_own_ends_it(self):
        def answer_once(connection):
            connection.recv(64)
            connection.sendall(reply(b"1"))
            connection.recv(64)

        done = plain_runwire(self.serve(answer_once).address, stdin=b"one\ntwo\nthree\n")
        self.assertEqual((done.returncode, done.stdout), (255, b"1"))
        self.assertEqual(done.stderr.count(b"runwire: "), 1, done.stderr)

    def test_a_connection_that_the_server_closed_between_commands_is_made_again(self):
        server = self.serve(reply(b"1"), reply(b"2", code=2))
        process = start_runwire("--plain", server.address, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdin.write(b"one\n")
        process.stdin.flush()
        server.await_end_of_connection()
        stdout, stderr = process.communicate(b"two\n", timeout=DEADLINE_S)
        self.assertEqual((process.returncode, stdout), (2, b"12"))
        self.assertIn(b"the server has closed the connection since the last command; connecting again\n", stderr)
        self.assertEqual(server.commands, [b"one", b"two"])

    def test_a_nul_byte_is_refused_and_nothing_sent(self):
        """promise 17"""
        server = self.serve(lambda connection: self.assertEqual(connection.recv(64), b""))
        done = plain_runwire(server.address, stdin=b"echo a\0; touch x\n")
        self.assert_failed(done, "the command holds a NUL byte, which no shell can take; leave it out")


class Encoding(ClientCase):
    def test_gbk_output_becomes_the_terminals_utf_8(self):
        server = self.serve(reply("中文\n".encode("gbk"), "错误\n".encode("gbk")))
        done = plain_runwire("--encoding", "GBK", server.address, "true")
        self.assert_ran(done, 0, "中文\n".encode(), "错误\n".encode())

    def test_a_character_split_between_reads_survives_on_stdout_and_on_stderr(self):
        whole = reply("中文".encode("gbk"), "错误".encode("gbk"))

        def byte_by_byte(connection):
            connection.recv(64)
            for byte in whole:
                send_and_see_read(connection, bytes([byte]))

        done = plain_runwire("--encoding", "GBK", self.serve(byte_by_byte).address, "true")
        self.assert_ran(done, 0, "中文".encode(), "错误".encode())

    def test_half_a_character_at_the_end_of_one_reply_does_not_spoil_the_next(self):
        def twice(connection):
            for _ in range(2):
                connection.recv(64)
                connection.sendall(reply("中".encode("gbk") + b"\xce"))

        done = plain_runwire("--encoding", "GBK", self.serve(twice).address, stdin=b"a\nb\n")
        self.assert_ran(done, 0, "中\ufffd中\ufffd".encode())

    def test_invalid_bytes_are_shown_as_replacements(self):
        done = plain_runwire("--encoding", "GBK", self.serve(reply(b"a\xffb")).address, "true")
        self.assert_ran(done, 0, "a\ufffdb".encode())

    def test_the_command_is_sent_in_the_servers_encoding(self):
        server = self.serve(reply())
        plain_runwire("--encoding", "GBK", server.address, "echo 中文")
        self.assertEqual(server.commands, ["echo 中文".encode("gbk")])

    def test_a_command_that_the_encoding_cannot_hold_is_refused(self):
        server = self.serve(lambda connection: self.assertEqual(connection.recv(64), b""))
        done = plain_runwire("--encoding", "GBK", server.address, stdin="rm é*\U0001f600\n".encode())
        self.assert_failed(done, "the command holds a character that the server's encoding does not have")

    def test_without_a_locale_the_terminal_is_taken_for_utf_8(self):
        server = self.serve(reply("中".encode("gbk")))
        done = plain_runwire("--encoding", "GBK", server.address, "true", LC_ALL="C")
        self.assert_ran(done, 0, "中".encode())

    def test_without_the_option_bytes_pass_untouched(self):
        server = self.serve(reply("中".encode("gbk") + b"\xff"))
        self.assert_ran(plain_runwire(server.address, b"echo \xff"), 0, "中".encode("gbk") + b"\xff")
        self.assertEqual(server.commands, [b"echo \xff"])


class OriginalServer(ClientCase):
    NOTE = b"runwire: this server tells no exit status: a whole reply counts as success\n"

    def test_its_reply_is_shown_and_counts_as_success(self):
        done = plain_runwire(self.serve(original_server, family=socket.AF_INET).address, "echo hi; echo err >&2; exit 3")
        self.assert_ran(done, 0, b"hi\nerr\n", self.NOTE)

    def test_quiet_leaves_the_note_out(self):
        self.assert_ran(plain_runwire("-q", self.serve(original_server).address, "echo hi"), 0, b"hi\n")

    def test_the_note_is_shown_once(self):
        done = plain_runwire(self.serve(original_server).address, stdin=b"echo 1\necho 2\n")
        self.assert_ran(done, 0, b"1\n2\n", self.NOTE)

    def test_its_gbk_text_is_converted(self):
        server = self.serve(lambda connection: original_server(connection, encoding="gbk"))
        done = plain_runwire("-q", "--encoding", "GBK", server.address, "printf '\\344\\275\\240'")
        self.assert_ran(done, 0, "你".encode())

    def test_a_large_reply_arrives_whole(self):
        done = plain_runwire("-q", self.serve(original_server, family=socket.AF_INET).address, "seq 300000")
        self.assert_ran(done, 0, b"".join(b"%d\n" % i for i in range(1, 300001)))

    def test_one_that_closes_without_a_reply_is_a_failure(self):
        self.assert_failed(plain_runwire(self.serve(b"").address, "cd /tmp"), "no reply: the server closed the connection")

    def test_a_command_longer_than_it_reads_at_once_is_told_and_the_connection_given_up(self):
        def takes_1024_bytes_for_a_command(connection):
            connection.recv(1024)
            connection.sendall(frame({"filename": "cls.txt", "len": 2}, b"1\n"))
            self.assertEqual(connection.recv(64), b"x" * 8)
            self.assertEqual(connection.recv(64), b"")

        server = self.serve(takes_1024_bytes_for_a_command, original_server)
        long_line = b"echo 1 #" + b"x" * 1024
        done = plain_runwire("-q", server.address, stdin=long_line + b"\necho 2\n")
        self.assertEqual((done.returncode, done.stdout), (0, b"1\n2\n"))
        self.assertIn(b"runwire: this server may have taken only the first 1024 bytes of the command", done.stderr)


if __name__ == "__main__":
    unittest.main()
