"""How a command ended, as the reply's header tells it."""

import unittest

from daemon import DaemonCase

# Those whose default is to kill, but for the few that shells keep to themselves.
DEADLY = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM XCPU XFSZ".split()


class ExitStatus(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon = self.start()
        self.connection = self.connect(self.daemon.tcp)

    def test_every_exit_code_from_0_to_255_arrives_exact(self):
        """promise 1"""
        for code in range(256):
            self.assert_exited(self.connection.run(f"exit {code}"), code)

    def test_the_code_is_exact_after_the_command_closed_its_streams(self):
        """promise 1"""
        self.assert_exited(self.connection.run("exec >&- 2>&-; exit 44"), 44)

    def test_the_reply_waits_for_the_exit_and_not_for_the_end_of_output(self):
        """promise 1"""
        bell, gate = self.bell(), self.gate()
        self.connection.send(f"echo out; exec >&- 2>&-; echo > {bell}; read x < {gate}; exit 45")
        bell.wait()
        gate.open()
        reply = self.connection.reply()
        self.assert_exited(reply, 45)
        self.assertEqual(reply.stdout, b"out\n")

    def test_death_by_each_of_17_signals_is_told_by_the_signals_name(self):
        """promise 2"""
        for name in DEADLY:
            with self.subTest(name):
                reply = self.connection.run(f"ulimit -c 0; kill -{name} $$; exit 0")
                self.assertEqual((reply.code, reply.signal, reply.reason), (None, name, "signal"))

    def test_output_before_a_death_by_signal_is_kept(self):
        """promise 2"""
        reply = self.connection.run("echo out; echo err >&2; kill -KILL $$")
        self.assertEqual((reply.stdout, reply.stderr, reply.signal), (b"out\n", b"err\n", "KILL"))

    def test_a_code_above_128_is_not_mistaken_for_a_signal(self):
        """promise 2"""
        self.assert_exited(self.connection.run("exit 137"), 137)
        self.assert_exited(self.connection.run("ulimit -c 0; sh -c 'kill -KILL $$'; exit $?"), 137)

    def test_a_command_that_is_not_found_is_the_shells_own_127(self):
        reply = self.connection.run("no-such-program-anywhere")
        self.assert_exited(reply, 127)
        self.assertIn(b"no-such-program-anywhere", reply.stderr)

    def test_a_syntax_error_is_the_shells_own_status(self):
        reply = self.connection.run("if; then")
        self.assert_exited(reply, 2)
        self.assertIn(b"yntax error", reply.stderr)


if __name__ == "__main__":
    unittest.main()
