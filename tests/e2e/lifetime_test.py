"""How long a command and what it started live: with their client, with the daemon, beyond both."""

import os
import signal
import unittest

import plain
import process
from daemon import DaemonCase, until


class Background(DaemonCase):
    """A process that a command leaves behind."""

    def setUp(self):
        super().setUp()
        self.daemon = self.start()
        self.connection = self.connect(self.daemon.tcp)

    def end_later(self, pid):
        self.addCleanup(os.kill, pid, signal.SIGKILL)

    def test_one_that_holds_the_pipe_does_not_delay_the_reply(self):
        """promise 18"""
        reply = self.connection.run("sleep 1000 & echo $!")
        self.end_later(int(reply.stdout))
        self.assert_exited(reply)
        self.assertTrue(reply.cut)
        self.assertTrue(process.is_alive(int(reply.stdout)))

    def test_one_that_holds_only_stderr_does_not_delay_the_reply_either(self):
        """promise 18"""
        reply = self.connection.run("sleep 1000 >/dev/null & echo $!")
        self.end_later(int(reply.stdout))
        self.assertTrue(reply.cut)

    def test_one_that_keeps_writing_does_not_delay_the_reply(self):
        """promise 18"""
        reply = self.connection.run("(while :; do echo more; done) & echo $! >&2")
        self.end_later(int(reply.stderr))
        self.assert_exited(reply)
        self.assertTrue(reply.cut)
        self.assertTrue(reply.stdout.startswith(b"more\n"))
        self.assertTrue(process.is_alive(int(reply.stderr)))

    def writes_later(self, gate, bell):
        return f"(read x < {gate}; head -c 1000000 /dev/zero && echo wrote all > {bell}) & echo hi"

    def test_one_that_writes_after_the_reply_is_neither_blocked_nor_killed(self):
        """promise 18"""
        bell, gate = self.bell(), self.gate()
        reply = self.connection.run(self.writes_later(gate, bell))
        self.assertEqual((reply.stdout, reply.cut), (b"hi\n", True))
        gate.open()
        self.assertEqual(bell.wait(), ["wrote all"])

    def test_one_that_writes_after_its_client_left_is_neither_blocked_nor_killed(self):
        """promise 18, promise 19"""
        bell, gate = self.bell(), self.gate()
        self.connection.run(self.writes_later(gate, bell))
        self.connection.close()
        self.assert_serves(self.daemon.tcp)
        gate.open()
        self.assertEqual(bell.wait(), ["wrote all"])

    def test_what_it_writes_meanwhile_is_in_the_reply_or_the_reply_says_cut(self):
        """promise 18"""
        reply = self.connection.run("(while kill -0 $$ 2>&-; do :; done; echo late) & echo early")
        self.assertTrue(reply.stdout == b"early\nlate\n" or reply.cut, reply)

    def test_one_that_has_given_up_the_streams_cuts_nothing(self):
        """promise 18, promise 19"""
        reply = self.connection.run("sleep 1000 >/dev/null 2>&1 & echo $!")
        self.end_later(int(reply.stdout))
        self.assertFalse(reply.cut)
        self.assertTrue(process.is_alive(int(reply.stdout)))

    def test_detached_ones_live_on_after_the_reply_and_after_their_client(self):
        """promise 19"""
        started = []
        for how in ("setsid sleep 1000", "nohup sleep 1000", "sleep 1000"):
            started.append(int(self.connection.run(f"{how} </dev/null >/dev/null 2>&1 & echo $!").stdout))
            self.end_later(started[-1])
        self.connection.close()
        for _ in range(20):
            self.assert_serves(self.daemon.tcp)
        for pid in started:
            self.assertTrue(process.is_alive(pid))


class VanishedClient(DaemonCase):
    """Nobody is left who could read the reply: the command's whole process group ends."""

    def setUp(self):
        super().setUp()
        self.daemon = self.start("--log-level", "debug")
        self.began = self.bell()

    def assert_nothing_left(self):
        until(lambda: not self.daemon.commands(), "the command's processes to end")
        until(self.daemon.is_at_rest, "its children to be reaped and its descriptors closed")

    def begin(self, address, command):
        connection = self.connect(address)
        connection.send(f"{command.format(began=self.began)}")
        self.began.wait()
        return connection

    def test_a_reset_ends_the_whole_group(self):
        """promise 20"""
        script = "sleep 1001 & (sleep 1002; true) & echo > {began}; sleep 1003; true"
        self.begin(self.daemon.tcp, script).reset()
        self.assert_nothing_left()

    def test_a_close_ends_the_whole_group(self):
        """promise 20"""
        for address in self.daemon.addresses:
            with self.subTest(address):
                connection = self.begin(address, "sleep 1001 & echo > {began}; sleep 1003; true")
                connection.close()
                self.assert_nothing_left()

    def test_a_client_that_is_killed_ends_its_command(self):
        """promise 20"""
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            for address in self.daemon.addresses:
                with self.subTest(number, address=address):
                    connection = self.begin(address, "echo > {began}; sleep 1000; true")
                    client = self.process_holding(connection)
                    os.kill(client, number)
                    os.waitpid(client, 0)
                    self.assert_nothing_left()

    def process_holding(self, connection):
        """A process that alone has `connection` from now on."""
        before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # tests that run in the background ignore it
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(60)  # should nobody kill it
            signal.pause()
            os._exit(0)
        signal.signal(signal.SIGINT, before)
        connection.close()
        return pid

    def test_the_group_gets_term_first_and_can_clean_up(self):
        """promise 20"""
        cleaned = self.bell("cleaned")
        script = f"trap 'echo cleaned > {cleaned}; exit' TERM; sleep 1000 & echo > {{began}}; wait"
        self.begin(self.daemon.tcp, script).reset()
        self.assertEqual(cleaned.wait(), ["cleaned"])
        self.assert_nothing_left()

    def test_what_ignores_term_is_killed(self):
        """promise 20"""
        script = "trap '' TERM; sleep 1000 & echo > {began}; while :; do sleep 1000; done"
        self.begin(self.daemon.tcp, script).reset()
        self.assert_nothing_left()

    def test_one_that_reads_nothing_and_closes_ends_nothing_but_its_own(self):
        """promise 20"""
        gate = self.gate()
        other = self.begin(self.daemon.tcp, f"echo > {{began}}; read x < {gate}; echo mine")
        self.begin(self.daemon.tcp, "echo > {began}; sleep 1000; true").reset()
        until(lambda: len(process.children(self.daemon.pid)) == 1, "the vanished client's command to end")
        gate.open()
        self.assertEqual(other.reply().stdout, b"mine\n")

    def test_a_reset_while_the_reply_is_being_sent_leaves_nothing(self):
        """promise 20"""
        connection = self.connect(self.daemon.tcp)
        connection.send("head -c 20000000 /dev/zero")
        connection.header()
        connection.reset()
        self.assert_nothing_left()
        self.assert_serves(self.daemon.tcp)

    def test_100_aborts_in_the_middle_leave_nothing(self):
        """promise 20, promise 24"""
        for i in range(100):
            connection = self.begin(self.daemon.addresses[i % 2], "echo > {began}; sleep 1000; true")
            connection.reset()
        self.assert_nothing_left()
        self.assertEqual(process.zombies(self.daemon.pid), [])

    def test_its_next_command_is_not_run(self):
        """promise 20"""
        canary = self.path("canary")
        connection = self.begin(self.daemon.tcp, "echo > {began}; sleep 1000; true")
        connection.send(f"touch {canary}")
        connection.reset()
        self.assert_nothing_left()
        self.assert_serves(self.daemon.tcp)
        self.assertFalse(os.path.exists(canary))

    def test_a_client_that_half_closed_and_waits_has_not_vanished(self):
        """promise 20"""
        gate = self.gate()
        for address in self.daemon.addresses:
            with self.subTest(address):
                waiting = self.begin(address, f"echo > {{began}}; read x < {gate}; echo done")
                waiting.half_close()
                vanishing = self.begin(address, "echo > {began}; sleep 1000; true")
                vanishing.close()
                until(lambda: len(process.children(self.daemon.pid)) == 1, "the other's command to end")
                gate.open()
                self.assertEqual(waiting.reply().stdout, b"done\n")


class Crash(DaemonCase):
    def test_a_crash_is_seen_by_clients_at_once_and_a_restart_serves_on_the_same_addresses(self):
        """promise 58"""
        daemon = self.start()
        bell = self.bell()
        waiting = [self.connect(address) for address in daemon.addresses]
        for connection in waiting:
            connection.send(f"echo $$ > {bell}; sleep 1000; true")
        leaders = [int(line) for line in bell.wait(2)]
        idle = self.connect(daemon.tcp)
        daemon.kill()
        for connection in [*waiting, idle]:
            self.assertEqual(connection.rest(), b"")
        successor = self.start(listen=daemon.addresses)
        self.assertEqual(successor.addresses, daemon.addresses)
        for address in successor.addresses:
            self.assert_serves(address)
        for leader in leaders:
            until(lambda: not process.is_alive(leader), "the crashed daemon's command to end with it")


if __name__ == "__main__":
    unittest.main()
