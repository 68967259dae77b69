#!/usr/bin/env python3
"""Text tables of a result, and what changed against an earlier one: report.py RESULT.json [EARLIER.json]"""

import json
import sys

from figures import NO_CELL, shown
from medians import find, listed, ratio, ratio_between, ratio_over_rounds
from ranking import share_of_r
from sections import sections
from text_table import Table, as_text

NOTABLE = 0.1  # smaller changes are within what rounds of one run differ by
RATE, COST = 1, -1  # a higher rate is better, a higher cost worse


def tables(result):
    return "\n".join(as_text(table) for table in sections(result))


def against(result, old):
    """Ratios and counted instructions only: how fast the machine was that day is in every other figure."""
    before, now = comparable(old), comparable(result)
    rows = [change_row(key, before.get(key), now.get(key)) for key in {**now, **before}]
    rows = [row for row in rows if row]
    counts = ", ".join(f"{sum(row[-1] == mark for row in rows)} {mark}" for mark in ("worse", "better", "new", "gone"))
    note = f"{counts}. Marked are changes by more than {NOTABLE:.0%}; ratios only: absolute figures do not carry over."
    title = f"Against the baseline of {old.get('date') or 'an unknown date'}"
    return as_text(Table(title, note, ["what", "then", "now", "change", ""], rows))


def comparable(result):
    """What can be compared between runs: {(what, RATE or COST): median or None}"""
    found = {}
    for entry in listed(result, "closed") + listed(result, "programs"):
        load = load_of(entry)
        found[f"{load}: rate / R", RATE] = share_of_r(entry)
        bare = find(listed(result, "limits"), command=entry["command"])
        found[f"{load}: CPU / bare", COST] = ratio_between(entry, bare, "cpu_us")
    for entry in listed(result, "service"):
        load = f"{load_of(entry)}, in a control group"
        found[f"{load}: rate / R", RATE] = share_of_r(entry)
        found[f"{load}: CPU / bare", COST] = ratio_over_rounds(entry, "cpu_us", "bare_cpu_us")
    for entry in listed(result, "big"):
        reply = f"{entry['server']}, a reply of {entry['bytes']:,} bytes: MB/s / pipe to TCP"
        found[reply, RATE] = ratio_over_rounds(entry, "mb_per_s", "copy_mb_per_s")
    medians = {key: spread.median for key, spread in found.items() if spread}
    return {**medians, **instructions(result)}


def load_of(entry):
    return f"{entry['server']}, {entry['command']}, {entry['clients']:,} clients"


def instructions(result):
    counted = result.get("instructions_per_command") or {}
    kinds = {command: count for command, count in counted.items() if command != "command" and count is not None}
    return {(f"instructions of the daemon, {command}", COST): count for command, count in kinds.items()}


def change_row(key, before, now):
    what, sense = key
    if before is None or now is None:
        return [what, shown(before), shown(now), NO_CELL, "new" if before is None else "gone"]
    if not before:
        return None
    change = ratio(now, before) - 1
    return [what, shown(before), shown(now), f"{change:+.1%}", mark(change * sense)]


def mark(gain):
    if abs(gain) <= NOTABLE:
        return ""
    return "better" if gain > 0 else "worse"


def main(paths):
    if len(paths) not in (1, 2):
        sys.exit("usage: report.py RESULT.json [EARLIER.json]")
    results = []
    for path in paths:
        with open(path, encoding="utf-8") as source:
            results.append(json.load(source))
    print(tables(results[0]))
    if len(results) == 2:
        print(against(*results))


if __name__ == "__main__":
    main(sys.argv[1:])
