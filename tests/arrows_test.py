"""Holds the tree to its architecture: who may include whom, and which call stands in which one place.

It reads the sources as text. What compiles can still break one of these rules, and nobody would see it.
"""

import ast
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[1]

# A room may include these others and links exactly those of them that it includes.
ARROWS = {"proto": set(), "server": {"proto"}, "client": {"proto"}, "bench": {"client", "proto"}}

# What is neither bytes nor values: system calls, clocks, threads, output.
NOT_FOR_PROTO = re.compile(
    r"sys/|netinet/|arpa/|(uv|unistd|fcntl|poll|spawn|netdb|pthread|syslog|termios|time)\.h$"
    r"|(chrono|ctime|thread|mutex|condition_variable|future|filesystem|iostream|fstream)$"
)
OUTPUT_CALLS = ("printf", "fprintf", "puts", "fputs", "fwrite", "perror", "fopen")
PROCESS_CALLS = ("fork", "vfork", "posix_spawnp?", "wait3", "wait4", "waitpid", "waitid")
SLEEPS = {"sleep", "usleep", "nanosleep", "clock_nanosleep", "uv_sleep", "sleep_for", "sleep_until"}
VAGUE_NAMES = {"util", "utils", "common", "helper", "helpers", "manager", "misc"}

NOT_CODE = re.compile(
    r"""//[^\n]* | /\*.*?\*/
    | R"(?P<tag>[^(\s]*)\(.*?\)(?P=tag)" | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])+'""",
    re.DOTALL | re.VERBOSE,
)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*[<"]([^>"]+)[>"]', re.MULTILINE)


def sources(*rooms):
    return [path for room in rooms for path in sorted((ROOT / room).rglob("*.[ch]pp"))]


def includes(path):
    return INCLUDE.findall(path.read_text())


def calls(path, *functions):
    """The calls of these functions, qualified or not; methods that share a name are something else."""
    code = NOT_CODE.sub(" ", path.read_text())
    return re.findall(rf"(?<![\w.>])(?:{'|'.join(functions)})\s*\(", code)


def name(path):
    return str(path.relative_to(ROOT))


def names(paths):
    return sorted(name(path) for path in paths)


def rooms_included(room):
    included = {header.split("/")[0] for path in sources(room) for header in includes(path)}
    return included & ARROWS.keys() - {room}


def meson_text(room):
    path = ROOT / room / "meson.build"
    return re.sub(r"#.*", "", path.read_text()) if path.exists() else ""


def targets(room):
    """The variables that the room's meson.build gives to what others can link."""
    made = r"^\s*(\w+)\s*=\s*(?:static_library|library|declare_dependency)\s*\("
    return re.findall(made, meson_text(room), re.MULTILINE)


def rooms_linked(room):
    words = set(re.findall(r"\w+", re.sub(r"'[^']*'", "", meson_text(room))))
    return {other for other in ARROWS if other != room and words & set(targets(other))}


class ArrowsTest(unittest.TestCase):
    def assert_only_in(self, places, offenders):
        self.assertEqual([], sorted(set(names(offenders)) - set(places)))

    def assert_called_only_in(self, places, functions, rooms):
        self.assert_only_in(places, [path for path in sources(*rooms) if calls(path, *functions)])

    def assert_included_only_in(self, places, headers, rooms):
        found = [path for path in sources(*rooms) if any(re.match(headers, each) for each in includes(path))]
        self.assert_only_in(places, found)

    def test_every_room_has_sources(self):
        for room in ARROWS:
            self.assertTrue(sources(room), f"{room}/ is empty: the rules would hold of nothing")

    def test_rooms_include_only_along_the_arrows(self):
        for room, allowed in ARROWS.items():
            with self.subTest(room=room):
                self.assertLessEqual(rooms_included(room), allowed)

    def test_rooms_link_exactly_what_they_include(self):
        for room in ARROWS:
            with self.subTest(room=room):
                self.assertEqual(rooms_included(room), rooms_linked(room))

    def test_no_room_includes_the_tests(self):
        self.assert_included_only_in([], "tests/", ARROWS)

    def test_only_the_server_and_its_tests_include_libuv(self):
        self.assert_included_only_in([], r"uv\.h$", ["proto", "client", "bench"])

    def test_only_json_object_cpp_includes_simdjson(self):
        self.assert_included_only_in(["proto/json_object.cpp"], r"simdjson", [*ARROWS, "tests"])

    def test_only_hosts_cpp_includes_tomlplusplus(self):
        self.assert_included_only_in(["client/hosts.cpp"], r"toml", [*ARROWS, "tests"])

    def test_proto_makes_no_system_call(self):
        self.assert_included_only_in([], NOT_FOR_PROTO, ["proto"])
        self.assert_called_only_in([], OUTPUT_CALLS, ["proto"])

    def test_uv_close_is_called_in_uv_handle_only(self):
        self.assert_called_only_in(["server/uv_handle.hpp"], ["uv_close"], [*ARROWS, "tests"])

    def test_uv_spawn_is_called_in_one_file(self):
        callers = names(path for path in sources(*ARROWS, "tests") if calls(path, "uv_spawn"))
        self.assertLessEqual(len(callers), 1, callers)
        for caller in callers:
            self.assertRegex(caller, r"^server/spawn\w*\.cpp$")

    def test_proto_and_client_start_no_process_and_bench_does_where_that_is_measured(self):
        self.assert_called_only_in([], PROCESS_CALLS, ["proto", "client"])
        self.assert_called_only_in(["bench/bare_copy.cpp", "bench/bare_spawn.cpp"], PROCESS_CALLS, ["bench"])

    def test_the_server_starts_and_reaps_processes_in_birth_and_spawn_native_only(self):
        self.assert_called_only_in(["server/birth.cpp"], ["clone"], ["server"])
        self.assert_called_only_in(["server/birth.cpp", "server/spawn_native.cpp"], PROCESS_CALLS, ["server"])

    def test_file_names_say_what_is_inside(self):
        files = [path for room in (*ARROWS, "tests") for path in (ROOT / room).rglob("*")]
        self.assert_only_in([], [path for path in files if VAGUE_NAMES & set(re.split(r"\W|_", path.stem))])

    def test_no_test_sleeps(self):
        """A test waits for what it needs. The shell lines that it has run may sleep: they are strings."""
        self.assert_called_only_in([], SLEEPS, ["tests"])
        self.assert_only_in([], [path for path in (ROOT / "tests").rglob("*.py") if python_sleeps(path)])


def python_sleeps(path):
    called = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return SLEEPS & {getattr(function, "attr", getattr(function, "id", "")) for function in called}


if __name__ == "__main__":
    unittest.main()
