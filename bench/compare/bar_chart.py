"""Charts of rows, one a server: bars from a common start, or marks along a line."""

from typing import NamedTuple

from chart import Chart
from svg import LETTER_PX, Scale, bar, drawing, line, log10, log_ticks, marker, shortened, words

NARROW_PX = 500
BAR_PX = 16
ROW_PX, NARROW_ROW_PX = 27, 42
HEAD_PX, FOOT_PX = 30, 22


class Row(NamedTuple):
    server: str
    look: object
    parts: list  # of (start, end, class, told): bars
    marks: list  # of (value, class, told)
    said: str  # the values, in words
    is_ours: bool


class Block(NamedTuple):
    heading: str
    rows: list
    limit: tuple | None  # a vertical line of its own: (value, words)


class Rows(NamedTuple):
    """Where things stand: names at the left, or above their bars where there is little room."""

    width: int
    name_px: float
    value_px: float
    scale: Scale

    def is_narrow(self):
        return self.width < NARROW_PX

    def step(self):
        return NARROW_ROW_PX if self.is_narrow() else ROW_PX


def bar_chart(width, told, blocks, span, bend=float, ticks=()):
    """`span` is (low, high) in values, `ticks` (value, words)."""
    rows = layout(width, blocks, span, bend)
    top, pieces = 4, []
    for block in blocks:
        height = (HEAD_PX if block.heading or block.limit else 0) + len(block.rows) * rows.step()
        pieces += drawn_block(block, rows, top, ticks, top + height)
        top += height + 10
    pieces += [words(rows.scale(value), top + 6, said, "tick", "middle") for value, said in ticks]
    return drawing(width, top + FOOT_PX - 6, told, pieces)


def layout(width, blocks, span, bend):
    all_rows = [row for block in blocks for row in block.rows]
    if width < NARROW_PX:
        return Rows(width, 0, 0, Scale(*span, 2, width - 22, bend))
    name_px = min(max(len(row.server) for row in all_rows) * LETTER_PX + 24, width * 0.3)
    value_px = min(max(len(row.said) for row in all_rows) * LETTER_PX + 14, width * 0.36)
    return Rows(width, name_px, value_px, Scale(*span, name_px, width - value_px - 8, bend))


def drawn_block(block, rows, top, ticks, bottom):
    head = HEAD_PX if block.heading or block.limit else 0
    scale = rows.scale
    yield words(0, top + 12, block.heading, "block-name")
    for value, _ in ticks:
        yield line(scale(value), top + head, scale(value), bottom, "grid")
    for place, row in enumerate(block.rows):
        yield from drawn_bars(row, rows, top + head + place * rows.step())
    if block.limit:
        value, said = block.limit
        yield line(scale(value), top + head - 8, scale(value), bottom, "limit")
        yield words(scale(value) + 4, top + head - 3, said, "limit-name")
    for place, row in enumerate(block.rows):
        yield from names(row, rows, top + head + place * rows.step() + (13 if rows.is_narrow() else 16))


def drawn_bars(row, rows, top):
    scale, weight = rows.scale, "ours" if row.is_ours else ""
    bar_top = top + 20 if rows.is_narrow() else top + 4
    middle = bar_top + BAR_PX / 2
    for start, end, kind, told in row.parts:
        yield bar(scale(start), scale(end), bar_top, BAR_PX, f"bar {row.look.color} {kind}", told)
    if row.marks:
        places = [scale(value) for value, _, _ in row.marks]
        yield line(min(places), middle, max(places), middle, f"span {row.look.color} {weight}")
    for value, kind, told in row.marks:
        yield marker(scale(value), middle, row.look, told, kind, 5)


def names(row, rows, baseline):
    room = rows.width - LETTER_PX * len(row.said) - 14 if rows.is_narrow() else rows.name_px - 8
    yield words(0, baseline, shortened(row.server, room), "row-name ours" if row.is_ours else "row-name")
    yield words(rows.width, baseline, row.said, "row-value", "end")


def log_span(values, low=None):
    """Span and ticks of a logarithmic axis; it begins at `low`, where bars need a start that means something."""
    span = (low or min(values) * 0.8, max(values) * 1.1)
    return span, log_ticks(*span)


def milliseconds_chart(heading, caption, rows):
    """Of rows with marks, on a logarithmic axis."""
    if not rows:
        return Chart(heading, caption, None)
    span, ticks = log_span([value for row in rows for value, _, _ in row.marks])
    named = [(tick, f"{tick:,g} ms") for tick in ticks]
    return Chart(heading, caption, lambda width: bar_chart(width, heading, [Block("", rows, None)], span, log10, named))
