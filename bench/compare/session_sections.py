"""The tables about sessions."""

from figures import NO_CELL, pair, shown, shown_bytes, shown_median, shown_spread
from goals import kib_each
from medians import listed, over_rounds, ratio_over_rounds
from text_table import Table

SPREAD = "Medians over the rounds, then the least and the most of them."


def session_tables(result):
    makers = (
        spawn_table, mux_table, first_byte_table, bulk_table, fair_table, echo_table, starts_table, idle_table,
        programs_table,
    )  # fmt: skip
    return [make(result) for make in makers]


def spawn_table(result):
    rows = [
        [
            entry["server"],
            f"{entry['clients']:,}",
            shown_median(over_rounds(entry, "plain"), 1),
            shown_spread(ratio_over_rounds(entry, "whole", "plain")),
            shown_spread(ratio_over_rounds(entry, "stream", "plain")),
            *(shown_median(over_rounds(entry, f"{form}_own_cpu_us")) for form in ("plain", "whole", "stream")),
        ]
        for entry in listed(result, "session_spawn")
    ]
    headings = ["server", "clients", "plain /s", "whole / plain", "stream / plain", "own us plain", "whole", "stream"]
    return Table("Sessions: a command after the other, against plain", SPREAD, headings, rows)


def mux_table(result):
    rows = [
        [
            entry["server"],
            f"{entry['commands']:,}",
            shown_median(over_rounds(entry, "one_connection"), 1),
            shown_median(over_rounds(entry, "many_connections"), 1),
            shown_spread(ratio_over_rounds(entry, "one_connection", "many_connections")),
            pair(over_rounds(entry, "one_p99_ms"), over_rounds(entry, "many_p99_ms")),
        ]
        for entry in listed(result, "session_mux")
    ]
    headings = ["server", "at a time", "one connection /s", "as many /s", "one / many", "p99 ms"]
    return Table("Sessions: many commands on one connection", SPREAD, headings, rows)


def first_byte_table(result):
    rows = [
        [
            entry["server"],
            entry["over"],
            shown_median(over_rounds(entry, "bare_ms")),
            shown_median(over_rounds(entry, "first_byte_ms")),
            shown_spread(ratio_over_rounds(entry, "first_byte_ms", "bare_ms")),
            shown_spread(ratio_over_rounds(entry, "first_byte_ms", "bare_clone_ms")),
            shown_median(over_rounds(entry, "end_ms")),
        ]
        for entry in listed(result, "first_byte")
    ]
    note = (
        "From the start to the first byte of `echo hello`, one at a time; bare: the same over a pipe, in a loop of "
        f"posix_spawn(3), or of clone(2), which does less. {SPREAD}"
    )
    headings = ["server", "over", "bare ms", "first byte ms", "of bare", "of bare clone", "exit ms"]
    return Table("Sessions: the first byte", note, headings, rows, 2)


def bulk_table(result):
    rows = [
        [
            entry["server"],
            f"{entry['what']}, {shown_bytes(entry['bytes'])}",
            shown_median(over_rounds(entry, "mb_per_s")),
            shown_median(over_rounds(entry, "bare_mb_per_s")),
            shown_spread(ratio_over_rounds(entry, "mb_per_s", "bare_mb_per_s")),
            shown_median(over_rounds(entry, "own_cpu_us_per_mb")),
            shown_median(over_rounds(entry, "peak_rss_kb")),
        ]
        for entry in listed(result, "session_bulk")
    ]
    note = f"`head -c` of zeros, `wc -c`; the bare copy moves the same between pipe and loopback TCP. {SPREAD}"
    headings = ["server", "what", "MB/s", "bare MB/s", "of bare", "own us a MB", "peak RSS KiB"]
    return Table("Sessions: bulk through one command", note, headings, rows, 2)


def fair_table(result):
    rows = [
        [
            entry["server"],
            f"{entry['streams']:,} over {entry['sessions']:,}",
            shown_median(over_rounds(entry, "mb_per_s")),
            shown_spread(over_rounds(entry, "slowest_share")),
            shown_median(over_rounds(entry, "echo_p50_ms")),
            shown_spread(over_rounds(entry, "echo_p99_ms")),
            shown_median(over_rounds(entry, "peak_rss_kb")),
        ]
        for entry in listed(result, "session_fair")
    ]
    note = f"Streams without an end over so many connections, and lines through `cat` on another. {SPREAD}"
    headings = ["server", "streams", "MB/s", "slowest / mean", "line p50 ms", "line p99 ms", "peak RSS KiB"]
    return Table("Sessions: streams side by side", note, headings, rows, 2)


def echo_table(result):
    rows = [
        [entry["server"], shown_spread(over_rounds(entry, "p50_ms")), shown_spread(over_rounds(entry, "p99_ms"))]
        for entry in listed(result, "session_echo")
    ]
    return Table("Sessions: a line through cat and back, alone", SPREAD, ["server", "p50 ms", "p99 ms"], rows)


def starts_table(result):
    rows = [
        [
            entry["server"],
            shown(entry["starts"], 1),
            *(shown_spread(over_rounds(entry, name)) for name in ("echo_p50_ms", "echo_p99_ms", "start_p50_ms")),
        ]
        for entry in listed(result, "session_starts")
    ]
    note = f"A line through `cat` and back, beside them and 1,000 sessions that do nothing. {SPREAD}"
    return Table("Sessions: beside starts", note, ["server", "starts /s", "line p50 ms", "line p99 ms", "start p50 ms"], rows)


def idle_table(result):
    rows = [
        [
            entry["server"],
            f"{entry['sessions']:,}",
            shown(entry.get("rss_kb_before"), 1),
            shown(entry.get("rss_kb_after"), 1),
            shown(kib_each(entry, "sessions")),
            shown(entry.get("wakeups_per_s")),
        ]
        for entry in listed(result, "session_idle")
    ]
    headings = ["server", "sessions", "RSS KiB before", "after", "KiB each", "wake-ups/s"]
    return Table("Sessions that do nothing", "They have said hello.", headings, rows)


def programs_table(result):
    names = ("stream_mb_per_s", "stdin_mb_per_s", "echo_p50_ms", "echo_p99_ms", "mux_per_second")
    rows = [
        [entry["server"], *(shown_median(over_rounds(entry, name)) or NO_CELL for name in names)]
        for entry in listed(result, "session_programs")
    ]
    note = (
        "With what their clients cost; ssh encrypts, runwired does not. asyncssh moves 256 MiB. runc hands over its own "
        "pipes, there is no network; docker exec is that and a client and daemons that copy each byte."
    )
    headings = ["program", "out MB/s", "in MB/s", "line p50 ms", "line p99 ms", "100 on one /s"]
    return Table("Sessions: the same through ssh, and in a container", note, headings, rows)
