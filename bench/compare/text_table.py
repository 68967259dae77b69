"""A table of words and figures, and its text form: aligned columns, at most 110 characters wide."""

import textwrap
from itertools import zip_longest
from typing import NamedTuple

WIDTH = 110
GAP = "  "
LEAST_WRAP = 12  # a column narrower than this is not worth wrapping


class Table(NamedTuple):
    title: str
    note: str
    headings: list
    rows: list  # of lists of strings, as many as there are headings
    words: int = 1  # so many columns from the left hold words; figures stand right-aligned after them


def as_text(table):
    lines = [table.title, *textwrap.wrap(table.note, WIDTH)]
    if not table.rows:
        return "\n".join([*lines, "  not measured", ""])
    widths = column_widths(table)
    for row in (table.headings, ["-" * width for width in widths], *table.rows):
        lines += row_lines(row, widths, table.words)
    return "\n".join([*lines, ""])


def column_widths(table):
    """As wide as what they hold; where that is too wide for a line, the widest column of words wraps."""
    widths = [max(1, *(len(cell) for cell in column)) for column in zip(table.headings, *table.rows)]
    for _ in range(table.words):
        over = sum(widths) + len(GAP) * (len(widths) - 1) - WIDTH
        widest = max(range(table.words), key=lambda place: widths[place])
        widths[widest] = max(widths[widest] - max(over, 0), min(widths[widest], LEAST_WRAP))
    return widths


def row_lines(row, widths, words):
    wrapped = [textwrap.wrap(cell, width) for cell, width in zip(row, widths)]
    return [one_line(cells, widths, words) for cells in zip_longest(*wrapped, fillvalue="")]


def one_line(cells, widths, words):
    aligned = [
        cell.ljust(width) if place < words else cell.rjust(width)
        for place, (cell, width) in enumerate(zip(cells, widths))
    ]
    return GAP.join(aligned).rstrip()
