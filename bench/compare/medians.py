"""Medians and spreads over the rounds of one run.

A null, or a key that is not there, was not measured: it is left out, and where nothing is left the answer is None.
A ratio is taken within each round, and the median of those ratios afterwards: a machine that drifts from round to
round then drifts out of it.
"""

from itertools import zip_longest
from statistics import median
from typing import NamedTuple


class Spread(NamedTuple):
    median: float
    least: float
    most: float


def spread(values):
    known = [value for value in values if value is not None]
    return Spread(median(known), min(known), max(known)) if known else None


def ratio(number, base):
    return None if number is None or not base else number / base


def listed(result, key):
    """The entries under `key`; entries that are null are left out."""
    return [entry for entry in result.get(key) or [] if entry]


def rounds_of(entry):
    """Every round keeps its place, measured or not: rounds of two entries are paired by it."""
    return [one or {} for one in (entry or {}).get("rounds") or []]


def over_rounds(entry, name):
    return spread(one.get(name) for one in rounds_of(entry))


def ratio_over_rounds(entry, name, base, scale=1):
    """Of two values that the same round of one entry holds; `scale` brings their units together."""
    return spread(ratio(one.get(name), scaled(one.get(base), scale)) for one in rounds_of(entry))


def ratio_between(entry, other, name, other_name=None):
    """Of the values of two entries in the same round."""
    places = zip_longest(rounds_of(entry), rounds_of(other), fillvalue={})
    return spread(ratio(one.get(name), base.get(other_name or name)) for one, base in places)


def difference_over_rounds(entry, name, less):
    values = ((one.get(name), one.get(less)) for one in rounds_of(entry))
    return spread(None if None in value else value[0] - value[1] for value in values)


def total_over_rounds(entry, name):
    known = [one[name] for one in rounds_of(entry) if one.get(name) is not None]
    return sum(known) if known else None


def scaled(value, scale):
    return None if value is None else value * scale


def find(entries, **wanted):
    """The first entry that has all the wanted values, or None."""
    return next((one for one in entries if all(one.get(key) == value for key, value in wanted.items())), None)
