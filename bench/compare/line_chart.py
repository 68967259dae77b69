"""Charts of lines: one a server, each with its name and last value at its end."""

from typing import NamedTuple

from svg import (
    LABEL_PX,
    LETTER_PX,
    Scale,
    drawing,
    line,
    log_ticks,
    marker,
    polyline,
    shortened,
    spread_out,
    words,
)

NARROW_PX = 500
TOP, BOTTOM, LEFT = 14, 40, 44
VALUE_PX = 46  # what a value beside a mark takes
STEEP_PX = 40


class Series(NamedTuple):
    server: str
    look: object
    points: list  # of (x, y), in values
    is_ours: bool


class Axes(NamedTuple):
    x_name: str
    y_name: str
    x_ticks: list  # of (value, words)
    y_ticks: list
    x_bend: object
    y_bend: object
    y_range: tuple
    shown: object  # how a value of y is written


def line_chart(width, told, axes, series, mark=None):
    """`mark` is a horizontal line of its own: (value, words)."""
    label_px = label_width(width, axes, series)
    height = max(260 if width < NARROW_PX else 340, 15 * len(series) + TOP + BOTTOM)
    values = [value for value, _ in axes.x_ticks]
    x = Scale(min(values), max(values), LEFT, width - label_px - 10, axes.x_bend)
    y = Scale(*axes.y_range, height - BOTTOM, TOP, axes.y_bend)
    pieces = [*grid(x, y, axes, width < NARROW_PX)]
    if mark:
        pieces += [line(x.start, y(mark[0]), x.end, y(mark[0]), "limit")]
    for one in sorted(series, key=lambda one: one.is_ours):  # ours last, so on top
        pieces += drawn(one, x, y, axes)
    if mark:
        pieces += [words(x.start + 4, beside_mark(y, mark[0], series), mark[1], "limit-name")]
    pieces += own_values(series, x, y, axes)
    return drawing(width, height, told, [*pieces, *labels(series, x, y, axes, label_px)])


def beside_mark(y, value, series):
    """Above the line, or below it where a curve begins just above."""
    is_crowded = any(0 <= y(value) - y(one.points[0][1]) < 2 * LABEL_PX for one in series)
    return y(value) + (LABEL_PX if is_crowded else -6)


def label_width(width, axes, series):
    """As much as the longest name needs, but the lines keep most of the chart."""
    longest = max((len(f"{one.server} {axes.shown(one.points[-1][1])}") for one in series), default=0)
    return min(longest * LETTER_PX + 16, width * (0.42 if width < NARROW_PX else 0.3))


def grid(x, y, axes, is_narrow):
    for value, said in axes.y_ticks:
        yield line(x.start, y(value), x.end, y(value), "grid")
        yield words(x.start - 6, y(value) + 4, said, "tick", "end")
    for value, said in axes.x_ticks:
        yield line(x(value), y.start, x(value), y.start + 4, "axis")
        yield words(x(value), y.start + 17, said, "tick", "middle")
    yield line(x.start, y.start, x.end, y.start, "axis")
    yield words((x.start + x.end) / 2, y.start + 34, axes.x_name, "axis-name", "middle")
    yield words(4, 9, axes.y_name, "axis-name")


def drawn(one, x, y, axes):
    """Marks stand only where the axis names a value: a curve may have hundreds of points."""
    weight = "ours" if one.is_ours else ""
    yield polyline([(x(value), y(height)) for value, height in one.points], f"curve {one.look.color} {weight}")
    named = dict(axes.x_ticks)
    for value, height in one.points:
        if value in named:
            told = f"{one.server}, {named[value]}: {axes.shown(height)}"
            yield marker(x(value), y(height), one.look, told, weight, 5 if one.is_ours else 4)


def own_values(series, x, y, axes):
    """runwired's values stand at its marks; above them where its line is the highest, else below."""
    ours = next((one for one in series if one.is_ours), None)
    if ours is None:
        return
    is_highest = ours.points[-1][1] >= max(one.points[-1][1] for one in series)
    named, free_from = dict(axes.x_ticks), 0
    for (value, height), (_, next_height) in zip(ours.points, ours.points[1:]):
        climbs = is_highest and y(height) - y(next_height) > STEEP_PX
        if value not in named or x(value) < free_from or climbs:  # a steep line would run through its own value
            continue
        free_from = x(value) + VALUE_PX
        anchor = "start" if x(value) == x.start else "middle"
        yield words(x(value), y(height) + (-10 if is_highest else 18), axes.shown(height), "own-value", anchor)


def labels(series, x, y, axes, label_px):
    """In the margin, each at the height of its line's end or as near as the others let it."""
    to_the_end = [one for one in series if one.points[-1][0] == axes.x_ticks[-1][0]]
    heights = [y(one.points[-1][1]) for one in to_the_end]
    for one, end, place in zip(to_the_end, heights, spread_out(heights, y.end, y.start)):
        yield line(x.end + 6, end, x.end + 11, place, f"leader {one.look.color}")
        yield label(one, x.end + 14, place + 4, axes, label_px - 12)
    for one in series:
        if one not in to_the_end:  # a leader through the whole chart would look like figures
            last = one.points[-1]
            yield label(one, x(last[0]) + 8, y(last[1]) - 5, axes, x.end + label_px - x(last[0]))


def label(one, left, baseline, axes, room):
    value = axes.shown(one.points[-1][1])
    name = shortened(one.server, room - LETTER_PX * (len(value) + 1))
    return words(left, baseline, f"{name} {value}", "end-label ours" if one.is_ours else "end-label")


def log_axis(values, said):
    """Range and ticks that hold all the values."""
    low, high = min(values) * 0.7, max(values) * 1.15
    return (low, high), [(value, said(value)) for value in log_ticks(low, high)]
