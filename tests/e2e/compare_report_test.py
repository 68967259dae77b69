"""What bench/compare makes of a result: medians, ratios and verdicts in text, and a page that stands alone."""

import copy
import json
import pathlib
import re
import sys
import unittest
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parents[1] / "bench" / "compare"))

from goals import goals, troubles  # noqa: E402
from medians import Spread, over_rounds, ratio_between, ratio_over_rounds  # noqa: E402
from page import page  # noqa: E402
from report import against, tables  # noqa: E402

NAMES = (
    "server", "command", "clients", "how", "what", "bytes", "connections", "share_of_r", "sessions", "streams",
    "commands", "over", "starts", "processes",
)  # fmt: skip
IN_A_GROUP = "The same in a control group of its own"
PEERS_BESIDE_A_BUILD = ("C, fork a client", "Python asyncio")


def fixture():
    return json.loads((HERE / "compare_result.json").read_text(encoding="utf-8"))


def closed(server, clients, *rounds, command="echo hello"):
    return {"server": server, "command": command, "clients": clients, "rounds": list(rounds)}


def rates(*rounds):
    return [{"per_second": per_second, "r": r} for per_second, r in rounds]


def goal(result, start):
    return next(one for one in goals(result) if one.what.startswith(start))


def emptied(value):
    """The same result, with nothing measured."""
    if isinstance(value, dict):
        return {key: inner if key in NAMES else emptied(inner) for key, inner in value.items()}
    return [emptied(inner) for inner in value] if isinstance(value, list) else None


def entry_of(result, server, clients):
    return next(one for one in result["closed"] if (one["server"], one["clients"]) == (server, clients))


class MediansTest(unittest.TestCase):
    def test_a_ratio_is_taken_within_a_round_and_the_median_afterwards(self):
        entry = {"rounds": [{"a": 10, "r": 100}, {"a": 90, "r": 100}, {"a": 100, "r": 400}]}
        self.assertEqual(ratio_over_rounds(entry, "a", "r"), Spread(0.25, 0.1, 0.9))  # of the medians: 0.9

    def test_two_entries_are_paired_round_by_round(self):
        entry = {"rounds": [{"cpu_us": 100}, {"cpu_us": 300}, {"cpu_us": 900}]}
        bare = {"rounds": [{"cpu_us": 100}, {"cpu_us": 100}]}
        self.assertEqual(ratio_between(entry, bare, "cpu_us"), Spread(2, 1, 3))

    def test_what_a_round_lacks_is_left_out(self):
        entry = {"rounds": [{"a": None, "r": 1}, {"r": 1}, None, {"a": 4, "r": 0}, {"a": 8, "r": 2}]}
        self.assertEqual(over_rounds(entry, "a"), Spread(6, 4, 8))
        self.assertEqual(ratio_over_rounds(entry, "a", "r"), Spread(4, 4, 4))

    def test_no_round_at_all_is_not_zero(self):
        self.assertIsNone(over_rounds({"rounds": []}, "a"))
        self.assertIsNone(over_rounds(None, "a"))


class GoalsTest(unittest.TestCase):
    def setUp(self):
        self.result = {
            "closed": [
                closed("runwired", 64, *rates((90, 100), (40, 50), (86, 100))),
                closed("slow", 64, *rates((10, 100), (10, 50), (10, 100))),
                closed("runwired --lead group", 64, *rates((99, 100))),
                closed("barest (session)", 64, *rates((98, 100))),
            ],
            "limits": [{"command": "echo hello", "rounds": [{"cpu_us": 100}]}],
            "programs": [closed("quick", 64, *rates((80, 100), (40, 50), (80, 100)))],
        }

    def test_the_rate_is_judged_by_the_median_ratio_to_r(self):
        against_r = goal(self.result, "echo hello, 64 clients, against R")
        self.assertEqual(against_r.measured, Spread(0.86, 0.8, 0.9))
        self.assertEqual(against_r.verdict(), "met")

    def test_commands_that_lead_no_session_are_judged_by_the_same_goals(self):
        self.result["closed"][2]["rounds"][0] |= {"own_cpu_us": 90, "cpu_us": 109, "l_ms": 1.0}
        for what, median, verdict in (
            ("echo hello, 64 clients, --lead group, against R", 0.99, "met"),
            ("echo hello, 64 clients, --lead group, against the best peer (quick)", 1.2375, "met"),
            ("CPU of daemon and child, 64 clients, --lead group", 1.09, "not met"),
            ("CPU of the daemon alone, 64 clients, --lead group", 0.09, "met"),
        ):
            with self.subTest(what):
                self.assertEqual(goal(self.result, what).measured.median, median)
                self.assertEqual(goal(self.result, what).verdict(), verdict)

    def test_the_best_peer_may_be_a_program_but_no_variant_of_runwired_and_no_yardstick(self):
        against_peer = goal(self.result, "echo hello, 64 clients, against the best peer (quick)")
        self.assertEqual(against_peer.measured, Spread(1.075, 1, 1.125))
        self.assertEqual(against_peer.verdict(), "not met")

    def test_the_daemons_own_cpu_is_judged_in_l(self):
        self.result["closed"][0]["rounds"] = [{"own_cpu_us": 120, "l_ms": 1.0}]
        self.assertEqual(goal(self.result, "CPU of the daemon alone, 64").measured.median, 0.12)
        self.assertEqual(goal(self.result, "CPU of the daemon alone, 64").verdict(), "met")

    def test_a_limit_that_must_not_be_reached_is_not_met_when_it_is(self):
        self.assertEqual(goal({"startup_ms": [4, 5, 6]}, "start-up").verdict(), "not met")
        self.assertEqual(goal({"startup_ms": [4, 4.9, 6]}, "start-up").verdict(), "met")

    def test_a_command_without_a_shell_is_judged_by_the_shells_limit_of_the_same_command(self):
        self.result["closed"].append(closed("runwired", 8, {"per_second": 150, "r": 50}, command="/bin/true"))
        self.result["limits"] = [
            {"command": "echo hello", "rounds": [{"two_processes": 300}]},
            {"command": "/bin/true", "rounds": [{"two_processes": 100}]},
        ]
        self.assertEqual(goal(self.result, "/bin/true, 8 clients").measured, Spread(1.5, 1.5, 1.5))

    def test_idle_connections_are_judged_by_what_each_adds(self):
        idle = {"server": "runwired", "connections": 1000, "rss_kb_before": 3000, "rss_kb_after": 3900}
        self.assertEqual(goal({"idle": [idle]}, "1,000 idle connections, RSS").measured.median, 0.9)
        idle = {"server": "runwired", "connections": 1001, "rss_kb_before": 0, "rss_kb_first": 3000, "rss_kb_after": 3900}
        self.assertEqual(goal({"idle": [idle]}, "1,001 idle connections, RSS").measured.median, 0.9)

    def test_sessions_are_judged_against_plain_commands_and_bare_pipes_of_the_same_round(self):
        self.result["session_spawn"] = [
            {"server": "runwired", "clients": 8, "rounds": [{"plain": 100, "whole": 96}, {"plain": 50, "whole": 47}]}
        ]
        self.result["first_byte"] = [
            {"server": "runwired", "over": "TCP", "rounds": [{"first_byte_ms": 1.3, "bare_ms": 1}]}
        ]
        self.result["session_bulk"] = [
            {"server": "runwired", "what": "stdin", "bytes": 2**30, "rounds": [{"mb_per_s": 80, "bare_mb_per_s": 100}]}
        ]
        self.assertEqual(goal(self.result, "session, 8 clients").measured.median, 0.95)
        self.assertEqual(goal(self.result, "session, 8 clients").verdict(), "met")
        self.assertEqual(goal(self.result, "first byte of a streaming command, TCP").verdict(), "not met")
        self.assertEqual(goal(self.result, "1 GiB into a command, against").verdict(), "met")
        self.assertEqual(goal(self.result, "1 GiB out of a command, against").verdict(), "not measured")

    def test_fairness_is_judged_for_one_connection_and_for_many(self):
        def streams(sessions, share, p99):
            rounds = [{"slowest_share": share, "echo_p99_ms": p99}]
            return {"server": "runwired", "streams": 64, "sessions": sessions, "rounds": rounds}

        self.result["session_fair"] = [streams(1, 0.4, 25), streams(64, 0.9, 5)]
        verdicts = [goal(self.result, start).verdict() for start in (
            "64 streams over one connection", "64 streams over 64 connections",
            "a line through cat beside 64 streams over one", "a line through cat beside 64 streams over 64",
        )]  # fmt: skip
        self.assertEqual(verdicts, ["not met", "met", "not met", "met"])

    def test_what_goes_on_beside_starts_and_beside_children_is_judged_by_its_milliseconds(self):
        rounds = [{"echo_p99_ms": 12}, {"echo_p99_ms": 30}, {"echo_p99_ms": 19}]
        self.result["session_starts"] = [{"server": "runwired", "starts": 100, "rounds": rounds}]
        self.result["beside"] = [
            {"server": "runwired", "what": "5000 sleeping commands", "rounds": [{"per_second": 400}]}
        ]
        self.assertEqual(goal(self.result, "a line through cat beside 100 starts").measured, Spread(19, 12, 30))
        self.assertEqual(goal(self.result, "a line through cat beside 100 starts").verdict(), "met")
        self.assertEqual(goal(self.result, "a command beside 5,000 sleeping ones").measured.median, 2.5)
        self.assertEqual(goal(self.result, "a command beside 5,000 sleeping ones").verdict(), "not met")

    def test_a_command_beside_a_build_is_judged_by_how_many_times_longer_it_takes_than_alone(self):
        def beside(server, *rounds):
            rounds = [{"p50_ms": p50, "p50_ms_alone": alone} for p50, alone in rounds]
            return {"server": server, "processes": 16, "rounds": rounds}

        self.result["beside_build"] = [beside("fork", (8, 1)), beside("runwired", (1.5, 1), (4, 1), (3, 2))]
        judged = goal(self.result, "a command beside a build of 16 processes")
        self.assertEqual((judged.measured, judged.verdict()), (Spread(1.5, 1.5, 4), "met"))
        self.result["beside_build"][1]["rounds"][0]["p50_ms"] = 2.5
        self.assertEqual(goal(self.result, "a command beside a build of 16 processes").verdict(), "not met")

    def test_a_server_in_a_control_group_is_judged_by_what_was_measured_in_one(self):
        rounds = [{"per_second": 90, "r": 100, "cpu_us": 88, "bare_cpu_us": 80, "own_cpu_us": 10, "l_ms": 0.1}]
        self.result["service"] = [closed("runwired", 64, *rounds), closed("fork", 64, *rates((90, 100)))]
        judged = [goal(self.result, start) for start in (
            "echo hello, 64 clients, in a control group, against R",
            "echo hello, 64 clients, in a control group, against the best peer (fork)",
            "CPU of daemon and child, 64 clients, in a control group",
            "CPU of the daemon alone, 64 clients, in a control group",
        )]  # fmt: skip
        self.assertEqual([one.measured.median for one in judged], [0.9, 1, 1.1, 0.1])
        self.assertEqual([one.verdict() for one in judged], ["met", "met", "not met", "met"])
        self.assertEqual(goal(self.result, "echo hello, 64 clients, against the best peer").measured.median, 1.075)

    def test_failed_commands_of_runwired_alone_are_counted(self):
        self.result["closed"][0]["rounds"][1]["failed"] = 2
        self.result["closed"][1]["rounds"][1]["failed"] = 40
        self.result["open"] = [{"server": "runwired", "rounds": [{"failed": 0, "gave_up": 3}]}]
        self.result["beside_build"] = [{"server": "runwired", "rounds": [{"failed": 4}]}]
        self.result["service"] = [closed("runwired", 8, {"failed": 5})]
        self.assertEqual(troubles(self.result).median, 14)
        self.assertEqual(goal(self.result, "commands of runwired").verdict(), "not met")


class TablesTest(unittest.TestCase):
    def test_what_was_not_measured_is_said_to_be(self):
        for result in ({}, emptied(fixture())):
            self.assertEqual({one.verdict() for one in goals(result)}, {"not measured"})
            self.assertIn("0 of 83 met, 0 not met, 83 not measured" if result else "not measured", tables(result))

    def test_no_line_is_wider_than_110_characters(self):
        result = fixture()
        result["closed"][1]["server"] = result["big"][0]["server"] = "a server of a long name " * 9
        result["skipped"] = [["a program", "for a long reason " * 20]]
        self.assertEqual([one for one in tables(result).splitlines() if len(one) > 110], [])

    def test_columns_stand_under_their_headings(self):
        table = tables(fixture()).split("echo hello: throughput as a ratio to R\n")[1].split("\n\n")[0]
        lines = table.splitlines()[1:]
        ends = [found.end() for found in re.finditer(r"-+", lines[1])]
        self.assertEqual(len(ends), 6)
        for row in (lines[0], *lines[2:]):
            self.assertTrue(all(row[end : end + 2].strip() == "" for end in ends), row)
            self.assertTrue(all(row[end - 1] != " " for end in ends[1:]), row)

    def test_commands_beside_a_build_stand_after_the_bare_loop_beside_one(self):
        lines = tables(fixture()).split("Beside a build\n")[1].split("\n\n")[0].splitlines()
        rows = [line for line in lines if "  16  " in line]
        self.assertEqual([row.split("  ")[0] for row in rows], ["bare loop", "runwired", *PEERS_BESIDE_A_BUILD])
        self.assertRegex(rows[0], r" 0\.80 +0\.83 +1\.04 1\.02\.\.1\.06 +1\.15 +2\.20 +1\.92 1\.75\.\.2\.09$")
        self.assertRegex(rows[2], r" 1\.20 +9\.75 +8\.12 8\.00\.\.8\.25 ")

    def test_servers_in_control_groups_are_told_against_r_the_best_peer_and_the_bare_loop_in_such_groups(self):
        lines = tables(fixture()).split("echo hello, in a control group of its own\n")[1].split("\n\n")[0].splitlines()
        ours = next(line for line in lines if line.startswith("runwired  ") and "  64  " in line)
        self.assertRegex(ours, r" 0\.94 0\.92\.\.0\.96 +0\.94 +26\.0 / 31\.2 +1\.06 +0\.11 +0$")

    def test_failures_of_any_server_are_listed(self):
        result = fixture()
        result["service"][2]["rounds"][0]["failed"] = 7
        text = tables(result).split("What failed\n")[1]
        self.assertRegex(text, r"socat +echo hello, 64 clients +3 ")
        self.assertRegex(text, r"C, fork a connection +echo hello, 8 clients, in a control group +7 ")
        self.assertRegex(text, r"Python asyncio +echo hello, open loop at 0.5 R +0 +2,700")


class BaselineTest(unittest.TestCase):
    def setUp(self):
        self.old, self.now = fixture(), fixture()

    def line(self, start):
        return next(one for one in against(self.now, self.old).splitlines() if one.startswith(start))

    def slow_down(self, clients, factor):
        for one in entry_of(self.now, "runwired", clients)["rounds"]:
            one["per_second"] *= factor

    def test_a_loss_of_a_fifth_is_marked_and_a_twentieth_is_not(self):
        self.slow_down(64, 0.8)
        self.slow_down(8, 0.95)
        self.assertRegex(self.line("runwired, echo hello, 64 clients: rate"), r"-20\.0% +worse$")
        self.assertRegex(self.line("runwired, echo hello, 8 clients: rate"), r"-5\.0%$")
        self.assertIn("1 worse, 0 better, 0 new, 0 gone", against(self.now, self.old))

    def test_a_faster_machine_changes_nothing(self):
        for entry in self.now["closed"] + self.now["programs"]:
            for one in entry["rounds"]:
                one["per_second"] *= 2
                one["r"] *= 2
        self.assertIn("0 worse, 0 better, 0 new, 0 gone", against(self.now, self.old))

    def test_more_instructions_are_worse(self):
        self.now["instructions_per_command"]["echo hello"] *= 1.2
        self.assertRegex(self.line("instructions"), r"61,000 +73,200 +\+20\.0% +worse$")

    def test_a_loss_in_a_control_group_is_marked(self):
        for one in self.now["service"][1]["rounds"]:
            one["per_second"] *= 0.8
        self.assertRegex(self.line("runwired, echo hello, 64 clients, in a control group: rate"), r"-20\.0% +worse$")

    def test_a_baseline_that_knows_nothing_of_control_groups_is_compared_too(self):
        del self.old["service"], self.old["machine"]["scheduling"]
        self.assertRegex(self.line("runwired, echo hello, 64 clients, in a control group: rate"), r"new$")
        self.assertRegex(self.line("runwired, echo hello, 64 clients: rate"), r"0\.0%$")

    def test_what_only_one_of_them_has_is_named(self):
        self.now["closed"].remove(entry_of(self.now, "Node", 1000))
        self.old["programs"] = []
        self.assertRegex(self.line("Node, echo hello, 1,000 clients: rate"), r"gone$")
        self.assertRegex(self.line("xinetd, echo hello, 8 clients: rate"), r"new$")


class PageTest(unittest.TestCase):
    def setUp(self):
        self.result = fixture()
        self.text = page(self.result)
        self.root = xml.etree.ElementTree.fromstring(self.text)

    def section(self, heading, width="wide"):
        found = next(one for one in self.root.iter("section") if one.findtext("h2") == heading)
        return next(one for one in found.iter("div") if one.get("class") == width)

    def words(self, element):
        return [one.text for one in element.iter("text")]

    def test_it_fetches_and_runs_nothing(self):
        self.assertNotRegex(self.text, r"https?://|url\(|@import")
        elements = {one.tag for one in self.root.iter()}
        self.assertFalse(elements & {"script", "link", "img", "iframe", "object", "image", "use"}, elements)
        self.assertFalse([one for one in self.root.iter() if {"src", "href"} & set(one.keys())])

    def test_it_is_small(self):
        self.assertLess(len(self.text.encode()), 200_000)

    def test_every_server_has_its_line_in_wide_and_narrow(self):
        servers = {one["server"] for one in self.result["closed"] if one["command"] == "echo hello"}
        for width in ("wide", "narrow"):
            chart = self.section("Throughput, echo hello", width)
            self.assertEqual(len(list(chart.iter("polyline"))), len(servers))
        ends = self.words(self.section("Throughput, echo hello"))
        for server in servers:
            self.assertTrue(any(end.startswith(f"{server} 0.") for end in ends), server)

    def test_runwired_has_the_same_color_everywhere_and_no_peer_has_it(self):
        for heading in ("Throughput, echo hello", "Throughput, /bin/true", "Latency, echo hello, 64 clients"):
            curves = [one.get("class") for one in self.section(heading).iter("polyline")]
            self.assertEqual([one for one in curves if "s0" in one.split()], ["curve s0 ours"])

    def test_values_can_be_read_without_a_pointer(self):
        self.assertIn("runwired 0.89", self.words(self.section("Throughput, echo hello")))
        self.assertIn("idle 3.32, peak 9.57 MiB", self.words(self.section("Memory of the server")))
        self.assertIn("gave up 2,700", self.words(self.section("Open loop, echo hello: p99")))

    def test_a_way_from_alone_to_beside_a_build_is_drawn_for_the_bare_loop_and_each_server(self):
        for width in ("wide", "narrow"):
            chart = self.section("Beside a build of 16 processes", width)
            marks = [one.get("class").split() for one in chart.iter() if "mark" in (one.get("class") or "").split()]
            self.assertEqual(["hollow" in mark for mark in marks], [True, False] * 4)
            self.assertEqual([mark[1] for mark in marks[:4]], ["bare", "bare", "s0", "s0"])
            said = self.words(chart)
            self.assertIn("0.80 to 0.83 ms, 1.04\u00d7", said)
            self.assertIn("1.20 to 9.75 ms, 8.12\u00d7", said)

    def test_servers_in_control_groups_have_their_lines_after_those_elsewhere(self):
        headings = [one.findtext("h2") for one in self.root.iter("section")]
        self.assertEqual(headings[headings.index(IN_A_GROUP) - 1], "Throughput, echo hello")
        for width in ("wide", "narrow"):
            self.assertEqual(len(list(self.section(IN_A_GROUP, width).iter("polyline"))), 3)
        self.assertIn("runwired 0.94", self.words(self.section(IN_A_GROUP)))

    def test_a_result_without_control_groups_is_shown_without_them(self):
        del self.result["service"], self.result["machine"]["scheduling"]
        root = xml.etree.ElementTree.fromstring(page(self.result))
        section = next(one for one in root.iter("section") if one.findtext("h2") == IN_A_GROUP)
        self.assertEqual([one.text for one in section.iter("p")][1:], ["not measured"])
        self.assertIn("kernel 6.1. 2026", " ".join(root.find(".//header").itertext()))

    def test_it_says_how_the_machine_shares_its_processors(self):
        self.assertIn("kernel 6.1, scheduled by session (autogroup). 2026", self.text)

    def test_sessions_have_charts_beside_the_bare_copy_and_ssh(self):
        bulk = self.words(self.section("Sessions: bulk through one command"))
        for said in ("1 GiB out of a command", "1 GiB into a command", "runwired", "1,210 MB/s", "ssh -S, to OpenSSH"):
            self.assertIn(said, bulk)
        echo = self.words(self.section("Sessions: a line through cat and back"))
        self.assertIn("runwired beside 64 streams on 1", echo)

    def test_without_percentiles_the_four_known_ones_make_the_curve(self):
        for entry in self.result["closed"]:
            for one in entry["rounds"]:
                one["percentiles"] = []
        self.root = xml.etree.ElementTree.fromstring(page(self.result))
        curve = next(self.section("Latency, echo hello, 64 clients").iter("polyline"))
        self.assertEqual(len(curve.get("points").split()), 4)

    def test_it_says_what_was_left_out_and_what_makes_it(self):
        self.assertIn("<td>websocketd</td><td>not in Debian</td>", self.text)
        self.assertIn("<code>./dev compare --rounds 3</code>", self.text)

    def test_whatever_a_name_holds_is_words(self):
        self.result["closed"][0]["server"] = self.result["builds"]["go"] = "<b>&\"'"
        root = xml.etree.ElementTree.fromstring(page(self.result))
        self.assertTrue(any(one.text == "<b>&\"'" for one in root.iter("td")))

    def test_it_is_whole_when_nothing_was_measured(self):
        for result in ({}, emptied(self.result)):
            root = xml.etree.ElementTree.fromstring(page(copy.deepcopy(result)))
            self.assertEqual(list(root.iter("svg")), [])
            self.assertTrue(any(one.text == "not measured" for one in root.iter("p")))
