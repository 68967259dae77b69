"""`runwire` and the real `runwired` together."""

import concurrent.futures
import hashlib
import os
import signal
import subprocess
import tempfile
import unittest

from client import environment, plain_runwire, program, runwire, start_runwire
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

    def test_an_http_request_as_a_plain_command_is_no_success(self):
        done = plain_runwire(self.daemon.tcp, "GET / HTTP/1.1")
        self.assertEqual((done.returncode, done.stdout), (255, b""))

    def end_of(self, address, number, *options):
        """How a client ends that gets this signal while its command runs; the command must be gone, too."""
        bell = self.bell(f"bell{number}{address == self.daemon.tcp}{len(options)}")
        process = start_runwire(*options, address, f"echo $$ > {bell}; exec sleep 1000")
        (pid,) = bell.wait()
        process.send_signal(number)
        status = process.wait(DEADLINE_S)
        until(lambda: not is_alive(int(pid)), f"the command to end after {number}")
        return status

    def test_the_end_of_the_client_by_any_signal_ends_its_command(self):
        """promise 20"""
        for address in self.both_addresses():
            self.assertEqual(self.end_of(address, signal.SIGKILL), -signal.SIGKILL)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                self.assertEqual(self.end_of(address, number, "--plain"), -number)

    def test_signals_reach_the_command_whose_end_is_the_clients(self):
        """promise 23"""
        for address in self.both_addresses():
            for name in ("HUP", "INT", "QUIT", "TERM", "USR1", "USR2"):
                number = getattr(signal, f"SIG{name}")
                self.assertEqual(self.end_of(address, number), 128 + number)

    def test_a_commands_trap_runs_and_its_status_arrives(self):
        """promise 23"""
        bell = self.bell()
        line = f"trap 'echo trapped; exit 9' USR1; echo > {bell}; while :; do sleep 0.01; done"
        process = start_runwire(self.daemon.tcp, line, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        bell.wait()
        process.send_signal(signal.SIGUSR1)
        self.assertEqual((process.communicate(timeout=DEADLINE_S)[0], process.returncode), (b"trapped\n", 9))

    def test_a_reader_that_leaves_ends_the_command_and_the_client(self):
        """promise 10"""
        for options in ((), ("--plain",)):
            with self.subTest(options):
                process = start_runwire(
                    *options, self.daemon.tcp, "seq 10000000", stdout=subprocess.PIPE, stderr=subprocess.PIPE
                )
                self.assertEqual(process.stdout.readline(), b"1\n")
                process.stdout.close()
                self.assertEqual(process.wait(DEADLINE_S), -signal.SIGPIPE if options else 128 + signal.SIGPIPE)
                process.stderr.close()

    def test_output_arrives_while_the_command_runs(self):
        """promise 5"""
        gate = self.gate()
        process = start_runwire(self.daemon.tcp, f"printf part; read x < {gate}", stdout=subprocess.PIPE)
        self.assertEqual(os.read(process.stdout.fileno(), 64), b"part")
        gate.open()
        self.assertEqual(process.communicate(timeout=DEADLINE_S)[0], b"")

    def test_64_mb_come_back_from_a_cat_with_every_byte(self):
        """promises 3, 6 and 7"""
        data = os.urandom(1 << 20) * 64
        for address in self.both_addresses():
            with tempfile.TemporaryFile() as file:
                file.write(data)
                file.seek(0)
                process = start_runwire(address, "cat", stdin=file, stdout=subprocess.PIPE)
                arrived = hashlib.file_digest(process.stdout, "sha256").digest()
            process.stdout.close()
            self.assertEqual((process.wait(DEADLINE_S), arrived), (0, hashlib.sha256(data).digest()))

    def test_the_end_of_stdin_is_the_commands_and_its_output_goes_on(self):
        """promise 7"""
        self.assert_ran(runwire(self.daemon.tcp, "cat >/dev/null; echo after; exit 4", stdin=b"x" * 1000), 4, b"after\n")

    def test_endless_input_that_nobody_reads_does_not_delay_the_exit(self):
        """promise 8"""
        for line in ("exit 6", "exec <&-; read x < {gate}; exit 6", "head -c 10 >/dev/null; exit 6"):
            gate = self.gate(f"gate{len(line)}")
            with open("/dev/zero", "rb") as endless:
                process = start_runwire(self.daemon.tcp, line.format(gate=gate), stdin=endless)
                if "{gate}" in line:
                    gate.open()
                self.assertEqual(process.wait(DEADLINE_S), 6)

    def test_a_program_that_is_not_there_is_127_and_one_that_cannot_be_run_126(self):
        for words, status in ((("no-such-program", "x"), 127), (("/etc/passwd", "x"), 126)):
            done = runwire(self.daemon.tcp, *words)
            self.assertEqual((done.returncode, done.stdout), (status, b""))
            self.assertIn(words[0].encode(), done.stderr)

    def test_a_timeout_is_124_and_keeps_what_came_before(self):
        done = runwire("--timeout", "100ms", self.daemon.tcp, "echo part; exec sleep 1000")
        self.assert_ran(done, 124, b"part\n", b"runwire: the server ended the command: timeout\n")

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
            self.assertIn(b"; what became of the command is unknown", said)
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

    def test_an_open_stdin_does_not_delay_the_exit(self):
        """promise 9"""
        read_end, write_end = os.pipe()
        process = start_runwire(self.daemon.tcp, "exit 3", stdin=read_end)
        self.assertEqual(process.wait(DEADLINE_S), 3)
        os.close(read_end)
        os.close(write_end)

    def test_a_caller_can_keep_its_stdin(self):
        """promise 9"""
        for option in ("-n", "--plain"):
            read_end, write_end = os.pipe()
            os.write(write_end, b"rest\n")
            process = start_runwire(option, self.daemon.tcp, "cat", stdin=read_end)
            self.assertEqual(process.wait(DEADLINE_S), 0)
            self.assertEqual(os.read(read_end, 64), b"rest\n")
            os.close(read_end)
            os.close(write_end)


if __name__ == "__main__":
    unittest.main()
