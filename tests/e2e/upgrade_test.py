"""A daemon that goes on as another program: same process, same commands, and nothing of them lost or run twice."""

import hashlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

import process
from daemon import program, until
from session_case import KIB, MIB, PREFACE, SessionCase, message, start
from session_client import Session

HOUR_MS = 3600 * 1000
UPGRADES = int(os.environ.get("RUNWIRE_UPGRADES", "5"))


class UpgradeCase(SessionCase):
    """The daemon is a copy of the program, so that another one can be put in its place."""

    def start(self, *options, **how):
        self.binary = self.path("runwired")
        if not os.path.exists(self.binary):
            shutil.copy(program(), self.binary)
        return super().start(*options, **{"binary": self.binary, **how})

    def upgrade(self, daemon=None):
        (daemon or self.daemon).upgrade()

    def refuse_upgrade(self, daemon=None):
        daemon = daemon or self.daemon
        before = len(daemon.events("upgrade-failed"))
        daemon.popen.send_signal(signal.SIGUSR2)
        until(lambda: len(daemon.events("upgrade-failed")) > before, "the upgrade to fail")
        return daemon.events("upgrade-failed")[-1]["why"]

    def replace_binary(self, content, mode=0o755):
        os.unlink(self.binary)
        with open(self.binary, "wb") as file:
            file.write(content)
        os.chmod(self.binary, mode)

    def keep(self, line, name, **how):
        """Starts it, and leaves it alone once it runs."""
        with Session(self.daemon.unix, 64 * KIB) as session:  # with a window, nothing of it counts as taken
            command = session.start(line, id=name, keep_ms=HOUR_MS, **how)
            while command.pid is None:
                session.receive()
            return command.pid

    def await_all_heard(self, session):
        """What was said before has been dealt with."""
        session.send("list")
        while session.receive()[0]["type"] != "listed":
            continue

    def come_back(self, name, **places):
        with Session(self.daemon.unix) as session:
            return session.attach(name, **places).wait()


class GoesOn(UpgradeCase):
    def test_a_command_goes_on_with_its_process_its_output_and_its_status(self):
        """promise 67"""
        gate, bell = self.gate(), self.bell()
        pid = self.keep(f"echo $$; echo err >&2; echo > {bell}; read x < {gate}; echo $x $$; exit 7", "a")
        bell.wait()
        self.upgrade()
        self.assertTrue(process.is_alive(pid))
        gate.open()
        done = self.come_back("a")
        self.assertEqual((bytes(done.stderr), done.end["code"], done.end["reason"]), (b"err\n", 7, "exited"))
        self.assertEqual(done.stdout.split(), [b"%d" % pid] * 2)
        self.assertGreater(done.end["usage"]["wall_ms"], 0)

    def test_it_is_the_same_process_and_the_same_life(self):
        """promise 67"""
        with Session(self.daemon.unix) as session:
            boot = session.hello["boot"]
        self.upgrade()
        with Session(self.daemon.tcp) as session:
            self.assertEqual(session.hello["boot"], boot)
        self.assertTrue(self.daemon.is_running())

    def test_input_goes_on_where_it_was(self):
        """promise 67"""
        line = "kill -STOP $$; exec cat"  # so that some of it is in the pipe, and some is not
        with Session(self.daemon.unix) as session:
            command = session.start(line, id="a", keep_ms=HOUR_MS, stdin=True)
            data = os.urandom(200 * KIB)
            command.write(data)
            while command.pid is None:
                session.receive()
        until(lambda: process.state(command.pid) == "T", "the command to stop")
        self.upgrade()
        with Session(self.daemon.unix) as session:
            command = session.attach("a")
            self.assertEqual(command.kept["stdin"], len(data))
            command.write(b"and the rest", eof=True)
            command.tell("signal", signal="CONT")
            self.assertEqual(bytes(command.wait().stdout), data + b"and the rest")

    def test_credit_for_input_goes_on_however_often(self):
        """promise 67: of each write under way at an upgrade something is in the pipe, and not yet told."""
        bell = self.bell()
        self.keep(f"for i in 1 2 3 4; do dd bs=65536 count=1 iflag=fullblock of=/dev/null 2> /dev/null; echo > {bell}; "
                  "kill -STOP $$; done; cat | wc -c", "a", stdin=True)  # fmt: skip
        with Session(self.daemon.unix) as session:
            pid = session.attach("a").pid
        total = 4 * MIB
        for _ in range(4):
            with Session(self.daemon.unix) as session:
                command = session.attach("a")
                command.write(bytes(command.kept["window"]))
                bell.wait()
                until(lambda: process.state(pid) == "T", "the command to stop")
            self.upgrade()
            os.kill(pid, signal.SIGCONT)
        with Session(self.daemon.unix) as session:
            command = session.attach("a")
            sent = command.kept["stdin"]
            command.write(bytes(total - sent), eof=True)
            self.assertEqual(int(command.wait().stdout), total - 4 * 65536)

    def test_signals_meanwhile_are_heard_by_one_of_the_two(self):
        """promise 67"""
        pid = self.keep("exec sleep 1000", "a")
        for _ in range(20):
            self.daemon.popen.send_signal(signal.SIGUSR2)
            self.assert_serves(self.daemon.tcp)
        self.assertTrue(process.is_alive(pid))
        self.daemon.popen.send_signal(signal.SIGUSR2)
        self.daemon.terminate()
        self.daemon.expect_clean_end()

    def test_output_that_was_spilled_comes_whole(self):
        """promise 67"""
        self.keep("seq 2000000; echo over >&2", "a", full="spill")
        until(lambda: not self.daemon.commands(), "the command to end")
        self.upgrade()
        done = self.come_back("a")
        expected = hashlib.sha256("".join(f"{n}\n" for n in range(1, 2000001)).encode()).hexdigest()
        self.assertEqual(hashlib.sha256(done.stdout).hexdigest(), expected)
        self.assertEqual(bytes(done.stderr), b"over\n")

    def test_a_command_that_waits_for_its_reader_goes_on_waiting(self):
        """promise 67: `block`, with a full record and a full pipe."""
        self.keep("seq 1000000", "a")
        self.upgrade()
        self.assertTrue(self.daemon.commands())
        done = self.come_back("a")
        self.assertEqual(len(done.stdout), 6888896)

    def test_what_is_over_is_still_kept_and_what_is_gone_is_still_gone(self):
        """promise 67"""
        with Session(self.daemon.unix) as session:
            before = session.start("echo out; exit 3", id="over", keep_ms=HOUR_MS).wait()
            session.start("true", id="gone", keep_ms=0).wait()
        self.upgrade()
        done = self.come_back("over")
        self.assertEqual((bytes(done.stdout), done.end["code"], done.pid), (b"out\n", 3, before.pid))
        self.assertEqual(self.come_back("gone").end["error"], "expired")
        with Session(self.daemon.unix) as session:
            again = session.start("echo out; exit 3", id="over", keep_ms=HOUR_MS).wait()
            self.assertEqual((again.kept is not None, again.end["code"]), (True, 3))

    def test_what_waits_for_its_turn_runs_once_afterwards(self):
        """promise 67"""
        daemon = self.daemon = self.start("--max-running", "1", listen=[f"unix:{self.path('one.sock')}"])
        gate, bell, runs = self.gate(), self.bell(), self.path("runs")
        self.keep(f"echo > {bell}; read x < {gate}", "first")
        with Session(daemon.unix) as session:
            session.start(f"cat; echo $A >> {runs}", {"A": "ran"}, stdin=True, id="second", keep_ms=HOUR_MS).write(b"in", eof=True)
            self.await_all_heard(session)
        bell.wait()
        self.upgrade()
        gate.open()
        self.assertEqual(bytes(self.come_back("second").stdout), b"in")
        with open(runs) as file:
            self.assertEqual(file.read(), "ran\n")

    def test_what_was_said_to_one_that_waits_is_heard_when_it_runs(self):
        """promise 67"""
        daemon = self.daemon = self.start("--max-running", "1", listen=[f"unix:{self.path('one.sock')}"])
        gate, bell = self.gate(), self.bell()
        self.keep(f"echo > {bell}; read x < {gate}", "first")
        with Session(daemon.unix) as session:
            session.start("exec sleep 1000", id="signalled", keep_ms=HOUR_MS).tell("signal", signal="USR1")
            session.start("exec head -c 3000000 /dev/zero", id="stopped", keep_ms=HOUR_MS).tell("stop", stream="stdout")
            resized = session.start("stty size", id="resized", keep_ms=HOUR_MS, pty={"rows": 24, "cols": 80})
            resized.tell("resize", rows=50, cols=132)
            self.await_all_heard(session)
        bell.wait()
        self.upgrade()
        gate.open()
        self.assertEqual(self.come_back("signalled").end["signal"], "USR1")
        self.assertEqual(self.come_back("stopped").end["signal"], "PIPE")
        self.assertEqual(bytes(self.come_back("resized").stdout), b"50 132\r\n")

    def test_those_that_wait_have_their_turns_as_before(self):
        """promise 67"""
        daemon = self.daemon = self.start("--max-running", "1", listen=[f"unix:{self.path('one.sock')}"])
        gate, bell, runs = self.gate(), self.bell(), self.path("runs")
        self.keep(f"echo > {bell}; read x < {gate}", "first")
        bell.wait()
        for names in (["a1", "a2", "a3"], ["b1"]):
            with Session(daemon.unix) as session:
                for name in names:
                    session.start(f"echo {name} >> {runs}", id=name, keep_ms=HOUR_MS)
                self.await_all_heard(session)
        self.upgrade()
        gate.open()
        self.come_back("a3")
        with open(runs) as file:
            self.assertEqual(file.read().split(), ["a1", "b1", "a2", "a3"])

    def test_one_that_is_being_ended_is_ended_by_the_next_program(self):
        """promise 67"""
        bell = self.bell()
        self.keep(f"trap '' TERM; echo > {bell}; while :; do sleep 1000; done", "a")
        bell.wait()
        with Session(self.daemon.unix) as session:
            session.send("cancel", id="a")
            self.await_all_heard(session)
        self.upgrade()
        end = self.come_back("a").end
        self.assertEqual((end["signal"], end["reason"], end["survivors"]), ("KILL", "cancelled", 0))

    def test_commands_that_spill_as_fast_as_they_can_go_along(self):
        """promise 67"""
        daemon = self.daemon = self.start("--max-output", str(16 * MIB), listen=[f"unix:{self.path('fast.sock')}"])
        names = [f"fast{number}" for number in range(4)]
        for name in names:
            self.keep("while :; do seq 1 20000; done", name, full="spill")
        for _ in range(3):
            self.upgrade()
        with Session(daemon.unix) as session:
            for name in names:
                session.send("cancel", id=name)
            self.await_all_heard(session)
        for name in names:
            out = bytes(self.come_back(name).stdout)
            self.assertGreater(len(out), 0)
            self.assertTrue((SEQ * (len(out) // len(SEQ) + 1)).startswith(out), name)

    def test_time_and_limits_go_on(self):
        """promise 67"""
        with Session(self.daemon.unix) as session:
            session.start("exec sleep 1000", id="a", keep_ms=HOUR_MS, timeout_ms=1500)
            session.receive()
        self.upgrade()
        self.assertEqual(self.come_back("a").end["reason"], "timeout")

    def test_a_terminal_goes_on(self):
        """promise 67"""
        self.keep("read x; echo got $x; stty size", "a", stdin=True, pty={"rows": 33, "cols": 77})
        self.upgrade()
        with Session(self.daemon.unix) as session:
            command = session.attach("a")
            command.write(b"line\n")
            self.assertIs(command.kept["pty"], True)
            self.assertEqual(bytes(command.wait().stdout), b"line\r\ngot line\r\n33 77\r\n")

    def test_an_open_line_at_a_terminal_is_given_to_the_command_before_its_end(self):
        """promise 67"""
        bell = self.bell()
        self.keep(f"stty -echo; echo > {bell}; cat; echo over", "a", stdin=True, pty={"rows": 24, "cols": 80})
        bell.wait()
        with Session(self.daemon.unix) as session:
            session.attach("a").write(b"part")
            self.await_all_heard(session)
        self.upgrade()
        with Session(self.daemon.unix) as session:
            command = session.attach("a")
            command.write(eof=True)
            self.assertEqual(bytes(command.wait().stdout), b"partover\r\n")

    def test_a_background_process_that_holds_an_output_lives_on(self):
        """promise 67"""
        gate, bell = self.gate(), self.bell()
        with Session(self.daemon.unix) as session:
            session.start(f"(read x < {gate}; echo one && echo alive > {bell}) & echo out", linger="return").wait()
        self.upgrade()
        gate.open()
        self.assertEqual(bell.wait(), ["alive"])

    def test_the_next_program_kills_all_of_a_command_that_the_one_before_had_started(self):
        """promise 67"""
        bell = self.bell()
        self.keep(f"setsid sh -c 'echo $$ > {bell}; exec sleep 1000' & exec sleep 1000", "a")
        escaped = int(bell.wait()[0])
        self.upgrade()
        with Session(self.daemon.unix) as session:
            command = session.attach("a")
            command.tell("cancel")
            self.assertEqual(command.wait().end["reason"], "cancelled")
            self.assertEqual(command.end["survivors"], 0)
        until(lambda: not process.is_alive(escaped), "what called setsid to be gone")

    def test_it_hands_its_commands_nothing_of_its_own(self):
        """promise 67"""
        show = "ls /proc/self/fd | wc -l; ulimit -Sn; env | grep -c RUNWIRED_ || true"
        before = self.connect(self.daemon.tcp).run(show).stdout
        self.upgrade()
        self.assertEqual(self.connect(self.daemon.tcp).run(show).stdout, before)

    def test_many_times_under_load_nothing_is_lost_and_nothing_runs_twice(self):
        """promise 67: RUNWIRE_UPGRADES=20 makes more of them."""
        runs, stop, failures = self.path("runs"), threading.Event(), []

        def work(worker):
            for turn in range(10**6):
                if stop.is_set():
                    return
                name = f"{worker}.{turn}"
                line = f"echo {name} >> {runs}; seq 1 20000; sleep 0.05; seq 1 10 >&2; exit {turn % 200}"
                try:
                    done = self.complete(name, line)
                    ok = done == (turn % 200, hashlib.sha256(SEQ).hexdigest(), 21)
                    failures.extend([] if ok else [(name, done)])
                except Exception as error:  # noqa: BLE001 - told below
                    failures.append((name, repr(error)))
                names.append(name)

        names, began = [], time.monotonic()
        workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for _ in range(UPGRADES):
            done_before = len(names)
            self.upgrade()
            until(lambda: len(names) > done_before + 2 or failures, "some commands to be done")  # noqa: B023
        stop.set()
        for worker in workers:
            worker.join()
        self.assertEqual(failures, [])
        with open(runs) as file:
            self.assertEqual(sorted(file.read().split()), sorted(names))
        seconds = time.monotonic() - began
        print(f"{self.id()}: {UPGRADES} upgrades, {len(names)} commands, {seconds:.1f} s", file=sys.stderr)

    def complete(self, name, line):
        """Over as many connections as it takes."""
        out, places, started = b"", {"stdout": 0, "stderr": 0}, False
        while True:
            try:
                with Session(self.daemon.unix, 64 * KIB) as session:
                    if started:
                        command = session.attach(name, **places)
                    else:
                        command = session.start(line, id=name, keep_ms=HOUR_MS, full="spill")
                    try:
                        for stream, piece in command.output():
                            out += piece if stream == "stdout" else b""
                    finally:
                        started = started or command.pid is not None
                        for stream, piece in command.pieces:  # what has come, and was not looked at
                            out += piece if stream == "stdout" else b""
                        places = dict(command.got)
                    if command.end["type"] == "exit":
                        return command.end["code"], hashlib.sha256(out).hexdigest(), places["stderr"]
                    if command.end["error"] != "upgrade":
                        raise AssertionError(command.end)
            except OSError:
                continue


HARD_LIMIT = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
SEQ = "".join(f"{n}\n" for n in range(1, 20001)).encode()


class Others(UpgradeCase):
    def test_a_plain_command_under_way_is_finished_and_answered_first(self):
        """promise 67"""
        gate, bell = self.gate(), self.bell()
        connection = self.connect(self.daemon.tcp)
        connection.send(f"echo > {bell}; read x < {gate}; echo done".encode())
        bell.wait()
        self.daemon.popen.send_signal(signal.SIGUSR2)
        until(lambda: any(event.get("to") == "gathering" for event in self.daemon.events("upgrade")), "gathering")
        gate.open()
        self.assertEqual(connection.reply().stdout, b"done\n")
        until(lambda: self.daemon.events("upgraded"), "the upgrade")
        self.assert_serves(self.daemon.tcp)

    def test_who_comes_meanwhile_waits_and_is_served_by_the_next_program(self):
        """promise 67"""
        gate, bell = self.gate(), self.bell()
        under_way = self.connect(self.daemon.tcp)
        under_way.send(f"echo > {bell}; read x < {gate}".encode())
        bell.wait()
        self.daemon.popen.send_signal(signal.SIGUSR2)
        until(lambda: any(event.get("to") == "gathering" for event in self.daemon.events("upgrade")), "gathering")
        waiting = self.connect(self.daemon.tcp)
        waiting.send(b"echo served")
        gate.open()
        self.assertEqual(waiting.reply().stdout, b"served\n")
        self.assertTrue(self.daemon.events("upgraded"))

    def test_what_takes_longer_than_the_drain_time_is_ended(self):
        daemon = self.start("--drain-timeout", "0.1", listen=["127.0.0.1:0"])
        connection, bell = self.connect(daemon.tcp), self.bell()
        connection.send(f"echo > {bell}; exec sleep 1000".encode())
        bell.wait()
        self.upgrade(daemon)
        self.assert_serves(daemon.tcp)

    def test_a_session_hears_how_its_own_commands_ended_and_then_to_come_back(self):
        """promise 67"""
        daemon = self.start("--drain-timeout", "0.1", "--max-running", "1", listen=["127.0.0.1:0"])
        bell = self.bell()
        session = self.raw(address=daemon.tcp)
        session.send(start(f"echo > {bell}; exec sleep 1000", id="runs") + start("true", id="waits"))
        bell.wait()
        daemon.popen.send_signal(signal.SIGUSR2)
        heard = {frame.get("id"): frame for frame in session.to_the_end()}
        self.assertEqual(heard["runs"]["reason"], "shutdown")
        self.assertEqual((heard["waits"]["type"], heard["waits"]["error"]), ("error", "upgrade"))
        self.assertEqual((heard[None]["type"], heard[None]["error"]), ("error", "upgrade"))
        until(lambda: daemon.events("upgraded"), "the upgrade")

    def test_what_is_kept_and_waits_goes_along_where_a_session_has_to_be_ended(self):
        """promise 67"""
        listen = [f"unix:{self.path('one.sock')}"]
        daemon = self.daemon = self.start("--drain-timeout", "0.1", "--max-running", "1", listen=listen)
        bell = self.bell()
        with Session(daemon.unix) as session:
            session.start(f"echo > {bell}; exec sleep 1000")
            bell.wait()
            session.start("cat", stdin=True, id="waits", keep_ms=HOUR_MS).write(b"said ahead", eof=True)
            self.await_all_heard(session)
            daemon.popen.send_signal(signal.SIGUSR2)
            with self.assertRaisesRegex(ConnectionError, "come back"):
                while True:
                    session.receive()
        until(lambda: daemon.events("upgraded"), "the upgrade")
        self.assertEqual(bytes(self.come_back("waits").stdout), b"said ahead")

    def test_a_session_whose_output_nobody_wants_is_told_to_come_back_before_it_is_closed(self):
        """promise 67"""
        daemon = self.start("--drain-timeout", "0.1", listen=["127.0.0.1:0"])
        session = self.raw(opening=PREFACE + message("hello", v=1, window=1000), address=daemon.tcp)
        session.send(start("exec head -c 500000 /dev/zero", id="a"))
        session.receive_until("output")
        daemon.popen.send_signal(signal.SIGUSR2)
        self.assertEqual(session.to_the_end()[-1]["error"], "upgrade")
        until(lambda: daemon.events("upgraded"), "the upgrade")

    def test_a_session_is_told_to_come_back(self):
        with Session(self.daemon.unix) as session:
            self.daemon.popen.send_signal(signal.SIGUSR2)
            with self.assertRaisesRegex(ConnectionError, "come back"):
                while True:
                    session.receive()
        until(lambda: self.daemon.events("upgraded"), "the upgrade")

    def test_who_has_said_nothing_yet_notices_nothing(self):
        """promise 67"""
        silent = [self.connect(address) for address in (self.daemon.tcp, self.daemon.unix)]
        session = self.raw(opening=b"")
        self.assert_serves(self.daemon.tcp)  # those before are accepted by now
        self.upgrade()
        self.upgrade()
        for connection in silent:
            self.assertEqual(connection.run("echo served").stdout, b"served\n")
        session.send(PREFACE + message("hello", v=1))
        self.assertEqual(session.receive()[0]["upgrades"], 2)

    def ask(self, *words):
        return subprocess.run([self.binary, "--upgrade", *words], capture_output=True, text=True, timeout=60)

    def test_the_option_upgrades_the_daemon_at_that_socket(self):
        done = self.ask("--listen", self.daemon.unix)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, f"runwired: process {self.daemon.pid} has been upgraded\n")
        self.assertEqual(len(self.daemon.events("upgraded")), 1)

    def test_the_option_says_where_it_was_in_vain(self):
        self.replace_binary(b"#!/bin/sh\nexit 1\n")
        shutil.copy(program(), self.path("asker"))
        asked = [self.path("asker"), "--upgrade", "--listen", self.daemon.unix]
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"process {self.daemon.pid} goes on as before; its log says why", done.stderr)

    def test_the_option_says_where_there_is_nobody(self):
        done = self.ask("--listen", f"unix:{self.path('none.sock')}")
        self.assertEqual(done.returncode, 1)
        self.assertIn("no runwired answers at", done.stderr)

    def test_the_option_leaves_strangers_alone(self):
        path = self.path("stranger.sock")
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.bind(path)
            stranger.listen()
            asker = threading.Thread(target=lambda: outcomes.append(self.ask("--listen", f"unix:{path}")))
            outcomes = []
            asker.start()
            with stranger.accept()[0] as connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                asker.join()
        self.assertEqual(outcomes[0].returncode, 1)  # and this process, which listened, is alive
        self.assertIn("is no runwired", outcomes[0].stderr)

    def test_the_option_finds_nobody_by_a_port(self):
        done = self.ask("--listen", self.daemon.tcp)
        self.assertEqual(done.returncode, 2)
        self.assertIn("by its Unix socket", done.stderr)

    def test_its_socket_file_goes_with_the_last_program(self):
        path = self.daemon.unix.removeprefix("unix:")
        self.upgrade()
        self.assertTrue(os.path.exists(path))
        self.daemon.terminate()
        self.daemon.await_end()
        self.assertFalse(os.path.exists(path))


class Refused(UpgradeCase):
    def assert_as_before(self, daemon=None):
        daemon = daemon or self.daemon
        self.assert_serves((daemon or self.daemon).tcp)
        self.assertFalse(daemon.events("upgraded"))

    def test_a_program_that_fails_is_not_taken_and_what_it_said_is_told(self):
        """promise 67"""
        pid = self.keep("exec sleep 1000", "a")
        self.replace_binary(b"#!/bin/sh\necho 'no such library' >&2\nexit 127\n")
        self.assertIn("no such library", self.refuse_upgrade())
        self.assert_as_before()
        self.assertTrue(process.is_alive(pid))
        with Session(self.daemon.unix) as session:
            session.attach("a").tell("cancel")
            session.receive()

    def test_another_program_is_not_taken_though_it_succeeds(self):
        """promise 67"""
        self.replace_binary(b"#!/bin/sh\ncat > /dev/null\nexit 0\n")
        self.refuse_upgrade()
        self.assert_as_before()

    def test_a_file_that_is_no_program_or_gone_is_not_taken(self):
        """promise 67"""
        self.replace_binary(b"\x7fELF but not really", mode=0o644)
        self.assertIn("permission denied", self.refuse_upgrade())
        os.unlink(self.binary)
        self.assertIn("no such file", self.refuse_upgrade())
        self.assert_as_before()

    def test_a_good_program_is_taken_after_a_bad_one(self):
        """promise 67"""
        good = self.path("good")
        shutil.copy(self.binary, good)
        self.replace_binary(b"#!/bin/sh\nexit 1\n")
        self.refuse_upgrade()
        os.unlink(self.binary)
        shutil.copy(good, self.binary)
        self.upgrade()
        self.assert_serves(self.daemon.tcp)
        with Session(self.daemon.unix) as session:
            self.assertEqual((session.hello["upgrades"], session.hello["failed_upgrades"]), (1, 1))

    def test_without_descriptors_for_its_sockets_nothing_changes_for_anybody(self):
        """promise 67"""
        gate, bell = self.gate(), self.bell()
        self.replace_binary(b"#!/bin/sh\nexit 1\n")
        self.refuse_upgrade()  # sanitizers need descriptors to look at what they see for the first time
        self.replace_binary(f"#!/bin/sh\ncat > /dev/null; echo > {bell}; read x < {gate}; exit 83\n".encode())
        silent = self.connect(self.daemon.tcp)
        with Session(self.daemon.unix) as session:
            command = session.start(f"read x < {self.gate('other')}; echo on")
            self.daemon.popen.send_signal(signal.SIGUSR2)
            bell.wait()
            before = resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, (3, HARD_LIMIT))
            gate.open()
            until(lambda: len(self.daemon.events("upgrade-failed")) > 1, "the upgrade to fail")
            resource.prlimit(self.daemon.pid, resource.RLIMIT_NOFILE, before)
            self.assertIn("open files", self.daemon.events("upgrade-failed")[1]["why"])
            with open(self.path("other"), "w") as other:
                other.write("\n")
            self.assertEqual(bytes(command.wait().stdout), b"on\n")
        self.assertEqual(silent.run("echo served").stdout, b"served\n")
        self.assert_as_before()

    def test_libuvs_spawner_has_to_say_no(self):
        daemon = self.start("--spawner", "uv", listen=["127.0.0.1:0"])
        self.assertIn("--spawner native", self.refuse_upgrade(daemon))
        self.assert_as_before(daemon)


if __name__ == "__main__":
    unittest.main()
