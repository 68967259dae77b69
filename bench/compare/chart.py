"""A chart of the page."""

from typing import NamedTuple


class Chart(NamedTuple):
    heading: str
    caption: str
    draw: object  # from a width in pixels to SVG; None where nothing was measured
