"""What is told of commands beside a build: a table and a chart."""

from bar_chart import Row, milliseconds_chart
from figures import shown_median, shown_spread
from goals import BUILD_PROCESSES
from medians import find, listed, over_rounds, ratio_over_rounds
from ranking import OURS, in_order
from svg import BARE
from text_table import Table

BARE_LOOP = "bare loop"
NOTE = (
    "One client at a time, beside another's command that spins on so many processes. Where Linux's sched_autogroup is "
    "on, a session is what gets a share of the processors: a command that leads one of its own is not slowed down."
)


def build_table(result):
    rows = [
        [
            name,
            f"{entry['processes']:,}",
            *(cell for figure in ("p50_ms", "p99_ms") for cell in cells(entry, prefix + figure)),
        ]
        for name, entry, prefix in measured(result)
    ]
    headings = ["server", "processes", "p50 ms alone", "p50 ms", "of alone", "p99 ms alone", "p99 ms", "of alone"]
    return Table("Beside a build", NOTE, headings, rows)


def cells(entry, figure):
    alone, beside = over_rounds(entry, f"{figure}_alone"), over_rounds(entry, figure)
    return shown_median(alone), shown_median(beside), shown_spread(slowdown(entry, figure))


def slowdown(entry, figure):
    return ratio_over_rounds(entry, figure, f"{figure}_alone")


def measured(result):
    """(name, entry, prefix of its figures): the bare loop first. Every server's rounds have it; runwired's do here."""
    entries = listed(result, "beside_build")
    servers = [(name, find(entries, server=name), "") for name in in_order(entries)]
    return [(BARE_LOOP, entry, "bare_") for _, entry, _ in servers[:1]] + servers


def build_chart(result, styles):
    found = [
        build_row(name, entry, f"{prefix}p50_ms", BARE if prefix else styles[name])
        for name, entry, prefix in measured(result)
    ]
    rows = [row for row in found if row]
    heading = f"Beside a build of {BUILD_PROCESSES} processes"
    caption = (
        "Milliseconds, the median of one client's commands: alone (hollow), and beside another's command that spins "
        "on so many processes (full). Logarithmic. Lower is better, and so is a short way."
    )
    return milliseconds_chart(heading, caption, rows)


def build_row(name, entry, figure, look):
    known = (("alone", "hollow", over_rounds(entry, f"{figure}_alone")), ("beside it", "", over_rounds(entry, figure)))
    if not all(over and over.median > 0 for _, _, over in known):  # a logarithmic axis has no place for 0
        return None
    marks = [(over.median, kind, f"{name}, {what}: {shown_median(over)} ms") for what, kind, over in known]
    times = slowdown(entry, figure)
    said = f"{shown_median(known[0][2])} to {shown_median(known[1][2])} ms, {shown_median(times)}\u00d7"
    return Row(name, look, [], marks, said, name == OURS)
