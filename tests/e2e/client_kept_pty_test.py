"""`runwire --keep -t` and `runwire attach -t` with a terminal at both ends: leaving it, and coming back."""

import json
import os
import re
import signal

import process
from client import program, runwire
from daemon import until
from plain import DEADLINE_S
from terminal import LEADER, TerminalCase

QUESTION = b"interrupt the command (i), detach (d), or go on (any other key)? "
LEAVE, STOP, CTRL_C = b"~.", b"~\x1a", b"\x03"
# A shell with job control: runwire is its first job, and what is typed when that has stopped is said to the shell.
JOB_SHELL = 'set -m; "$0" "$@"; echo "[stopped]"; while read line; do $line; echo "[$line $?]"; done'


class ClientKeptPty(TerminalCase):
    def kept(self, line, traps="", **how):
        """A kept command at the terminal that has said that it is there, after it has set these traps."""
        terminal = self.terminal("--keep", "-t", self.daemon.unix, f"{traps} echo st''arted; {line}", **how)
        terminal.wait_shown(b"started\r\n")
        self.assertTrue(terminal.is_raw())
        return terminal

    def leave(self, terminal, typed=LEAVE):
        """The ID of the command that it leaves running."""
        terminal.type(typed)
        self.assertEqual(terminal.wait(), 255)
        self.assert_restored(terminal)
        return re.search(rb"\r(?:\n|\x1b\[K)runwire: detached, .*`runwire attach -t \S+ ([a-z2-7]{10})`", terminal.shown)[1].decode()

    def detached(self, *words):
        terminal = self.terminal("-d", "-t", self.daemon.unix, *words)
        self.assertEqual(terminal.wait(), 0)
        return terminal.shown.decode().strip()

    def attach(self, ident, *options, **how):
        return self.terminal("attach", "-t", *options, self.daemon.unix, ident, **how)

    def await_file(self, name):
        until(lambda: os.path.exists(self.path(name)), f"the command to have made {name}")

    def assert_ends(self, terminal, status):
        self.assertEqual(terminal.wait(), status)
        self.assert_restored(terminal)

    def assert_restored(self, terminal):
        self.assertEqual(terminal.modes(), terminal.before)

    def test_one_leaves_and_comes_back_at_another_terminal_of_another_size(self):
        first = self.kept("read x; echo got $x; read y; stty size; echo got $y; exit 6")
        first.type(b"one\r")
        first.wait_shown(b"got one\r\n")
        ident = self.leave(first)
        again = self.attach(ident, rows=44, cols=111)
        again.wait_shown(b"started\r\none\r\ngot one\r\n")
        self.assertTrue(again.is_raw())
        again.resize(50, 120)
        again.type(b"two\r")
        again.wait_shown(b"got two\r\n")
        self.assert_ends(again, 6)

    def test_the_command_is_told_the_size_of_a_terminal_that_comes_back_and_its_changes(self):
        ident = self.leave(self.kept("while :; do read x; done", traps="trap 'stty size' WINCH;"))
        again = self.attach(ident, rows=44, cols=111)
        again.wait_shown(b"\n44 111\r\n")
        again.resize(50, 120)
        again.wait_shown(b"\n50 120\r\n")
        again.type(CTRL_C)
        self.assert_ends(again, 130)

    def test_a_terminal_of_the_same_size_has_its_picture_drawn_anew(self):
        ident = self.leave(self.kept("while :; do read x; done", traps="trap 'echo drawn for $(stty size)' WINCH;"))
        again = self.attach(ident)
        again.wait_shown(b"drawn for 33 99\r\n")
        again.type(CTRL_C)
        self.assert_ends(again, 130)

    def test_only_the_last_screen_is_shown_again(self):
        first = self.kept("echo top; yes | head -n 30000; echo bottom; read x; exit 3")
        first.wait_shown(b"bottom\r\n")
        again = self.attach(self.leave(first))
        again.wait_shown(b"bottom\r\n")
        self.assertNotIn(b"top", again.shown)
        self.assertGreaterEqual(len(again.shown), 16 << 10)
        again.type(b"\r")
        self.assert_ends(again, 3)

    def test_with_tail_nothing_is_shown_again(self):
        again = self.attach(self.leave(self.kept("read x; echo over")), "--tail")
        again.type(b"\r")
        self.assert_ends(again, 0)
        self.assertNotIn(b"started", again.shown)
        self.assertIn(b"over\r\n", again.shown)

    def stopped(self, line):
        """A kept command at the terminal whose runwire has been asked to stop, and has."""
        words = ["--keep", "-t", self.daemon.unix, f"echo st''arted; {line}"]
        terminal = self.terminal("-c", JOB_SHELL, program(), *words, binary="/bin/sh")
        terminal.wait_shown(b"started\r\n")
        self.assertTrue(terminal.is_raw())
        terminal.type(STOP)
        terminal.wait_shown(b"[stopped]\r\n")
        self.assertIn(b"\r\nrunwire: stopped, and the command goes on; fg comes back\r\n", terminal.shown)
        self.assert_restored(terminal)
        return terminal

    def test_one_can_stop_it_and_go_on(self):
        terminal = self.stopped("read x; echo got $x; exit 6")
        terminal.type(b"fg\n")
        until(terminal.is_raw, "the terminal to be raw again")
        terminal.type(b"word\r")
        terminal.wait_shown(b"got word\r\n")
        terminal.wait_shown(b"[fg 6]\r\n")
        self.assert_restored(terminal)

    def test_in_the_background_it_leaves_the_terminal_alone(self):
        gate = self.gate()
        terminal = self.stopped(f"read x <{gate}; echo over; read x; exit 6")
        [job] = process.children(terminal.popen.pid)
        terminal.type(b"bg\n")
        terminal.wait_shown(b"[bg 0]\r\n")
        self.assertEqual(terminal.modes(), terminal.before)
        gate.open()
        terminal.wait_shown(b"over")
        self.assertNotEqual(process.state(job), "T")
        self.assert_restored(terminal)
        terminal.type(b"fg\n")
        until(terminal.is_raw, "the terminal to be raw again")
        terminal.type(b"\r")
        terminal.wait_shown(b"[fg 6]\r\n")

    def test_when_it_goes_on_the_picture_is_drawn_anew(self):
        terminal = self.stopped("trap 'echo drawn for $(stty size)' WINCH; while :; do read x; done")
        terminal.type(b"fg\n")
        terminal.wait_shown(b"drawn for 33 99\r\n")
        terminal.type(CTRL_C)
        terminal.wait_shown(b"[fg 130]\r\n")

    def test_without_a_shell_that_looks_after_jobs_there_is_no_stop(self):
        terminal = self.kept("read x; exit 6")
        terminal.type(STOP + b"\r")
        self.assert_ends(terminal, 6)
        self.assertNotIn(b"stopped", terminal.shown)

    def test_what_is_typed_before_leaving_still_counts(self):
        ident = self.leave(self.kept("read x; exit 4"), b"\r" + LEAVE)
        self.assertEqual(runwire("wait", self.daemon.unix, ident).returncode, 4)

    def test_a_tilde_elsewhere_or_doubled_is_for_the_command(self):
        terminal = self.kept("read x; read y; echo got $x and $y")
        terminal.type(b"~~a ~.\rb~.\r")
        self.assert_ends(terminal, 0)
        self.assertIn(b"got ~a ~. and b~.\r\n", terminal.shown)

    def test_one_who_would_take_the_command_along_cannot_leave_so(self):
        terminal = self.terminal("-t", self.daemon.unix, "read x; echo got $x")
        terminal.type(LEAVE + b"\r")
        self.assert_ends(terminal, 0)
        self.assertIn(b"got ~.\r\n", terminal.shown)

    def test_a_command_that_reads_nothing_can_be_left(self):
        first = self.kept("stty raw -echo; echo raw; exec sleep 1000")
        first.wait_shown(b"raw")
        for _ in range(75):  # 300 KiB: beyond the window of stdin and what the terminal there takes
            first.type(b"\r" * 4096)
        ident = self.leave(first)
        self.assertEqual(runwire("kill", self.daemon.unix, ident).returncode, 0)

    def test_a_lost_connection_can_be_left(self):
        terminal = self.kept("read x")
        self.daemon.kill()
        terminal.wait_shown(b"the connection is lost, trying again")
        self.leave(terminal)
        self.daemon.end_everything()

    def test_a_terminal_that_is_not_looked_at_holds_up_nothing_and_what_it_missed_is_no_failure(self):
        terminal = self.kept(f"yes | head -c 8388608; : > {self.path('done')}; read x; echo over; exit 5")
        self.await_file("done")
        terminal.type(b"\r")
        terminal.wait_shown(b"over\r\n")
        self.assertLess(len(terminal.shown), 8 << 20)
        self.assert_ends(terminal, 5)
        self.assertNotIn(b"lost", terminal.shown)

    def test_one_that_began_with_nobody_waits_for_nobody_to_look(self):
        ident = self.detached(f"yes | head -c 8388608; : > {self.path('done')}; read x; echo got $x; exit 5")
        self.await_file("done")
        again = self.attach(ident)
        again.type(b"word\r")
        self.assert_ends(again, 5)
        self.assertIn(b"got word\r\n", again.shown)

    def test_a_login_shell_can_be_detached_from_the_start(self):
        again = self.attach(self.detached())
        again.type(b"tty && exit 7\r")
        self.assert_ends(again, 7)
        self.assertIn(b"/dev/pts/", again.shown)

    def test_a_program_that_reads_what_a_terminal_shows_gets_all_of_it(self):
        done = runwire("--keep", "-tt", self.daemon.unix, "yes | head -n 2000000", stdin=b"")
        self.assertEqual((done.returncode, len(done.stdout), done.stderr), (0, 3 * 2000000, b""))

    def test_where_stdin_is_no_terminal_it_is_that_of_the_command(self):
        ident = self.detached("read x; exit $x")
        self.assertEqual(runwire("attach", "-t", self.daemon.unix, ident, stdin=b"9\n").returncode, 9)

    def kept_ids(self):
        listed = runwire("ps", "--json", self.daemon.unix)
        return [json.loads(line)["id"] for line in listed.stdout.splitlines()]

    def assert_takes_keys(self):
        """The only kept command does, which reads a line and then says it."""
        [ident] = self.kept_ids()
        again = self.attach(ident)
        again.wait_shown(b"started\r\n")
        again.type(b"word\r")
        again.wait_shown(b"got word\r\n")
        self.assert_ends(again, 6)

    def test_a_window_that_closes_leaves_the_command_its_input(self):
        for hangup in (signal.SIG_IGN, signal.SIG_DFL):
            with self.subTest(hangup):
                terminal = self.kept("read x; echo got $x; exit 6", hangup=hangup)
                terminal.hang_up()
                self.assertEqual(terminal.popen.wait(DEADLINE_S), 255)
                self.assert_takes_keys()
                self.assertEqual(runwire("rm", self.daemon.unix, *self.kept_ids()).returncode, 0)

    def test_a_window_that_closes_on_who_has_come_back_leaves_the_command_its_input(self):
        ident = self.leave(self.kept("read x; echo got $x; exit 6"))
        again = self.attach(ident, hangup=signal.SIG_IGN)
        again.wait_shown(b"started\r\n")
        again.hang_up()
        self.assertEqual(again.popen.wait(DEADLINE_S), 255)
        self.assert_takes_keys()

    def test_a_window_that_closes_while_another_program_reads_leaves_the_command_its_input(self):
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        terminal = self.terminal("--keep", "-t", self.daemon.unix, "echo st''arted; read x; echo got $x; exit 6",
                                 hangup=signal.SIG_IGN, stdout=write_end)  # fmt: skip
        os.close(write_end)
        self.assertEqual(os.read(read_end, 100), b"started\r\n")
        until(terminal.is_raw, "the terminal to be raw")
        terminal.hang_up()
        self.assertEqual(terminal.popen.wait(DEADLINE_S), 255)
        self.assert_takes_keys()

    def test_a_window_that_closes_is_no_end_of_input_where_the_signal_is_seen_first(self):
        terminal = self.kept("read x; echo got $x; exit 6")
        terminal.popen.send_signal(signal.SIGSTOP)
        until(lambda: process.state(terminal.popen.pid) == "T", "runwire to stop")
        terminal.popen.send_signal(signal.SIGHUP)
        terminal.hang_up()
        terminal.popen.send_signal(signal.SIGCONT)
        self.assertEqual(terminal.popen.wait(DEADLINE_S), 255)
        self.assert_takes_keys()

    def test_a_window_that_closes_leaves_a_command_without_a_terminal_its_input_and_output(self):
        for words in (["--keep"], ["attach"]):
            with self.subTest(words):
                line = "echo st''arted; read x; echo got $x; exit 6"
                terminal = self.terminal("--keep", self.daemon.unix, line, hangup=signal.SIG_IGN)
                terminal.wait_shown(b"started\r\n")
                [ident] = self.kept_ids()
                if words == ["attach"]:
                    terminal.popen.kill()
                    terminal = self.terminal("attach", "-i", self.daemon.unix, ident, hangup=signal.SIG_IGN)
                    terminal.wait_shown(b"started\r\n")
                terminal.hang_up()
                self.assertEqual(terminal.popen.wait(DEADLINE_S), 255)
                done = runwire("attach", "-i", self.daemon.unix, ident, stdin=b"word\n")
                self.assertEqual((done.returncode, done.stdout), (6, b"started\ngot word\n"))
                self.assertEqual(runwire("rm", self.daemon.unix, ident).returncode, 0)

    def at_the_question(self, shell):
        """A terminal where the shell's runwire has been asked to end, and asks what is meant."""
        words = ["--keep", self.daemon.unix, "echo st''arted; exec sleep 1000"]
        terminal = self.terminal("-c", shell, program(), *words, binary="/bin/sh")
        terminal.wait_shown(b"started\r\n")
        terminal.type(CTRL_C)
        terminal.wait_shown(QUESTION)
        return terminal

    def test_a_question_leaves_the_terminal_as_it_was_when_runwire_dies_of_a_signal(self):
        terminal = self.at_the_question(LEADER)
        self.assertNotEqual(terminal.modes(), terminal.before)
        [runwire_pid] = process.children(terminal.popen.pid)
        os.kill(runwire_pid, signal.SIGALRM)
        terminal.wait_shown(b"[status 142]\r\n")
        self.assert_restored(terminal)
        [ident] = self.kept_ids()
        self.assertEqual(runwire("kill", self.daemon.unix, ident).returncode, 0)

    def test_a_question_leaves_the_terminal_as_it_was_while_runwire_is_stopped(self):
        terminal = self.at_the_question(JOB_SHELL)
        asking = terminal.modes()
        terminal.type(b"\x1a")
        terminal.wait_shown(b"[stopped]\r\n")
        self.assert_restored(terminal)
        terminal.type(b"fg\n")
        until(lambda: terminal.modes() == asking, "one key to be awaited again")
        terminal.type(b"i")
        terminal.wait_shown(b"[fg 130]\r\n")
        self.assert_restored(terminal)

    def test_it_is_restored_when_there_is_no_such_command(self):
        terminal = self.attach("nosuchid")
        self.assert_ends(terminal, 255)
        self.assertIn(b"no command there has had the id nosuchid", terminal.shown)
