"""`runwire -t` with a terminal at both ends: what passes between them, and that ours is as it was afterwards."""

import os
import signal
import subprocess

import process
from client import environment, program, runwire
from daemon import until
from plain import DEADLINE_S
from terminal import LEADER, TerminalCase

CTRL_C = b"\x03"
# Those that runwire does not send to its command, but for KILL, of which nothing can be said here.
DEADLY = "ABRT ALRM BUS FPE ILL IO POLL PROF PWR RTMIN RTMAX SEGV STKFLT SYS TRAP VTALRM XCPU XFSZ".split()
NOT_FOR_SANITIZERS = ":".join(f"handle_{name}=0" for name in ("abort", "segv", "sigbus", "sigfpe", "sigill", "sigtrap"))


class ClientPty(TerminalCase):
    def running(self, line, *options, traps="", **variables):
        """A command at the terminal that has said that it is there, after it has set these traps."""
        terminal = self.terminal("-t", *options, self.daemon.unix, f"{traps} echo st''arted; {line}", **variables)
        terminal.wait_shown(b"started\r\n")
        self.assertTrue(terminal.is_raw())
        return terminal

    def assert_restored(self, terminal):
        self.assertEqual(terminal.modes(), terminal.before)

    def test_the_command_has_a_terminal_of_the_size_and_name_of_ours(self):
        terminal = self.terminal("-t", self.daemon.unix, "tty; stty size; echo $TERM")
        self.assertEqual(terminal.wait(), 0)
        self.assertRegex(terminal.shown, rb"^/dev/pts/\d+\r\n33 99\r\nvt220\r\n$")
        self.assert_restored(terminal)

    def test_every_key_goes_there_and_the_echo_is_that_of_there(self):
        terminal = self.running("read x; read y; echo got $y", traps="trap 'echo caught' INT;")
        terminal.type(CTRL_C)
        terminal.wait_shown(b"^Ccaught\r\n")
        terminal.type(b"a\rb\r")
        terminal.wait()
        self.assertIn(b"got ", terminal.shown)
        self.assert_restored(terminal)

    def test_a_change_of_size_is_passed_on(self):
        terminal = self.running("while :; do read x; done", traps="trap 'stty size; exit 4' WINCH;")
        terminal.resize(44, 111)
        self.assertEqual(terminal.wait(), 4)
        self.assertTrue(terminal.shown.endswith(b"44 111\r\n"), terminal.shown)

    def test_it_is_restored_when_the_command_ends_in_any_way(self):
        for line, status in (("exit 0", 0), ("exit 9", 9), ("kill -KILL $$", 137), ("no-such-program", 127)):
            with self.subTest(line):
                terminal = self.terminal("-t", self.daemon.unix, line)
                self.assertEqual(terminal.wait(), status)
                self.assert_restored(terminal)

    def test_it_is_restored_when_nothing_could_be_run(self):
        for words in (["-w", "/none", self.daemon.unix, "true"], [f"unix:{self.path('none')}", "true"]):
            with self.subTest(words):
                terminal = self.terminal("-t", *words)
                self.assertEqual(terminal.wait(), 255)
                self.assert_restored(terminal)

    def test_it_is_restored_when_the_server_is_gone(self):
        terminal = self.running("read x")
        self.daemon.kill()
        self.assertEqual(terminal.wait(), 255)
        self.assert_restored(terminal)

    def test_it_is_restored_when_signals_end_runwire(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                traps = "n=0; trap 'n=$((n+1)); echo caught $n' TERM INT;"
                terminal = self.running("while :; do read x; done", traps=traps)
                for shown in (b"caught 1", b"caught 2"):
                    terminal.popen.send_signal(number)
                    terminal.wait_shown(shown)
                terminal.popen.send_signal(number)
                self.assertEqual(terminal.wait(), 255)
                self.assertIn(b"interrupted: the connection is closed", terminal.shown)
                self.assert_restored(terminal)

    def test_it_is_restored_when_runwire_dies_of_a_signal(self):
        for name in (name for name in DEADLY if hasattr(signal, f"SIG{name}")):
            with self.subTest(name):
                number = getattr(signal, f"SIG{name}")
                words = ["-t", self.daemon.unix, "echo st''arted; read x"]
                terminal = self.terminal("-c", LEADER, program(), *words, binary="/bin/sh", ASAN_OPTIONS=NOT_FOR_SANITIZERS)
                terminal.wait_shown(b"started\r\n")
                self.assertTrue(terminal.is_raw())
                [runwire_pid] = process.children(terminal.popen.pid)
                os.kill(runwire_pid, number)
                terminal.wait_shown(b"[status %d]" % (128 + number))
                self.assert_restored(terminal)

    def test_it_is_restored_when_a_signal_ends_the_command(self):
        terminal = self.running("read x")
        terminal.popen.send_signal(signal.SIGHUP)
        self.assertEqual(terminal.wait(), 129)
        self.assert_restored(terminal)

    def test_it_is_restored_while_runwire_is_stopped_and_raw_when_that_goes_on(self):
        terminal = self.running("read x; exit 6")
        terminal.popen.send_signal(signal.SIGTSTP)
        until(lambda: process.state(terminal.popen.pid) == "T", "runwire to stop")
        self.assert_restored(terminal)
        terminal.popen.send_signal(signal.SIGCONT)
        until(terminal.is_raw, "the terminal to be raw again")
        terminal.type(b"\r")
        self.assertEqual(terminal.wait(), 6)
        self.assert_restored(terminal)

    def test_it_is_raw_again_when_runwire_goes_on_after_a_stop_that_it_could_not_see(self):
        terminal = self.running("read x; exit 6")
        terminal.popen.send_signal(signal.SIGSTOP)
        until(lambda: process.state(terminal.popen.pid) == "T", "runwire to stop")
        terminal.set_modes(terminal.before)  # as a shell does
        terminal.popen.send_signal(signal.SIGCONT)
        until(terminal.is_raw, "the terminal to be raw again")
        terminal.type(b"\r")
        self.assertEqual(terminal.wait(), 6)
        self.assert_restored(terminal)

    def over_but_unread(self):
        """A terminal whose command has ended while a program reads nothing of its output, and that program's pipe."""
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        line = "echo st''arted; read x; head -c 300000 /dev/zero"
        terminal = self.terminal("-t", self.daemon.unix, line, stdout=write_end)
        os.close(write_end)
        self.assertEqual(os.read(read_end, 100), b"started\r\n")
        until(terminal.is_raw, "the terminal to be raw")
        terminal.type(b"\r")
        until(lambda: terminal.modes() == terminal.before, "the terminal to be as it was")
        return terminal, read_end

    def test_keys_are_those_of_any_program_when_the_command_is_over_and_its_output_is_not_read(self):
        terminal, _ = self.over_but_unread()
        terminal.type(CTRL_C)
        self.assertEqual(terminal.wait(), 255)
        self.assertIn(b"interrupted: the rest of the output is lost", terminal.shown)
        self.assert_restored(terminal)

    def test_it_can_be_stopped_while_its_output_is_not_read(self):
        terminal, _ = self.over_but_unread()
        terminal.popen.send_signal(signal.SIGTSTP)
        until(lambda: process.state(terminal.popen.pid) == "T", "runwire to stop")

    def test_no_signal_but_one_that_wants_an_end_costs_output_that_is_not_yet_read(self):
        terminal, output = self.over_but_unread()
        terminal.resize(44, 111)
        for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT):
            terminal.popen.send_signal(number)
        data = b""
        while piece := os.read(output, 1 << 16):
            data += piece
        self.assertEqual(terminal.wait(), 0)
        self.assertEqual(data.count(b"\0"), 300000)
        self.assertEqual(terminal.shown, b"\r\n" if terminal.shown else b"")

    def test_without_a_command_it_is_a_login_shell(self):
        terminal = self.terminal("-t", "-e", "SHELL=/bin/bash", "-e", "HOME=" + self.directory, self.daemon.unix)
        terminal.type(b"shopt -q login_shell && echo it is a lo''gin shell; exit 5\r")
        self.assertEqual(terminal.wait(), 5)
        self.assertIn(b"it is a login shell\r\n", terminal.shown)
        self.assert_restored(terminal)

    def test_big_t_is_the_stronger_and_without_any_there_is_no_terminal(self):
        for options in (["-t", "-T"], ["-T"], []):
            terminal = self.terminal(*options, self.daemon.unix, "tty; tty <&1")
            self.assertEqual(terminal.wait(), 1)
            self.assertEqual(terminal.shown, b"not a tty\r\nnot a tty\r\n")

    def test_where_stdin_is_no_terminal_t_alone_gives_none_and_tt_does(self):
        self.assertEqual(runwire("-t", self.daemon.unix, "tty").stdout, b"not a tty\n")
        done = runwire("-tt", self.daemon.unix, "stty size; cat; echo over", stdin=b"typed\n", TERM="vt52")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertIn(b"24 80\r\n", done.stdout)
        self.assertIn(b"typed\r\n", done.stdout)
        self.assertTrue(done.stdout.endswith(b"over\r\n"), done.stdout)

    def test_a_command_without_stdin_leaves_our_terminal_alone(self):
        terminal = self.terminal("-n", "-t", self.daemon.unix, "trap 'exit 3' TERM; echo st''arted; while :; do read x; done")
        terminal.wait_shown(b"started")
        self.assert_restored(terminal)
        terminal.popen.send_signal(signal.SIGTERM)
        self.assertEqual(terminal.wait(), 3)

    def test_runwire_ssh_has_one_where_ssh_has(self):
        binary = self.path("runwire-ssh")
        os.symlink(program(), binary)
        for options, expected in ((["-t"], rb"^/dev/pts/"), ([], rb"not a tty"), (["-tt", "-T"], rb"not a tty")):
            with self.subTest(options):
                terminal = self.terminal(*options, self.daemon.unix, "tty", binary=binary)
                terminal.wait()
                self.assertRegex(terminal.shown, expected)
        terminal = self.terminal(self.daemon.unix, binary=binary)
        terminal.type(b"tty && exit 7\r")
        self.assertEqual(terminal.wait(), 7)
        self.assertIn(b"/dev/pts/", terminal.shown)
        done = subprocess.run(
            [binary, "-tt", self.daemon.unix, "tty"], capture_output=True, stdin=subprocess.DEVNULL,
            env=environment(), timeout=DEADLINE_S,
        )  # fmt: skip
        self.assertRegex(done.stdout, rb"^/dev/pts/\d+\r\n$")
