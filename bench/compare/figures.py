"""How figures are written, in the text tables and on the page alike."""

NOT_MEASURED = "not measured"
NO_CELL = "-"  # the same, where a table has no room for it


def shown(value, digits=3):
    """With so many significant digits, but every digit before the decimal point."""
    if value is None:
        return NO_CELL
    if value == 0:
        return "0"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 1
    return f"{value:,.{max(0, digits - whole)}f}"


def shown_median(spread, digits=3):
    return shown(spread.median if spread else None, digits)


def shown_range(spread, digits=3):
    return f"{shown(spread.least, digits)}..{shown(spread.most, digits)}" if spread else NO_CELL


def shown_spread(spread, digits=3):
    """0.91 0.88..0.95"""
    return f"{shown_median(spread, digits)} {shown_range(spread, digits)}" if spread else NO_CELL


def pair(first, second):
    """Two medians in one cell: 0.80 / 1.21"""
    return NO_CELL if first is None and second is None else f"{shown_median(first)} / {shown_median(second)}"


def shown_bytes(count):
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count is not None and count >= size:
            return f"{shown(count / size)} {unit}"
    return NO_CELL if count is None else f"{count:,.0f} B"
