"""The tables of one result: the goals first, then everything that was measured."""

from beside_build_report import build_table
from figures import NO_CELL, pair, shown, shown_bytes, shown_median, shown_range, shown_spread
from goals import SESSION_LISTS, US_PER_MS, goals, kib_each, tally
from medians import (
    find,
    listed,
    over_rounds,
    ratio,
    ratio_between,
    ratio_over_rounds,
    total_over_rounds,
)
from ranking import commands, distinct, in_order, share_of_best_peer, share_of_r
from service_report import service_table
from session_sections import session_tables
from text_table import Table

SPREAD = "Medians over the rounds, then the least and the most of them."


def sections(result):
    tables = [goal_table(result), limits_table(result)]
    for command in commands(result):
        tables += command_tables(result, command)
    makers = (
        service_table, open_table, copy_table, big_table, idle_table, beside_table, build_table, programs_table,
        instructions_table,
    )  # fmt: skip
    tables += [*(make(result) for make in makers), *session_tables(result)]
    return [*tables, failures_table(result), skipped_table(result)]


def goal_table(result):
    judged = goals(result)
    rows = [
        [goal.what, goal.wanted(), shown_median(goal.measured, 4), shown_range(goal.measured, 4), goal.verdict()]
        for goal in judged
    ]
    note = f"{tally(judged)}. A goal is judged by the median of the rounds; their least and most stand beside it."
    return Table("Goals", note, ["goal", "wanted", "median", "rounds", "verdict"], rows, 2)


def limits_table(result):
    names = ("one_process", "two_processes", "one_at_a_time_p50_ms", "cpu_us")
    rows = [
        [entry["command"], *(shown_spread(over_rounds(entry, name)) for name in names)]
        for entry in listed(result, "limits")
    ]
    note = f"The bare loop, without any server. R: the rate of two processes, L: the latency of one at a time. {SPREAD}"
    headings = ["command", "one process /s", "two processes /s", "one at a time p50 ms", "CPU us"]
    return Table("The bare limits", note, headings, rows)


def command_tables(result, command):
    bare = find(listed(result, "limits"), command=command)

    def of_best_peer(entry):
        return shown_median(share_of_best_peer(result, entry))

    def latency(entry):
        return pair(over_rounds(entry, "p50_ms"), over_rounds(entry, "p99_ms"))

    def cpu(entry):
        own = ratio_over_rounds(entry, "own_cpu_us", "l_ms", US_PER_MS)
        return pair(ratio_between(entry, bare, "cpu_us"), own)

    cpu_note = "Server and children against the bare loop's (x) / the server's own as a share of L."
    kinds = (
        ("throughput as a ratio to R", SPREAD, lambda entry: shown_spread(share_of_r(entry))),
        ("throughput against the best peer", "The best peer at each number of clients is 1.", of_best_peer),
        ("latency, ms", "p50 / p99.", latency),
        ("CPU", cpu_note, cpu),
    )
    return [load_table(result, command, *kind) for kind in kinds]


def load_table(result, command, title, note, cell):
    """A row a server, a column a number of clients."""
    entries = [entry for entry in listed(result, "closed") if entry["command"] == command]
    loads = sorted(distinct(entries, "clients"))
    rows = []
    for server in in_order(entries):
        found = (find(entries, server=server, clients=clients) for clients in loads)
        rows.append([server, *(cell(entry) if entry else NO_CELL for entry in found)])
    headings = ["server", *(f"{clients:,} client{'s' if clients > 1 else ''}" for clients in loads)]
    return Table(f"{command}: {title}", note, headings, rows)


def open_table(result):
    entries = sorted(listed(result, "open"), key=lambda entry: entry["share_of_r"])
    latency, trouble = ["p50 L", "p99 L", "p99 L, rounds"], ["failed", "gave up"]
    headings = ["server", "command", "offered", "a second", "done", *latency, *trouble]
    note = "Commands arrive at random, whether or not earlier ones are done; latency counts from the intended start."
    return Table("Open loop, latency in multiples of L", note, headings, [open_row(entry) for entry in entries], 2)


def open_row(entry):
    p99 = ratio_over_rounds(entry, "p99_ms", "l_ms")
    return [
        entry["server"],
        entry["command"],
        f"{entry['share_of_r']:g} R",
        shown_median(over_rounds(entry, "rate"), 1),
        shown_median(ratio_over_rounds(entry, "per_second", "rate")),
        shown_median(ratio_over_rounds(entry, "p50_ms", "l_ms")),
        shown_median(p99),
        shown_range(p99),
        shown(total_over_rounds(entry, "failed"), 1),
        shown(total_over_rounds(entry, "gave_up"), 1),
    ]


def copy_table(result):
    rows = [[entry["how"], shown_spread(over_rounds(entry, "mb_per_s"))] for entry in listed(result, "copy")]
    return Table("Pipe to loopback TCP, without any server", SPREAD, ["how", "MB/s"], rows)


def big_table(result):
    rows = [
        [
            entry["server"],
            shown_bytes(entry["bytes"]),
            shown_median(over_rounds(entry, "seconds")),
            shown_median(over_rounds(entry, "mb_per_s")),
            shown_spread(ratio_over_rounds(entry, "mb_per_s", "copy_mb_per_s")),
            shown_median(over_rounds(entry, "peak_rss_kb")),
        ]
        for entry in listed(result, "big")
    ]
    headings = ["server", "reply", "seconds", "MB/s", "of pipe to TCP", "peak RSS KiB"]
    return Table("Big replies", "Of pipe to TCP: against read and write, in the same round.", headings, rows)


def idle_table(result):
    rows = [
        [
            entry["server"],
            f"{entry['connections']:,}",
            shown(entry.get("rss_kb_before"), 1),
            shown(entry.get("rss_kb_after"), 1),
            shown(kib_each(entry, "connections")),
            shown(entry.get("wakeups_per_s")),
            shown(ratio(entry.get("per_second"), entry.get("per_second_alone"))),
        ]
        for entry in listed(result, "idle")
    ]
    headings = ["server", "connections", "RSS KiB before", "after", "KiB each", "wake-ups/s", "rate of alone"]
    note = "Rate of alone: what busy clients get beside the idle connections, against without them."
    return Table("Idle connections", note, headings, rows)


def beside_table(result):
    rows = [
        [
            entry["server"],
            entry["what"],
            shown_median(over_rounds(entry, "per_second"), 1),
            shown_spread(ratio_over_rounds(entry, "per_second", "per_second_alone")),
            shown_median(over_rounds(entry, "p99_ms")),
            shown_median(over_rounds(entry, "p99_ms_alone")),
        ]
        for entry in listed(result, "beside")
    ]
    headings = ["server", "beside", "a second", "rate of alone", "p99 ms", "p99 ms alone"]
    return Table("Small commands beside a burden", SPREAD, headings, rows, 2)


def programs_table(result):
    rows = [
        [
            entry["server"],
            entry["command"],
            f"{entry['clients']:,}",
            shown_median(over_rounds(entry, "per_second"), 1),
            shown_spread(share_of_r(entry)),
            pair(over_rounds(entry, "p50_ms"), over_rounds(entry, "p99_ms")),
            shown(total_over_rounds(entry, "failed"), 1),
        ]
        for entry in listed(result, "programs")
    ]
    headings = ["program", "command", "clients", "a second", "of R", "p50 / p99 ms", "failed"]
    return Table("Programs through their own clients", "Of R: " + SPREAD.lower(), headings, rows, 2)


def instructions_table(result):
    counted = result.get("instructions_per_command") or {}
    made_with = counted.get("command")
    rows = [[command, shown(count, 1)] for command, count in counted.items() if command != "command"]
    note = f"In the daemon, as `{made_with}` counts them." if made_with else "In the daemon."
    return Table("Instructions a command", note, ["command", "instructions"], rows)


def failures_table(result):
    rows = []
    for kind in ("closed", "service", "open", "programs"):
        for entry in listed(result, kind):
            failed, gave_up = (total_over_rounds(entry, name) for name in ("failed", "gave_up"))
            if failed or gave_up:
                rows.append([entry["server"], where(kind, entry), shown(failed, 1), shown(gave_up, 1)])
    for kind in ("beside_build", *SESSION_LISTS):
        for entry in listed(result, kind):
            if failed := total_over_rounds(entry, "failed"):
                rows.append([entry["server"], kind.replace("_", " "), shown(failed, 1), "0"])
    rows = rows or [["none", "", "0", "0"]]
    note = "Commands not answered, or wrongly; and those the load generator gave up. All rounds together."
    return Table("What failed", note, ["server", "where", "failed", "gave up"], rows, 2)


def where(kind, entry):
    if kind == "open":
        return f"{entry['command']}, open loop at {entry['share_of_r']:g} R"
    group = ", in a control group" if kind == "service" else ""
    return f"{entry['command']}, {entry['clients']:,} clients{group}"


def skipped_table(result):
    rows = [[str(what), str(why)] for what, why in listed(result, "skipped")] or [["nothing", ""]]
    return Table("What was left out", "And why.", ["what", "why"], rows, 2)
