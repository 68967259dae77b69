"""The prompt of `runwire`, on a terminal that the test holds the other end of."""

import contextlib
import fcntl
import functools
import os
import pty
import select
import socket
import struct
import subprocess
import termios
import threading
import time
import unittest

from client import ClientCase, SessionPeer, environment, frame, original_server, program, reply
from daemon import SANITIZER, DaemonCase, until
from plain import DEADLINE_S
from process import is_alive

PROMPT = b">>>: "
CTRL_C, CTRL_D, UP = b"\x03", b"\x04", b"\x1b[A"


class Terminal:
    """runwire with a terminal as its stdin and stderr. Its stdout is a pipe, so that what belongs there is seen."""

    def __init__(self, *words, stdout=subprocess.PIPE):
        self.master, slave = pty.openpty()
        self.modes = termios.tcgetattr(slave)
        self.slave = slave
        self.shown = b""
        self.process = subprocess.Popen(
            [program(), *words], stdin=slave, stdout=stdout, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0), env=environment(TERM="xterm"),
        )  # fmt: skip

    def type(self, keys):
        os.write(self.master, keys)

    def await_shown(self, text):
        """Waits until `text` has been shown, and gives what was shown up to its end; the rest is for the next."""
        end = time.monotonic() + DEADLINE_S
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            assert ready, f"{text!r} was not shown, but {self.shown!r}"
            self.shown += os.read(self.master, 4096)
        before, _, self.shown = self.shown.partition(text)
        return before + text

    def await_prompt(self):
        self.await_shown(PROMPT)
        if edits_lines():  # libedit shows its prompt a moment before keys, Ctrl-C among them, come to it as they are
            until(lambda: not termios.tcgetattr(self.slave)[3] & termios.ICANON, "the editor to take the terminal")

    def run(self, line):
        """Types a line at the prompt."""
        self.await_prompt()
        self.type(line + b"\r")

    def output(self, size):
        """The next bytes of stdout."""
        out = b""
        while len(out) < size:
            ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE_S)
            assert ready, f"only {out!r} on stdout"
            piece = os.read(self.process.stdout.fileno(), size - len(out))
            assert piece, f"only {out!r} on stdout, and then its end"
            out += piece
        return out

    def leave(self):
        """Ctrl-D at the prompt; gives the exit status and what else there was on stdout."""
        self.await_prompt()
        self.type(CTRL_D)
        return self.process.wait(DEADLINE_S), self.process.stdout.read()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        os.close(self.slave)
        with contextlib.suppress(OSError):  # the end of a terminal without processes is EIO
            while piece := os.read(self.master, 4096):
                self.shown += piece
        os.close(self.master)
        assert not SANITIZER.search(self.shown), self.shown.decode()


def waiting_bytes(pipe):
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


@functools.cache
def edits_lines():
    """Is it the build with libedit?"""
    with open(program(), "rb") as binary:
        return b"libedit" in binary.read()


class PromptCase(ClientCase):
    def terminal(self, *words, **how):
        terminal = Terminal(*words, **how)
        self.addCleanup(terminal.close)
        return terminal

    def plain_terminal(self, *words, **how):
        return self.terminal("--plain", *words, **how)


class PlainPrompt(PromptCase):
    def test_it_runs_what_is_typed_and_leaves_at_ctrl_d(self):
        terminal = self.plain_terminal(self.serve(echo_lines).address)
        terminal.run(b"one")
        self.assertEqual(terminal.output(3), b"one")
        terminal.run(b"two")
        self.assertEqual(terminal.output(3), b"two")
        self.assertEqual(terminal.leave(), (0, b""))

    def test_stdout_holds_nothing_but_output(self):
        terminal = self.plain_terminal("-v", self.serve(echo_lines).address)
        terminal.run(b"x")
        self.assertEqual(terminal.leave(), (0, b"x"))

    def test_an_empty_line_asks_again_and_sends_nothing(self):
        server = self.serve(reply(b"1"))
        terminal = self.plain_terminal(server.address)
        terminal.run(b"")
        terminal.run(b"   ")
        terminal.run(b"one")
        terminal.leave()
        self.assertEqual(server.commands, [b"one"])

    def test_a_status_that_is_not_0_is_shown_and_is_the_prompts_own_at_the_end(self):
        terminal = self.plain_terminal(self.serve(reply(code=7)).address)
        terminal.run(b"one")
        terminal.await_shown(b"runwire: exit status 7\r\n")
        self.assertEqual(terminal.leave(), (7, b""))

    def test_ctrl_c_forgets_the_line(self):
        server = self.serve(reply(b"1"))
        terminal = self.plain_terminal(server.address)
        terminal.await_prompt()
        terminal.type(b"rm -r x" + CTRL_C)
        terminal.run(b"one")
        terminal.leave()
        self.assertEqual(server.commands, [b"one"])

    def test_ctrl_c_is_heard_while_output_streams_in_without_a_pause(self):
        streaming = threading.Event()

        def flood(connection):
            connection.recv(64)
            connection.sendall(frame({"filename": "cls.txt", "len": 1 << 50}))
            with contextlib.suppress(ConnectionError):
                while True:
                    connection.sendall(b"x" * 65536)
                    streaming.set()

        terminal = self.plain_terminal(self.serve(flood).address, stdout=subprocess.DEVNULL)
        terminal.run(b"yes")
        self.assertTrue(streaming.wait(DEADLINE_S))
        terminal.type(CTRL_C)
        terminal.await_shown(b"interrupted: ")

    def test_ctrl_c_is_heard_while_nobody_reads_its_output(self):
        def flood(connection):
            connection.recv(64)
            connection.sendall(frame({"filename": "cls.txt", "len": 1 << 50}))
            with contextlib.suppress(ConnectionError):
                while True:
                    connection.sendall(b"x" * 65536)

        terminal = self.plain_terminal(self.serve(flood).address)
        terminal.run(b"yes")
        until(lambda: waiting_bytes(terminal.process.stdout) > 60000, "the client to have filled the pipe")
        terminal.type(CTRL_C)
        terminal.await_shown(b"interrupted: ")

    def test_a_lost_connection_is_told_and_the_next_command_makes_a_new_one(self):
        terminal = self.plain_terminal(self.serve(b"", reply(b"2")).address)
        terminal.run(b"one")
        terminal.await_shown(b"no reply: the server closed the connection")
        terminal.run(b"two")
        self.assertEqual(terminal.leave(), (0, b"2"))

    def test_a_connection_closed_while_nobody_typed_is_told_and_made_again(self):
        server = self.serve(reply(b"1"), reply(b"2"))
        terminal = self.plain_terminal(server.address)
        terminal.run(b"one")
        server.await_end_of_connection()
        terminal.run(b"two")
        terminal.await_shown(b"the server has closed the connection since the last command; connecting again")
        self.assertEqual(terminal.leave(), (0, b"12"))

    def test_no_server_is_told_before_anything_can_be_typed(self):
        terminal = self.plain_terminal("unix:/nonexistent")
        self.assertNotIn(PROMPT, terminal.await_shown(b"no such socket; start runwired"))
        self.assertEqual(terminal.process.wait(DEADLINE_S), 255)

    def test_the_terminal_is_left_as_it_was(self):
        terminal = self.plain_terminal(self.serve(echo_lines).address)
        terminal.run(b"x")
        terminal.leave()
        self.assertEqual(termios.tcgetattr(terminal.slave), terminal.modes)

    def test_an_original_server_has_a_prompt_too(self):
        terminal = self.plain_terminal(self.serve(original_server, family=socket.AF_INET).address)
        terminal.run(b"echo hi")
        self.assertEqual(terminal.leave(), (0, b"hi\n"))

    def test_a_line_typed_with_more_than_ascii_arrives(self):
        server = self.serve(reply())
        terminal = self.plain_terminal(server.address)
        terminal.run("echo 中文".encode())
        terminal.leave()
        self.assertEqual(server.commands, ["echo 中文".encode()])

    def test_the_line_before_comes_back_with_the_up_key_and_can_be_edited(self):
        if not edits_lines():
            self.skipTest("built without libedit")
        server = self.serve(echo_lines)
        terminal = self.plain_terminal(server.address)
        terminal.run(b"one")
        terminal.output(3)
        terminal.run(UP + b"\x7f\x7fx")
        self.assertEqual(terminal.output(2), b"ox")
        terminal.leave()


class SessionPrompt(PromptCase):
    def session_prompt(self, *plays, **how):
        """A prompt whose lines are commands of one session, each played by one of `plays`."""

        def script(connection):
            peer = SessionPeer(connection)
            peer.meet_client()
            for play in plays:
                peer.await_start()
                peer.started()
                play(peer)
            peer.await_end()

        return self.terminal(self.serve(script).address, **how)

    def test_it_runs_what_is_typed_on_one_session_and_leaves_at_ctrl_d(self):
        def echo(peer):
            self.assertNotIn("stdin", peer.start)
            peer.output(peer.start["payload"])
            peer.exit()

        terminal = self.session_prompt(echo, echo)
        terminal.run(b"one")
        self.assertEqual(terminal.output(3), b"one")
        terminal.run("größe".encode())
        self.assertEqual(terminal.output(7), "größe".encode())
        self.assertEqual(terminal.leave(), (0, b""))

    def test_output_is_shown_while_the_command_runs(self):
        seen = threading.Event()

        def play(peer):
            peer.output(b"part")
            self.assertTrue(seen.wait(DEADLINE_S))
            peer.exit(7)

        terminal = self.session_prompt(play)
        terminal.run(b"x")
        self.assertEqual(terminal.output(4), b"part")
        seen.set()
        terminal.await_shown(b"runwire: exit status 7\r\n")
        self.assertEqual(terminal.leave(), (7, b""))

    def test_ctrl_c_is_the_commands_and_the_session_stays(self):
        ready = threading.Event()

        def play(peer):
            ready.set()
            self.assertEqual(peer.read_until("signal")["signal"], "INT")
            peer.exit(None, signal="INT", reason="signal")

        terminal = self.session_prompt(play, lambda peer: peer.exit())
        terminal.run(b"sleep 1000")
        self.assertTrue(ready.wait(DEADLINE_S))
        terminal.type(CTRL_C)
        terminal.await_shown(b"runwire: killed by signal INT (exit status 130)\r\n")
        terminal.run(b"true")
        self.assertEqual(terminal.leave(), (0, b""))

    def test_the_second_ctrl_c_is_a_term_and_the_third_closes_the_connection(self):
        heard = []

        def play(peer):
            heard.append("start")
            with contextlib.suppress(ConnectionError, EOFError):
                while True:
                    heard.append(peer.read_until("signal")["signal"])
            heard.append("gone")

        terminal = self.session_prompt(play)
        terminal.run(b"stubborn")
        for word in ("start", "INT", "TERM"):
            until(lambda: heard and heard[-1] == word, f"{word} to arrive")
            terminal.type(CTRL_C)
        terminal.await_shown(b"runwire: interrupted: the connection is closed, so that the server ends the command; the next ")
        until(lambda: heard[-1] == "gone", "the connection to end")

    def test_ctrl_c_is_heard_while_nobody_reads_the_output(self):
        def play(peer):
            peer.output(b"x" * (1 << 20))
            self.assertEqual(peer.read_until("signal")["signal"], "INT")
            peer.exit(130)

        terminal = self.session_prompt(play)
        terminal.run(b"yes")
        until(lambda: waiting_bytes(terminal.process.stdout) > 60000, "the client to have filled the pipe")
        terminal.type(CTRL_C)
        self.assertEqual(terminal.output(1 << 20), b"x" * (1 << 20))
        terminal.await_shown(b"runwire: exit status 130\r\n")

    def test_a_lost_connection_is_told_and_the_next_command_makes_a_new_one(self):
        def script(connection, code):
            peer = SessionPeer(connection)
            peer.meet_client()
            peer.await_start()
            if code is not None:
                peer.started(), peer.exit(code)
                peer.await_end()

        server = self.serve(lambda link: script(link, None), lambda link: script(link, 5))
        terminal = self.terminal(server.address)
        terminal.run(b"one")
        terminal.await_shown(b"the server closed the connection; what became of the command is unknown")
        terminal.run(b"two")
        self.assertEqual(terminal.leave(), (5, b""))

    def test_a_connection_closed_while_nobody_typed_is_made_again(self):
        """As a server does that was not answered for long; nothing of one command was there for the next anyway."""

        def script(connection, code):
            peer = SessionPeer(connection)
            peer.meet_client()
            peer.await_start(), peer.started(), peer.exit(code)
            if code:
                peer.await_end()

        server = self.serve(lambda link: script(link, 0), lambda link: script(link, 6))
        terminal = self.terminal("-v", server.address)
        terminal.run(b"one")
        server.await_end_of_connection()
        terminal.run(b"two")
        terminal.await_shown(b"the server has closed the connection since the last command; connecting again")
        self.assertEqual(terminal.leave(), (6, b""))

    def test_no_server_is_told_before_anything_can_be_typed(self):
        terminal = self.terminal("unix:/nonexistent")
        self.assertNotIn(PROMPT, terminal.await_shown(b"no such socket; start runwired"))
        self.assertEqual(terminal.process.wait(DEADLINE_S), 255)

    def test_what_is_no_session_is_told_before_anything_can_be_typed(self):
        terminal = self.terminal(self.serve(lambda connection: connection.sendall(b"HTTP/1.1 400 Bad\r\n")).address)
        self.assertNotIn(PROMPT, terminal.await_shown(b"is it a runwired that listens there?"))
        self.assertEqual(terminal.process.wait(DEADLINE_S), 255)


class PromptAndDaemon(PromptCase, DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon = self.start()

    def interrupt(self, terminal, name):
        """Has it run a command and presses Ctrl-C; gives the command's pid."""
        bell = self.bell(name)
        terminal.run(f"echo $$ > {bell}; exec sleep 1000".encode())
        (pid,) = bell.wait()
        terminal.type(CTRL_C)
        return int(pid)

    def test_ctrl_c_ends_the_running_command_and_comes_back_to_the_prompt(self):
        for number, address in enumerate((self.daemon.tcp, self.daemon.unix)):
            with self.subTest(address):
                terminal = self.terminal(address)
                pid = self.interrupt(terminal, f"bell-{number}")
                terminal.await_shown(b"runwire: killed by signal INT (exit status 130)")
                until(lambda: not is_alive(pid), "the interrupted command to end")
                terminal.run(b"echo next")
                self.assertEqual(terminal.output(5), b"next\n")
                self.assertEqual(terminal.leave(), (0, b""))

    def test_ctrl_c_closes_a_plain_connection_and_comes_back_to_the_prompt(self):
        for number, address in enumerate((self.daemon.tcp, self.daemon.unix)):
            with self.subTest(address):
                terminal = self.plain_terminal(address)
                pid = self.interrupt(terminal, f"bell-{number}")
                terminal.await_shown(b"interrupted: the connection is closed, so that the server ends the command")
                until(lambda: not is_alive(pid), "the interrupted command to end")
                terminal.run(b"echo next")
                self.assertEqual(terminal.output(5), b"next\n")
                self.assertEqual(terminal.leave(), (0, b""))

    def test_output_is_shown_while_the_command_runs(self):
        terminal, gate = self.terminal(self.daemon.tcp), self.gate()
        terminal.run(f"echo 1; read x < {gate}; echo 2".encode())
        self.assertEqual(terminal.output(2), b"1\n")
        gate.open()
        self.assertEqual(terminal.output(2), b"2\n")

    def test_two_prompts_work_side_by_side(self):
        first, second = self.terminal(self.daemon.tcp), self.terminal(self.daemon.tcp)
        bell, gate = self.bell(), self.gate()
        first.run(f"echo > {bell}; read x < {gate}; echo 1".encode())
        bell.wait()
        second.run(b"echo 2")
        self.assertEqual(second.output(2), b"2\n")
        gate.open()
        self.assertEqual(first.output(2), b"1\n")


def echo_lines(connection):
    """Answers every command with itself."""
    while command := connection.recv(4096):
        connection.sendall(reply(command))


if __name__ == "__main__":
    unittest.main()
