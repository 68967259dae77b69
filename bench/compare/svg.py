"""Pieces of SVG as strings, scales that place values, and the look of each server.

Colors are the page's style sheet's affair: a piece names a class, such as `s3`, and is light or dark as the page is.
"""

import math
from html import escape
from typing import NamedTuple

PEER_COLORS = 5  # classes s1..s5 of the style sheet; s0 is runwired's
SHAPES = ("circle", "square", "diamond", "triangle")
LABEL_PX = 14  # from one line of words to the next
LETTER_PX = 6.6  # how wide a letter of a label is, roughly


class Look(NamedTuple):
    color: str
    shape: str


BARE = Look("bare", "circle")  # a limit without any server


def looks(servers, is_ours):
    """One look a server; shapes differ among peers of one color, and help where colors look alike."""
    found, peers = {}, 0
    for server in servers:
        if is_ours(server):
            found[server] = Look("s0", SHAPES[len(found) % len(SHAPES)])
        else:
            shape = SHAPES[(peers + peers // PEER_COLORS + 1) % len(SHAPES)]
            found[server] = Look(f"s{peers % PEER_COLORS + 1}", shape)
            peers += 1
    return found


class Scale(NamedTuple):
    """From values to pixels; `bend` is what makes it other than linear."""

    low: float
    high: float
    start: float
    end: float
    bend: object = float

    def __call__(self, value):
        low, high = self.bend(self.low), self.bend(self.high)
        part = (self.bend(value) - low) / (high - low) if high != low else 0.5
        return self.start + part * (self.end - self.start)


def nines(percentile):
    """50, 90, 99 and 99.9 at growing distances, each nine as far from the last as any, as HdrHistogram draws them."""
    return -math.log10(1 - percentile / 100)


def log10(value):
    """Far down for 0, which a logarithmic scale has no place for."""
    return math.log10(max(value, 1e-9))


def log_ticks(low, high):
    """1, 2 and 5 of each decade; decades alone where that is crowded."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if math.log10(high / low) > 2.5 else (1, 2, 5)
    return [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]


def linear_ticks(high):
    step = next(step for step in (0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10) if high / step <= 6 or step == 10)
    return [place * step for place in range(int(high / step + 1e-9) + 1)]


def words(x, y, said, kind="", anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(said)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def bar(x1, x2, y, height, kind, told=""):
    width = max(x2 - x1, 1)
    return f'<rect x="{x1:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" class="{kind}">{title(told)}</rect>'


def polyline(points, kind):
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{places}" class="{kind}"/>'


def title(told):
    return f"<title>{escape(told)}</title>" if told else ""


def marker(x, y, look, told="", kind="", size=4):
    """`told` shows while the pointer is over it."""
    corners = {
        "square": ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        "diamond": ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
        "triangle": ((0, -1.3), (1.25, 1), (-1.25, 1)),
    }.get(look.shape)
    style = f'class="mark {look.color} {kind}"'
    if not corners:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" {style}>{title(told)}</circle>'
    points = " ".join(f"{x + dx * size * 0.9:.1f},{y + dy * size * 0.9:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" {style}>{title(told)}</polygon>'


def drawing(width, height, told, pieces):
    return (
        f'<svg viewBox="0 0 {width} {height:.0f}" role="img" aria-label="{escape(told)}">' + "".join(pieces) + "</svg>"
    )


def shortened(said, width):
    letters = int(width / LETTER_PX)
    return said if len(said) <= letters else said[: max(letters - 1, 1)].rstrip(" ,") + "\u2026"


def spread_out(heights, top, bottom):
    """The same heights, moved as little as keeps lines of words from overlapping; the order stays."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    placed, floor = dict.fromkeys(order, 0.0), top
    for place in order:
        placed[place] = max(heights[place], floor)
        floor = placed[place] + LABEL_PX
    ceiling = bottom
    for place in reversed(order):
        placed[place] = min(placed[place], ceiling)
        ceiling = placed[place] - LABEL_PX
    return [placed[place] for place in range(len(heights))]
