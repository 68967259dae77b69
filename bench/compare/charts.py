"""The page's charts: what each shows of a result, and what is said about it."""

from bar_chart import Block, Row, bar_chart, log_span
from beside_build_report import build_chart
from chart import Chart
from figures import NOT_MEASURED, shown, shown_median
from goals import ECHO, GIB
from line_chart import Axes, Series, line_chart, log_axis
from medians import (
    difference_over_rounds,
    find,
    listed,
    over_rounds,
    ratio_between,
    ratio_over_rounds,
    rounds_of,
    spread,
    total_over_rounds,
)
from ranking import OURS, commands, distinct, in_order, is_ours, share_of_r
from service_report import NOTE as SERVICE_NOTE
from session_charts import session_charts
from svg import BARE, linear_ticks, log10, looks, nines

CLIENTS = 64  # where one number of clients has to stand for all
PERCENTILES = (50, 90, 99, 99.9)
FIELDS = {50: "p50_ms", 90: "p90_ms", 99: "p99_ms", 99.9: "p999_ms"}
OPEN_LIMITS = {0.5: 10, 0.7: 30}  # p99 in L, as the goals have them
KIB_PER_MIB = 1024
RATE_CAPTION = "Commands a second as a ratio to R, the bare loop in two processes, of the same round. Higher is better."


def charts(result):
    kinds = ("closed", "open", "big", "idle", "beside_build", "service")
    styles = looks(in_order([entry for kind in kinds for entry in listed(result, kind)]), is_ours)
    throughputs = [throughput(result, styles, command) for command in commands(result) or [ECHO]]
    throughputs.insert(1, service_throughput(result, styles))  # after that of the same command
    made = [make(result, styles) for make in (latency, cpu, memory, open_loop, build_chart)]
    return [*throughputs, *made, *session_charts(result)]


def series_of(entries, styles, points):
    """A series a server that has any points."""
    made = (Series(name, styles[name], points(name), name == OURS) for name in in_order(entries))
    return [one for one in made if one.points]


def at_one_load(result):
    return [one for one in listed(result, "closed") if (one["command"], one["clients"]) == (ECHO, CLIENTS)]


def throughput(result, styles, command):
    entries = [entry for entry in listed(result, "closed") if entry["command"] == command]
    return rate_chart(f"Throughput, {command}", RATE_CAPTION, entries, styles)


def service_throughput(result, styles):
    heading = "The same in a control group of its own"
    return rate_chart(heading, f"{RATE_CAPTION} {SERVICE_NOTE}", listed(result, "service"), styles)


def rate_chart(heading, caption, measured, styles):
    entries = sorted((entry for entry in measured if share_of_r(entry)), key=lambda entry: entry["clients"])
    if not entries:
        return Chart(heading, caption, None)
    lines = series_of(entries, styles, lambda name: rate_points(entries, name))
    high = max(1.1, *(height * 1.05 for one in lines for _, height in one.points))
    axes = Axes(
        x_name="clients",
        y_name="R",
        x_ticks=[(count, f"{count:,}") for count in distinct(entries, "clients")],
        y_ticks=[(tick, f"{tick:g}") for tick in linear_ticks(high)],
        x_bend=log10,
        y_bend=float,
        y_range=(0, high),
        shown=lambda value: f"{value:.2f}",
    )
    return Chart(heading, caption, lambda width: line_chart(width, heading, axes, lines, (1, "R, the bare limit")))


def rate_points(entries, server):
    return [(entry["clients"], share_of_r(entry).median) for entry in entries if entry["server"] == server]


def latency(result, styles):
    entries = at_one_load(result)
    lines = series_of(entries, styles, lambda name: percentile_points(find(entries, server=name)))
    heading = f"Latency, {ECHO}, {CLIENTS} clients"
    caption = "How many percent of the commands are answered within how many milliseconds. Lower and flatter is better."
    if not lines:
        return Chart(heading, caption, None)
    y_range, ticks = log_axis([height for one in lines for _, height in one.points], lambda value: f"{value:,g}")
    axes = Axes(
        x_name="percent of commands",
        y_name="ms",
        x_ticks=[(percent, f"{percent:g} %") for percent in PERCENTILES],
        y_ticks=ticks,
        x_bend=nines,
        y_bend=log10,
        y_range=y_range,
        shown=lambda value: f"{shown(value)} ms",
    )
    return Chart(heading, caption, lambda width: line_chart(width, heading, axes, lines))


def percentile_points(entry):
    """Of every percentile from 50 to 99.9 that all rounds have, the median over the rounds."""
    rounds = [known for known in map(round_percentiles, rounds_of(entry)) if known]
    common = sorted(set.intersection(*map(set, rounds))) if rounds else []
    inside = [percent for percent in common if PERCENTILES[0] <= percent <= PERCENTILES[-1]]
    found = [(percent, spread(one[percent] for one in rounds).median) for percent in inside]
    return [(percent, ms) for percent, ms in found if ms > 0]  # a logarithmic axis has no place for 0


def round_percentiles(one):
    named = {percent: one.get(key) for percent, key in FIELDS.items()}
    every = {**named, **{percent: ms for percent, ms in one.get("percentiles") or []}}
    return {percent: ms for percent, ms in every.items() if ms is not None}


def cpu(result, styles):
    bare = find(listed(result, "limits"), command=ECHO)
    bare_us = over_rounds(bare, "cpu_us")
    entries = at_one_load(result)
    rows = [cpu_row(find(entries, server=name), styles[name], bare) for name in in_order(entries)]
    rows = [row for row in rows if row]
    heading = f"CPU a command, {ECHO}, {CLIENTS} clients"
    caption = (
        "Microseconds: the server's own in the strong color, its children's in the pale one, and how many times the "
        "bare loop's both together are. Lower is better."
    )
    if not rows:
        return Chart(heading, caption, None)
    if bare_us:
        said = f"{shown(bare_us.median)} \u00b5s"
        rows.append(Row("bare loop", BARE, [(0, bare_us.median, "child", said)], [], said, False))
    block = Block("", rows, (bare_us.median, "bare loop") if bare_us else None)
    span = (0, max(end for row in rows for _, end, _, _ in row.parts))
    return Chart(heading, caption, lambda width: bar_chart(width, heading, [block], span))


def cpu_row(entry, look, bare):
    both, own = over_rounds(entry, "cpu_us"), over_rounds(entry, "own_cpu_us")
    if not both:
        return None
    children = difference_over_rounds(entry, "cpu_us", "own_cpu_us")
    parts = [(0, both.median, "child", f"{shown_median(both)} \u00b5s in all")]
    if children:
        parts = [
            (0, own.median, "own", f"{shown_median(own)} \u00b5s of its own"),
            (own.median, own.median + children.median, "child", f"{shown_median(children)} \u00b5s of its children"),
        ]
    times = ratio_between(entry, bare, "cpu_us")
    said = f"{shown_median(own)} + {shown_median(children)} \u00b5s" if children else f"{shown_median(both)} \u00b5s"
    said += f", {shown_median(times)}\u00d7" if times else ""
    return Row(entry["server"], look, parts, [], said, entry["server"] == OURS)


def memory(result, styles):
    big = [entry for entry in listed(result, "big") if entry["bytes"] == GIB]
    idle = listed(result, "idle")
    rows = [memory_row(name, styles[name], idle, find(big, server=name)) for name in in_order(idle + big)]
    rows = [row for row in rows if row]
    heading = "Memory of the server"
    caption = (
        "RSS: idle (hollow), and at its peak while it sends one reply of 1 GiB (full). Logarithmic. Lower is better."
    )
    if not rows:
        return Chart(heading, caption, None)
    span, ticks = log_span([value for row in rows for value, _, _ in row.marks])
    named = [(tick, f"{tick:,g} MiB") for tick in ticks]
    return Chart(heading, caption, lambda width: bar_chart(width, heading, [Block("", rows, None)], span, log10, named))


def memory_row(name, look, idle, big):
    before = spread(entry.get("rss_kb_before") for entry in idle if entry["server"] == name)
    found = (("idle", "hollow", before), ("peak", "", over_rounds(big, "peak_rss_kb")))
    known = [(what, kind, over.median / KIB_PER_MIB) for what, kind, over in found if over and over.median > 0]
    marks = [(mib, kind, f"{name}, {what}: {shown(mib)} MiB") for what, kind, mib in known]
    said = ", ".join(f"{what} {shown(mib)}" for what, _, mib in known) + " MiB"
    return Row(name, look, [], marks, said, name == OURS) if marks else None


def open_loop(result, styles):
    entries = [entry for entry in listed(result, "open") if entry["command"] == ECHO]
    shares = sorted(distinct(entries, "share_of_r"))
    blocks = [open_block([e for e in entries if e["share_of_r"] == share], styles, share) for share in shares]
    ends = [end for block in blocks for row in block.rows for _, end, _, _ in row.parts]
    heading = f"Open loop, {ECHO}: p99"
    caption = (
        "Commands arrive at random, at a share of R; in multiples of L, the bare latency. Logarithmic, from 1 L. "
        "Lower is better."
    )
    if not ends:
        return Chart(heading, caption, None)
    span, ticks = log_span([*ends, *OPEN_LIMITS.values()], 1)
    named = [(tick, f"{tick:,g} L") for tick in ticks]
    return Chart(heading, caption, lambda width: bar_chart(width, heading, blocks, span, log10, named))


def open_block(entries, styles, share):
    rows = [open_row(find(entries, server=name), styles[name]) for name in in_order(entries)]
    limit = OPEN_LIMITS.get(share)
    return Block(f"at {share:g} R", rows, (limit, f"goal: {limit} L") if limit else None)


def open_row(entry, look):
    over = ratio_over_rounds(entry, "p99_ms", "l_ms")
    gave_up = total_over_rounds(entry, "gave_up")
    said = f"{shown_median(over)} L" if over else f"gave up {gave_up:,.0f}" if gave_up else NOT_MEASURED
    parts = [(1, over.median, "own", said)] if over else []
    return Row(entry["server"], look, parts, [], said, entry["server"] == OURS)
