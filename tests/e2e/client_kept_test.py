"""`runwire` about commands that outlive their connection, against servers that the test plays: what it says to them, what
comes of a lost connection, and its exit status."""

import contextlib
import json
import os
import pty
import signal
import socket
import subprocess
import tempfile
import termios
import threading
import unittest

import process
from client import ClientCase, SessionPeer, environment, program, runwire, start_runwire_for
from daemon import until
from plain import DEADLINE_S

HOUR_MS = 3600 * 1000


class KeptPeer(SessionPeer):
    """A server's side of one connection about a kept command."""

    def await_attach(self, **hello):
        self.meet_client(**hello)
        self.attach = self.read()
        assert self.attach["type"] == "attach", self.attach
        self.id = self.attach["id"]
        self.bytes_sent = {name: self.attach.get(name) or 0 for name in ("stdout", "stderr")}
        return self.attach

    def found(self, pid=4711, **kept):
        """The answer to an attach. By default nothing new has come, and there is no stdin."""
        state = {**self.bytes_sent, "stdin": 0, "window": 0, "eof": True, **kept}
        self.say("started", id=self.id, pid=pid, existing=True, kept=state)

    def refuse(self, name, message="why"):
        self.say("error", id=self.id, error=name, message=message)

    def cut(self):
        """The connection ends without a word."""
        self.connection.shutdown(socket.SHUT_RDWR)


def kept(play, **hello):
    """A script: the start, and what is played about it."""

    return played(KeptPeer.begin, play, hello)


def attached(play, **hello):
    """A script: an attach, and what is played about it."""

    return played(KeptPeer.await_attach, play, hello)


def played(begin, play, hello):
    def script(connection):
        peer = KeptPeer(connection)
        begin(peer, **hello)
        play(peer)

    return script


def cut(peer):
    peer.cut()


def refuse_connection(connection):
    """Ends it before a word."""


def end(code=0, found=None, **fields):
    """Plays an attach to a command that then ends."""

    def play(peer):
        peer.found(**(found or {}))
        peer.exit(code, **fields)
        peer.await_end()

    return attached(play)


class KeptCase(ClientCase):
    def start(self, *words, **how):
        return start_runwire_for(self, *words, **how)

    def finish(self, process, stdin=None):
        stdout, stderr = process.communicate(stdin, timeout=DEADLINE_S)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


class Detach(KeptCase):
    def detached(self, *scripts):
        """What came of a run, and the starts that its servers were told."""
        server = self.serve(*scripts)
        done = runwire("-d", server.address, "make", "all", stdin=b"not for it")
        server.thread.join(DEADLINE_S)
        return done, self.starts

    def setUp(self):
        self.starts = []

    def run_it(self, peer):
        self.starts.append(peer.start)
        peer.await_end()

    def test_it_prints_the_id_of_a_command_that_runs_and_leaves(self):
        done, [start] = self.detached(kept(self.run_it))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertRegex(done.stdout, rb"\A[a-z2-7]{10}\n\Z")
        self.assertEqual(start["id"], done.stdout.decode().strip())
        self.assertEqual((start["keep_ms"], start["full"]), (HOUR_MS, "spill"))
        self.assertFalse(start.get("stdin", False))

    def test_each_command_gets_another_id(self):
        server = self.serve(*[kept(lambda peer: peer.await_end())] * 3)
        self.assertEqual(len({runwire("-d", server.address, "true").stdout for _ in range(3)}), 3)

    def test_keep_says_how_long(self):
        server = self.serve(kept(lambda peer: self.assertEqual(peer.start["keep_ms"], 600000)))
        runwire("-d", "--keep=10m", server.address, "true")

    def test_a_connection_that_ends_before_the_answer_has_the_same_start_sent_again(self):
        def lose(connection):
            self.starts.append(KeptPeer(connection).meet())

        done, starts = self.detached(lose, refuse_connection, kept(self.run_it))
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(starts[0], starts[1])
        self.assertEqual(done.stdout.decode().strip(), starts[0]["id"])

    def test_a_command_that_is_not_run_is_told_and_has_no_id(self):
        def script(connection):
            peer = KeptPeer(connection)
            peer.meet()
            peer.refuse("unsupported", "this daemon keeps nothing")
            peer.await_end()

        done = runwire("-d", self.serve(script).address, "true")
        self.assert_failed(done, "the server did not run the command: unsupported: this daemon keeps nothing")

    def test_a_program_that_is_not_there_is_127(self):
        def script(connection):
            peer = KeptPeer(connection)
            peer.meet()
            peer.say("error", id=peer.id, error="spawn", stage="exec", errno="ENOENT", message="no such program")
            peer.await_end()

        self.assertEqual(runwire("-d", self.serve(script).address, "nosuch", "x").returncode, 127)

    def test_an_id_that_cannot_be_printed_is_told(self):
        with open("/dev/full", "wb") as full:
            done = runwire("-d", self.serve(kept(lambda peer: peer.await_end())).address, "true", stdout=full)
        self.assertEqual(done.returncode, 255)
        self.assertRegex(done.stderr, rb"runwire: stdout: No space left on device; the command runs, and its id is \w+\n")


class Keep(KeptCase):
    def test_nothing_is_asked_before_it_is_known_which_daemon_that_is(self):
        """It could be another one the next time, and would run it again."""

        def script(connection):
            peer = KeptPeer(connection)
            self.assertEqual(peer.read_exactly(4), b"\0RW\1")
            self.assertEqual(peer.read()["type"], "hello")
            connection.shutdown(socket.SHUT_WR)
            self.assertRaises((EOFError, ConnectionError), peer.read)

        done = runwire("--keep", "--connect-timeout=1s", self.serve(script).address, "x")
        self.assert_failed(done, "the server closed the connection")

    def test_a_connection_that_ends_before_its_greeting_is_made_anew(self):
        """As while a daemon upgrades itself."""
        for words in (["--keep"], ["attach"], ["wait"], ["logs", "-f"]):
            script = kept(lambda peer: (peer.exit(), peer.await_end())) if words[0] == "--keep" else end()
            server = self.serve(refuse_connection, refuse_connection, script)
            self.assert_ran(runwire(*words, server.address, "k1"))

    def test_output_goes_on_where_it_was_cut_and_the_status_is_the_commands(self):
        def begin(peer):
            peer.output(b"one ")
            peer.output(b"err ", "stderr")
            peer.cut()

        def go_on(peer):
            self.assertEqual((peer.attach["stdout"], peer.attach["stderr"]), (4, 4))
            peer.found(stdout=8)
            peer.output(b"two ", replay=True)
            peer.cut()

        def to_the_end(peer):
            self.assertEqual((peer.attach["stdout"], peer.attach["stderr"]), (8, 4))
            peer.found()
            peer.output(b"three\n")
            peer.exit(7)
            peer.await_end()

        server = self.serve(kept(begin), refuse_connection, attached(go_on), attached(to_the_end))
        self.assert_ran(runwire("--keep", server.address, "x"), 7, b"one two three\n", b"err ")

    def test_half_a_frame_counts_as_far_as_it_came(self):
        def begin(peer):
            peer.output(b"half of it", len=20)
            peer.cut()

        def go_on(peer):
            self.assertEqual(peer.attach["stdout"], 10)
            peer.found()
            peer.output(b"other half")
            peer.exit()
            peer.await_end()

        server = self.serve(kept(begin), attached(go_on))
        self.assert_ran(runwire("--keep", server.address, "x"), 0, b"half of itother half")

    def test_input_that_had_not_arrived_is_sent_again_and_no_other(self):
        def begin(peer):
            self.assertTrue(peer.start["stdin"])
            data = b""
            while len(data) < 10:
                message = peer.read_until("stdin")
                self.assertEqual(message["off"], len(data))
                data += message["payload"]
            self.assertEqual(data, b"0123456789")
            peer.cut()

        def go_on(peer):
            peer.found(stdin=4, window=3, eof=False)
            message = peer.read()
            self.assertEqual((message["off"], message["payload"]), (4, b"456"))
            peer.say("credit", id=peer.id, stream="stdin", bytes=100)
            rest = b""
            while not message.get("eof"):
                message = peer.read_until("stdin")
                rest += message["payload"]
            self.assertEqual(rest, b"789")
            peer.exit()
            peer.await_end()

        server = self.serve(kept(begin), attached(go_on))
        self.assert_ran(runwire("--keep", server.address, "cat", stdin=b"0123456789"))

    def test_input_that_the_command_has_read_is_not_held_here(self):
        """What must be sent again is a window at most, however much has gone."""
        window, total = 4096, 1 << 20

        def begin(peer):
            taken = 0
            while taken < total:
                size = len(peer.read_until("stdin")["payload"])
                taken += size
                if taken <= total - window:
                    peer.say("credit", id=peer.id, stream="stdin", bytes=size)
            peer.cut()

        def go_on(peer):
            peer.found(stdin=total - window, window=window, eof=False)
            self.assertEqual(peer.read()["off"], total - window)
            peer.exit()
            peer.await_end()

        limits = {"limits": {"stdin_window": window}}
        server = self.serve(kept(begin, **limits), attached(go_on, **limits))
        self.assert_ran(runwire("--keep", server.address, "cat", stdin=b"x" * total))

    def test_a_server_that_wants_input_again_which_it_had_taken_is_not_followed(self):
        def begin(peer):
            size = len(peer.read_until("stdin")["payload"])
            peer.say("credit", id=peer.id, stream="stdin", bytes=size)
            peer.say("ping")
            peer.read_until("pong")
            peer.cut()

        def go_on(peer):
            peer.found(stdin=0, window=4096, eof=False)
            peer.await_end()

        limits = {"limits": {"stdin_window": 4096}}
        server = self.serve(kept(begin, **limits), attached(go_on, **limits))
        done = runwire("--keep", server.address, "cat", stdin=b"x" * 4096)
        self.assert_failed(done, "the server has lost input that it had taken", "`runwire attach ")

    def test_an_end_of_input_that_had_not_arrived_is_told_again(self):
        def begin(peer):
            self.assertTrue(peer.read_until("stdin")["eof"])
            peer.cut()

        def go_on(peer):
            peer.found(window=100, eof=False)
            message = peer.read()
            self.assertEqual((message["off"], message["eof"], message["payload"]), (0, True, b""))
            peer.exit()
            peer.await_end()

        self.assert_ran(runwire("--keep", self.serve(kept(begin), attached(go_on)).address, "cat"))

    def test_no_input_is_sent_where_it_has_ended(self):
        def begin(peer):
            peer.read_until("stdin")
            peer.cut()

        def go_on(peer):
            peer.found(stdin=3, eof=True)
            peer.exit()
            self.assertRaises((EOFError, ConnectionError), peer.read)

        self.assert_ran(runwire("--keep", self.serve(kept(begin), attached(go_on)).address, "cat", stdin=b"abc"))

    def test_a_start_whose_answer_was_lost_is_sent_again(self):
        starts = []

        def first(connection):
            starts.append(KeptPeer(connection).meet())

        def second(connection):
            peer = KeptPeer(connection)
            starts.append(peer.meet())
            peer.say(
                "started", id=peer.id, pid=7, existing=True,
                kept={"stdout": 3, "stderr": 0, "stdin": 0, "window": 0, "eof": True},
            )  # fmt: skip
            peer.output(b"out", replay=True)
            peer.exit(2)
            peer.await_end()

        self.assert_ran(runwire("--keep", self.serve(first, second).address, "x"), 2, b"out")
        self.assertEqual(starts[0], starts[1])

    def test_a_new_daemon_is_not_asked_to_run_it_again(self):
        def first(connection):
            KeptPeer(connection).meet(boot="1" * 32)

        def second(connection):
            peer = KeptPeer(connection)
            peer.meet_client(boot="2" * 32)
            self.assertRaises((EOFError, ConnectionError), peer.read)

        done = runwire("--keep", self.serve(first, second).address, "x")
        self.assert_failed(done, "the daemon is a new one", "the command's outcome is unknown, and it is not run again")

    def test_a_command_that_is_not_known_any_more_is_255_and_says_what_is_known(self):
        for name, text in (
            ("unknown", "no command there has had the id"),
            ("expired", "has ended, and nothing of it is kept any more"),
        ):
            server = self.serve(kept(cut), attached(lambda peer, name=name: (peer.refuse(name), peer.await_end())))
            self.assert_failed(runwire("--keep", server.address, "x"), text)

    def test_a_daemon_that_is_busy_or_upgraded_is_come_back_to(self):
        def upgrade(peer):
            peer.say("error", error="upgrade", message="come back")

        def busy(connection):
            peer = KeptPeer(connection)
            peer.meet_client()
            peer.say("error", error="busy", message="too many connections", retry_ms=1)

        server = self.serve(kept(upgrade), busy, end(4))
        self.assert_ran(runwire("--keep", server.address, "x"), 4)

    def test_a_silent_connection_is_given_up_for_another_one(self):
        def silent(peer):
            with contextlib.suppress(ConnectionError, EOFError):
                for _ in range(3):
                    self.assertEqual(peer.read_until("ping")["type"], "ping")
                peer.await_end()

        self.assert_ran(runwire("--keep", self.serve(kept(silent, ping_ms=50), end(5)).address, "x"), 5)

    def test_one_that_was_let_go_for_being_slow_comes_back(self):
        def slow(peer):
            peer.say("detached", id=peer.id, reason="slow")
            peer.await_end()

        self.assert_ran(runwire("--keep", self.serve(kept(slow), end(6)).address, "x"), 6)

    def test_bytes_that_were_given_up_are_told_and_no_success(self):
        def go_on(peer):
            peer.found(stdout=10)
            peer.say("gap", id=peer.id, stream="stdout", **{"from": 2, "to": 7})
            peer.output(b"789", off=7)
            peer.exit(stdout=10)
            peer.await_end()

        def begin(peer):
            peer.output(b"01")
            peer.cut()

        done = runwire("--keep", self.serve(kept(begin), attached(go_on)).address, "x")
        text = b"runwire: bytes 2 to 6 of stdout are lost: the server has given them up\n"
        self.assert_ran(done, 255, b"01789", text)

    def test_it_gives_up_when_the_command_is_kept_no_longer(self):
        """And says how to ask again; the daemon's own limit counts, too."""
        for words, hello in ((["--keep=1ms"], {}), (["--keep"], {"limits": {"keep_ms": 1}})):
            server = self.serve(kept(cut, **hello))
            done = runwire(*words, server.address, "x")
            self.assert_failed(done, "the connection was lost 0 s ago and cannot be had again", "the command's outcome is unknown")
            self.assertRegex(done.stderr.decode(), rf"`runwire attach {server.address} [a-z2-7]{{10}}` asks for it")

    def test_a_server_that_is_not_there_at_first_is_an_error_at_once(self):
        self.assert_failed(runwire("--keep", "unix:/nonexistent/s", "x"), "no such socket; start runwired")

    def test_in_json_each_connection_is_a_started_line(self):
        def begin(peer):
            peer.output(b"a")
            peer.cut()

        def go_on(peer):
            peer.found()
            peer.output(b"b")
            peer.exit(3)
            peer.await_end()

        done = runwire("--keep", "--json", self.serve(kept(begin), attached(go_on)).address, "x")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["type"] for line in lines], ["started", "output", "started", "output", "exit"])
        self.assertEqual([line["off"] for line in lines if line["type"] == "output"], [0, 1])
        self.assertEqual((done.returncode, done.stderr), (3, b""))

    def test_the_status_file_tells_of_an_end_behind_a_lost_connection(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "status")
            runwire("--keep", "--status-file", path, self.serve(kept(cut), end(9)).address, "x")
            with open(path, encoding="utf-8") as file:
                status = json.load(file)
        self.assertEqual((status["status"], status["exit"]["code"]), (9, 9))

    def test_a_reader_that_leaves_stops_the_command_there(self):
        def play(peer):
            with contextlib.suppress(ConnectionError):
                peer.output(b"y\n" * 60000)
            stop = peer.read_until("stop")
            self.assertEqual(stop["stream"], "stdout")
            peer.exit(None, signal="PIPE", reason="signal")
            peer.await_end()

        process = self.start("--keep", self.serve(kept(play)).address, "yes")
        self.assertEqual(process.stdout.readline(), b"y\n")
        process.stdout.close()
        self.assertEqual(process.wait(DEADLINE_S), 141)


class Signals(KeptCase):
    def keep(self, *scripts, **how):
        self.server = self.serve(*scripts)
        return self.start("--keep", self.server.address, "x", **how)

    def test_the_first_interrupt_goes_to_the_command_and_the_second_detaches(self):
        def play(peer):
            peer.output(b"up\n")
            self.assertEqual(peer.read_until("signal")["signal"], "INT")
            peer.output(b"int\n")
            peer.await_end()

        process = self.keep(kept(play))
        self.assertEqual(process.stdout.readline(), b"up\n")
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.stdout.readline(), b"int\n")
        process.send_signal(signal.SIGINT)
        done = self.finish(process)
        self.assertEqual(done.returncode, 255)
        self.assertRegex(
            done.stderr.decode(),
            rf"\Arunwire: once more detaches, and the command goes on\nrunwire: detached, and the command goes on; "
            rf"`runwire attach {self.server.address} \w+` comes back to it, `runwire kill \S+ \w+` ends it\n\Z",
        )

    def test_a_hangup_detaches_and_is_not_sent(self):
        def play(peer):
            peer.output(b"up\n")
            self.assertRaises((EOFError, ConnectionError), peer.read_until, "signal")

        process = self.keep(kept(play))
        self.assertEqual(process.stdout.readline(), b"up\n")
        process.send_signal(signal.SIGHUP)
        self.assertEqual(self.finish(process).returncode, 255)

    def test_a_signal_that_came_without_a_connection_is_sent_when_there_is_one(self):
        def begin(peer):
            peer.output(b"up\n")
            peer.cut()

        def go_on(peer):
            peer.found()
            self.assertEqual(peer.read_until("signal")["signal"], "USR1")
            peer.exit(1)
            peer.await_end()

        def greeted(connection):
            """It is connected, and nothing more: the signal comes now."""
            peer = KeptPeer(connection)
            self.assertEqual(peer.read_exactly(4), b"\0RW\1")
            peer.read()
            process.send_signal(signal.SIGUSR1)

        process = self.keep(kept(begin), greeted, attached(go_on))
        self.assertEqual(self.finish(process).returncode, 1)


# What a terminal has not yet shown is lost when the leader of its session ends: somebody else than runwire must be that.
LEADER = 'trap : INT; "$0" "$@"; echo "[status $?]"; read x'
BACKGROUND_LEADER = 'set -m; "$0" "$@" & echo "[pid $!]"; wait $!; echo "[status $?]"; read x'


def end_on_terminal(pid, terminal):
    os.close(terminal)
    os.waitpid(pid, 0)


class AtTerminal(KeptCase):
    """With a person at the terminal, who is the test."""

    def keep(self, *scripts, leader=LEADER, options=("--keep",)):
        self.server = self.serve(*scripts)
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve("/bin/sh", ["sh", "-c", leader, program(), *options, self.server.address, "x"], environment())
        self.addCleanup(end_on_terminal, self.pid, self.terminal)
        self.shown = b""

    def await_text(self, text):
        while text not in self.shown:
            self.shown += os.read(self.terminal, 4096)

    def status(self):
        self.await_text(b"[status ")
        self.await_text(b"]\r\n")
        self.shown, _, status = self.shown.partition(b"[status ")
        return int(status[: status.index(b"]")])

    def ask(self, script):
        self.keep(script)
        self.await_text(b"up")
        self.interrupt()

    def interrupt(self):
        os.write(self.terminal, b"\x03")
        self.await_text(b"interrupt the command (i), detach (d), or go on (any other key)? ")

    def lose(self, *scripts, options):
        """A command that has begun, and whose connection is lost; then come the scripts."""

        def begin(peer):
            peer.output(b"up\r\n")
            peer.cut()

        self.keep(kept(begin), *scripts, options=(*options, "--connect-timeout=1h"))
        self.await_text(b"trying again")

    def silent(self, connection):
        """A script: the client says hello, and is not answered until it has left."""
        KeptPeer(connection).read_exactly(4)
        self.come.set()
        self.assertTrue(self.left.wait(DEADLINE_S))

    def setUp(self):
        self.come, self.left = threading.Event(), threading.Event()
        self.addCleanup(self.left.set)

    def assert_left(self):
        self.assertEqual(self.status(), 255)
        self.assertIn(b"runwire: detached, and the command may go on", self.shown)
        self.left.set()

    def fill_queue(self):
        """Of the server's listener, so that nobody gets a connection any more."""
        self.server.listener.listen(0)
        path = self.server.address.removeprefix("unix:")
        with contextlib.suppress(BlockingIOError):
            while True:
                other = socket.socket(socket.AF_UNIX)
                self.addCleanup(other.close)
                other.setblocking(False)
                other.connect(path)

    def lose_for_good(self, options):
        """The same, and now runwire waits for an answer to its connect(2)."""

        def begin(peer):
            self.fill_queue()
            peer.output(b"up\r\n")
            peer.cut()
            self.assertTrue(self.left.wait(DEADLINE_S))

        self.keep(kept(begin), options=(*options, "--connect-timeout=1h"))
        self.await_text(b"trying again")
        until(self.has_socket, "runwire to try for a connection")

    def has_socket(self):
        [pid] = process.children(self.pid)
        targets = (os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
        return any(target.startswith("socket:") for target in targets)


class AttachAtTerminal(AtTerminal):
    """attach -t, which first asks over a connection of its own where the last screen begins."""

    def attach(self, *scripts):
        self.keep(*scripts, options=("attach", "-t"))

    def test_where_the_server_could_not_tell_the_command_may_be_at_no_terminal_after_all(self):
        def play(peer):
            self.assertEqual((peer.attach["stdout"], peer.attach["stderr"]), (0, 0))
            peer.found(window=100, eof=False)
            peer.output(b"up")
            self.assertEqual(peer.read_until("stdin")["payload"], b"word\n")
            peer.exit(3)
            peer.await_end()

        self.attach(refuse_connection, attached(play))
        self.await_text(b"up")
        self.assertIn(b"the command is at no terminal: -t counts as -i", self.shown)
        self.assertTrue(termios.tcgetattr(self.terminal)[3] & termios.ICANON)
        os.write(self.terminal, b"word\n")
        self.assertEqual(self.status(), 3)

    def test_a_gap_is_nothing_at_a_terminal_even_where_the_input_has_ended(self):
        def find(peer):
            peer.found(pty=True)
            peer.await_end()

        def play(peer):
            peer.found(pty=True)
            peer.say("gap", id=peer.id, stream="stdout", **{"from": 0, "to": 100})
            peer.bytes_sent["stdout"] = 100
            peer.exit(0)
            peer.await_end()

        self.attach(attached(find), attached(play))
        self.assertEqual(self.status(), 0)
        self.assertNotIn(b"lost", self.shown)


class Terminal(AtTerminal):
    def test_an_interrupt_asks_and_i_interrupts_the_command(self):
        def play(peer):
            peer.output(b"up")
            self.assertEqual(peer.read_until("signal")["signal"], "INT")
            peer.exit(130)
            peer.await_end()

        self.ask(kept(play))
        os.write(self.terminal, b"i")
        self.assertEqual(self.status(), 130)

    def test_each_interrupt_is_asked_about(self):
        def play(peer):
            peer.output(b"up")
            for _ in range(2):
                self.assertEqual(peer.read_until("signal")["signal"], "INT")
                peer.output(b"caught")
            peer.exit(5)
            peer.await_end()

        self.ask(kept(play))
        os.write(self.terminal, b"i")
        self.await_text(b"caught")
        self.shown = b""
        self.interrupt()
        os.write(self.terminal, b"i")
        self.assertEqual(self.status(), 5)

    def test_in_the_background_there_is_no_question(self):
        def play(peer):
            peer.output(b"up")
            self.assertEqual(peer.read_until("signal")["signal"], "INT")
            peer.exit(130)
            peer.await_end()

        self.keep(kept(play), leader=BACKGROUND_LEADER, options=("--keep", "-n"))
        self.await_text(b"[pid ")
        self.await_text(b"]")
        self.await_text(b"up")
        os.kill(int(self.shown.partition(b"[pid ")[2].partition(b"]")[0]), signal.SIGINT)
        self.assertEqual(self.status(), 130)

    def test_d_detaches_and_so_does_a_second_interrupt(self):
        for key in (b"d", b"\x03"):

            def play(peer):
                peer.output(b"up")
                self.assertRaises((EOFError, ConnectionError), peer.read_until, "signal")

            self.ask(kept(play))
            os.write(self.terminal, key)
            self.assertEqual(self.status(), 255)
            self.assertIn(b"detached, and the command goes on", self.shown)

    def test_any_other_key_goes_on(self):
        def script(connection):
            peer = KeptPeer(connection)
            peer.begin()
            peer.output(b"up")
            self.assertTrue(answered.wait(DEADLINE_S))
            self.assertEqual(peer.type_after_ping(), "pong")
            peer.exit(3)
            peer.await_end()

        answered = threading.Event()
        self.ask(script)
        os.write(self.terminal, b"x")
        answered.set()
        self.assertEqual(self.status(), 3)

    def test_the_question_leaves_an_unfinished_line_of_output_as_it_is(self):
        for shown, expected in ((b"up", rb"up\^C\r\nrunwire: interrupt"), (b"up\n", rb"up\r\n\^C\r\x1b\[Krunwire: interrupt")):

            def play(peer, shown=shown):
                peer.output(shown)
                peer.await_end()

            self.ask(kept(play))
            os.write(self.terminal, b"d")
            self.status()
            self.assertRegex(self.shown, expected)

    def test_words_at_the_end_leave_an_unfinished_line_of_output_as_it_is(self):
        def play(reason):
            return kept(lambda peer: (peer.output(b"up"), peer.exit(3, reason=reason), peer.await_end()))

        self.keep(play("cancelled"))
        self.status()
        self.assertEqual(self.shown, b"up\r\nrunwire: the server ended the command: cancelled\r\n")
        self.keep(play("exited"))
        self.status()
        self.assertEqual(self.shown, b"up")

    def test_a_terminal_that_stands_still_holds_up_no_other_connection_and_its_line_stays_whole(self):
        output, came = b"x" * 300000, threading.Event()

        def begin(peer):
            peer.output(output)
            peer.cut()

        def go_on(peer):
            came.set()
            peer.found()
            peer.exit(2)
            peer.await_end()

        self.keep(kept(begin), refuse_connection, attached(go_on))
        self.assertTrue(came.wait(DEADLINE_S))
        self.assertEqual(self.status(), 2)
        self.assertIn(output, self.shown)

    def test_while_the_connection_is_lost_one_line_says_so(self):
        def begin(peer):
            peer.output(b"up")
            peer.cut()

        def go_on(peer):
            peer.found()
            peer.output(b"again")
            peer.exit(2)
            peer.await_end()

        self.keep(kept(begin), attached(go_on))
        self.assertEqual(self.status(), 2)
        self.assertEqual(
            self.shown, b"up\r\n\r\x1b[Krunwire: the connection is lost, trying again (0 s)\r\x1b[Kagain"
        )

    def test_what_is_told_of_a_lost_connection_has_lines_of_its_own(self):
        def begin(peer):
            peer.output(b"up\n")
            peer.cut()

        self.keep(kept(begin), refuse_connection, end(2), options=("--keep", "-v"))
        self.assertEqual(self.status(), 2)
        self.assertNotIn(b"\n\r\n", self.shown)
        self.assertRegex(self.shown, rb"\nrunwire: the connection is lost: ")
        self.assertRegex(self.shown, rb"\(\d s\)\r\x1b\[Krunwire: the connection is lost: .*\r\n")
        self.assertRegex(self.shown, rb"\(\d s\)\r\x1b\[Krunwire: connected again to .*\r\n")


    def test_one_can_leave_while_a_new_connection_is_not_answered(self):
        self.lose_for_good(["--keep"])
        self.interrupt()
        os.write(self.terminal, b"d")
        self.assert_left()

    def test_one_can_leave_while_a_new_connection_is_not_greeted(self):
        self.lose(self.silent, options=["--keep"])
        self.assertTrue(self.come.wait(DEADLINE_S))
        self.interrupt()
        os.write(self.terminal, b"d")
        self.assert_left()


class RawTerminal(AtTerminal):
    """The same, where the command has a terminal, too."""

    def test_one_can_leave_while_a_new_connection_is_not_answered(self):
        self.lose_for_good(["--keep", "-t"])
        os.write(self.terminal, b"~.")
        self.assert_left()

    def test_one_can_leave_while_a_new_connection_is_not_greeted(self):
        self.lose(self.silent, options=["--keep", "-t"])
        self.assertTrue(self.come.wait(DEADLINE_S))
        os.write(self.terminal, b"~.")
        self.assert_left()

    def test_one_can_leave_before_the_first_greeting(self):
        self.keep(self.silent, options=("--keep", "-t", "--connect-timeout=1h"))
        self.assertTrue(self.come.wait(DEADLINE_S))
        self.interrupt()
        os.write(self.terminal, b"d")
        self.assertEqual(self.status(), 255)
        self.left.set()

    def test_without_keep_one_can_leave_before_the_first_greeting_too(self):
        heard = threading.Semaphore(0)

        def script(connection):
            peer = KeptPeer(connection)
            peer.read_exactly(4)
            self.come.set()
            with contextlib.suppress(EOFError, ConnectionError):
                while peer.read_until("signal"):
                    heard.release()

        self.keep(script, options=("-t", "--connect-timeout=1h"))
        self.assertTrue(self.come.wait(DEADLINE_S))
        for _ in range(2):
            os.write(self.terminal, b"\x03")
            self.assertTrue(heard.acquire(timeout=DEADLINE_S))
        os.write(self.terminal, b"\x03")
        self.assertEqual(self.status(), 255)
        self.assertIn(b"interrupted: the connection is closed", self.shown)

    def test_while_there_is_no_connection_an_interrupt_asks_and_leaves(self):
        for key in (b"d", b"\x03"):
            self.setUp()
            self.lose(self.silent, options=["--keep", "-t"])
            self.assertTrue(self.come.wait(DEADLINE_S))
            self.interrupt()
            os.write(self.terminal, key)
            self.assert_left()

    def test_while_there_is_no_connection_an_interrupt_can_be_for_the_command(self):
        def go_on(connection):
            self.assertTrue(answered.wait(DEADLINE_S))
            attached(play)(connection)

        def play(peer):
            peer.found(window=100, eof=False)
            self.assertEqual(peer.read_until("stdin")["payload"], expected)
            peer.exit(7)
            peer.await_end()

        for key, expected in ((b"i", b"ab\x03c"), (b"x", b"abc")):
            answered = threading.Event()
            self.lose(go_on, options=["--keep", "-t"])
            os.write(self.terminal, b"ab")
            self.interrupt()
            os.write(self.terminal, key + b"c")
            answered.set()
            self.assertEqual(self.status(), 7)

    def test_what_is_said_there_begins_and_ends_a_line(self):
        def begin(peer):
            peer.output(b"$ ")
            peer.cut()

        self.keep(kept(begin), end(2, {"window": 100, "eof": False}), options=("--keep", "-t", "-v"))
        self.assertEqual(self.status(), 2)
        self.assertIn(b"$ \r\nrunwire: the connection is lost: ", self.shown)
        self.assertRegex(self.shown, rb"\r\x1b\[Krunwire: connected again to [^\r\n]*\r\n")
        self.assertNotRegex(self.shown, rb"[^\r]\n")

    def test_a_command_that_is_at_no_terminal_is_told_and_leaves_ours_alone(self):
        def look(peer):
            peer.found(stdout=100000, window=100, eof=False)
            peer.await_end()

        def play(peer):
            self.assertEqual((peer.attach["stdout"], peer.attach["stderr"]), (0, 0))
            peer.found(window=100, eof=False)
            peer.output(b"up")
            peer.await_end()

        self.keep(attached(look), attached(play), options=("attach", "-t"))
        self.await_text(b"runwire: the command is at no terminal: -t counts as -i\r\n")
        self.await_text(b"up")
        self.interrupt()
        os.write(self.terminal, b"d")
        self.assertEqual(self.status(), 255)
        self.assertIn(b"; `runwire attach unix:", self.shown)


class Attach(KeptCase):
    def test_it_shows_all_there_was_and_what_comes_and_ends_with_the_commands_status(self):
        def play(peer):
            self.assertEqual((peer.id, peer.attach["stdout"], peer.attach["stderr"]), ("k1", 0, 0))
            peer.found(stdout=3)
            peer.output(b"old", replay=True)
            peer.output(b" new\n")
            peer.exit(7)
            peer.await_end()

        self.assert_ran(runwire("attach", self.serve(attached(play)).address, "k1"), 7, b"old new\n")

    def test_tail_shows_what_comes_from_now_on_and_loses_nothing_of_it(self):
        def begin(peer):
            self.assertNotIn("stdout", peer.attach)
            peer.found(stdout=100, stderr=50)
            peer.output(b"new", off=100)
            peer.cut()

        def go_on(peer):
            self.assertEqual((peer.attach["stdout"], peer.attach["stderr"]), (103, 50))
            peer.found()
            peer.output(b"er")
            peer.exit()
            peer.await_end()

        server = self.serve(attached(begin), attached(go_on))
        self.assert_ran(runwire("attach", "--tail", server.address, "k1"), 0, b"newer")

    def test_stdin_stays_here_unless_it_is_asked_for(self):
        def play(peer):
            peer.found(window=100, eof=False)
            self.assertEqual(peer.type_after_ping(), "pong")
            peer.exit()
            peer.await_end()

        self.assert_ran(runwire("attach", self.serve(attached(play)).address, "k1", stdin=b"x"))

    def test_with_i_stdin_goes_on_where_the_command_has_come_to(self):
        def play(peer):
            peer.found(stdin=5, window=100, eof=False)
            message = peer.read()
            self.assertEqual((message["off"], message["payload"]), (5, b"x"))
            self.assertTrue(peer.read()["eof"])
            peer.exit()
            peer.await_end()

        self.assert_ran(runwire("attach", "-i", self.serve(attached(play)).address, "k1", stdin=b"x"))

    def test_with_i_a_command_that_takes_no_input_is_told(self):
        done = runwire("attach", "-i", self.serve(end()).address, "k1", stdin=b"x")
        text = b"runwire: the command takes no input: it has no stdin, or was told its end\n"
        self.assert_ran(done, 0, b"", text)

    def test_one_that_waits_for_its_turn_is_followed_until_it_runs_and_ends(self):
        def play(peer):
            peer.found(pid=None)
            peer.say("started", id=peer.id, pid=5, existing=True)
            peer.output(b"x")
            peer.exit()
            peer.await_end()

        self.assert_ran(runwire("attach", self.serve(attached(play)).address, "k1"), 0, b"x")

    def test_an_unknown_id_says_where_the_ids_are_shown(self):
        server = self.serve(attached(lambda peer: (peer.refuse("unknown"), peer.await_end())))
        done = runwire("attach", server.address, "k1")
        self.assert_failed(done, "no command there has had the id k1; `runwire ps ", "shows those that are kept")

    def test_a_reader_that_leaves_does_not_stop_the_command(self):
        def play(peer):
            peer.found()
            with contextlib.suppress(ConnectionError):
                peer.output(b"y\n" * 60000)
            with contextlib.suppress(ConnectionError, EOFError):
                while True:
                    self.assertIn(peer.read()["type"], ("credit",))

        with tempfile.NamedTemporaryFile() as file:
            process = self.start("attach", "--status-file", file.name, self.serve(attached(play)).address, "k1")
            self.assertEqual(process.stdout.readline(), b"y\n")
            process.stdout.close()
            self.assertEqual(process.wait(DEADLINE_S), -signal.SIGPIPE)
            with open(file.name, "rb") as record:  # how it ended is not known
                self.assertEqual(json.load(record), {"status": 255, "exit": None, "error": None})

    def test_wait_writes_nothing_and_needs_no_reader(self):
        def script(connection):
            peer = KeptPeer(connection)
            peer.await_attach()
            peer.found()
            self.assertEqual(peer.type_after_ping(), "pong")
            self.assertTrue(has_left.wait(DEADLINE_S))
            self.assertEqual(peer.type_after_ping(), "pong")
            peer.exit(3)
            peer.await_end()

        has_left = threading.Event()
        process = self.start("wait", self.serve(script).address, "k1")
        process.stdout.close()
        has_left.set()
        self.assertEqual(process.wait(DEADLINE_S), 3)

    def test_wait_shows_nothing_and_ends_with_the_commands_status(self):
        def play(peer):
            self.assertIs(peer.attach["output"], False)
            peer.found(stdout=100)
            peer.exit(3, stdout=100)
            peer.await_end()

        self.assert_ran(runwire("wait", self.serve(attached(cut), attached(play)).address, "k1"), 3)


class Logs(KeptCase):
    def test_what_is_there_is_shown_and_the_command_goes_on(self):
        def play(peer):
            self.assertEqual((peer.attach["stdout"], peer.attach["stderr"]), (0, 0))
            peer.found(stdout=3, stderr=2)
            peer.output(b"out", replay=True)
            peer.output(b"er", "stderr", replay=True)
            peer.await_end()

        self.assert_ran(runwire("logs", self.serve(attached(play)).address, "k1"), 0, b"out", b"er")

    def test_a_command_that_has_failed_is_no_failure_of_its_logs(self):
        def play(peer):
            peer.found(stdout=3)
            peer.output(b"out", replay=True)
            with contextlib.suppress(ConnectionError):  # it may have enough by now
                peer.exit(9)
            peer.await_end()

        for words in (["logs"], ["logs", "-f"]):
            self.assert_ran(runwire(*words, self.serve(attached(play)).address, "k1"), 0, b"out")

    def test_with_f_it_goes_on_to_the_end(self):
        def play(peer):
            peer.found(stdout=3)
            peer.output(b"out", replay=True)
            peer.output(b"more")
            peer.exit(1)
            peer.await_end()

        self.assert_ran(runwire("logs", "-f", self.serve(attached(play)).address, "k1"), 0, b"outmore")

    def test_what_is_lost_is_told_and_255(self):
        def play(peer):
            peer.found(stdout=10)
            peer.say("gap", id=peer.id, stream="stdout", **{"from": 0, "to": 10})
            peer.await_end()

        done = runwire("logs", self.serve(attached(play)).address, "k1")
        self.assertEqual((done.returncode, done.stdout), (255, b""))
        self.assertIn(b"bytes 0 to 9 of stdout are lost", done.stderr)


class Verbs(KeptCase):
    def answer(self, *answers):
        """The address of a server that plays this one script."""
        return self.serve(self.answering(*answers)).address

    def answering(self, *answers):
        """A script: each of the client's messages is answered by what a function of it gives."""

        def script(connection):
            peer = KeptPeer(connection)
            peer.meet_client()
            for each in answers:
                message = peer.read()
                self.asked.append((message["type"], message.get("id")))
                peer.id = message.get("id")
                each(peer)
            peer.await_end()

        self.asked = []
        return script

    def jobs(self, peer):
        fields = {"state": "running", "pid": 5, "command": "make all", "who": "127.0.0.1:4", "age_ms": 61000}
        peer.say("job", id="abc", **fields, stdout=100, stderr=23, clients=1)
        over = {"state": "finished", "pid": 6, "command": "ls \x1b[2J", "who": "unix", "age_ms": 7200000}
        peer.say("job", id="k2", **over, stdout=0, stderr=0, clients=0, expires_ms=5, code=2, signal=None, reason="exited")
        peer.say("listed", jobs=2)

    def test_ps_is_a_table_that_cannot_steer_a_terminal(self):
        self.assert_ran(
            runwire("ps", self.answer(self.jobs)), 0,
            b"ID   STATE     AGE  OUT  CLIENTS  STATUS  WHO          COMMAND\n"
            b"abc  running   61s  123  1        -       127.0.0.1:4  make all\n"
            b"k2   finished  2h   0    0        2       unix         ls \\x1b[2J\n",
        )  # fmt: skip

    def test_ps_in_json_is_a_line_for_each(self):
        done = runwire("ps", self.answer(self.jobs), "--json")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["id"] for line in lines], ["abc", "k2"])
        self.assertEqual((lines[0]["stderr"], lines[1]["code"], done.returncode, done.stderr), (23, 2, 0, b""))

    def test_ps_of_a_server_that_keeps_nothing_says_so_on_stderr(self):
        address = self.answer(lambda peer: peer.say("listed", jobs=0))
        self.assert_ran(runwire("ps", address), 0, b"", b"runwire: no commands are kept there\n")

    def test_a_connection_that_ends_before_its_greeting_is_made_anew(self):
        server = self.serve(refuse_connection, refuse_connection, self.answering(self.jobs))
        self.assertEqual(runwire("ps", server.address).returncode, 0)

    def test_ps_takes_the_default_host(self):
        address = self.answer(self.jobs)
        self.assertEqual(runwire("ps", RUNWIRE_HOST=address).returncode, 0)

    def test_ps_of_a_server_that_knows_no_lists_is_an_error(self):
        address = self.answer(lambda peer: peer.say("error", error="unsupported", message="not here"))
        self.assert_failed(runwire("ps", address), "unsupported: not here")

    def test_kill_ends_the_command_and_returns_when_it_has_ended(self):
        address = self.answer(self.found, lambda peer: peer.exit(None, signal="TERM", reason="cancelled"))
        self.assert_ran(runwire("kill", address, "k1"))
        self.assertEqual(self.asked, [("attach", "k1"), ("cancel", "k1")])

    def test_kill_of_one_that_waits_for_its_turn_is_a_success(self):
        address = self.answer(self.found, lambda peer: peer.refuse("cancelled"))
        self.assert_ran(runwire("kill", address, "k1"))

    def found(self, peer):
        peer.bytes_sent = {"stdout": 0, "stderr": 0}
        peer.found()

    def test_kill_with_a_signal_sends_that_and_leaves_the_rest_to_the_command(self):
        detach = lambda peer: peer.say("detached", id="k1", reason="asked")  # noqa: E731
        for name in ("HUP", "SIGHUP", "1"):
            address = self.answer(self.found, detach, lambda peer: None, self.found)
            self.assert_ran(runwire("kill", "-s", name, address, "k1"))
            self.assertEqual([kind for kind, _ in self.asked], ["attach", "detach", "signal", "attach"])

    def test_a_signal_to_one_that_has_ended_is_an_error(self):
        address = self.answer(self.found, lambda peer: peer.exit(3))
        done = runwire("kill", "-s", "HUP", address, "k1")
        self.assert_failed(done, "k1: it has ended, and no signal reaches it any more; `runwire wait ")

    def test_kill_of_an_unknown_command_is_an_error(self):
        address = self.answer(lambda peer: peer.refuse("unknown"))
        self.assert_failed(runwire("kill", address, "k1"), "k1: no command there has had that id; `runwire ps ")

    def test_rm_forgets_each(self):
        forget = lambda peer: peer.say("forgotten", id=peer.id)  # noqa: E731
        self.assert_ran(runwire("rm", self.answer(forget, forget), "a", "b"))
        self.assertEqual(self.asked, [("forget", "a"), ("forget", "b")])

    def test_rm_goes_on_behind_one_that_cannot_be_forgotten_and_is_255(self):
        forget = lambda peer: peer.say("forgotten", id=peer.id)  # noqa: E731
        done = runwire("rm", self.answer(lambda peer: peer.refuse("conflict"), forget), "a", "b")
        self.assert_failed(done, "a: it has not ended; `runwire kill ")
        self.assertEqual([name for _, name in self.asked], ["a", "b"])


if __name__ == "__main__":
    unittest.main()
