"""`runwire` and the real `runwired` together."""

import concurrent.futures
import hashlib
import os
import signal
import subprocess
import unittest

from client import environment, program, runwire, start_runwire
from daemon import DaemonCase, until
from plain import DEADLINE_S
from process import is_alive

# Those whose default is to kill, but for the few that shells keep to themselves.
DEADLY = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM XCPU XFSZ".split()


class ClientAndDaemon(DaemonCase):
    def setUp(self):
        super().setUp()
        self.daemon = self.start()

    def assert_ran(self, done, status=0, stdout=b"", stderr=b""):
        self.assertEqual((done.returncode, done.stdout, done.stderr), (status, stdout, stderr))

    def both_addresses(self):
        for address in (self.daemon.tcp, self.daemon.unix):
            with self.subTest(address):
                yield address

    def test_the_line_that_the_daemon_suggests_works(self):
        words = ["sh", "-c", self.daemon.suggestion.replace("runwire", program(), 1)]
        done = subprocess.run(words, capture_output=True, env=environment(), timeout=DEADLINE_S)
        self.assert_ran(done, 0, subprocess.run(["uname", "-a"], capture_output=True).stdout)

    def test_every_exit_code_from_0_to_255_is_runwires_own(self):
        """promise 1"""
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            statuses = pool.map(lambda code: runwire(self.daemon.unix, f"exit {code}").returncode, range(256))
            self.assertEqual(list(statuses), list(range(256)))

    def test_death_by_each_of_17_signals_is_128_and_its_number(self):
        """promise 2"""
        for name in DEADLY:
            with self.subTest(name):
                done = runwire(self.daemon.tcp, f"ulimit -c 0; kill -{name} $$; exit 0")
                self.assert_ran(done, 128 + getattr(signal, f"SIG{name}"))

    def test_stdout_and_stderr_go_where_they_belong(self):
        for address in self.both_addresses():
            self.assert_ran(runwire(address, "echo out; echo err >&2; exit 3"), 3, b"out\n", b"err\n")

    def test_200_mb_arrive_with_every_byte(self):
        """promise 3"""
        line = "head -c 200000000 /dev/zero | tr '\\0' x"
        for address in self.both_addresses():
            process = start_runwire(address, line, stdout=subprocess.PIPE)
            self.assertEqual(hashlib.file_digest(process.stdout, "sha256").digest(), hashlib.sha256(b"x" * 200000000).digest())
            process.stdout.close()
            self.assertEqual(process.wait(), 0)

    def test_all_bytes_but_nul_pass_in_a_command_and_all_in_its_output(self):
        """promise 6"""
        every = bytes(range(1, 256)).replace(b"\n", b"") + b"\xc4\xe3\x80"
        self.assert_ran(runwire(self.daemon.tcp, "printf", "%s", every), 0, every)
        self.assert_ran(runwire(self.daemon.tcp, "printf '\\000\\377'"), 0, b"\0\xff")

    def test_words_arrive_as_they_are(self):
        words = ["a b", "it's", "", "$HOME", "[a,b]", "*", "--", "-v"]
        done = runwire(self.daemon.tcp, "--", "printf", "%s|", *words)
        self.assert_ran(done, 0, "".join(f"{word}|" for word in words).encode())

    def test_a_script_of_lines_runs_in_order_on_one_connection(self):
        done = runwire(self.daemon.unix, stdin=b"".join(b"echo %d\n" % i for i in range(300)))
        self.assert_ran(done, 0, b"".join(b"%d\n" % i for i in range(300)))

    def test_an_http_request_as_a_command_is_no_success(self):
        done = runwire(self.daemon.tcp, "GET / HTTP/1.1")
        self.assertEqual((done.returncode, done.stdout), (255, b""))

    def test_the_end_of_the_client_by_any_signal_ends_its_command(self):
        """promise 20"""
        for address in self.both_addresses():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                bell = self.bell(f"bell{number}{address == self.daemon.tcp}")
                process = start_runwire(address, f"echo $$ > {bell}; sleep 1000")
                (pid,) = bell.wait()
                process.send_signal(number)
                self.assertEqual(process.wait(DEADLINE_S), -number)
                until(lambda: not is_alive(int(pid)), f"the command to end after {number}")

    def test_a_reader_that_leaves_ends_the_client(self):
        """promise 10"""
        line = "seq 100000000"
        process = start_runwire(self.daemon.tcp, line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(process.stdout.readline(), b"1\n")
        process.stdout.close()
        self.assertNotEqual(process.wait(DEADLINE_S), 0)
        process.stderr.close()

    def test_the_crash_of_the_daemon_is_255_at_once(self):
        """promise 58"""
        bell = self.bell()
        for address in (self.daemon.tcp, self.daemon.unix):
            started = f"echo > {bell}; exec sleep 1000"
        process = start_runwire(self.daemon.tcp, started, stderr=subprocess.PIPE)
        other = start_runwire(self.daemon.unix, started, stderr=subprocess.PIPE)
        bell.wait(2)
        commands = self.daemon.commands()
        self.daemon.kill()
        for client in (process, other):
            said = client.communicate(timeout=DEADLINE_S)[1]
            self.assertEqual(client.returncode, 255)
            self.assertIn(b"no reply: ", said)
        for pid in commands:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)

    def test_100_clients_at_once_are_all_right(self):
        """promise 62"""
        clients = [
            start_runwire(self.daemon.tcp, f"echo {i}; exit {i}", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for i in range(100)
        ]
        for i, client in enumerate(clients):
            out, err = client.communicate(timeout=DEADLINE_S)
            self.assertEqual((client.returncode, out, err), (i, b"%d\n" % i, b""))

    def test_a_caller_can_leave_stdin_open_and_it_is_not_read(self):
        """promise 9"""
        read_end, write_end = os.pipe()
        os.write(write_end, b"rest\n")
        process = start_runwire(self.daemon.tcp, "true", stdin=read_end)
        self.assertEqual(process.wait(DEADLINE_S), 0)
        self.assertEqual(os.read(read_end, 64), b"rest\n")
        os.close(read_end)
        os.close(write_end)


if __name__ == "__main__":
    unittest.main()
