"""What a command may use: what its client wishes, the operator's caps, and what cannot be had."""

import ctypes
import os
import resource

import process
from client import runwire
from session_case import MIB, SessionCase

LIMITS = {
    "cpu": (resource.RLIMIT_CPU, 7),
    "as": (resource.RLIMIT_AS, 4096 * MIB),
    "nofile": (resource.RLIMIT_NOFILE, 33),
    "nproc": (resource.RLIMIT_NPROC, 5000),
    "fsize": (resource.RLIMIT_FSIZE, 5 * MIB),
    "core": (resource.RLIMIT_CORE, 0),
}
WAITS = "read gate"
PR_CAPBSET_DROP, CAP_SYS_NICE, CAP_SYS_RESOURCE = 24, 23, 24


def without_privileges():
    """Root may not raise limits then, nor priorities, from the next exec on."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (CAP_SYS_NICE, CAP_SYS_RESOURCE):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


class Another:
    def another(self, *options, **how):
        """A daemon beside the first one."""
        return self.start(*options, listen=["127.0.0.1:0", f"unix:{self.path('another.sock')}"], **how)


class Limits(Another):
    """The same for each spawner."""

    def limits_of(self, session, name, **how):
        command = session.start("echo here; " + WAITS, stdin=True, **how)
        self.wait_for(session, lambda: command.got["stdout"])
        found = process.limit(command.pid, LIMITS[name][0])
        command.write(b"\n", eof=True)
        self.assert_ended(command.wait())
        return found

    def test_each_limit_is_the_commands_soft_and_hard_one(self):
        session = self.session()
        for name, (_, value) in LIMITS.items():
            with self.subTest(name):
                hard = value + 1 if name == "cpu" else value
                self.assertEqual(self.limits_of(session, name, limits={name: value}), (value, hard))

    def test_all_of_them_at_once_with_niceness_and_umask(self):
        wishes = {name: value for name, (_, value) in LIMITS.items()} | {"nice": 7, "umask": 0o27}
        command = self.run_line(self.session(), "ulimit -n; ulimit -c; nice; umask", limits=wishes)
        self.assert_ended(command)
        self.assertEqual(command.stdout, b"33\n0\n7\n0027\n")

    def test_other_commands_are_not_limited(self):
        session = self.session()
        before = self.run_line(session, "ulimit -a; nice; umask").stdout
        self.run_line(session, "true", limits={"nofile": 20, "nice": 4, "umask": 0o77})
        self.assertEqual(self.run_line(session, "ulimit -a; nice; umask").stdout, before)

    def test_a_command_that_takes_too_much_processor_time_gets_xcpu(self):
        command = self.run_line(self.session(), "ulimit -c 0; while :; do :; done", limits={"cpu": 1})
        self.assert_ended(command, signal="XCPU")

    def test_a_limit_that_may_not_be_set_is_an_error_with_its_stage_and_errno(self):
        session = self.session()
        command = self.run_line(session, "echo ran > ran", limits={"core": 0, "nofile": 1 << 52}, cwd=self.directory)
        self.assert_never_ran(command, "spawn", stage="limit:nofile", errno="EPERM")
        self.assertFalse(os.path.exists(self.path("ran")))
        self.assert_session_works(session)

    def test_without_privileges_no_hard_limit_and_no_priority_can_be_raised(self):
        limits = {"preexec_fn": lambda: (without_privileges(), resource.setrlimit(resource.RLIMIT_CORE, (0, 4096)))}
        session = self.session(self.another(*self.options, **limits).unix)
        refused = self.run_line(session, "true", limits={"core": 4097})
        self.assert_never_ran(refused, "spawn", stage="limit:core", errno="EPERM")
        refused = self.run_line(session, "true", limits={"nice": -1})
        self.assert_never_ran(refused, "spawn", stage="nice", errno="EACCES")
        self.assert_ended(self.run_line(session, "true", limits={"core": 4096, "nice": 1}))

    def test_the_pid_told_is_the_commands_and_its_exit_status_is_kept(self):
        session = self.session()
        command = self.run_line(session, "echo $$; exit 9", limits={"core": 0})
        self.assert_ended(command, 9)
        self.assertEqual(command.stdout, f"{command.pid}\n".encode())
        command = self.run_line(session, "kill -KILL $$", limits={"core": 0})
        self.assert_ended(command, signal="KILL")

    def test_it_has_no_descriptor_signal_or_session_that_others_have_not(self):
        session = self.session()
        seen = []
        for limits in ({}, {"core": 0}):
            command = session.start("echo here; " + WAITS, stdin=True, limits=limits)
            self.wait_for(session, lambda command=command: command.got["stdout"])
            status = process.status(command.pid)
            signals = {key: value for key, value in status.items() if key.startswith("Sig") and key != "SigQ"}
            ids = [number == str(command.pid) for number in process.stat(command.pid)[2:4]]
            words = process.words(command.pid, "cmdline")
            seen.append((sorted(process.descriptors(command.pid)), signals, ids, words))
            command.write(b"\n", eof=True)
            self.assert_ended(command.wait())
        self.assertEqual(seen[0], seen[1])

    def test_a_start_fails_as_it_does_without_limits(self):
        session = self.session()
        text = self.path("text")
        with open(text, "w") as file:
            file.write("echo ran by a shell; ulimit -c\n")
        for what, how in (
            (["no-such-program"], {}), ([text], {}), ("true", {"cwd": self.path("none")}), (["./none"], {}),
        ):  # fmt: skip
            with self.subTest(what):
                ends = [self.run_line(session, what, limits=limits, **how).end for limits in ({}, {"core": 0})]
                for key in ("type", "error", "stage", "errno", "message"):
                    self.assertEqual(ends[0][key], ends[1][key])
        os.chmod(text, 0o755)
        self.assertEqual(self.run_line(session, [text], limits={"core": 0}).stdout, b"ran by a shell\n0\n")

    def test_a_program_is_found_in_the_path_of_its_own_environment(self):
        os.mkdir(self.path("bin"))
        with open(self.path("bin/say"), "w") as file:
            file.write("#!/bin/sh\necho $HERE\n")
        os.chmod(self.path("bin/say"), 0o755)
        command = self.run_line(
            self.session(), ["say"], environment={"PATH": self.path("bin"), "HERE": "yes"}, clear_env=True,
            limits={"nofile": 30},
        )  # fmt: skip
        self.assert_ended(command)
        self.assertEqual(command.stdout, b"yes\n")

    def test_runwire_asks_for_them(self):
        words = ["--limit", "nofile=40,core=0", "--limit", "fsize=1M", "--nice", "3", "--umask", "077"]
        done = runwire(*words, self.daemon.unix, "ulimit -n; ulimit -c; ulimit -f; nice; umask")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"40\n0\n2048\n3\n0077\n", b""))

    def test_runwire_tells_why_a_limit_cannot_be_had(self):
        done = runwire("--limit", f"nofile={1 << 52}", self.daemon.unix, "true")
        self.assertEqual((done.returncode, done.stdout), (255, b""))
        self.assertIn(b"limit:nofile: operation not permitted", done.stderr)


class Caps(Another):
    def test_they_hold_for_every_command_and_over_every_wish(self):
        session = self.session()
        line = "ulimit -n; ulimit -Hn; ulimit -Hc"
        for wish, expected in (({}, 50), ({"nofile": 60}, 50), ({"nofile": 40}, 40), ({"core": 1 << 40}, 50)):
            with self.subTest(wish):
                command = self.run_line(session, line, limits=wish)
                self.assertEqual(command.stdout, f"{expected}\n{expected}\n8\n".encode())
        self.assertEqual(self.connect(self.daemon.tcp).run(line).stdout, b"50\n50\n8\n")
        self.assertEqual(self.run_line(session, ["sh", "-c", line]).stdout, b"50\n50\n8\n")

    def test_a_cap_above_what_runwired_has_raises_nothing(self):
        how = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 21))}
        daemon = self.another(*self.options[:2], "--limit", "fsize=1G", **how)
        command = self.run_line(self.session(daemon.unix), "ulimit -f; ulimit -Hf")
        self.assertEqual(command.stdout, b"2048\n4096\n")

    def test_one_that_makes_no_sense_is_refused_at_the_start(self):
        self.assert_start_refused("--limit: 'stack=1' is no limit", "--limit", "stack=1")


class NativeLimits(Limits, SessionCase):
    options = ("--spawner", "auto")


class UvLimits(Limits, SessionCase):
    options = ("--spawner", "uv")


class NativeCaps(Caps, SessionCase):
    options = ("--spawner", "auto", "--limit", "nofile=50", "--limit", "core=4K")


class UvCaps(Caps, SessionCase):
    options = ("--spawner", "uv", "--limit", "nofile=50,core=4K")
