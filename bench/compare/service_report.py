"""What is told of servers in control groups of their own: a table."""

from figures import pair, shown, shown_median, shown_spread
from goals import ECHO, US_PER_MS
from medians import listed, over_rounds, ratio_over_rounds, total_over_rounds
from ranking import SERVICE, share_of_best_peer, share_of_r
from text_table import Table

NOTE = (
    "As service managers and container runtimes run a server; R is of such a group too. Linux's sched_autogroup, which "
    "elsewhere makes a scheduling group of each session, and so of each of runwired's commands, plays no role in it."
)


def service_table(result):
    rows = [
        [
            entry["server"],
            f"{entry['clients']:,}",
            shown_median(over_rounds(entry, "per_second"), 1),
            shown_spread(share_of_r(entry)),
            shown_median(share_of_best_peer(result, entry, SERVICE)),
            pair(over_rounds(entry, "p50_ms"), over_rounds(entry, "p99_ms")),
            shown_median(ratio_over_rounds(entry, "cpu_us", "bare_cpu_us")),
            shown_median(ratio_over_rounds(entry, "own_cpu_us", "l_ms", US_PER_MS)),
            shown(total_over_rounds(entry, "failed"), 1),
        ]
        for entry in listed(result, "service")
    ]
    cpu = ["CPU of bare", "own CPU L"]
    headings = ["server", "clients", "a second", "of R", "of best peer", "p50 / p99 ms", *cpu, "failed"]
    return Table(f"{ECHO}, in a control group of its own", NOTE, headings, rows)
