"""runwire-bench against real servers: what it measures, what it finds wrong, and how it ends.

The programs are those that the environment variables RUNWIRE_BENCH and RUNWIRED name.
"""

import csv
import json
import os
import pathlib
import pty
import signal
import subprocess
import sys
import unittest

from daemon import DEADLINE_S, DaemonCase, is_sanitized, program, until
from fake_daemon import FakeDaemon

PEERS = pathlib.Path(__file__).resolve().parents[2] / "bench" / "peers"
QUICK = ("-w", "0", "--timeout", "20s")  # nothing here is measured for its own sake
TROUBLE = 255


def bench_program():
    path = os.environ.get("RUNWIRE_BENCH")
    assert path, "set RUNWIRE_BENCH to the runwire-bench to be tested"
    return os.path.abspath(path)


class BenchCase(DaemonCase):
    def bench(self, *words, status=0, **how):
        done = subprocess.run([bench_program(), *words], capture_output=True, text=True, timeout=DEADLINE_S * 2, **how)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done

    def measure(self, *words, status=0):
        return json.loads(self.bench(*QUICK, "--json", "-", *words, status=status).stdout)

    def start_bench(self, *words, **how):
        running = subprocess.Popen([bench_program(), *QUICK, *words], text=True, **how)
        self.addCleanup(running.wait)
        self.addCleanup(running.kill)
        return running

    def start_endless_bench(self, address, *words):
        """Returns when the load itself is on, and not only the first command that tells what to expect."""
        trace = self.path("trace")
        command = f"echo >> {trace}"
        running = self.start_bench("-z", "600s", *words, address, command, stdout=subprocess.PIPE)
        until(lambda: os.path.exists(trace) and os.path.getsize(trace) > 20, "the load to be on")
        return running

    def peer(self, name):
        server = subprocess.Popen([sys.executable, PEERS / name], stdout=subprocess.PIPE, text=True)
        self.addCleanup(server.stdout.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        ready = server.stdout.readline()
        self.assertRegex(ready, r"^listening on 127\.0\.0\.1:\d+$")
        return server, ready.split()[-1]


class ReportTest(BenchCase):
    def test_a_closed_loop_runs_the_commands_asked_for_and_finds_all_right(self):
        daemon = self.start()
        for address in (daemon.tcp, daemon.unix):
            with self.subTest(address=address):
                report = self.measure("-c", "4", "-n", "100", address)
                self.assertEqual((report["right"], report["failed"], report["loop"]), (100, 0, "closed"))
                self.assertEqual((report["expected_bytes"], report["payload_bytes"]), (6, 600))
                self.assertEqual(report["expected_status"], "exit code 0")
                self.assertEqual(report["reconnects"], 0)

    def test_an_open_loop_says_so_and_counts_from_the_intended_start(self):
        daemon = self.start()
        report = self.measure("-r", "50", "--spacing", "fixed", "-z", "1s", daemon.unix)
        self.assertEqual((report["right"], report["loop"], report["offered_per_second"]), (49, "open-fixed", 50))
        text = self.bench(*QUICK, "-r", "50", "-n", "5", daemon.unix).stdout
        self.assertIn("open loop, 50 commands per second at random (Poisson) intervals", text)
        self.assertIn("from the intended start", text)

    def test_connections_are_kept_unless_each_command_is_to_have_its_own(self):
        daemon = self.start("--log-level", "debug")
        self.measure("-c", "3", "-n", "30", daemon.tcp)
        kept = len(daemon.events("accepted"))
        self.measure("-c", "3", "-n", "30", "--new-connection", daemon.tcp)
        anew = len(daemon.events("accepted")) - kept
        self.assertEqual((kept, anew), (1 + 3, 1 + 30))  # the one tells what to expect

    def test_percentiles_are_in_order_and_none_below_the_command_itself(self):
        report = self.measure("-c", "2", "-n", "40", self.start().unix, "sleep 0.02")
        latency = [report["latency"][key] for key in ("min_ms", "p50_ms", "p90_ms", "p99_ms", "p99_9_ms", "max_ms")]
        self.assertEqual(latency, sorted(latency))
        self.assertGreaterEqual(latency[0], 20)

    def test_the_daemon_is_found_through_the_connection_with_its_build_and_its_costs(self):
        daemon = self.start()
        version = subprocess.run([program(), "--version"], capture_output=True, text=True).stdout.strip()
        for address in (daemon.tcp, daemon.unix):
            with self.subTest(address=address):
                report = self.measure("-n", "50", address)
                self.assertEqual(report["daemon_build"], version)
                self.assertGreater(report["cost"]["daemon_rss_kb"], 100)
                self.assertIsNotNone(report["cost"]["daemon_own_cpu_us_per_command"])
                self.assertIn(f"pid {daemon.pid}\n", self.bench(*QUICK, "-n", "5", address).stdout)

    def test_cpu_time_of_the_commands_counts_as_the_daemon_s_children_s(self):
        spin = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"
        cost = self.measure("-c", "1", "-n", "10", self.start().unix, spin)["cost"]
        self.assertGreater(cost["daemon_children_cpu_us_per_command"], cost["daemon_own_cpu_us_per_command"])

    def test_json_and_csv_go_to_files_beside_the_report_in_words(self):
        json_path, csv_path = self.path("out.json"), self.path("out.csv")
        text = self.bench(*QUICK, "-n", "20", "--json", json_path, "--csv", csv_path, self.start().unix).stdout
        self.assertIn("throughput summary: ", text)
        report = json.loads(pathlib.Path(json_path).read_text())
        with open(csv_path, newline="") as file:
            rows = list(csv.DictReader(file))
        self.assertEqual(len(rows), 1)
        self.assertNotIn(None, rows[0])
        self.assertEqual((int(rows[0]["right"]), rows[0]["command"]), (20, "echo hello"))
        self.assertEqual(float(rows[0]["p99_ms"]), report["latency"]["p99_ms"])

    def test_a_build_with_asserts_or_sanitizers_is_warned_of_and_a_release_is_not(self):
        daemon = self.start()
        done = self.bench(*QUICK, "-n", "5", daemon.unix)
        slow = "asserts on" in done.stdout.split("daemon:  ")[1] or is_sanitized()
        self.assertEqual("the daemon is no release build" in done.stderr, slow)

    def test_idle_connections_are_held_while_others_work(self):
        daemon = self.start()
        report = self.measure("--idle", "500", "-c", "4", "-n", "50", daemon.unix)
        self.assertEqual((report["idle_connections"], report["idle_lost"], report["right"]), (500, 0, 50))

    def test_an_answer_of_many_megabytes_is_compared_to_its_last_byte(self):
        report = self.measure("-c", "2", "-n", "4", self.start().unix, "head -c 20000000 /dev/zero; echo end")
        self.assertEqual((report["right"], report["payload_bytes"]), (4, 4 * 20000004))

    def test_progress_is_shown_on_a_terminal_and_nowhere_else(self):
        daemon = self.start()
        words = ("-z", "1s", daemon.unix)
        self.assertNotIn("measuring", self.bench(*QUICK, *words).stderr)
        controller, terminal = pty.openpty()
        self.addCleanup(os.close, controller)
        for option, shown in ((), True), (("--no-progress",), False):
            running = self.start_bench(*option, *words, stdout=subprocess.DEVNULL, stderr=terminal)
            self.assertEqual(running.wait(DEADLINE_S), 0)
            os.write(terminal, b"END")
            seen = b""
            while not seen.endswith(b"END"):
                seen += os.read(controller, 65536)
            self.assertEqual(b"measuring" in seen, shown, seen)
        os.close(terminal)


SCENARIOS = {
    "spawn": ("-n", "40"),
    "mux": ("-c", "20", "-n", "100"),
    "many-idle": ("--idle", "100", "-n", "40"),
    "stream": ("--bytes", "20M", "-c", "2", "-n", "4"),
    "stdin": ("--bytes", "20M", "-c", "2", "-n", "4"),
    "echo": ("-c", "2", "-n", "200"),
}


class ScenarioTest(BenchCase):
    """Each of a session's scenarios for a moment, against a daemon."""

    def setUp(self):
        super().setUp()
        self.address = self.start().tcp

    def scenario(self, name, *words, status=0):
        return self.measure("--scenario", name, *words, self.address, status=status)

    def test_every_scenario_ends_with_every_reply_right(self):
        for name, words in SCENARIOS.items():
            with self.subTest(name):
                report = self.scenario(name, *words)
                count = int(words[words.index("-n") + 1])
                self.assertEqual((report["scenario"], report["right"], report["failed"]), (name, count, 0), report)

    def test_what_went_through_is_counted_to_the_byte(self):
        for name in ("stream", "stdin"):
            report = self.scenario(name, *SCENARIOS[name])
            self.assertEqual(report["bytes_through"], 4 * 20 * 2**20)
            self.assertGreater(report["mb_per_s"], 0)
        self.assertEqual(self.scenario("echo", "--bytes", "100", "-n", "50")["bytes_through"], 50 * 100)

    def test_many_commands_run_in_one_session_or_are_spread_over_some(self):
        self.assertEqual(self.scenario("mux", "-c", "20", "-n", "60")["sessions"], 1)
        report = self.scenario("stream", "--bytes", "1M", "-c", "6", "--sessions", "3", "-n", "12")
        self.assertEqual((report["sessions"], report["right"]), (3, 12))

    def test_streamed_replies_tell_when_their_first_byte_came(self):
        whole, streamed = self.scenario("spawn", "-n", "20"), self.scenario("spawn", "--reply", "stream", "-n", "20")
        self.assertIsNone(whole["first_byte"]["p50_ms"])
        self.assertLessEqual(streamed["first_byte"]["min_ms"], streamed["latency"]["max_ms"])

    def test_a_window_slows_a_stream_and_loses_nothing(self):
        report = self.scenario("stream", "--bytes", "4M", "--window", "64K")
        self.assertEqual((report["right"], report["bytes_through"]), (1, 4 * 2**20))

    def test_an_open_loop_and_a_new_session_for_each_command_go_with_a_session(self):
        self.assertEqual(self.scenario("spawn", "-r", "100", "-n", "20")["right"], 20)
        report = self.scenario("spawn", "--new-connection", "-c", "2", "-n", "20")
        self.assertEqual((report["right"], report["reconnects"]), (20, 0))


class EndlessTest(BenchCase):
    def test_endless_streams_are_cut_off_when_the_time_is_up_and_leave_nothing(self):
        daemon = self.start()
        for name in ("stream", "stdin"):
            for sessions in ("1", "4"):
                with self.subTest(name, sessions=sessions):
                    words = ("--bytes", "0", "-z", "300ms", "-c", "4", "--sessions", sessions)
                    report = self.measure("--scenario", name, *words, daemon.tcp)
                    self.assertEqual((report["right"], report["failed"]), (0, 0))
                    self.assertGreater(report["bytes_through"], 0)
                    self.assertLess(report["seconds"], 5)
        until(daemon.is_at_rest, "the streams' commands to be gone")


class FlawTest(BenchCase):
    """What a daemon may get wrong in a session is noticed: a fake one does."""

    def fake(self, flaw=None):
        fake = FakeDaemon(flaw)
        self.addCleanup(fake.close)
        return fake.address

    def assert_noticed(self, flaw, kind, *words):
        with self.subTest(flaw, words=words):
            report = self.measure("--scenario", *words, "--timeout", "500ms", self.fake(flaw), status=1)
            self.assertEqual(report["right"], 0, report)
            self.assertGreater(report["failures"][kind], 0, report)

    def test_without_a_flaw_the_fake_passes_in_every_scenario(self):
        for name, words in SCENARIOS.items():
            with self.subTest(name):
                self.assertEqual(self.measure("--scenario", name, *words, self.fake())["failed"], 0)

    def test_flaws_of_whole_replies(self):
        for flaw, kind in (("byte", "wrong_bytes"), ("status", "wrong_status"), ("count", "broken_frame")):
            self.assert_noticed(flaw, kind, "spawn", "-n", "3")
        self.assert_noticed("exit", "timeout", "spawn", "-n", "3")

    def test_flaws_of_streamed_replies(self):
        kinds = {"byte": "wrong_bytes", "offset": "broken_frame", "count": "wrong_bytes", "status": "wrong_status"}
        for flaw, kind in {**kinds, "exit": "timeout"}.items():
            self.assert_noticed(flaw, kind, "spawn", "--reply", "stream", "-n", "3")
            self.assert_noticed(flaw, kind, "stream", "--bytes", "1M")
            self.assert_noticed(flaw, kind, "mux", "--reply", "stream", "-c", "3", "-n", "3")

    def test_flaws_of_what_stdin_came_to(self):
        for flaw, kind in (("taken", "wrong_bytes"), ("byte", "wrong_bytes"), ("status", "wrong_status")):
            self.assert_noticed(flaw, kind, "stdin", "--bytes", "1M")

    def test_flaws_of_a_conversation(self):
        self.assert_noticed("byte", "wrong_bytes", "echo", "-n", "3")
        self.assert_noticed("offset", "broken_frame", "echo", "-n", "3")
        for flaw, kind in (("status", "wrong_status"), ("count", "wrong_bytes"), ("exit", "timeout")):
            report = self.measure("--scenario", "echo", "-n", "3", "--timeout", "500ms", self.fake(flaw), status=1)
            self.assertEqual((report["right"], report["failures"][kind]), (3, 1), report)


class VerdictTest(BenchCase):
    def test_output_that_is_not_the_expected_one_is_a_failure(self):
        daemon = self.start()
        self.bench(*QUICK, "-n", "20", "--expect", "hello\n", daemon.unix)
        done = self.bench(*QUICK, "-n", "20", "--expect", "hellO\n", daemon.unix, status=1)
        self.assertIn("failed: 20 wrong bytes", done.stdout)
        self.assertIn("byte 4 of the payload is 0x6f instead of 0x4f", done.stdout)

    def test_output_that_differs_from_run_to_run_is_found_and_explained(self):
        done = self.bench(*QUICK, "-n", "20", self.start().unix, "echo $$", status=1)
        self.assertIn("prints the same every time", done.stdout)

    def test_a_status_that_is_not_the_expected_one_is_a_failure(self):
        daemon = self.start()
        self.bench(*QUICK, "-n", "5", "--expect-status", "3", daemon.unix, "exit 3")
        self.bench(*QUICK, "-n", "5", "--expect-status", "137", daemon.unix, "kill -9 $$")
        done = self.bench(*QUICK, "-n", "5", "--expect-status", "3", daemon.unix, "exit 4", status=1)
        self.assertIn("exit code 4 instead of exit code 3", done.stdout)

    def test_without_expectations_the_first_reply_sets_output_and_status(self):
        report = self.measure("-n", "20", self.start().unix, "echo out; echo err >&2; exit 9")
        self.assertEqual((report["right"], report["expected_bytes"]), (20, 8))
        self.assertEqual(report["expected_status"], "exit code 9")

    def test_a_daemon_that_dies_under_load_ends_the_run_with_a_report(self):
        daemon = self.start()
        running = self.start_endless_bench(daemon.unix)
        daemon.kill()
        text, _ = running.communicate(timeout=DEADLINE_S)
        self.assertEqual(running.returncode, 1, text)
        self.assertRegex(text, r"ended early: .*refused")

    def test_a_daemon_that_gets_stuck_ends_the_run_after_the_timeout(self):
        daemon = self.start()
        running = self.start_endless_bench(daemon.unix, "--timeout", "1s")
        daemon.stop()
        text, _ = running.communicate(timeout=DEADLINE_S)
        daemon.resume()
        self.assertEqual(running.returncode, 1, text)
        self.assertIn("no right reply for 1.0 s: the daemon is stuck", text)

    def test_an_interrupt_ends_the_run_with_the_report_of_what_was_measured(self):
        running = self.start_endless_bench(self.start().unix)
        running.send_signal(signal.SIGINT)
        text, _ = running.communicate(timeout=DEADLINE_S)
        self.assertEqual(running.returncode, 0, text)
        self.assertRegex(text, r"  [0-9]+ commands completed in [0-9.]+ seconds")


class TroubleTest(BenchCase):
    def assert_trouble(self, part, *words):
        done = self.bench(*words, status=TROUBLE)
        self.assertEqual(done.stdout, "")
        self.assertRegex(done.stderr, r"\Arunwire-bench: ")
        self.assertIn(part, done.stderr)

    def test_no_daemon_is_one_clear_line(self):
        self.assert_trouble("nobody.sock", f"unix:{self.path('nobody.sock')}")

    def test_a_daemon_that_never_answers_is_trouble_after_the_timeout(self):
        daemon = self.start()
        daemon.stop()
        self.assert_trouble("in time", "--timeout", "300ms", daemon.tcp)
        daemon.resume()

    def test_misuse_says_what_is_wrong_and_where_to_look(self):
        self.assert_trouble("put options before HOST", "localhost", "-c", "8")
        self.assert_trouble("runwire-bench --help", "--no-such-option")

    def test_a_report_that_cannot_be_written_is_trouble(self):
        done = self.bench(*QUICK, "-n", "1", "--json", "/no/such/dir/x", self.start().unix, status=TROUBLE)
        self.assertIn("cannot write '/no/such/dir/x'", done.stderr)

    def test_a_process_that_is_not_there_is_trouble(self):
        self.assert_trouble("--pid", "--pid", "999999999", self.start().unix)


class PeersTest(BenchCase):
    def test_the_comparison_servers_speak_the_protocol_and_are_checked_byte_for_byte(self):
        for name in ("sequential_server.py", "asyncio_server.py"):
            with self.subTest(name):
                server, address = self.peer(name)
                report = self.measure("-c", "1", "-n", "10", address, "echo out; echo err >&2")
                self.assertEqual((report["right"], report["payload_bytes"]), (10, 80))
                self.assertEqual(report["expected_status"], "no exit status")
                self.assertIn("python", report["daemon_build"])
                self.assertGreater(report["cost"]["daemon_rss_kb"], 1000)
                self.bench(*QUICK, "-c", "1", "-n", "5", "--expect", "other\n", address, status=1)
                server.terminate()
                self.assertEqual(server.wait(DEADLINE_S), 0)

    def test_the_asyncio_server_serves_many_connections_side_by_side(self):
        _, address = self.peer("asyncio_server.py")
        self.assertEqual(self.measure("-c", "16", "-n", "100", address)["right"], 100)

    def test_the_sequential_server_serves_one_connection_after_the_other(self):
        _, address = self.peer("sequential_server.py")
        self.assertEqual(self.measure("-c", "4", "-n", "40", "--new-connection", address)["right"], 40)

    def test_the_comparison_servers_survive_clients_that_vanish(self):
        for name in ("sequential_server.py", "asyncio_server.py"):
            with self.subTest(name):
                _, address = self.peer(name)
                self.bench("--timeout", "300ms", address, "sleep 0.6; head -c 1000000 /dev/zero", status=TROUBLE)
                self.assertEqual(self.measure("-c", "1", "-n", "3", address)["right"], 3)

    def test_the_sequential_server_does_not_deadlock_on_long_output(self):
        _, address = self.peer("sequential_server.py")
        long_stderr_first = "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero"
        self.assertEqual(self.measure("-c", "1", "-n", "2", address, long_stderr_first)["right"], 2)


if __name__ == "__main__":
    unittest.main()
