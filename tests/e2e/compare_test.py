"""./dev compare as a whole, for a moment of each kind: it measures, writes what it measured, and leaves nothing.

RUNWIRED names the runwired to be measured; the other programs stand where the same build has them.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import unittest

import process
from daemon import DEADLINE_S, DaemonCase, program, until

COMPARE = pathlib.Path(__file__).resolve().parents[2] / "bench" / "compare"
sys.path.append(str(COMPARE))

from control_group import BY_PROCESS, BY_SESSION, NAME, control_group, root_for_cpu, scheduling  # noqa: E402
from started_server import DoesNotWork  # noqa: E402

BRIEFLY = ("--brief", "--rounds", "1", "--duration", "200ms", "--commands", "echo hello")
BUILD_PROCESSES = 16


class CompareCase(DaemonCase):
    def words(self, *words):
        return [sys.executable, COMPARE, "--build", pathlib.Path(program()).parents[1], *BRIEFLY, *words]

    def compare(self, *words):
        """The result, and what was printed."""
        files = ("--json", self.path("all.json"), "--page", self.path("all.html"))
        running = self.start_comparing(self.words(*files, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        printed, told = running.communicate(timeout=DEADLINE_S * 2.5)
        self.assertEqual(running.returncode, 0, told)
        self.assertIn("</html>", pathlib.Path(self.path("all.html")).read_text())
        return json.loads(pathlib.Path(self.path("all.json")).read_text()), printed

    def start_comparing(self, words, **how):
        self.comparison = subprocess.Popen(words, **how)
        self.addCleanup(end, self.comparison)
        return self.comparison


def end(running):
    """So that it can end what it has started."""
    running.terminate()
    try:
        running.wait(DEADLINE_S)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()
    for stream in filter(None, (running.stdout, running.stderr)):
        stream.close()


class CompareTest(CompareCase):
    def test_runwired_is_measured_beside_its_peers(self):
        servers = ("--servers", "sequential", "asyncio")
        result, text = self.compare("--clients", "1", "3", *servers, "--only", "closed", "open", "start")
        cells = {(cell["server"], cell["clients"]): cell["rounds"] for cell in result["closed"]}
        everywhere = {(server, clients) for server in ("runwired", "asyncio") for clients in (1, 3)}
        self.assertEqual(set(cells), everywhere | {("sequential", 1)})  # which serves one of three
        for cell, rounds in cells.items():
            with self.subTest(cell):
                self.assertGreater(rounds[0]["per_second"], 0)
                self.assertGreater(rounds[0]["r"], 0)
        self.assertEqual([entry["share_of_r"] for entry in result["open"]], [0.3, 0.5, 0.7])
        self.assertEqual(len(result["startup_ms"]), 10)
        self.assertIn("runwired", text)

    def test_sessions_are_measured_beside_the_bare_limits(self):
        result, text = self.compare("--servers", "none", "--only", "sessions", "--bulk", str(16 * 2**20))
        kinds = ("spawn", "mux", "bulk", "fair", "echo", "starts")
        for kind in ("first_byte", *(f"session_{name}" for name in kinds)):
            for entry in result[kind]:
                with self.subTest(kind, entry=entry):
                    self.assertEqual(entry["rounds"][0]["failed"], 0)
                    self.assertNotIn(None, [value for key, value in entry["rounds"][0].items() if "rss" not in key])
        self.assertEqual([entry["over"] for entry in result["first_byte"]], ["TCP", "Unix"])
        self.assertEqual([entry["what"] for entry in result["session_bulk"]], ["stream", "stdin"])
        self.assertEqual([entry["sessions"] for entry in result["session_fair"]], [1, 64])
        self.assertIn("Sessions: streams side by side", text)


class BesideABuildTest(CompareCase):
    WORDS = ("--servers", "sequential", "asyncio", "--only", "build")

    def test_each_server_of_many_clients_is_measured_alone_and_beside_a_build_and_so_is_the_bare_loop(self):
        result, text = self.compare(*self.WORDS)
        self.assertEqual([entry["server"] for entry in result["beside_build"]], ["runwired", "asyncio"])
        for entry in result["beside_build"]:
            with self.subTest(entry["server"]):
                figures = entry["rounds"][0]
                self.assertEqual((entry["processes"], figures.pop("failed")), (BUILD_PROCESSES, 0))
                self.assertEqual(len(figures), 8)
                self.assertGreater(min(figures.values()), 0)
        self.assertIn("Beside a build", text)

    def test_whatever_ends_the_comparison_ends_the_build_that_goes_on_just_then(self):
        # The first build is the bare loop's, the next ones are runwired's and asyncio's.
        for number, ending in enumerate((signal.SIGINT, signal.SIGTERM, signal.SIGHUP), 1):
            with self.subTest(ending.name):
                directory = pathlib.Path(self.path(ending.name))
                directory.mkdir()
                running = self.start_comparing(
                    self.words(*self.WORDS, "--duration", "500ms"), env={**os.environ, "TMPDIR": str(directory)},
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                )  # fmt: skip
                builds = Builds(directory)
                pids = until(lambda: builds.processes_of(number), f"build {number} to spin", DEADLINE_S * 2)
                running.send_signal(ending)
                self.assertEqual(running.wait(DEADLINE_S), 128 + ending)
                until(lambda: not any(map(process.is_alive, pids)), "its processes to have ended")
                self.assertEqual(list(directory.iterdir()), [])


class ControlGroupCase(CompareCase):
    def root_or_skip(self):
        """The group in which a measured server's is made."""
        try:
            with control_group():
                return root_for_cpu()
        except DoesNotWork as why:
            self.skipTest(str(why))


class InAControlGroupTest(ControlGroupCase):
    def test_runwired_and_its_fastest_peers_are_measured_against_the_bare_loop_in_such_a_group(self):
        root = self.root_or_skip()
        servers = ("--servers", "fork", "asyncio")
        result, text = self.compare("--clients", "1", "2", "3", *servers, "--only", "service")
        self.assertEqual(result["skipped"], [])
        measured = [(entry["server"], entry["command"], entry["clients"]) for entry in result["service"]]
        self.assertEqual(measured, [(name, "echo hello", count) for count in (2, 3) for name in ("runwired", "fork")])
        for entry in result["service"]:
            with self.subTest(entry["server"], clients=entry["clients"]):
                (figures,) = entry["rounds"]
                self.assertEqual(figures["failed"], 0)
                self.assertGreater(min(figures[name] for name in ("per_second", "r", "l_ms", "bare_cpu_us")), 0)
        self.assertIn(result["machine"]["scheduling"], (BY_SESSION, BY_PROCESS))
        self.assertIn("echo hello, in a control group of its own", text)
        self.assertFalse((root / f"runwire-compare-{self.comparison.pid}").exists())

    def test_whatever_ends_the_comparison_leaves_no_group(self):
        root = self.root_or_skip()
        words = self.words("--servers", "none", "--only", "service", "--duration", "30s")
        for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(ending.name):
                quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                running = self.start_comparing(words, **quiet)
                group = root / f"runwire-compare-{running.pid}"
                until(lambda group=group: is_in("runwired", group), "runwired to be measured", DEADLINE_S * 2)
                running.send_signal(ending)
                self.assertEqual(running.wait(DEADLINE_S), 128 + ending)
                self.assertFalse(group.exists())


def is_in(name, group):
    try:
        return name in [process.status(pid).get("Name") for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return False


class ControlGroupTest(ControlGroupCase):
    def test_what_is_started_is_in_it_with_its_children_and_it_is_gone_when_they_are(self):
        group = self.root_or_skip() / NAME
        with control_group() as prefix:
            shell = subprocess.Popen(
                [*prefix, "/bin/sh", "-c", "exec 3<&0; cat <&3 & wait"], stdin=subprocess.PIPE,
            )  # fmt: skip
            self.addCleanup(end, shell)
            listed = until(lambda: two_of(group), "the shell and its child to be in the group")
            self.assertIn(str(shell.pid), listed)
            shell.stdin.close()
        self.assertFalse(group.exists())

    def test_where_none_is_to_be_had_the_reason_and_the_next_step_are_told(self):
        pathlib.Path(self.path("cgroup.subtree_control")).write_text("cpuset memory\n")
        second = f"30 1 0:27 / {self.directory} rw,nosuid - cgroup2 cgroup2 rw\n"
        for mounts, said in (
            ("22 1 0:20 / /proc rw - proc proc rw\n", "mount -t cgroup2"),
            (second, f"echo +cpu > {self.path('cgroup.subtree_control')}"),
            (f"30 1 0:27 / {self.path('missing')} rw - cgroup cgroup rw,cpu,cpuacct\n", "run this as root"),
        ):
            with self.subTest(said), self.assertRaises(DoesNotWork) as raised, control_group(self.listed(mounts)):
                pass
            self.assertIn(said, str(raised.exception))

    def test_scheduling_is_by_session_only_with_autogroup_and_in_the_root_group_of_the_system(self):
        control = pathlib.Path(self.path("cgroup.subtree_control"))
        mounts = self.listed(f"30 1 0:27 / {self.directory} rw - cgroup2 cgroup2 rw\n")

        def found(group, on="1", controllers="cpu memory"):
            control.write_text(f"{controllers}\n")
            return scheduling(mounts, self.file("group", f"0::{group}\n"), self.file("autogroup", f"{on}\n"))

        self.assertEqual(found("/"), BY_SESSION)
        self.assertEqual(found("/a service"), BY_PROCESS)
        self.assertEqual(found("/a service", controllers="memory"), BY_SESSION)
        self.assertEqual(found("/", on="0"), BY_PROCESS)
        self.file("cgroup.type", "domain\n")  # which the system's root has not
        self.assertEqual(found("/"), BY_PROCESS)

    def listed(self, mounts):
        return self.file("mountinfo", mounts)

    def file(self, name, text):
        path = pathlib.Path(self.path(name))
        path.write_text(text)
        return path


def two_of(group):
    listed = (group / "cgroup.procs").read_text().split()
    return listed if len(listed) == 2 else None


class Builds:
    """Those of one comparison, one after the other: its TMPDIR has a list of the processes of the one that goes on."""

    def __init__(self, directory):
        self.directory = directory
        self.lists = []

    def processes_of(self, number):
        """All of them; None as long as one is missing."""
        self.lists += [listed for listed in self.directory.glob("runwire.*/pids") if listed not in self.lists]
        if len(self.lists) < number:
            return None
        pids = [int(line) for line in self.lists[number - 1].read_text().splitlines()]
        return pids if len(pids) == BUILD_PROCESSES else None


if __name__ == "__main__":
    unittest.main()
