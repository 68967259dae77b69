"""Plain words run without a shell, and nobody can tell; both ways of starting a child give the same."""

import os
import shutil

from daemon import MARK, DaemonCase

# What must come out the same: programs and plain words, things that only look so, and every kind of failure.
COMMANDS = [
    "ls -d /", "ls /nowhere", "/bin/true", "/bin/false", "uname", "cat /etc/passwd", " ls  -d   / ", "ls -d /\n",
    "nosuchprogram a b", "/nowhere/program", "/etc/passwd", "/", "/etc/passwd/x", "A=b", "A=b ls -d /", "echo a", "pwd",
    "/bin/pwd", "kill -0 1", "exit 3", "ls -d / | cat", "ls -d '/'", "ls -d /us?", "ls # -x", "test -d /", "env",
    "/usr/bin/env", "printenv PWD", "basename /a/b.c .c", "expr 1 + 1", "",
]  # fmt: skip


class Direct(DaemonCase):
    def beside(self, *options, **how):
        """One of several daemons in the same directory."""
        return self.start(*options, listen=["127.0.0.1:0"], **how)

    def replies(self, daemon):
        connection = self.connect(daemon.tcp)
        return {command: self.seen(daemon, connection.run(command or " ")) for command in COMMANDS}

    def seen(self, daemon, reply):
        return reply.stdout.replace(daemon.mark.encode(), b""), reply.stderr, reply.code, reply.signal

    def test_output_status_and_error_texts_are_those_of_the_shell(self):
        through_shell = self.replies(self.beside("--direct", "never"))
        self.assertEqual(self.replies(self.beside("--direct", "auto")), through_shell)

    def test_both_spawners_give_the_same(self):
        self.assertEqual(self.replies(self.beside("--spawner", "uv")), self.replies(self.beside("--spawner", "native")))

    def test_plain_words_need_no_shell_and_all_else_does(self):
        """That none is started cannot be seen in a reply, but where there is none any more it can."""
        for direct, code in [("auto", 0), ("never", None)]:
            shell = shutil.copy(os.path.realpath("/bin/sh"), self.path("dash"))
            connection = self.connect(self.beside("--direct", direct, "--shell", shell).tcp)
            os.unlink(shell)
            with self.subTest(direct):
                self.assertEqual(connection.run("uname").code, code)
                self.assert_error(connection.run("uname; uname"), "spawn")

    def test_a_script_without_an_interpreters_name_is_run_by_the_shell(self):
        script = self.path("script")
        with open(script, "w") as text:
            text.write("echo run by ${0##*/}\n")
        os.chmod(script, 0o755)
        reply = self.connect(self.beside().tcp).run(script)
        self.assertEqual((reply.stdout, reply.code), (b"run by script\n", 0))

    def test_a_program_is_found_where_path_has_it_first(self):
        first, second = self.path("first"), self.path("second")
        for directory in (first, second):
            os.mkdir(directory)
            with open(f"{directory}/which-one", "w") as script:
                script.write(f"#!/bin/sh\necho {os.path.basename(directory)}\n")
        os.chmod(f"{second}/which-one", 0o755)  # the first one may not be executed
        path = f"{first}:{second}:{os.environ['PATH']}"
        reply = self.connect(self.beside(environment={"PATH": path}).tcp).run("which-one")
        self.assertEqual(reply.stdout, b"second\n")

    def test_the_environment_is_the_one_the_shell_passes_on(self):
        show = shutil.copy("/usr/bin/env", self.path("show"))
        environment = {"a.b": "no name for the shell", "PWD": "/nowhere", "KEPT": "yes"}
        seen = []
        for direct in ("auto", "never"):
            daemon = self.beside("--direct", direct, environment=environment)
            lines = self.connect(daemon.tcp).run(show).stdout.splitlines()
            seen.append(sorted(line for line in lines if not line.startswith(MARK.encode())))
        self.assertIn(b"KEPT=yes", seen[0])
        self.assertEqual(*seen)

    def test_usage_is_told_by_the_native_spawner(self):
        if not os.path.exists("/proc/self/stat"):
            self.skipTest("the native spawner is Linux's")
        reply = self.connect(self.beside("--spawner", "native").tcp).run("python3 -c 'len(b\"x\" * (96 << 20))'")
        self.assertGreater(reply.header["usage"]["max_rss_kb"], 96 << 10)
        self.assertGreaterEqual(reply.header["usage"]["user_ms"] + reply.header["usage"]["sys_ms"], 0)
