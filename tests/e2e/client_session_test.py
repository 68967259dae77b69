"""`runwire` in sessions, against servers that the test plays: what it sends and says, where output goes and when, and
its exit status, whatever the server does."""

import contextlib
import fcntl
import hashlib
import json
import os
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import threading
import unittest

from client import (
    ClientCase, SessionPeer, environment, error, frame, original_server, program, runwire, send_and_see_read,
    session, start_runwire,
)  # fmt: skip
from daemon import until
from plain import DEADLINE_S
from process import kilobytes

UNKNOWN = "what became of the command is unknown, the server's log may tell"
NOT_RUNWIRED = "is it a runwired that listens there? Check HOST and its port, or give --plain"


def answer(stdout=b"", stderr=b"", code=0, **more):
    """A script that runs a command with this outcome."""

    def play(peer):
        for data, stream in ((stdout, "stdout"), (stderr, "stderr")):
            if data:
                peer.output(data, stream)
        peer.exit(code, **more)
        peer.await_end()

    return session(play)


def stopped_pipe():
    """Both ends of a pipe that takes nothing more."""
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    os.write(write_end, b"." * 4096)
    return read_end, write_end


class SessionCase(ClientCase):
    def start(self, *words, **how):
        """A runwire that ends with the test, and its stderr is kept."""
        process = start_runwire(*words, **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | how))
        self.addCleanup(self.end, process)
        return process

    def end(self, process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def pipe(self):
        ends = os.pipe()
        for end in ends:
            self.addCleanup(close_quietly, end)
        return ends


def close_quietly(fd):
    with contextlib.suppress(OSError):
        os.close(fd)


class Start(SessionCase):
    def start_of(self, *words):
        """What the server is told by a run."""
        starts = []

        def script(connection):
            peer = SessionPeer(connection)
            starts.append(peer.meet())
            peer.started()
            peer.exit()
            peer.await_end()

        self.assert_ran(runwire(self.serve(script).address, *words))
        return starts[0]

    def test_one_word_is_a_line_for_the_shell_byte_for_byte(self):
        line = b"echo \xc4\xe3 'a | b' $HOME\t\x01"
        start = self.start_of(line)
        self.assertEqual((start["shell"], start["payload"]), (True, line))

    def test_several_words_are_an_argv_run_as_they_are(self):
        words = ["printf", "a b", "it's", "", "$HOME", "[a,b]", "--", "-v"]
        start = self.start_of(*words)
        self.assertEqual((start["argc"], start["payload"]), (8, b"".join(word.encode() + b"\0" for word in words)))
        self.assertNotIn("shell", start)

    def test_stdin_is_asked_for_and_windows_are_told(self):
        def script(connection):
            peer = SessionPeer(connection)
            start = peer.meet()
            self.assertTrue(start["stdin"])
            self.assertEqual(peer.hello["window"], 1 << 20)
            peer.started()
            peer.exit()
            peer.await_end()

        self.assert_ran(runwire(self.serve(script).address, "true"))

    def test_hello_and_start_are_sent_without_waiting_for_an_answer(self):
        def script(connection):
            peer = SessionPeer(connection)
            self.assertEqual(peer.read_exactly(4), b"\0RW\1")
            self.assertEqual([peer.read()["type"], peer.await_start()["type"]], ["hello", "start"])
            peer.say("hello", v=1, boot="0", server="fake", ping_ms=0)
            peer.started()
            peer.exit(5)
            peer.await_end()

        self.assert_ran(runwire(self.serve(script).address, "true"), 5)


class Output(SessionCase):
    def test_stdout_and_stderr_arrive_apart_and_the_status_with_them(self):
        self.assert_ran(runwire(self.serve(answer(b"out\n", b"err\n", 7)).address, "x"), 7, b"out\n", b"err\n")

    def test_every_byte_passes_untouched(self):
        """promise 6"""
        data = bytes(range(256)) * 300
        self.assert_ran(runwire(self.serve(answer(data, data[::-1])).address, "x"), 0, data, data[::-1])

    def test_output_is_written_while_the_command_runs(self):
        """promise 5"""
        seen = threading.Event()

        def play(peer):
            peer.output(b"part")
            self.assertTrue(seen.wait(DEADLINE_S))
            peer.exit()
            peer.await_end()

        process = self.start(self.serve(session(play)).address, "x")
        self.assertEqual(os.read(process.stdout.fileno(), 64), b"part")
        seen.set()
        self.assertEqual(process.wait(DEADLINE_S), 0)

    def test_a_session_cut_at_any_byte_gives_the_same(self):
        """promise 43"""
        replies = recorded_session()
        for cut in range(1, len(replies)):

            def script(connection, cut=cut):
                peer = SessionPeer(connection)
                send_and_see_read(connection, replies[:cut])
                connection.sendall(replies[cut:])
                peer.await_end()

            self.assert_ran(runwire(self.serve(script).address, "x"), 3, b"out", b"err")

    def test_a_session_that_ends_at_any_byte_is_255_and_no_success(self):
        """promises 44 and 59"""
        replies = recorded_session()
        for cut in range(len(replies)):

            def script(connection, cut=cut):
                peer = SessionPeer(connection)
                peer.read_exactly(4)
                peer.read(), peer.read()
                connection.sendall(replies[:cut])
                connection.shutdown(socket.SHUT_WR)
                peer.await_end()

            done = runwire(self.serve(script).address, "x")
            self.assertEqual(done.returncode, 255, cut)
            self.assertRegex(done.stderr, rb"runwire: [^\x00-\x1f]*the server closed the connection; [^\x00-\x1f]+\n\Z")

    def test_a_full_disk_is_an_error_and_the_command_is_ended(self):
        """promise 11"""

        def play(peer):
            peer.output(b"out")
            self.assertRaises((ConnectionError, EOFError), peer.read_until, "pong")

        with open("/dev/full", "wb") as full:
            done = runwire(self.serve(session(play)).address, "x", stdout=full)
        self.assertEqual(done.returncode, 255)
        self.assertEqual(done.stderr.count(b"runwire: stdout: No space left on device; the rest of the output is lost"), 1)

    def test_a_closed_stdout_is_an_error_and_never_a_socket(self):
        """promise 11"""

        def play(peer):
            peer.output(b"out")
            peer.await_end()

        for closed in (">&-", "<&- >&-"):
            done = subprocess.run(
                ["sh", "-c", f'exec "$@" {closed}', "sh", program(), self.serve(session(play)).address, "x"],
                stderr=subprocess.PIPE, env=environment(), timeout=DEADLINE_S,
            )  # fmt: skip
            self.assertEqual(done.returncode, 255)
            self.assertIn(b"runwire: stdout: Bad file descriptor; ", done.stderr)

    def test_a_closed_stderr_is_one_that_nobody_reads(self):
        def play(peer):
            peer.output(b"err" * 1000, "stderr")
            peer.output(b"out")
            peer.exit(4)
            peer.await_end()

        words = ["sh", "-c", 'exec "$@" 2>&-', "sh", program(), self.serve(session(play)).address, "x"]
        done = subprocess.run(words, stdout=subprocess.PIPE, env=environment(), timeout=DEADLINE_S)
        self.assertEqual((done.returncode, done.stdout), (4, b"out"))

    def test_all_three_streams_closed_is_no_harm_to_a_silent_command(self):
        words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", program(), self.serve(answer(code=4)).address, "x"]
        self.assertEqual(subprocess.run(words, env=environment(), timeout=DEADLINE_S).returncode, 4)

    def test_a_reader_that_leaves_stops_the_command_there(self):
        """promise 10"""

        def play(peer):
            with contextlib.suppress(ConnectionError):
                for _ in range(8):
                    peer.output(b"y\n" * 60000)
            stop = peer.read_until("stop")
            self.assertEqual((stop["id"], stop["stream"]), (peer.id, "stdout"))
            peer.exit(None, signal="PIPE", reason="signal")
            peer.await_end()

        process = self.start(self.serve(session(play)).address, "yes")
        self.assertEqual(process.stdout.readline(), b"y\n")
        process.stdout.close()
        self.assertEqual(process.wait(DEADLINE_S), 141)

    def test_a_reader_that_leaves_while_nothing_is_written_stops_the_command_there(self):
        """promise 10"""

        def play(peer):
            peer.read_until("stop")
            peer.exit(141)
            peer.await_end()

        read_end, write_end = self.pipe()
        process = self.start(self.serve(session(play)).address, "x", stdout=write_end)
        os.close(write_end)
        os.close(read_end)
        self.assertEqual(process.wait(DEADLINE_S), 141)

    def test_the_other_stream_goes_on_after_one_was_stopped(self):
        def play(peer):
            peer.read_until("stop")
            peer.output(b"lost")
            peer.output(b"err" * 100, "stderr")
            peer.exit()
            peer.await_end()

        read_end, write_end = self.pipe()
        process = self.start(self.serve(session(play)).address, "x", stdout=write_end)
        os.close(write_end)
        os.close(read_end)
        self.assertEqual(process.communicate(timeout=DEADLINE_S)[1], b"err" * 100)
        self.assertEqual(process.returncode, 0)


class Standstill(SessionCase):
    """A reader of ours that stands still holds up nothing else."""

    def with_stalled_stdout(self, play, *words, **how):
        """The running client, whose stdout nobody reads, and the end that could."""
        read_end, write_end = stopped_pipe()
        self.addCleanup(close_quietly, read_end)
        process = self.start(self.serve(session(play, **how)).address, *words, stdout=write_end)
        os.close(write_end)
        return process, read_end

    def test_pings_are_answered_signals_sent_and_stderr_written(self):
        stalled, heard = threading.Event(), []

        def play(peer):
            peer.output(b"x" * 100000)
            peer.say("ping")
            heard.append(peer.read_until("pong"))
            peer.output(b"still here", "stderr")
            stalled.set()
            heard.append(peer.read_until("signal"))
            peer.exit(9)
            peer.await_end()

        process, read_end = self.with_stalled_stdout(play, "x")
        self.assertTrue(stalled.wait(DEADLINE_S))
        self.assertEqual(os.read(process.stderr.fileno(), 64), b"still here")
        process.send_signal(signal.SIGUSR1)
        until(lambda: len(heard) == 2, "the signal to arrive")
        self.assertEqual(heard[1]["signal"], "USR1")
        with open(read_end, "rb", closefd=False) as pipe:
            self.assertEqual(pipe.read(), b"." * 4096 + b"x" * 100000)
        self.assertEqual(process.wait(DEADLINE_S), 9)

    def test_pings_are_answered_and_signals_sent_while_a_terminal_stands_still(self):
        answered = threading.Event()

        def play(peer):
            peer.output(b"x" * (1 << 20))
            for _ in range(3):
                peer.say("ping")
                peer.read_until("pong")
            answered.set()
            self.assertEqual(peer.read_until("signal")["signal"], "HUP")
            peer.exit()
            peer.await_end()

        master, slave = os.openpty()
        process = self.start(self.serve(session(play)).address, "x", stdout=slave)
        os.close(slave)
        self.assertTrue(answered.wait(DEADLINE_S))
        process.send_signal(signal.SIGHUP)
        with contextlib.suppress(OSError):  # the end of a terminal without processes is EIO
            while os.read(master, 1 << 20):
                pass
        os.close(master)
        self.assertEqual(process.wait(DEADLINE_S), 0)

    def test_pings_are_answered_and_signals_sent_while_stderr_has_no_room_for_our_own_words(self):
        heard = []

        def play(peer):
            peer.say("ping")
            heard.append(peer.read_until("pong"))
            heard.append(peer.read_until("signal"))
            peer.exit(9)
            peer.await_end()

        read_end, write_end = self.pipe()
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
        server = self.serve(session(play))
        room = len(f"runwire: connected to {server.address}\n")
        os.write(write_end, b"." * (4096 - room))
        process = self.start("-v", server.address, "x", stderr=write_end)
        os.close(write_end)
        until(lambda: len(heard) == 1, "the answer to the ping")
        process.send_signal(signal.SIGTERM)
        until(lambda: len(heard) == 2, "the signal to arrive")
        with open(read_end, "rb", closefd=False) as pipe:
            self.assertIn(b"runwire: started, process 4711\n", pipe.read())
        self.assertEqual(process.wait(DEADLINE_S), 9)

    def test_the_server_is_granted_only_what_was_written(self):
        filled, read = threading.Event(), threading.Event()

        def play(peer):
            peer.output(b"x" * (1 << 20))
            peer.say("ping")
            self.assertEqual(peer.read_but("stdin")["type"], "pong")  # and no credit
            filled.set()
            granted = 0
            while granted < 3 << 18:
                credit = peer.read_until("credit")
                self.assertEqual(credit["stream"], "stdout")
                granted += credit["bytes"]
            peer.exit()
            peer.await_end()

        process, read_end = self.with_stalled_stdout(play, "x")
        self.assertTrue(filled.wait(DEADLINE_S))
        with open(read_end, "rb", closefd=False) as pipe:
            self.assertEqual(len(pipe.read()), 4096 + (1 << 20))
        self.assertEqual(process.wait(DEADLINE_S), 0)

    def test_more_than_was_granted_is_the_servers_mistake(self):
        gone = threading.Event()

        def play(peer):
            with contextlib.suppress(ConnectionError):
                peer.output(b"x" * ((1 << 20) + 1))
            peer.await_end()
            gone.set()

        process, read_end = self.with_stalled_stdout(play, "x")
        self.assertTrue(gone.wait(DEADLINE_S))
        os.close(read_end)
        self.assertEqual(process.wait(DEADLINE_S), 255)
        self.assertIn(b"more of stdout than it was allowed to; " + UNKNOWN.encode(), process.stderr.read())

    def test_a_signal_ends_the_wait_for_a_reader_when_the_command_is_over(self):
        gone = threading.Event()

        def play(peer):
            peer.output(b"x" * 100000)
            peer.exit()
            peer.await_end()
            gone.set()

        process, _ = self.with_stalled_stdout(play, "x")
        self.assertTrue(gone.wait(DEADLINE_S))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(DEADLINE_S), 255)
        self.assertIn(b"runwire: interrupted: the rest of the output is lost\n", process.stderr.read())

    def test_memory_stays_small_whoever_stands_still(self):
        """promise 27"""
        sent = threading.Event()

        def play(peer):
            peer.output(b"x" * (1 << 20))
            peer.output(b"y" * (1 << 20), "stderr")
            peer.say("ping")
            peer.read_until("pong")
            sent.set()
            peer.await_end()

        process, _ = self.with_stalled_stdout(play, "x")
        self.assertTrue(sent.wait(DEADLINE_S))
        self.assertLess(kilobytes(process.pid, "VmHWM"), 64 << 10)


class SharedDescriptors(SessionCase):
    """promise 60"""

    def flags_of(self, *fds):
        return [fcntl.fcntl(fd, fcntl.F_GETFL) for fd in fds]

    def test_flags_of_pipes_and_sockets_are_left_alone(self):
        for blocking in (True, False):
            for make in (os.pipe, lambda: [end.detach() for end in socket.socketpair()]):
                with self.subTest(blocking=blocking, make=make):
                    self.relay_through(*make(), *make(), blocking)

    def relay_through(self, stdin, feed, drain, stdout, blocking):
        for fd in (stdin, stdout):
            os.set_blocking(fd, blocking)
        before = self.flags_of(stdin, stdout)
        data = os.urandom(300000)

        def play(peer):
            received = b""
            while not (message := peer.read_until("stdin")).get("eof"):
                received += message["payload"]
                peer.say("credit", id=peer.id, stream="stdin", bytes=message["len"])
            self.assertEqual(self.flags_of(stdin, stdout), before)
            peer.output(received)
            peer.exit()
            peer.await_end()

        process = self.start(self.serve(session(play)).address, "cat", stdin=stdin, stdout=stdout)
        writer = threading.Thread(target=lambda: (self.write_all(feed, data), os.close(feed)))
        writer.start()
        received = b""
        while len(received) < len(data):
            received += os.read(drain, 1 << 20)
        writer.join()
        self.assertEqual(received, data)
        self.assertEqual(process.wait(DEADLINE_S), 0)
        self.assertEqual(self.flags_of(stdin, stdout), before)
        for fd in (stdin, drain, stdout):
            os.close(fd)

    def write_all(self, fd, data):
        while data:
            data = data[os.write(fd, data) :]

    def test_a_terminal_is_left_alone(self):
        master, slave = os.openpty()
        before = self.flags_of(slave), termios.tcgetattr(slave)
        process = self.start(self.serve(answer(b"out")).address, "x", stdin=slave, stdout=slave)
        self.assertEqual(process.wait(DEADLINE_S), 0)
        self.assertEqual(os.read(master, 64), b"out")
        self.assertEqual((self.flags_of(slave), termios.tcgetattr(slave)), before)
        os.close(master)
        os.close(slave)


class Ssh(SessionCase):
    """The same program as runwire-ssh."""

    def program(self):
        return os.path.join(os.path.dirname(program()), "runwire-ssh")

    def test_a_closed_stdout_or_stderr_drops_the_output_and_keeps_the_status(self):
        def play(peer):
            peer.output(b"out" * 1000)
            peer.output(b"err" * 1000, "stderr")
            peer.exit(5)
            peer.await_end()

        for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
            with self.subTest(closed):
                words = ["sh", "-c", f'exec "$@" {closed}', "sh", self.program(), self.serve(session(play)).address, "x"]
                done = subprocess.run(words, capture_output=True, env=environment(), timeout=DEADLINE_S)
                said = {">&-": (b"", b"err" * 1000), "2>&-": (b"out" * 1000, b"")}.get(closed, (b"", b""))
                self.assertEqual((done.returncode, done.stdout, done.stderr), (5, *said))


    def start_ssh(self, play, **how):
        words = [self.program(), self.serve(session(play)).address, "x"]
        process = subprocess.Popen(
            words, **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "env": environment(), **how}, stderr=subprocess.PIPE
        )
        self.addCleanup(self.end, process)
        return process

    def test_a_signal_ends_the_client_although_the_command_stays(self):
        for name in ("TERM", "INT", "HUP"):
            with self.subTest(name):
                ready, heard = threading.Event(), []

                def play(peer, ready=ready, heard=heard):
                    ready.set()
                    heard.append(peer.read_until("signal")["signal"])
                    self.assertRaises((ConnectionError, EOFError), peer.read_until, "signal")

                process = self.start_ssh(play)
                self.assertTrue(ready.wait(DEADLINE_S))
                process.send_signal(getattr(signal, f"SIG{name}"))
                self.assertEqual(process.wait(DEADLINE_S), 128 + getattr(signal, f"SIG{name}"))
                self.assertEqual(heard, [name])
                self.assertIn(b"interrupted: the connection is closed", process.stderr.read())

    def test_a_command_that_ends_by_a_signal_in_time_has_its_own_status(self):
        ready = threading.Event()

        def play(peer):
            ready.set()
            peer.read_until("signal")
            peer.output(b"trapped")
            peer.exit(77)
            peer.await_end()

        process = self.start_ssh(play)
        self.assertTrue(ready.wait(DEADLINE_S))
        process.send_signal(signal.SIGTERM)
        self.assertEqual((process.communicate(timeout=DEADLINE_S)[0], process.returncode), (b"trapped", 77))

    def test_a_signal_ends_the_client_although_its_reader_stands_still(self):
        ready = threading.Event()

        def play(peer):
            peer.output(b"x" * 100000)
            ready.set()
            peer.read_until("signal")
            peer.exit()
            peer.await_end()

        read_end, write_end = stopped_pipe()
        self.addCleanup(close_quietly, read_end)
        process = self.start_ssh(play, stdout=write_end)
        os.close(write_end)
        self.assertTrue(ready.wait(DEADLINE_S))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(DEADLINE_S), 143)


class Stdin(SessionCase):
    def test_it_arrives_binary_clean_with_offsets_and_its_end(self):
        """promise 7"""
        data = bytes(range(256)) * 4000
        arrived = []

        def play(peer):
            size = 0
            while True:
                message = peer.read_until("stdin")
                self.assertEqual(message["off"], size)
                arrived.append(message["payload"])
                size += len(message["payload"])
                if message.get("eof"):
                    break
                peer.say("credit", id=peer.id, stream="stdin", bytes=message["len"])
            peer.output(b"after the end")
            peer.exit()
            peer.await_end()

        self.assert_ran(runwire(self.serve(session(play)).address, "cat", stdin=data), 0, b"after the end")
        self.assertEqual(hashlib.sha256(b"".join(arrived)).digest(), hashlib.sha256(data).digest())

    def test_no_more_is_read_than_the_window_lets_out(self):
        read_end, write_end = self.pipe()
        os.write(write_end, b"x" * 5000)
        asked = threading.Event()

        def play(peer):
            size = 0
            while size < 1000:
                size += peer.read_until("stdin")["len"]
            self.assertEqual(size, 1000)
            self.assertEqual(peer.type_after_ping(), "pong")
            asked.set()
            peer.exit()
            peer.await_end()

        server = self.serve(session(play, limits={"stdin_window": 1000}))
        process = self.start(server.address, "head -c 1000", stdin=read_end)
        self.assertEqual(process.wait(DEADLINE_S), 0)
        self.assertEqual(os.read(read_end, 10000), b"x" * 4000)

    def test_a_frame_carries_no_more_than_the_server_takes(self):
        def play(peer):
            sizes = [peer.read_until("stdin").get("len", 0) for _ in range(4)]
            self.assertEqual(sizes, [7, 7, 6, 0])
            peer.exit()
            peer.await_end()

        self.assert_ran(runwire(self.serve(session(play, limits={"payload": 7})).address, "x", stdin=b"x" * 20))

    def test_it_is_not_touched_before_the_command_has_started(self):
        """So a script's next program gets what was meant for it when this one could not be run."""
        read_end, write_end = self.pipe()
        os.write(write_end, b"rest")

        def script(connection):
            peer = SessionPeer(connection)
            peer.meet()
            peer.say("error", id=peer.id, error="spawn", message="no", stage="exec", errno="ENOENT")
            peer.await_end()

        process = self.start(self.serve(script).address, "x", stdin=read_end)
        self.assertEqual(process.wait(DEADLINE_S), 127)
        self.assertEqual(os.read(read_end, 64), b"rest")

    def test_an_idle_open_one_does_not_delay_the_exit(self):
        """promise 9"""
        read_end, _ = self.pipe()
        process = self.start(self.serve(answer(code=6)).address, "x", stdin=read_end)
        self.assertEqual(process.wait(DEADLINE_S), 6)

    def test_endless_input_that_nobody_takes_does_not_delay_the_exit(self):
        """promise 8"""
        full = threading.Event()

        def play(peer):
            size = 0
            while size < 1 << 18:
                size += peer.read_until("stdin")["len"]
            full.set()
            peer.exit(8)
            peer.await_end()

        with open("/dev/zero", "rb") as endless:
            process = self.start(self.serve(session(play)).address, "x", stdin=endless)
            self.assertEqual(process.wait(DEADLINE_S), 8)

    def test_a_server_that_stops_it_gets_no_more(self):
        def play(peer):
            peer.read_until("stdin")
            peer.say("stop", id=peer.id, stream="stdin")
            peer.say("credit", id=peer.id, stream="stdin", bytes=1 << 30)
            peer.say("ping")
            while (message := peer.read())["type"] == "stdin":
                self.assertLess(message["off"], 1 << 18)
            self.assertEqual(message["type"], "pong")
            self.assertEqual(peer.type_after_ping(), "pong")
            peer.exit()
            peer.await_end()

        with open("/dev/zero", "rb") as endless:
            process = self.start(self.serve(session(play)).address, "x", stdin=endless)
            self.assertEqual(process.wait(DEADLINE_S), 0)

    def test_one_that_cannot_be_read_is_an_error_and_not_its_end(self):
        def play(peer):
            self.assertRaises((ConnectionError, EOFError), peer.read)

        with tempfile.TemporaryDirectory() as directory:
            fd = os.open(directory, os.O_RDONLY)
            process = self.start(self.serve(session(play)).address, "cat", stdin=fd)
            os.close(fd)
        self.assertEqual(process.wait(DEADLINE_S), 255)
        self.assertIn(b"runwire: stdin: Is a directory; ", process.stderr.read())

    def test_a_closed_one_is_an_empty_one(self):
        def play(peer):
            self.assertTrue(peer.read_until("stdin")["eof"])
            peer.exit()
            peer.await_end()

        words = ["sh", "-c", 'exec "$@" <&-', "sh", program(), self.serve(session(play)).address, "x"]
        self.assertEqual(subprocess.run(words, env=environment(), timeout=DEADLINE_S).returncode, 0)


class Signals(SessionCase):
    def test_each_is_sent_to_the_command_whose_end_counts(self):
        """promise 23"""
        for name in ("INT", "TERM", "HUP", "QUIT", "USR1", "USR2"):
            with self.subTest(name):
                self.assert_forwarded(name)

    def assert_forwarded(self, name):
        ready = threading.Event()

        def play(peer):
            ready.set()
            self.assertEqual(peer.read_until("signal")["signal"], name)
            peer.output(b"trapped")
            peer.exit(77)
            peer.await_end()

        process = self.start(self.serve(session(play)).address, "x")
        self.assertTrue(ready.wait(DEADLINE_S))
        process.send_signal(getattr(signal, f"SIG{name}"))
        self.assertEqual((process.communicate(timeout=DEADLINE_S)[0], process.returncode), (b"trapped", 77))

    def test_the_third_interrupt_closes_the_connection(self):
        ready, heard = threading.Event(), []

        def play(peer):
            ready.set()
            for _ in range(2):
                heard.append(peer.read_until("signal")["signal"])
            self.assertRaises((ConnectionError, EOFError), peer.read)

        process = self.start(self.serve(session(play)).address, "x")
        self.assertTrue(ready.wait(DEADLINE_S))
        for count, number in enumerate((signal.SIGINT, signal.SIGTERM)):
            process.send_signal(number)
            until(lambda: len(heard) > count, "the signal to arrive")
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=DEADLINE_S)[1]
        self.assertEqual((process.returncode, heard), (255, ["INT", "TERM"]))
        self.assertEqual(said.splitlines(), [
            b"runwire: once more ends the connection",
            b"runwire: interrupted: the connection is closed, so that the server ends the command",
        ])  # fmt: skip

    def test_one_that_was_ignored_from_the_start_stays_ignored(self):
        ready = threading.Event()

        def play(peer):
            ready.set()
            self.assertEqual(peer.read_until("signal")["signal"], "USR1")
            peer.say("ping")  # two signals at once may be handled in any order
            self.assertEqual(peer.read_but("stdin")["type"], "pong")
            peer.exit()
            peer.await_end()

        words = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", program(), self.serve(session(play)).address, "x"]
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, env=environment())
        self.addCleanup(self.end, process)
        self.assertTrue(ready.wait(DEADLINE_S))
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGUSR1)
        self.assertEqual(process.wait(DEADLINE_S), 0)

    def test_the_clients_death_resets_the_connection(self):
        """promise 20"""
        ready = threading.Event()

        def play(peer):
            ready.set()
            self.assertRaises(ConnectionResetError, peer.read_until, "exit")

        process = self.start(self.serve(session(play), family=socket.AF_INET).address, "x")
        self.assertTrue(ready.wait(DEADLINE_S))
        process.kill()
        process.wait()


class Statuses(SessionCase):
    def test_death_by_a_signal_is_128_and_its_number(self):
        self.assert_ran(runwire(self.serve(answer(code=None, signal="KILL", reason="signal")).address, "x"), 137)

    def test_a_timeout_is_124_and_told(self):
        for reason in ("timeout", "idle-timeout"):
            done = runwire(self.serve(answer(b"part", code=None, signal="TERM", reason=reason)).address, "x")
            self.assert_ran(done, 124, b"part", f"runwire: the server ended the command: {reason}\n".encode())

    def refused(self, **fields):
        def script(connection):
            peer = SessionPeer(connection)
            peer.meet()
            peer.say("error", id=peer.id, **fields)
            peer.await_end()

        return runwire(self.serve(script).address, "x")

    def test_a_program_that_is_not_there_is_127_and_one_that_cannot_be_run_126(self):
        for errno_name, status in (("ENOENT", 127), ("EACCES", 126), ("ENOEXEC", 126)):
            done = self.refused(error="spawn", message="why; what next", stage="exec", errno=errno_name)
            text = f"runwire: the server did not run the command: spawn: why; what next (at exec, {errno_name})\n"
            self.assert_ran(done, status, stderr=text.encode())

    def test_every_other_refusal_is_255(self):
        for fields in (
            {"error": "spawn", "message": "m", "stage": "cwd", "errno": "ENOENT"},
            {"error": "unsupported", "message": "m"},
            {"error": "exec", "message": "m", "stage": "exec", "errno": "ENOENT"},
        ):
            self.assert_failed(self.refused(**fields), "the server did not run the command: ")

    def test_a_busy_server_means_try_again_later(self):
        self.assert_failed(self.refused(error="busy", message="too much", retry_ms=250), "wait at least 250 ms")

    def test_the_end_of_the_session_is_not_the_commands(self):
        def play(peer):
            peer.say("error", error="shutdown", message="going away")
            peer.await_end()

        done = runwire(self.serve(session(play)).address, "x")
        self.assert_failed(done, "the server ended the session: shutdown: going away; " + UNKNOWN)

    def test_truncated_and_cut_output_and_survivors_are_told(self):
        server = self.serve(answer(code=None, signal="KILL", reason="output-limit", truncated=True, survivors=2))
        done = runwire(server.address, "x")
        self.assertEqual(done.returncode, 255)
        self.assertIn(b"the output is incomplete: it reached the server's limit on output", done.stderr)
        self.assertIn(b"runwire: 2 of the command's processes could not be ended\n", done.stderr)
        self.assertIn(b"more may have followed", runwire("-v", self.serve(answer(cut=True)).address, "x").stderr)
        self.assert_ran(runwire(self.serve(answer(cut=True)).address, "x"))

    def test_a_command_that_the_server_ended_is_no_success_whatever_it_exits_with(self):
        for reason in ("shutdown", "client-gone", "output-limit"):
            done = runwire("-q", self.serve(answer(b"part", reason=reason)).address, "x")
            text = f"runwire: the server ended the command: {reason}; its exit status 0 is no success\n"
            self.assert_ran(done, 255, b"part", text.encode())

    def test_verbose_tells_connection_process_and_exit_record(self):
        server = self.serve(answer(code=3))
        said = runwire("-v", server.address, "x").stderr.decode().splitlines()
        self.assertEqual(said[:3], [f"runwire: connected to {server.address}", "runwire: started, process 4711", "runwire: exit status 3"])
        self.assertEqual(json.loads(said[3].removeprefix("runwire: exit record: "))["code"], 3)


# What a fake server may say behind its hello and "started", and what is said about it.
LIES = {
    "another command's exit": (lambda peer: peer.exit(id="2"), "a command that was not started from here"),
    "another command's output": (lambda peer: peer.output(b"x", id="2"), "a command that was not started from here"),
    "too many bytes of stderr": (lambda peer: peer.exit(stderr=1), "it sent 1 bytes of stderr, and 0 have come"),
    "too few bytes of stdout": (
        lambda peer: (peer.output(b"xy"), peer.exit(stdout=1)),
        "it sent 1 bytes of stdout, and 2 have come",
    ),
    "a gap": (lambda peer: peer.output(b"x", off=1), "a piece of stdout begins at byte 1, and 0 have come before it"),
    "an overlap": (
        lambda peer: (peer.output(b"xy"), peer.output(b"z", off=1)),
        "a piece of stdout begins at byte 1, and 2 have come before it",
    ),
    "started twice": (lambda peer: peer.started(), "says twice that it started the command"),
    "hello twice": (lambda peer: peer.say("hello", v=1), "hello twice"),
    "no status": (lambda peer: peer.exit(None), "are both missing: the outcome is unknown"),
    "two statuses": (lambda peer: peer.exit(0, signal="TERM"), "exclude each other"),
    "a code of 256": (lambda peer: peer.exit(256), '"code" must be from 0 to 255'),
    "a stream of its own": (lambda peer: peer.say("output", id=peer.id, stream="stdin", off=0), '"stream" cannot be "stdin" here'),
    "an unknown type": (lambda peer: peer.say("surprise"), "unknown type"),
    "a duplicate key": (lambda peer: peer.connection.sendall(frame(b'{"type":"ping","type":"pong"}')), "stands twice"),
    "no JSON": (lambda peer: peer.connection.sendall(frame(b"\xff\xff")), "not JSON"),
    "brackets": (lambda peer: peer.connection.sendall(frame(b"[" * 65535)), "not JSON"),
    "a length of -1": (lambda peer: peer.connection.sendall(b"\xff\xff\xff\xff"), "header length 4294967295 is outside"),
    "a negative offset": (lambda peer: peer.output(b"", off=-1), '"off" must be an integer from 0 to 2^53'),
    "a length over 2^53": (lambda peer: peer.say("output", id=peer.id, stream="stdout", off=0, len=2**53 + 1), "2^53"),
    "a fractional credit": (lambda peer: peer.say("credit", id=peer.id, stream="stdin", bytes=1.5), '"bytes"'),
}


class Lies(SessionCase):
    """promises 41, 42, 46: the client trusts no server."""

    def test_each_is_255_and_told(self):
        for name, (lie, text) in LIES.items():
            with self.subTest(name):

                def play(peer, lie=lie):
                    with contextlib.suppress(ConnectionError):
                        lie(peer)
                    peer.await_end()

                done = runwire(self.serve(session(play)).address, "x")
                self.assertEqual(done.returncode, 255)
                self.assertRegex(done.stderr, rb"\Arunwire: [^\x00-\x1f]+\n\Z")
                self.assertIn(text, done.stderr.decode())
                self.assertIn(UNKNOWN, done.stderr.decode())

    def test_before_started_nothing_else_about_a_command_is_believed(self):
        for say in (SessionPeer.exit, lambda peer: peer.output(b"x")):

            def script(connection, say=say):
                peer = SessionPeer(connection)
                peer.meet()
                say(peer)
                peer.await_end()

            self.assert_failed(runwire(self.serve(script).address, "x"), "of a command that was not started")

    def test_its_words_cannot_steer_the_terminal(self):
        hostile = "\x1b]0;x\x07\x9b2J\r\nrunwire: all is well\u202e"

        def script(connection):
            peer = SessionPeer(connection)
            peer.meet(server=hostile)
            peer.say("error", id=peer.id, error=hostile, message=hostile)
            peer.await_end()

        done = runwire("-v", self.serve(script).address, "x")
        self.assertNotRegex(done.stderr, rb"[\x00-\x09\x0b-\x1f]|\xc2\x9b|\xe2\x80\xae")
        self.assertIn(b"\\x1b]0;x\\x07\\x9b2J\\x0d\\x0arunwire: all is well\\u202e", done.stderr)

    def test_what_does_not_begin_with_hello_is_no_session(self):
        for said in (b"HTTP/1.1 400 Bad Request\r\n\r\n", frame({"type": "started", "id": "1"}), frame({"len": 0}), b"\0\0\0\0", frame(b"{}")):

            def script(connection, said=said):
                connection.sendall(said)
                SessionPeer(connection).await_end()

            self.assert_failed(runwire(self.serve(script).address, "x"), NOT_RUNWIRED)

    def test_a_plain_refusal_is_understood(self):
        """A server that is too busy to know what was meant says so in the plain protocol."""

        def script(connection):
            connection.sendall(error("busy", "too many", retry_ms=9))
            SessionPeer(connection).await_end()

        self.assert_failed(runwire(self.serve(script).address, "x"), "busy: too many; wait at least 9 ms")

    def test_a_server_of_the_original_protocol_is_told_from_a_session(self):
        def script(connection):
            with self.assertRaisesRegex(ValueError, "null byte"):  # which no shell can take
                original_server(connection)

        self.assert_failed(runwire(self.serve(script).address, "echo hi"), NOT_RUNWIRED)

    def test_optional_words_are_passed_over_with_their_payload(self):
        def play(peer):
            peer.say("news", b"1234567", optional=True, len=7)
            peer.exit(2)
            peer.await_end()

        self.assert_ran(runwire(self.serve(session(play)).address, "x"), 2)


class Keepalive(SessionCase):
    def test_no_hello_within_the_timeout_is_255(self):
        def script(connection):
            SessionPeer(connection).await_end()

        done = runwire("--connect-timeout", "0.05", self.serve(script).address, "x")
        self.assert_failed(done, "the server did not say hello within 50 ms; " + NOT_RUNWIRED)

    def test_a_silent_server_is_given_up_after_three_unanswered_pings(self):
        """promise 21"""
        pings = []

        def play(peer):
            with contextlib.suppress(ConnectionError, EOFError):
                while peer.read_until("ping"):
                    pings.append(1)

        done = runwire(self.serve(session(play, ping_ms=30)).address, "x")
        self.assert_failed(done, "the server answered none of 3 pings and was silent for 120 ms; " + UNKNOWN)
        self.assertEqual(len(pings), 3)

    def test_a_server_that_answers_is_waited_for(self):
        def play(peer):
            for _ in range(10):
                peer.read_until("ping")
                peer.say("pong")
            peer.exit(1)
            peer.await_end()

        self.assert_ran(runwire(self.serve(session(play, ping_ms=20)).address, "x"), 1)

    def test_a_lost_connection_is_255_and_says_that_the_outcome_is_unknown(self):
        """promise 59"""

        def reset(peer):
            peer.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        done = runwire(self.serve(session(reset), family=socket.AF_INET).address, "x")
        self.assert_failed(done, "Connection reset by peer", UNKNOWN)

    def test_output_before_the_connection_was_lost_is_shown_and_is_no_success(self):
        done = runwire(self.serve(session(lambda peer: peer.output(b"part"))).address, "x")
        self.assertEqual((done.returncode, done.stdout), (255, b"part"))


class Records(SessionCase):
    def record_of(self, server, *options):
        with tempfile.TemporaryDirectory() as directory:
            path = f"{directory}/status"
            done = runwire("--status-file", path, *options, server, "x")
            with open(path) as file:
                lines = file.read().splitlines()
            self.assertEqual(len(lines), 1)
            record = json.loads(lines[0])
            self.assertEqual(record["status"], done.returncode)
            return record

    def test_the_status_file_holds_the_exit_record_as_it_came(self):
        record = self.record_of(self.serve(answer(b"out", code=3)).address)
        self.assertEqual((record["status"], record["exit"]["code"], record["exit"]["stdout"], record["error"]), (3, 3, 3, None))

    def test_a_reader_of_stderr_who_has_gone_changes_neither_status_nor_record(self):
        with tempfile.TemporaryDirectory() as directory:
            path = f"{directory}/status"
            read_end, write_end = self.pipe()
            server = self.serve(answer(b"out", code=3))
            process = self.start("-v", "--status-file", path, server.address, "x", stderr=write_end)
            os.close(write_end)
            os.close(read_end)
            self.assertEqual((process.wait(DEADLINE_S), process.stdout.read()), (3, b"out"))
            with open(path) as file:
                self.assertEqual(json.loads(file.read())["exit"]["code"], 3)

    def test_the_record_is_left_before_anything_is_said(self):
        read_end, write_end = stopped_pipe()
        self.addCleanup(close_quietly, read_end)
        with tempfile.TemporaryDirectory() as directory:
            path = f"{directory}/status"
            process = self.start("--status-file", path, "unix:/nonexistent", "x", stderr=write_end)
            os.close(write_end)
            until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, "the record")
            with open(path) as file:
                self.assertEqual(json.loads(file.read())["status"], 255)
            self.assertIsNone(process.poll())

    def test_the_status_file_holds_one_line_however_the_server_writes(self):
        def play(peer):
            peer.connection.sendall(frame(json.dumps({"type": "exit", **peer.exit_fields(4)}, indent=2).encode()))
            peer.await_end()

        self.assertEqual(self.record_of(self.serve(session(play)).address)["exit"]["code"], 4)

    def test_the_status_file_tells_refusals_and_failures_of_ours(self):
        def script(connection):
            peer = SessionPeer(connection)
            peer.meet()
            peer.say("error", id=peer.id, error="spawn", message="m", stage="exec", errno="ENOENT")
            peer.await_end()

        record = self.record_of(self.serve(script).address)
        self.assertEqual((record["status"], record["exit"], record["error"]["errno"]), (127, None, "ENOENT"))
        record = self.record_of("unix:/nonexistent")
        self.assertEqual((record["status"], record["exit"], record["error"]["error"]), (255, None, "client"))
        self.assertIn("no such socket", record["error"]["message"])

    def test_a_status_file_that_cannot_be_written_means_that_nothing_is_run(self):
        done = runwire("--status-file", "/nonexistent/x", "unix:/nonexistent", "x")
        self.assert_failed(done, "--status-file /nonexistent/x: No such file or directory; nothing was run")

    def test_a_status_file_on_a_full_disk_is_255(self):
        text = b"runwire: --status-file /dev/full: No space left on device; how the command ended is not written there\n"
        self.assert_ran(runwire("--status-file", "/dev/full", self.serve(answer()).address, "x"), 255, stderr=text)

    def lines_of(self, *words):
        done = runwire("--json", *words)
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def test_json_is_a_line_for_each_event(self):
        def play(peer):
            peer.output("größe\n".encode())
            peer.output(b"\xff\0", "stderr")
            peer.exit(3)
            peer.await_end()

        status, lines = self.lines_of(self.serve(session(play)).address, "x")
        self.assertEqual(status, 3)
        self.assertEqual([line["type"] for line in lines], ["started", "output", "output", "exit"])
        self.assertEqual(lines[1], {"type": "output", "stream": "stdout", "off": 0, "text": "größe\n"})
        self.assertEqual(lines[2], {"type": "output", "stream": "stderr", "off": 0, "b64": "/wA="})
        self.assertEqual((lines[0]["pid"], lines[3]["code"], lines[3]["stdout"]), (4711, 3, 8))

    def test_json_ends_with_an_error_where_there_is_no_exit(self):
        status, lines = self.lines_of("unix:/nonexistent", "x")
        self.assertEqual((status, [(line["type"], line["error"]) for line in lines]), (255, [("error", "client")]))

    def test_json_tells_a_failure_behind_what_waits_and_no_line_is_glued_to_another(self):
        broken = threading.Event()

        def play(peer):
            peer.output(b"x" * 100000)
            peer.say("surprise")
            peer.await_end()
            broken.set()

        read_end, write_end = stopped_pipe()
        self.addCleanup(close_quietly, read_end)
        process = self.start("--json", self.serve(session(play)).address, "x", stdout=write_end)
        os.close(write_end)
        self.assertTrue(broken.wait(DEADLINE_S))
        with open(read_end, "rb", closefd=False) as pipe:
            lines = [json.loads(line) for line in pipe.read().removeprefix(b"." * 4096).splitlines()]
        self.assertEqual([line["type"] for line in lines[-2:]], ["output", "error"])
        self.assertIn("unknown type", lines[-1]["message"])
        self.assertEqual(process.wait(DEADLINE_S), 255)

    def test_json_whose_reader_stands_still_does_not_delay_the_failure_for_ever(self):
        read_end, write_end = stopped_pipe()
        self.addCleanup(close_quietly, read_end)
        server = self.serve(session(lambda peer: peer.output(b"x" * 100000)))
        process = self.start("--json", server.address, "x", stdout=write_end)
        os.close(write_end)
        self.assertEqual(process.wait(DEADLINE_S), 255)
        self.assertIn(b"the server closed the connection", process.stderr.read())

    def test_json_whose_reader_leaves_stops_both_streams(self):
        stopped = []

        def play(peer):
            for _ in range(2):
                stopped.append(peer.read_until("stop")["stream"])
            peer.exit(1)
            peer.await_end()

        read_end, write_end = self.pipe()
        process = self.start("--json", self.serve(session(play)).address, "x", stdout=write_end)
        os.close(write_end)
        os.close(read_end)
        process.wait(DEADLINE_S)
        self.assertEqual(sorted(stopped), ["stderr", "stdout"])


class Encoding(SessionCase):
    def test_output_is_converted_and_the_line_sent_exactly(self):
        def script(connection):
            peer = SessionPeer(connection)
            self.assertEqual(peer.meet()["payload"], "echo 中文".encode("gbk"))
            peer.started()
            for byte in "中文".encode("gbk"):
                peer.output(bytes([byte]))
                peer.output(bytes([byte]), "stderr")
            peer.output(b"\xce")
            peer.exit()
            peer.await_end()

        done = runwire("--encoding", "GBK", self.serve(script).address, "echo 中文")
        self.assert_ran(done, 0, "中文\ufffd".encode(), "中文".encode())

    def stdin_of(self, encoding, pieces, window=1 << 18):
        """What the server gets of these pieces of stdin, each of which was read before the next is there. It is never
        more than the server has room for."""
        received, arrived = bytearray(), threading.Semaphore(0)

        def play(peer):
            arrived.release()
            while not (message := peer.read_until("stdin")).get("eof"):
                self.assertLessEqual(message["len"], window)
                received.extend(message["payload"])
                peer.say("credit", id=peer.id, stream="stdin", bytes=message["len"])
                arrived.release()
            received.extend(message["payload"])
            peer.exit()
            peer.await_end()

        server = self.serve(session(play, limits={"stdin_window": window}))
        process = self.start("--encoding", encoding, server.address, "cat", stdin=subprocess.PIPE)
        for piece in pieces:
            self.assertTrue(arrived.acquire(timeout=DEADLINE_S))
            process.stdin.write(piece)
            process.stdin.flush()
        process.stdin.close()
        process.stdin = None
        self.assertEqual(process.wait(DEADLINE_S), 0)
        return bytes(received)

    def test_stdin_is_converted_whose_characters_may_be_cut(self):
        text = "中文".encode()
        self.assertEqual(self.stdin_of("GBK", [text[:4], text[4:]]), "中文".encode("gbk"))
        self.assertEqual(self.stdin_of("GBK", [text[:4]]), "中?".encode("gbk"))
        self.assertEqual(self.stdin_of("GBK", []), b"")

    def test_stdin_that_grows_keeps_to_the_servers_room(self):
        text = "many words " * 1000
        self.assertEqual(self.stdin_of("UTF-16LE", [text.encode()], window=101), text.encode("utf-16le"))

    def test_a_command_that_the_encoding_cannot_hold_is_refused(self):
        done = runwire("--encoding", "GBK", "unix:/nonexistent", "echo", "é\U0001f600")
        self.assert_failed(done, "the command holds a character that the server's encoding does not have")


class LinesOfStdin(SessionCase):
    def test_each_line_is_a_command_without_stdin_on_the_same_session(self):
        starts = []

        def script(connection):
            peer = SessionPeer(connection)
            peer.meet_client()
            for code in (1, 0, 4):
                start = peer.await_start()
                starts.append(start)
                peer.started()
                peer.output(start["payload"] + b"\n")
                peer.exit(code)
            peer.await_end()

        done = runwire("-q", self.serve(script).address, stdin=b"one\n\n  \ntwo\nthree")
        self.assert_ran(done, 4, b"one\ntwo\nthree\n")
        self.assertEqual(len({start["id"] for start in starts}), 3)
        self.assertFalse(any(start.get("stdin") for start in starts))

    def test_no_line_is_success_if_the_server_is_there(self):
        def script(connection):
            peer = SessionPeer(connection)
            peer.meet_client()
            peer.await_end()

        self.assert_ran(runwire(self.serve(script).address), 0)

    def test_pings_between_two_commands_are_answered_with_the_next(self):
        asked, answered = threading.Event(), []

        def script(connection):
            peer = SessionPeer(connection)
            peer.meet_client()
            peer.await_start(), peer.started(), peer.exit()
            peer.say("ping")
            asked.set()
            answered.append(peer.read()["type"])
            peer.await_start(), peer.started(), peer.exit(2)
            peer.await_end()

        process = self.start(self.serve(script).address, stdin=subprocess.PIPE)
        process.stdin.write(b"one\n")
        process.stdin.flush()
        self.assertTrue(asked.wait(DEADLINE_S))
        process.communicate(b"two\n", timeout=DEADLINE_S)
        self.assertEqual((process.returncode, answered), (2, ["pong"]))


def recorded_session():
    """All that an honest server must say in one session, and no byte more: each has its turn in some tests."""
    ending = {"code": 3, "signal": None, "reason": "exited", "stdout": 3, "stderr": 3}
    headers = [
        ({"type": "hello", "v": 1}, b""),
        ({"type": "started", "id": "1"}, b""),
        ({"type": "output", "id": "1", "stream": "stdout", "off": 0, "len": 3}, b"out"),
        ({"type": "output", "id": "1", "stream": "stderr", "off": 0, "len": 3}, b"err"),
        ({"type": "exit", "id": "1", **ending}, b""),
    ]
    return b"".join(frame(json.dumps(header, separators=(",", ":")).encode(), payload) for header, payload in headers)


if __name__ == "__main__":
    unittest.main()
