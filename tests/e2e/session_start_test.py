"""How commands of a session start: what runs, in which surroundings, and what is said when it cannot."""

import base64
import os
import pathlib
import re
import unittest

import process
from daemon import MARK, until
from plain import send_at_once
from session_case import OPENING, SessionCase, message, start

ROOT = pathlib.Path(__file__).resolve().parents[2]


def constant(name):
    """A number of proto/limits.hpp."""
    text = (ROOT / "proto" / "limits.hpp").read_text()
    words = re.search(rf"{name}\s*=\s*([^;]+);", text)[1]
    factors = [int(number) for number in re.findall(r"\d+", words.replace("std::uint64_t{", "{"))]
    return factors[0] << factors[1] if "<<" in words else factors[0]


class Hello(SessionCase):
    def test_it_tells_version_limits_and_the_life_of_the_daemon(self):
        hello = self.session().hello
        self.assertEqual((hello["type"], hello["v"]), ("hello", 1))
        self.assertRegex(hello["boot"], r"\A[0-9a-f]{32}\Z")
        self.assertRegex(hello["server"], r"\Arunwired \d")
        limits = {
            "header": constant("kMaxHeaderBytes"), "payload": constant("kMaxSessionPayloadBytes"),
            "depth": constant("kMaxHeaderDepth"), "stdin_window": constant("kStdinWindowBytes"),
        }  # fmt: skip
        self.assertEqual({key: hello["limits"][key] for key in limits}, limits)
        self.assertEqual(hello["ping_ms"], 15000)

    def test_the_life_is_the_same_on_each_connection_and_another_after_a_restart(self):
        boots = {self.session(address).hello["boot"] for address in self.daemon.addresses}
        self.assertEqual(len(boots), 1)
        os.mkdir(self.path("other"))
        other = self.start(listen=[f"unix:{self.path('other')}/x.sock"])
        self.assertNotIn(self.session(other.unix).hello["boot"], boots)

    def test_commands_may_follow_hello_without_waiting_for_the_answer(self):
        for address in self.daemon.addresses:
            connection = self.raw(OPENING + start("echo hi", id="a"), address)
            headers = [header for header, _ in connection.receive_until("exit")]
            self.assertEqual([header["type"] for header in headers], ["started", "output", "exit"])

    def test_any_segmentation_gives_the_same_result(self):
        """promise 43"""
        whole = OPENING + start("cat; exit 3", id="a", stdin=True)
        whole += message("stdin", b"some input", id="a", off=0, eof=True) + message("ping")
        for cut in range(1, len(whole)):
            connection = self.raw(b"")
            send_at_once(connection.socket, whole[:cut], whole[cut:])
            self.assert_session_was_held(connection)
        connection = self.raw(b"")
        send_at_once(connection.socket, *(whole[at : at + 1] for at in range(len(whole))))
        self.assert_session_was_held(connection)

    def assert_session_was_held(self, connection):
        received, kinds = [], set()
        while not kinds >= {"exit", "pong"}:
            received.append(connection.receive())
            kinds.add(received[-1][0]["type"])
        output = b"".join(payload for header, payload in received if header["type"] == "output")
        exits = [header["code"] for header, _ in received if header["type"] == "exit"]
        self.assertEqual((received[0][0]["type"], output, exits), ("hello", b"some input", [3]))
        connection.close()


class Start(SessionCase):
    def setUp(self):
        super().setUp()
        self.client = self.session()

    def stdout(self, what, **how):
        command = self.run_line(self.client, what, **how)
        self.assert_ended(command)
        self.assertEqual(command.stderr, b"")
        return bytes(command.stdout)

    def test_an_argv_runs_as_it_is_without_a_shell(self):
        words = ["a b", "$HOME", "*", "", "'", '"', "\n", "\\", ";", "~"]
        expected = "".join(f"<{word}>" for word in words).encode()
        self.assertEqual(self.stdout(["printf", "<%s>", *words]), expected)

    def test_a_line_goes_to_the_shell(self):
        self.assertEqual(self.stdout("x=1; echo $((x + 1)) | cat"), b"2\n")

    def test_words_and_lines_are_bytes(self):
        """promise 6"""
        every = bytes(range(1, 256))
        gbk = "中文".encode("gbk")
        self.assertEqual(self.stdout(["printf", "%s", every]), every)
        self.assertEqual(self.stdout(b"printf %s '" + gbk + b"\xff\x80'"), gbk + b"\xff\x80")

    def test_commands_of_400_kb_run_whole(self):
        """promise 16"""
        self.assertEqual(self.stdout("printf %s '" + "x" * 400_000 + "' | wc -c"), b"400000\n")
        words = ["y" * 100_000] * 4
        self.assertEqual(self.stdout(["sh", "-c", 'printf %s "$@" | wc -c', "sh", *words]), b"400000\n")

    def test_an_argument_list_that_the_system_does_not_take_is_an_error(self):
        command = self.run_line(self.client, ["echo", "x" * 200_000])  # over MAX_ARG_STRLEN
        self.assert_never_ran(command, "spawn", stage="exec", errno="E2BIG")
        self.assert_session_works(self.client)

    def test_the_environment_is_the_daemons_with_what_was_given(self):
        given = {"GIVEN": "a=b c\n", "HOME": "/elsewhere", "EMPTY": ""}
        for what in ("env -0", ["env", "-0"]):
            words = self.stdout(what, environment=given).split(b"\0")
            self.assertTrue({b"GIVEN=a=b c\n", b"HOME=/elsewhere", b"EMPTY="} <= set(words), words)
            self.assertIn(f"{MARK}={self.daemon.mark}".encode(), words)
            names = [word.partition(b"=")[0] for word in words if word]
            self.assertEqual(sorted(names), sorted(set(names)), "a name stands twice")

    def test_clear_env_leaves_only_what_was_given(self):
        words = self.stdout(["/usr/bin/env", "-0"], environment={"ONLY": "this"}, clear_env=True).split(b"\0")
        self.assertEqual(words[0], b"ONLY=this")
        self.assertEqual([word for word in words[1:] if word and not word.startswith(b"RUNWIRE_JOB=")], [])

    def test_a_program_is_looked_for_in_the_path_that_it_is_given(self):
        script = pathlib.Path(self.path("here"))
        script.write_text("#!/bin/sh\necho found\n")
        script.chmod(0o755)
        self.assertEqual(self.stdout(["here"], environment={"PATH": self.directory}), b"found\n")

    def test_cwd_may_be_any_directory_whatever_its_name(self):
        self.assertEqual(self.stdout(["pwd"], cwd="/"), b"/\n")
        strange = os.path.join(self.directory.encode(), b"\xff\xfe dir")
        os.mkdir(strange)
        name = {"b64": base64.b64encode(strange).decode()}
        for what in (["pwd"], "pwd"):
            self.assertEqual(self.stdout(what, cwd=name), os.path.realpath(strange) + b"\n")

    def test_it_has_descriptors_0_to_2_no_ignored_signal_and_a_session_of_its_own(self):
        """promise 13"""
        listed = self.stdout(["ls", "/proc/self/fd"], stdin=False).split()
        self.assertEqual(len(listed), 4, listed)  # the fourth is ls's own
        status = self.stdout(["cat", "/proc/self/status"]).decode()
        for field in ("SigBlk", "SigIgn"):
            self.assertEqual(int(re.search(rf"{field}:\s*(\w+)", status)[1], 16), 0, field)
        self.assertRegex(self.stdout("ps -o pid=,pgid=,sid= $$").decode(), r"\A\s*(\d+)\s+\1\s+\1\s*\Z")

    def test_without_stdin_it_reads_nothing(self):
        self.assertEqual(self.stdout("readlink /proc/self/fd/0; cat"), b"/dev/null\n")

    def test_started_tells_the_pid(self):
        command = self.client.start(["sh", "-c", "echo $$"])
        command.wait()
        self.assertEqual(int(command.stdout), command.pid)

    def test_the_server_makes_an_id_where_none_is_given(self):
        connection = self.raw()
        for expected in ("r1", "r2"):
            connection.send(start("echo hi"))
            self.assertEqual(connection.header_of("exit")["id"], expected)

    def test_exit_codes_0_to_255_are_exact_and_256_commands_fit_into_one_connection_at_once(self):
        """promise 1"""
        gate = self.gate()
        commands = [self.client.start(f"read x < {gate}; echo {code}; exit {code}") for code in range(256)]
        gate.open(256)
        for code, command in enumerate(commands):
            self.assert_ended(command.wait(), code)
            self.assertEqual(command.stdout, f"{code}\n".encode())

    def test_hundreds_at_once_run_side_by_side(self):
        """500 commands that all have to be there before any of them may end."""
        bell, gate = self.bell(), self.gate()
        reply = ("stream", "whole")
        commands = [
            self.client.start(f"echo > {bell}; read x < {gate}; echo {i}", reply=reply[i % 2]) for i in range(500)
        ]
        bell.wait(500)
        gate.open(500)
        for number, command in enumerate(commands):
            self.assert_ended(command.wait())
            self.assertEqual(command.stdout, f"{number}\n".encode())

    def test_death_by_a_signal_is_told_by_its_name(self):
        """promise 2"""
        for name in "HUP INT QUIT ILL ABRT FPE KILL SEGV PIPE ALRM TERM USR1 USR2 BUS SYS XCPU TRAP".split():
            command = self.run_line(self.client, f"ulimit -c 0; kill -{name} $$; sleep 10")
            self.assert_ended(command, signal=name)
            self.assertIn(command.end["core"], (False, None))


class Whole(SessionCase):
    def test_the_reply_is_one_frame_with_both_streams(self):
        connection = self.raw()
        connection.send(start("printf out; printf err >&2; exit 4", id="a", reply="whole"))
        header, payload = connection.receive()
        self.assertEqual((header["type"], header["id"], header["code"]), ("exit", "a", 4))
        self.assertEqual((header["stdout"], header["stderr"], header["len"], payload), (3, 3, 6, b"outerr"))

    def test_output_of_any_size_arrives_whole(self):
        """promise 3"""
        client = self.session(window=1000)  # which a whole reply does not heed
        command = self.run_line(client, "head -c 30000000 /dev/zero; printf end >&2", reply="whole")
        self.assert_ended(command)
        self.assertEqual((len(command.stdout), command.stderr), (30_000_000, b"end"))
        self.assertEqual(command.stdout.count(0), 30_000_000)

    def test_one_without_output_has_no_payload(self):
        command = self.run_line(self.session(), "true", reply="whole")
        self.assert_ended(command)
        self.assertEqual((command.stdout, command.stderr), (b"", b""))

    def test_it_can_read_stdin(self):
        client = self.session()
        command = client.start("cat", stdin=True, reply="whole")
        command.write(b"x" * 1_000_000, eof=True)
        self.assertEqual(command.wait().stdout, b"x" * 1_000_000)


class Failure(SessionCase):
    """A command that cannot start is one error with its id; the session goes on."""

    def setUp(self):
        super().setUp()
        self.client = self.session()

    def error_of(self, what, **how):
        command = self.run_line(self.client, what, **how)
        self.assert_never_ran(command, "spawn")
        return command.end["stage"], command.end["errno"], command.end["message"]

    def test_a_missing_directory_a_missing_program_and_one_that_is_not_executable_are_three_errors(self):
        """promise 15"""
        text = self.path("text")
        pathlib.Path(text).write_text("no program\n")
        for reply in ("stream", "whole"):
            missing_directory = self.error_of(["true"], cwd=self.path("none"), reply=reply)
            missing_program = self.error_of([self.path("none")], reply=reply)
            not_executable = self.error_of([text], reply=reply)
            self.assertEqual(missing_directory[:2], ("cwd", "ENOENT"))
            self.assertEqual(missing_program[:2], ("exec", "ENOENT"))
            self.assertEqual(not_executable[:2], ("exec", "EACCES"))
            messages = {missing_directory[2], missing_program[2], not_executable[2]}
            self.assertEqual(len(messages), 3)
        self.assert_session_works(self.client)

    def test_other_causes_have_their_own_stage_and_errno(self):
        """promise 15"""
        text = self.path("text")
        pathlib.Path(text).write_text("no program\n")
        self.assertEqual(self.error_of(["no-such-program-anywhere"])[:2], ("exec", "ENOENT"))
        self.assertEqual(self.error_of([self.directory])[:2], ("exec", "EACCES"))
        self.assertEqual(self.error_of(["true"], cwd=text)[:2], ("cwd", "ENOTDIR"))
        self.assertEqual(self.error_of("true", cwd=self.path("none"))[:2], ("cwd", "ENOENT"))

    def test_nothing_else_is_said_of_a_command_that_never_ran(self):
        connection = self.raw()
        connection.tell("start", b"/none\0", id="a", argc=1)
        headers = [header for header, _ in connection.receive_until("error")]
        connection.send(start("echo hi", id="b"))
        headers += [header for header, _ in connection.receive_until("exit")]
        kinds = [header["type"] for header in headers if header["id"] == "a"]
        self.assertIn(kinds, (["error"], ["started", "error"]))

    def test_500_failed_starts_leave_nothing(self):
        """promise 15, promise 24"""
        for number in range(500):
            self.error_of([["/none"], ["/"]][number % 2], cwd="/none" if number % 3 else "")
        self.assertEqual(process.children(self.daemon.pid), [])
        until(lambda: len(process.descriptors(self.daemon.pid)) <= self.daemon.descriptors_at_start + 5, "no leak")

    def test_an_id_that_runs_already_is_a_conflict_and_its_command_is_not_touched(self):
        gate, canary = self.gate(), self.path("canary")
        connection = self.raw(OPENING + start(f"read x < {gate}; echo mine; exit 5", id="a"))
        connection.receive_until("started")
        connection.send(start(f"touch {canary}", id="a"))
        error = connection.header_of("error")
        self.assertEqual((error["id"], error["error"]), ("a", "conflict"))
        gate.open()
        received = connection.receive_until("exit")
        self.assertEqual((received[-1][0]["code"], received[0][1]), (5, b"mine\n"))
        self.assertFalse(os.path.exists(canary))

    def test_an_id_may_be_used_again_after_its_command_has_ended(self):
        for number in range(3):
            self.assert_ended(self.run_line(self.client, f"exit {number}", id="same"), number)

    def test_the_same_id_on_two_connections_is_two_commands(self):
        gate = self.gate()
        clients = [self.client, self.session()]
        commands = [client.start(f"read x < {gate}; echo $$", id="same") for client in clients]
        gate.open(2)
        self.assertEqual(len({bytes(command.wait().stdout) for command in commands}), 2)

    def test_what_a_start_asks_for_is_done(self):
        """promise 15: a command that was to have limits must not run without them."""
        canary = self.path("canary")
        wishes = (
            ({"limits": {"nofile": 64}}, "ulimit -n", b"64\n"),
            ({"limits": {"umask": 0o27}}, "umask", b"0027\n"),
            ({"pty": {"rows": 33, "cols": 99}}, "stty size", b"33 99\r\n"),
            ({"keep_ms": 1000}, "echo kept", b"kept\n"),
            ({"full": "spill"}, "echo spilled", b"spilled\n"),
            ({"full": "drop"}, "echo dropped", b"dropped\n"),
        )
        for wish, line, expected in wishes:
            with self.subTest(wish):
                command = self.run_line(self.client, f"touch {canary}; {line}", **wish)
                self.assert_ended(command)
                self.assertEqual(command.stdout, expected)
                os.remove(canary)

    def test_verbs_of_a_later_version_are_unsupported_and_the_session_goes_on(self):
        connection = self.raw()
        connection.tell("stats", b"some payload", id="a")
        error = connection.receive()[0]
        self.assertEqual((error["type"], error["error"], error.get("id")), ("error", "unsupported", "a"))
        connection.send(start("exit 6", id="b"))
        self.assertEqual(connection.header_of("exit")["code"], 6)

    def test_verbs_about_an_id_that_no_command_has_are_refused_and_the_session_goes_on(self):
        connection = self.raw()
        for verb in ("attach", "cancel", "forget"):
            connection.tell(verb, id=f"not to {verb}")
            error = connection.receive()[0]
            self.assertEqual((error["type"], error.get("id")), ("error", f"not to {verb}"))
            self.assertEqual(error["error"], "unknown")
        connection.send(start("exit 6", id="b"))
        self.assertEqual(connection.header_of("exit")["code"], 6)

    def test_what_is_said_of_a_command_that_was_refused_has_crossed_with_that(self):
        """A client need not wait for `started` before it sends input."""
        about = message("stdin", b"in", id="a", off=0, eof=True) + message("signal", id="a", signal="TERM")
        about += message("stop", id="a", stream="stdout")
        gate, full = self.gate(), self.start("--max-running", "1", "--max-queued", "0", listen=["127.0.0.1:0"])
        running = self.raw(OPENING + start(f"read x < {gate}", id="r"), full.tcp)
        running.receive_until("started")
        for daemon, cwd, refused in ((full, "/", "busy"), (self.daemon, "/none", "spawn")):
            opening = OPENING + start("cat", id="a", stdin=True, cwd=cwd)
            connection = self.raw(opening + about + message("ping"), daemon.tcp)
            said = {}
            while not said.keys() >= {"error", "pong"}:
                header, _ = connection.receive()
                said[header["type"]] = header
            self.assertEqual((said["error"]["id"], said["error"]["error"]), ("a", refused))
        gate.open()

    def test_unknown_types_that_are_optional_are_passed_over_with_their_payload(self):
        connection = self.raw()
        connection.tell("news", b"\xff" * 1000, optional=True)
        connection.tell("ping")
        self.assertEqual(connection.receive()[0]["type"], "pong")


class ExitRecord(SessionCase):
    KEYS = {"type", "id", "code", "signal", "core", "reason", "stdout", "stderr", "truncated", "cut", "survivors", "usage"}

    def test_it_has_every_field_none_left_out(self):
        """promise 2"""
        for line in ("true", "exit 3", "kill -TERM $$"):
            for reply in ("stream", "whole"):
                record = self.run_line(self.session(), line, reply=reply).end
                self.assertEqual(set(record) - {"len"}, self.KEYS)
                self.assertEqual((record["truncated"], record["cut"]), (False, False))
                self.assertEqual((record["code"] is None) + (record["signal"] is None), 1)

    def test_usage_is_what_the_command_and_all_that_it_waited_for_cost(self):
        """usage from wait4"""
        busy = "i=0; while [ $i -lt 200000 ]; do i=$((i + 1)); done"
        usage = self.run_line(self.session(), f"sh -c '{busy}'; sleep 0.05").end["usage"]
        self.assertEqual(set(usage), {"wall_ms", "user_ms", "sys_ms", "max_rss_kb"})
        self.assertGreater(usage["user_ms"] + usage["sys_ms"], 20)
        self.assertGreaterEqual(usage["wall_ms"], 50)
        idle = self.run_line(self.session(), "sleep 0.2").end["usage"]
        self.assertGreaterEqual(idle["wall_ms"], 200)
        self.assertLess(idle["user_ms"] + idle["sys_ms"], 100)

    def test_usage_tells_the_most_memory_that_it_had(self):
        usage = self.run_line(self.session(), "head -c 60000000 /dev/zero | tail -c 50000000 | wc -c").end["usage"]
        self.assertGreater(usage["max_rss_kb"], 45_000)

    def test_it_comes_after_the_command_was_reaped(self):
        """promise 24"""
        client = self.session()
        for _ in range(50):
            command = self.run_line(client, "true")
            self.assertEqual(process.state(command.pid), "")


if __name__ == "__main__":
    unittest.main()
