"""The process that a command becomes: what it inherits, what it does not, and how a failed start is told."""

import os
import pwd
import resource
import shutil
import signal
import unittest

import process
from daemon import DaemonCase, until

STOPPED = "kill -STOP $$"  # a shell that stops itself can be looked at from outside


class Child(DaemonCase):
    def stopped_child(self, daemon, command=STOPPED):
        """The pid of a command that has stopped itself; it is continued when the test is over."""
        return self.stopped_child_at(daemon, daemon.tcp, command)

    def stopped_child_at(self, daemon, address, command=STOPPED):
        connection = self.connect(address)
        connection.send(command)
        (pid,) = until(lambda: self.stopped_ones(daemon), "a stopped command")
        self.addCleanup(self.resume, connection, pid)
        return pid

    def stopped_ones(self, daemon):
        return [pid for pid in process.children(daemon.pid) if process.state(pid) == "T"]

    def resume(self, connection, pid):
        os.kill(pid, signal.SIGCONT)
        connection.reply()

    def test_it_is_bin_sh_with_the_command_as_one_word(self):
        daemon = self.start()
        pid = self.stopped_child(daemon)
        self.assertEqual(process.words(pid, "cmdline"), [b"/bin/sh", b"-c", STOPPED.encode()])

    def test_another_shell_is_used_where_one_is_named(self):
        shell = self.path("shell")
        os.symlink("/bin/sh", shell)
        daemon = self.start("--shell", shell)
        pid = self.stopped_child(daemon)
        self.assertEqual(process.words(pid, "cmdline"), [shell.encode(), b"-c", STOPPED.encode()])

    def test_it_leads_a_session_and_a_group_of_its_own_without_a_terminal(self):
        """promise 13"""
        pid = self.stopped_child(self.start())
        group, session, terminal = process.stat(pid)[2:5]
        self.assertEqual((group, session, terminal), (str(pid), str(pid), "0"))

    def test_it_has_descriptors_0_to_2_and_no_other_though_the_daemon_inherited_50(self):
        """promise 13"""
        inherited = [os.open("/dev/null", os.O_RDONLY) for _ in range(50)]
        try:
            daemon = self.start(pass_fds=inherited)
        finally:
            for descriptor in inherited:
                os.close(descriptor)
        connections = [self.connect(address) for address in daemon.addresses * 5]
        self.assertEqual(connections[0].run("echo hello").stdout, b"hello\n")
        pid = self.stopped_child(daemon)
        held = process.descriptors(pid)
        self.assertEqual(sorted(held), [0, 1, 2], held)
        self.assertEqual(held[0], "/dev/null")
        self.assertTrue(held[1].startswith("pipe:") and held[2].startswith("pipe:"), held)
        self.assertNotEqual(held[1], held[2])

    def test_a_long_command_has_no_other_descriptors_than_a_short_one(self):
        """promise 13"""
        pid = self.stopped_child(self.start(), STOPPED + " #" + "x" * 300_000)
        held = process.descriptors(pid)
        self.assertEqual([number for number in held if number < 10], [0, 1, 2], held)

    def test_it_ignores_and_blocks_no_signal_though_the_daemon_inherited_such(self):
        """promise 13"""

        def ignore_and_block():
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGTSTP):
                signal.signal(number, signal.SIG_IGN)
            signal.signal(signal.SIGRTMIN + 3, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGALRM, signal.SIGRTMIN + 4})

        daemon = self.start(preexec_fn=ignore_and_block, restore_signals=False)
        status = process.status(self.stopped_child(daemon))
        self.assertEqual((int(status["SigIgn"], 16), int(status["SigBlk"], 16)), (0, 0), status)

    def test_its_end_is_seen_though_the_daemon_inherited_an_ignored_sigchld(self):
        def ignore_children():
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)

        daemon = self.start(preexec_fn=ignore_children, restore_signals=False)
        self.assert_exited(self.connect(daemon.tcp).run("exit 3"), 3)

    def test_it_has_the_limits_that_the_daemon_was_started_with(self):
        """promise 13"""
        names = [name for name in dir(resource) if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"]
        before = {name: resource.getrlimit(getattr(resource, name)) for name in names}
        before["RLIMIT_NOFILE"] = (256, 2048)
        daemon = self.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2048)))
        pid = self.stopped_child(daemon)
        after = {name: process.limit(pid, getattr(resource, name)) for name in before}
        self.assertEqual(after, before)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_it_has_the_nice_value_that_the_daemon_was_started_with(self):
        for nice in (-5, 0, 5):
            daemon = self.start(preexec_fn=lambda: os.nice(nice), listen=[f"unix:{self.path(str(nice))}"])
            self.assertEqual(self.connect(daemon.unix).run("nice").stdout, b"%d\n" % nice)

    def test_it_has_the_users_umask(self):
        """promise 13"""
        for mask in (0o022, 0o027, 0o000):
            daemon = self.start(umask=mask, listen=[f"unix:{self.path(f'{mask}.sock')}"])
            self.assertEqual(self.connect(daemon.unix).run("umask").stdout, b"%04o\n" % mask)

    def test_it_has_the_daemons_environment_and_working_directory(self):
        work = self.path("work")
        os.mkdir(work)
        daemon = self.start(cwd=work, environment={"COLOUR": "green blue"})
        reply = self.connect(daemon.tcp).run('pwd; echo "$COLOUR"')
        self.assertEqual(reply.stdout, f"{os.path.realpath(work)}\ngreen blue\n".encode())

    def test_it_has_the_variables_of_a_login_though_the_daemon_was_started_without_them(self):
        """promise 13"""
        missing = dict.fromkeys(("HOME", "SHELL", "USER", "LOGNAME"))
        user = pwd.getpwuid(os.geteuid())
        said = self.connect(self.start(environment=missing).tcp).run('echo "$HOME,$SHELL,$USER,$LOGNAME"').stdout.decode()
        self.assertEqual(said, f"{user.pw_dir},{user.pw_shell},{user.pw_name},{user.pw_name}\n")

    def test_variables_of_a_login_that_the_daemon_has_are_left_as_they_are(self):
        """promise 13"""
        daemon = self.start(environment={"HOME": "/h", "SHELL": "/s", "USER": "u", "LOGNAME": None})
        said = self.connect(daemon.tcp).run('echo "$HOME,$SHELL,$USER,$LOGNAME"').stdout.decode()
        self.assertEqual(said, f"/h,/s,u,{pwd.getpwuid(os.geteuid()).pw_name}\n")

    def test_it_starts_in_the_directory_that_an_option_names(self):
        work = self.path("work")
        os.mkdir(work)
        daemon = self.start("--cwd", work)
        self.assertEqual(self.connect(daemon.tcp).run("pwd").stdout, f"{os.path.realpath(work)}\n".encode())

    def test_one_command_changes_nothing_for_the_next(self):
        connection = self.connect(self.start().tcp)
        before = connection.run("pwd; umask; echo $A; ulimit -c").stdout
        connection.run("cd /; umask 077; export A=1; ulimit -c 0; trap '' TERM")
        self.assertEqual(connection.run("pwd; umask; echo $A; ulimit -c").stdout, before)

    @unittest.skipUnless(shutil.which("bash"), "needs bash")
    def test_bash_reads_no_startup_file(self):
        """promise 12"""
        canary = self.path("canary")
        for name in (".bashrc", ".profile", ".bash_profile"):
            with open(self.path(name), "w") as file:
                file.write(f"touch {canary}\n")
        home = {"HOME": self.directory, "SHLVL": None, "SSH_CLIENT": None, "SSH2_CLIENT": None}
        daemon = self.start("--shell", shutil.which("bash"), environment=home)
        reply = self.connect(daemon.tcp).run("echo $BASH_VERSION; echo ~")
        self.assertTrue(reply.stdout.endswith(f"\n{self.directory}\n".encode()), reply)
        self.assertFalse(os.path.exists(canary))

    def test_it_is_reaped_before_the_reply_is_sent(self):
        """promise 24"""
        daemon = self.start()
        connection = self.connect(daemon.tcp)
        for _ in range(50):
            pid = int(connection.run("echo $$").stdout)
            self.assertEqual(process.state(pid), "")


class FailedStart(DaemonCase):
    """What cannot be started is an error frame with the step and the cause, and leaves nothing behind."""

    def assert_spawn_fails(self, connection, stage, errno_name):
        reply = connection.run("echo hello")
        self.assert_error(reply, "spawn")
        self.assertEqual((reply.header["stage"], reply.header["errno"]), (stage, errno_name), reply)
        return reply.header["message"]

    def shell(self):
        """A shell of our own, to be broken."""
        path = self.path("shell")
        os.symlink("/bin/sh", path)
        return path

    def test_a_missing_shell_is_named(self):
        """promise 15"""
        shell = self.shell()
        daemon = self.start("--shell", shell)
        connection = self.connect(daemon.tcp)
        self.assert_exited(connection.run("true"))
        os.unlink(shell)
        self.assertIn(shell, self.assert_spawn_fails(connection, "exec", "ENOENT"))

    def test_a_shell_that_may_not_be_executed_is_named(self):
        """promise 15"""
        shell = self.path("shell")
        shutil.copy("/bin/sh", shell)
        daemon = self.start("--shell", shell)
        os.chmod(shell, 0o644)
        self.assertIn(shell, self.assert_spawn_fails(self.connect(daemon.tcp), "exec", "EACCES"))

    def test_a_removed_working_directory_is_named(self):
        """promise 15"""
        work = self.path("work")
        os.mkdir(work)
        daemon = self.start("--cwd", work)
        os.rmdir(work)
        self.assertIn(work, self.assert_spawn_fails(self.connect(daemon.tcp), "cwd", "ENOENT"))

    def test_the_connection_lives_on_and_serves_once_the_cause_is_gone(self):
        """promise 15"""
        shell = self.shell()
        daemon = self.start("--shell", shell)
        connection = self.connect(daemon.tcp)
        os.unlink(shell)
        self.assert_spawn_fails(connection, "exec", "ENOENT")
        os.symlink("/bin/sh", shell)
        self.assertEqual(connection.run("echo hello").stdout, b"hello\n")

    def test_1000_failed_starts_leave_no_zombie_no_descriptor_and_no_memory(self):
        """promise 15, promise 24"""
        shell = self.shell()
        daemon = self.start("--shell", shell)
        connection = self.connect(daemon.tcp)
        connection.run("true")
        os.unlink(shell)
        for _ in range(100):
            self.assert_spawn_fails(connection, "exec", "ENOENT")
        descriptors, memory = len(process.descriptors(daemon.pid)), process.kilobytes(daemon.pid, "VmRSS")
        for _ in range(900):
            self.assert_spawn_fails(connection, "exec", "ENOENT")
        self.assertEqual(process.children(daemon.pid), [])
        until(lambda: len(process.descriptors(daemon.pid)) <= descriptors, "as few descriptors as before")
        self.assertLess(process.kilobytes(daemon.pid, "VmRSS") - memory, 8192)


if __name__ == "__main__":
    unittest.main()
