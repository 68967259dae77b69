"""Commands at a terminal: what they see of it, what is typed, and how either side ends."""

import os
import signal

import process
from daemon import until
from session_case import KIB, MIB, SessionCase

PTY = {"rows": 30, "cols": 100, "term": "xterm"}
CTRL_C, CTRL_D, CTRL_Z = b"\x03", b"\x04", b"\x1a"
QUIET = "stty -echo -onlcr; "  # else what is typed comes back, and each line end with a CR


class Pty:
    """The same for each spawner."""

    def at_terminal(self, what, session=None, pty=PTY, **how):
        return (session or self.session()).start(what, pty=pty, **{"stdin": True, **how})

    def shown(self, command):
        return b"".join(piece for _, piece in command.pieces)

    def wait_shown(self, command, text):
        self.wait_for(command.session, lambda: text in self.shown(command) or command.end)
        self.assertIn(text, self.shown(command), command.end)

    def wait_prompt(self, command):
        self.wait_for(command.session, lambda: self.shown(command).endswith(b"ready> ") or command.end)
        self.assertIsNone(command.end)

    def output_of(self, what, **how):
        command = self.at_terminal(what, **how).wait()
        self.assert_ended(command)
        self.assertEqual(command.stderr, b"")
        return command.stdout

    def test_all_three_descriptors_are_one_terminal_and_no_other_is_there(self):
        command = self.at_terminal("echo here; read x")
        self.wait_shown(command, b"here")
        held = process.descriptors(command.pid)
        self.assertEqual(sorted(held), [0, 1, 2])
        self.assertEqual(len(set(held.values())), 1)
        self.assertRegex(held[0], "^/dev/pts/")
        command.write(b"\n")
        self.assert_ended(command.wait())

    def test_it_is_the_controlling_terminal_of_the_commands_own_session(self):
        command = self.at_terminal("echo here > /dev/tty; read x")
        self.wait_shown(command, b"here\r\n")
        group, session, terminal, foreground = process.stat(command.pid)[2:6]
        self.assertEqual((group, session, foreground), (str(command.pid),) * 3)
        self.assertNotEqual(terminal, "0")
        command.write(b"\n")
        self.assert_ended(command.wait())

    def test_it_has_the_size_and_the_name_that_the_client_said(self):
        self.assertEqual(self.output_of("stty size; echo $TERM"), b"30 100\r\nxterm\r\n")
        self.assertEqual(self.output_of("stty size; echo $TERM", pty={}), b"24 80\r\ndumb\r\n")
        self.assertEqual(self.output_of("echo $TERM", environment={"TERM": "mine"}), b"mine\r\n")
        self.assertEqual(self.output_of(["/bin/sh", "-c", "echo $TERM"], clear_env=True), b"xterm\r\n")

    def test_a_program_that_is_run_without_a_shell_has_it_too(self):
        self.assertRegex(self.output_of(["tty"]), rb"^/dev/pts/\d+\r\n$")

    def test_a_change_of_size_reaches_the_command(self):
        command = self.at_terminal(QUIET + "trap 'stty size; exit 5' WINCH; echo here; while :; do read x; done")
        self.wait_shown(command, b"here\n")
        command.tell("resize", rows=41, cols=123)
        self.assert_ended(command.wait(), 5)
        self.assertEqual(command.stdout, b"here\n41 123\n")

    def test_a_size_may_change_before_the_command_has_its_turn(self):
        session = self.session()
        command = self.at_terminal("read x; stty size", session)
        command.tell("resize", rows=41, cols=123)
        command.write(b"\n")
        self.assert_ended(command.wait())
        self.assertTrue(command.stdout.endswith(b"41 123\r\n"), command.stdout)

    def test_a_size_for_a_command_without_a_terminal_changes_nothing(self):
        command = self.session().start("read x; echo $x", stdin=True)
        command.tell("resize", rows=41, cols=123)
        command.write(b"hello\n")
        self.assert_ended(command.wait())
        self.assertEqual(command.stdout, b"hello\n")

    def test_what_is_typed_is_echoed_and_read(self):
        command = self.at_terminal("read x; echo got $x")
        command.write(b"some words\n")
        self.assert_ended(command.wait())
        self.assertEqual(command.stdout, b"some words\r\ngot some words\r\n")

    def test_ctrl_c_interrupts_the_job_in_the_foreground(self):
        command = self.at_terminal("trap 'echo caught; exit 3' INT; echo here; while :; do read x; done")
        self.wait_shown(command, b"here")
        command.write(CTRL_C)
        self.assert_ended(command.wait(), 3)
        self.assertTrue(command.stdout.endswith(b"caught\r\n"), command.stdout)

    def test_an_interactive_shell_has_job_control(self):
        command = self.at_terminal(["bash", "--norc", "--noprofile", "-i"], environment={"PS1": "ready> "})
        self.wait_shown(command, b"ready> ")
        self.assertNotIn(b"no job control", self.shown(command))
        job = self.path("job")
        with open(job, "w") as file:
            file.write("trap 'echo continued' CONT; echo started; while :; do read x; done")
        command.write(f"sh {job}\n".encode())
        self.wait_shown(command, b"started")
        command.write(CTRL_Z)
        self.wait_shown(command, b"Stopped")
        self.wait_prompt(command)
        command.write(b"fg\n")
        self.wait_shown(command, b"continued")
        command.write(CTRL_C)
        self.wait_prompt(command)
        command.write(b"echo sta''tus $?\n")
        self.wait_shown(command, b"status 130")
        command.write(b"exit 7\n")
        self.assert_ended(command.wait(), 7)

    def test_a_signal_goes_to_the_commands_group(self):
        command = self.at_terminal("trap 'exit 4' USR1; echo here; while :; do read x; done")
        self.wait_shown(command, b"here")
        command.tell("signal", signal="USR1")
        self.assert_ended(command.wait(), 4)

    def test_the_end_of_stdin_is_what_a_user_would_type_for_it(self):
        for typed, expected in ((b"a\nb\n", b"a\nb\n"), (b"no line end", b"no line end"), (b"", b"")):
            with self.subTest(typed):
                command = self.at_terminal(QUIET + "echo here; cat; echo over")
                self.wait_shown(command, b"here\n")
                command.write(typed, eof=True)
                self.assert_ended(command.wait())
                self.assertEqual(command.stdout, b"here\n" + expected + b"over\n")

    def test_the_end_of_stdin_leaves_the_terminal_open(self):
        command = self.at_terminal(QUIET + "echo here; cat; stty size; tty -s && echo yes")
        self.wait_shown(command, b"here\n")
        command.write(eof=True)
        self.assert_ended(command.wait())
        self.assertEqual(command.stdout, b"here\n30 100\nyes\n")

    def test_where_the_terminal_is_raw_the_end_of_stdin_types_nothing(self):
        command = self.at_terminal("stty raw -echo; echo here; dd bs=1 count=1 2> /dev/null; exit 6")
        self.wait_shown(command, b"here")
        command.write(b"", eof=True)
        command.tell("signal", signal="TERM")
        self.assert_ended(command.wait(), signal="TERM")
        self.assertEqual(command.stdout, b"here\n")

    def test_every_byte_passes_a_raw_terminal_in_both_directions(self):
        every = bytes(range(256)) * 200
        command = self.at_terminal(f"stty raw -echo; echo here; head -c {len(every)}")
        self.wait_shown(command, b"here\n")
        command.write(every)
        self.assert_ended(command.wait())
        self.assertEqual(command.stdout, b"here\n" + every)

    def test_its_last_output_is_whole_when_the_terminal_ends(self):
        command = self.at_terminal("stty -opost; head -c 3000000 /dev/zero | tr '\\0' x; printf end").wait()
        self.assert_ended(command)
        self.assertEqual(command.end["stdout"], 3000003)
        self.assertTrue(command.stdout.endswith(b"xend"))
        self.assertFalse(command.end.get("cut", False))

    def test_a_command_whose_terminal_is_not_read_waits(self):
        session = self.session(window=64 * KIB)
        command = self.at_terminal("stty -opost; head -c 1000000 /dev/zero; echo wrote > " + self.path("wrote"), session)
        self.wait_for(session, lambda: command.got["stdout"] == 64 * KIB)
        writer = until(lambda: self.blocked_writer(command.pid), "the command to wait for its terminal")
        self.assertFalse(os.path.exists(self.path("wrote")), writer)
        self.assert_ended(command.wait())
        self.assertEqual(command.end["stdout"], 1000000)

    def blocked_writer(self, leader):
        """A child of the command that sleeps, as a writer to a full terminal does."""
        return [pid for pid in process.children(leader) if process.state(pid) == "S"]

    def test_stopping_the_output_hangs_up(self):
        hup = self.path("hup")
        command = self.at_terminal(f"trap 'echo > {hup}; exit 8' HUP; echo here; while :; do read x; done")
        self.wait_shown(command, b"here")
        command.tell("stop", stream="stdout")
        self.assert_ended(command.wait(), 8)
        self.assertTrue(os.path.exists(hup))

    def test_the_clients_end_hangs_up_and_an_interactive_shell_goes(self):
        session = self.session()
        command = self.at_terminal(["bash", "--norc", "--noprofile", "-i"], session, environment={"PS1": "ready> "})
        self.wait_shown(command, b"ready> ")
        command.write(b"trap 'echo > " + self.path("left").encode() + b"' EXIT; echo se''t\n")
        self.wait_shown(command, b"set")
        session.__exit__()
        until(lambda: not process.is_alive(command.pid), "the shell to have ended")
        self.assertTrue(os.path.exists(self.path("left")), "it was killed")

    def test_a_background_process_loses_the_terminal_and_holds_nothing_up(self):
        command = self.at_terminal("trap '' HUP; sleep 1000 & echo $!")
        self.assert_ended(command.wait())
        os.kill(int(command.stdout), signal.SIGKILL)

    def test_a_kept_one_goes_on_without_a_client_and_can_be_attached_to(self):
        line = QUIET + "trap 'stty size' WINCH; echo here; while :; do read x && echo got $x && exit 9; done"
        first, second = self.session(), self.session()
        command = self.at_terminal(line, first, id="kept", keep_ms=60_000, full="drop")
        self.wait_shown(command, b"here\n")
        second.send("resize", id="kept", rows=20, cols=70)
        self.wait_shown(command, b"20 70\n")
        first.__exit__()
        again = second.attach("kept")
        self.assertIs(again.kept["pty"], True)
        self.wait_shown(again, b"here\n20 70\n")
        again.tell("resize", rows=21, cols=71)
        self.wait_shown(again, b"21 71\n")
        again.sent = 0
        again.write(b"over\n")
        self.assert_ended(again.wait(), 9)
        self.assertEqual(again.stdout, b"here\n20 70\n21 71\ngot over\n")

    def test_nobody_need_type(self):
        self.assertEqual(self.output_of("tty -s && echo yes", stdin=False), b"yes\r\n")

    def test_a_whole_reply_has_all_on_stdout(self):
        command = self.at_terminal("echo out; echo err >&2", stdin=False, reply="whole").wait()
        self.assert_ended(command)
        self.assertEqual((command.stdout, command.stderr), (b"out\r\nerr\r\n", b""))

    def test_limits_and_a_terminal_go_together(self):
        self.assertEqual(self.output_of("ulimit -n; tty -s && echo yes", limits={"nofile": 30}), b"30\r\nyes\r\n")

    def test_a_failed_start_is_told_as_without_one(self):
        command = self.at_terminal(["no-such-program"]).wait()
        self.assert_never_ran(command, "spawn", stage="exec", errno="ENOENT")
        command = self.at_terminal("true", cwd=self.path("none")).wait()
        self.assert_never_ran(command, "spawn", stage="cwd", errno="ENOENT")

    def test_200_of_them_leave_nothing(self):
        session = self.session()
        commands = [self.at_terminal("echo $$", session, stdin=True) for _ in range(200)]
        for command in commands:
            self.assert_ended(command.wait())
            self.assertEqual(command.stdout, f"{command.pid}\r\n".encode())

    def test_megabytes_through_many_at_once(self):
        session = self.session()
        line = f"stty -opost; head -c {MIB} /dev/zero"
        for command in [self.at_terminal(line, session, stdin=False) for _ in range(8)]:
            self.assert_ended(command.wait())
            self.assertEqual(command.end["stdout"], MIB)


class NativePty(Pty, SessionCase):
    options = ("--spawner", "auto")


class UvPty(Pty, SessionCase):
    options = ("--spawner", "uv")
