"""The page's charts of sessions."""

from bar_chart import Block, Row, bar_chart, milliseconds_chart
from chart import Chart
from figures import shown, shown_median
from goals import GIB
from medians import find, listed, over_rounds
from ranking import OURS, is_ours
from svg import looks


def session_charts(result):
    return [session_bulk(result), session_echo(result)]


def session_bulk(result):
    """Out of a command and into one: runwired, the bare copy, and ssh's ways."""
    blocks = []
    for heading, what in (("1 GiB out of a command", "stream"), ("1 GiB into a command", "stdin")):
        entry = find(listed(result, "session_bulk"), server=OURS, what=what, bytes=GIB)
        if not over_rounds(entry, "mb_per_s"):
            continue
        bare = over_rounds(entry, "bare_mb_per_s")
        rates = [(OURS, over_rounds(entry, "mb_per_s")), *session_programs(result, f"{what}_mb_per_s")]
        rows = [rate_row(name, rate, look_of(result, name)) for name, rate in rates]
        blocks.append(Block(heading, rows, (bare.median, f"bare copy {shown_median(bare)}") if bare else None))
    heading = "Sessions: bulk through one command"
    caption = "Megabytes (1e6 bytes) a second; of ssh with what its client costs and its encryption. Higher is better."
    if not blocks:
        return Chart(heading, caption, None)
    ends = [end for block in blocks for row in block.rows for _, end, _, _ in row.parts]
    span = (0, max([*ends, *(block.limit[0] for block in blocks if block.limit)]) * 1.05)
    return Chart(heading, caption, lambda width: bar_chart(width, heading, blocks, span))


def rate_row(name, rate, look):
    said = f"{shown_median(rate)} MB/s"
    return Row(name, look, [(0, rate.median, "own", f"{name}: {said}")], [], said, name == OURS)


def session_echo(result):
    alone = find(listed(result, "session_echo"), server=OURS)
    found = [(OURS, over_rounds(alone, "p50_ms"), over_rounds(alone, "p99_ms"), OURS)]
    for entry in listed(result, "session_fair"):
        named = f"{OURS} beside {entry['streams']} streams on {entry['sessions']}"
        found.append((named, over_rounds(entry, "echo_p50_ms"), over_rounds(entry, "echo_p99_ms"), OURS))
    p99s = dict(session_programs(result, "echo_p99_ms"))
    found += [(name, p50, p99s.get(name), name) for name, p50 in session_programs(result, "echo_p50_ms")]
    rows = [echo_row(name, p50, p99, look_of(result, server)) for name, p50, p99, server in found if has_marks(p50, p99)]
    heading = "Sessions: a line through cat and back"
    caption = (
        "Milliseconds: the median (hollow) and the 99th percentile (full); alone, and beside streams on so many "
        "connections. Logarithmic. Lower is better."
    )
    return milliseconds_chart(heading, caption, rows)


def echo_row(name, p50, p99, look):
    known = ((p50.median, "hollow", "median"), (p99.median, "", "99 %"))
    marks = [(value, kind, f"{name}, {what}: {shown(value)} ms") for value, kind, what in known]
    said = f"{shown_median(p50)}, 99 % {shown_median(p99)} ms"
    return Row(name, look, [], marks, said, is_ours(name))


def session_programs(result, name):
    found = [(entry["server"], over_rounds(entry, name)) for entry in listed(result, "session_programs")]
    return [(server, measured) for server, measured in found if measured]


def look_of(result, name):
    return looks([OURS, *(entry["server"] for entry in listed(result, "session_programs"))], is_ours)[name]


def has_marks(*spreads):
    """A logarithmic axis has no place for 0, which is what is left where all went wrong."""
    return all(one and one.median > 0 for one in spreads)
