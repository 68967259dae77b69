"""The goals that one run can judge. Each is judged by its median; the spread stands beside it."""

import operator
from typing import NamedTuple

from figures import NOT_MEASURED, shown
from medians import (
    Spread,
    find,
    listed,
    over_rounds,
    ratio,
    ratio_between,
    ratio_over_rounds,
    rounds_of,
    spread,
    total_over_rounds,
)
from ranking import DIRECT, GROUPS, OURS, SERVICE, best_peer, is_ours, share_of_best_peer, share_of_r

MEETS = {"at least": operator.ge, "at most": operator.le, "under": operator.lt}
ECHO = "echo hello"
LOADS = (8, 64, 256, 1000)
PREFERRED_LOADS = (64, 8, 256, 1000, 1)  # where a goal names no number of clients
SESSION_CLIENTS = (8, 64)
SESSION_LISTS = (
    "session_spawn", "session_mux", "first_byte", "session_bulk", "session_fair", "session_echo", "session_starts"
)  # fmt: skip
STREAMS = 64
STARTS_A_SECOND = 100
AS_FAST = 0.97  # smaller differences are what two runs of the same differ by
BUILD_PROCESSES = 16
US_PER_MS = 1000
MS_PER_S = 1000
GIB = 2**30


class Goal(NamedTuple):
    number: int  # in the project's list of goals; 0: not there
    what: str
    sense: str  # a key of MEETS
    limit: float
    unit: str
    measured: Spread | None

    def verdict(self):
        if self.measured is None:
            return NOT_MEASURED
        return "met" if MEETS[self.sense](self.measured.median, self.limit) else "not met"

    def wanted(self):
        return f"{self.sense} {self.limit:,g} {self.unit}".strip()


def goals(result):
    return [
        *throughput_goals(result),
        *latency_goals(result),
        *cpu_goals(result),
        *group_goals(result),
        *big_reply_goals(result),
        *idle_goals(result),
        *beside_goals(result),
        *shell_goals(result),
        *session_goals(result),
        build_goal(result),
        *service_goals(result),
        Goal(7, "start-up", "under", 5, "ms", spread(result.get("startup_ms") or [])),
        Goal(0, "commands of runwired that failed or were given up", "at most", 0, "", troubles(result)),
    ]


def ours(result, clients, command=ECHO, server=OURS):
    return find(listed(result, "closed"), server=server, command=command, clients=clients)


def throughput_goals(result, server=OURS, number=1, where=""):
    entries = [(clients, ours(result, clients, server=server)) for clients in LOADS]
    against_r = [rate_goal(entry, clients, number, where) for clients, entry in entries]
    return against_r + [peer_goal(result, entry, clients, number, where, 1.1) for clients, entry in entries]


def rate_goal(entry, clients, number, where):
    what = f"echo hello, {clients:,} clients{where}, against R"
    return Goal(number, what, "at least", 0.85, "R", share_of_r(entry))


def peer_goal(result, entry, clients, number, where, wanted, kinds=DIRECT):
    """`entry`: ours of this load, or None."""
    peer = best_peer(result, ECHO, clients, kinds)
    name = f" ({peer['server']})" if peer else ""
    measured = share_of_best_peer(result, entry, kinds) if entry else None
    what = f"echo hello, {clients:,} clients{where}, against the best peer{name}"
    return Goal(number, what, "at least", wanted, "x", measured)


def latency_goals(result):
    at_64 = ratio_over_rounds(ours(result, 64), "p99_ms", "p50_ms")
    return [
        Goal(1, "echo hello, 64 clients, p99 / p50", "at most", 1.5, "x", at_64),
        alone_goal(result),
        open_goal(result, 0.5, 10),
        open_goal(result, 0.7, 30),
    ]


def alone_goal(result, server=OURS, number=2, where=""):
    alone = ratio_over_rounds(ours(result, 1, server=server), "p50_ms", "l_ms")
    return Goal(number, f"echo hello, 1 client{where}, p50", "at most", 1.15, "L", alone)


def group_goals(result):
    """The same where commands lead no sessions, which is not the default."""
    how = GROUPS, 0, f", {GROUPS.removeprefix(OURS).strip()}"
    return [*throughput_goals(result, *how), alone_goal(result, *how), *cpu_goals(result, *how)]


def open_goal(result, share, limit):
    entry = find(listed(result, "open"), server=OURS, command=ECHO, share_of_r=share)
    return Goal(2, f"open loop at {share} R, p99", "at most", limit, "L", ratio_over_rounds(entry, "p99_ms", "l_ms"))


def cpu_goals(result, server=OURS, number=3, where=""):
    bare = find(listed(result, "limits"), command=ECHO)
    both, own = [], []
    for clients in LOADS:
        entry = ours(result, clients, server=server)
        both.append(both_cpu_goal(ratio_between(entry, bare, "cpu_us"), clients, number, where))
        own.append(own_cpu_goal(entry, clients, number, where))
    return both + own


def both_cpu_goal(measured, clients, number, where):
    return Goal(number, f"CPU of daemon and child, {clients:,} clients{where}", "at most", 1.08, "x bare", measured)


def own_cpu_goal(entry, clients, number, where):
    measured = ratio_over_rounds(entry, "own_cpu_us", "l_ms", US_PER_MS)
    return Goal(number, f"CPU of the daemon alone, {clients:,} clients{where}", "at most", 0.12, "L", measured)


def big_reply_goals(result):
    entry = find(listed(result, "big"), server=OURS, bytes=GIB)
    beside = find(listed(result, "beside"), server=OURS, what="64 replies of 1 GiB")
    of_copy = ratio_over_rounds(entry, "mb_per_s", "copy_mb_per_s")
    peak_mib = in_mib(over_rounds(entry, "peak_rss_kb"))
    return [
        Goal(4, "1 GiB reply, against pipe to TCP", "at least", 0.5, "x", of_copy),
        Goal(4, "1 GiB reply, peak RSS of the daemon", "under", 16, "MiB", peak_mib),
        Goal(4, "p99 of a small command beside 64 replies of 1 GiB", "under", 20, "ms", over_rounds(beside, "p99_ms")),
    ]


def in_mib(kib):
    return Spread(*(value / 1024 for value in kib)) if kib else None


def idle_goals(result):
    entries = [entry for entry in listed(result, "idle") if entry["server"] == OURS]
    rows = [Goal(5, "idle, RSS of the daemon", "under", 4096, "KiB", spread(e.get("rss_kb_before") for e in entries))]
    for entry in entries or [{}]:
        count = entry.get("connections")
        where = f"{count:,} idle connections" if count else "idle connections"
        rows.append(Goal(5, f"{where}, RSS of each", "under", 1, "KiB", spread([kib_each(entry, "connections")])))
        rows.append(Goal(5, f"{where}, wake-ups", "at most", 0, "a second", spread([entry.get("wakeups_per_s")])))
    return rows


def kib_each(idle, what):
    """What each adds to the first one; in results that do not have that, to none."""
    count, first, after = idle.get(what), idle.get("rss_kb_first"), idle.get("rss_kb_after")
    if first is not None:
        count -= 1
    else:
        first = idle.get("rss_kb_before")
    return None if first is None or after is None else ratio(after - first, count)


def beside_goals(result):
    limits = (("5000 sleeping commands", 0.9), ("a slow reader of 500 MB", 0.97))
    return [beside_goal(result, what, limit) for what, limit in limits]


def beside_goal(result, what, limit):
    entry = find(listed(result, "beside"), server=OURS, what=what)
    kept = ratio_over_rounds(entry, "per_second", "per_second_alone")
    return Goal(5, f"rate beside {what.replace('5000', '5,000')}", "at least", limit, "of alone", kept)


def build_goal(result):
    entry = find(listed(result, "beside_build"), server=OURS)
    what = f"a command beside a build of {BUILD_PROCESSES} processes, p50"
    return Goal(0, what, "at most", 2, "x alone", ratio_over_rounds(entry, "p50_ms", "p50_ms_alone"))


def service_goals(result):
    """What is wanted of the rate and of CPU, where sched_autogroup plays no role."""
    where, rates, against_peers, both, own = ", in a control group", [], [], [], []
    for clients in LOADS:
        entry = find(listed(result, "service"), server=OURS, command=ECHO, clients=clients)
        rates.append(rate_goal(entry, clients, 0, where))
        against_peers.append(peer_goal(result, entry, clients, 0, where, 1, SERVICE))
        both.append(both_cpu_goal(ratio_over_rounds(entry, "cpu_us", "bare_cpu_us"), clients, 0, where))
        own.append(own_cpu_goal(entry, clients, 0, where))
    return rates + against_peers + both + own


def shell_goals(result):
    return [shell_goal(result, command) for command in ("/bin/true", "/bin/ls")]


def shell_goal(result, command):
    """Against the bare loop of `sh -c` of this very command, not of `echo hello`."""
    entries = (ours(result, clients, command) for clients in PREFERRED_LOADS)
    entry = next((entry for entry in entries if entry), None)
    bare = find(listed(result, "limits"), command=command)
    load = f", {entry['clients']:,} clients" if entry else ""
    measured = ratio_between(entry, bare, "per_second", "two_processes")
    return Goal(6, f"{command}{load}, against the limit of sh -c {command}", "at least", 1.5, "x", measured)


def session_goals(result):
    return [
        *(session_spawn_goal(result, clients) for clients in SESSION_CLIENTS),
        mux_goal(result),
        *(first_byte_goal(result, over) for over in ("TCP", "Unix")),
        *bulk_goals(result),
        *(goal for sessions in (1, STREAMS) for goal in fairness_goals(result, sessions)),
        starts_goal(result),
        children_goal(result),
    ]


def session_spawn_goal(result, clients):
    entry = find(listed(result, "session_spawn"), server=OURS, clients=clients)
    measured = ratio_over_rounds(entry, "whole", "plain")
    return Goal(8, f"session, {clients} clients, against plain commands", "at least", 0.95, "x", measured)


def mux_goal(result):
    entry = find(listed(result, "session_mux"), server=OURS)
    measured = ratio_over_rounds(entry, "one_connection", "many_connections")
    return Goal(8, "100 commands at a time on one connection, against 100", "at least", AS_FAST, "x", measured)


def first_byte_goal(result, over):
    entry = find(listed(result, "first_byte"), server=OURS, over=over)
    measured = ratio_over_rounds(entry, "first_byte_ms", "bare_ms")
    return Goal(8, f"first byte of a streaming command, {over}, against a bare pipe", "at most", 1.25, "x", measured)


def bulk_goals(result):
    goals_of_kinds = []
    for scenario, words, limit in (("stream", "out of", 0.9), ("stdin", "into", 0.8)):
        entry = find(listed(result, "session_bulk"), server=OURS, what=scenario, bytes=GIB)
        rate = ratio_over_rounds(entry, "mb_per_s", "bare_mb_per_s")
        peak = in_mib(over_rounds(entry, "peak_rss_kb"))
        goals_of_kinds += [
            Goal(8, f"1 GiB {words} a command, against the bare copy", "at least", limit, "x", rate),
            Goal(8, f"1 GiB {words} a command, peak RSS of the daemon", "under", 16, "MiB", peak),
        ]
    return goals_of_kinds


def fairness_goals(result, sessions):
    entry = find(listed(result, "session_fair"), server=OURS, sessions=sessions)
    where = "one connection" if sessions == 1 else f"{sessions} connections"
    share, p99 = over_rounds(entry, "slowest_share"), over_rounds(entry, "echo_p99_ms")
    return [
        Goal(8, f"{STREAMS} streams over {where}, the slowest", "at least", 0.5, "of the mean", share),
        Goal(8, f"a line through cat beside {STREAMS} streams over {where}, p99", "under", 20, "ms", p99),
    ]


def starts_goal(result):
    entry = find(listed(result, "session_starts"), server=OURS, starts=STARTS_A_SECOND)
    what = f"a line through cat beside {STARTS_A_SECOND} starts a second and 1,000 idle sessions, p99"
    return Goal(8, what, "under", 20, "ms", over_rounds(entry, "echo_p99_ms"))


def children_goal(result):
    """The inverse of a rate, on all processors: of their time, a part of a command's."""
    entry = find(listed(result, "beside"), server=OURS, what="5000 sleeping commands")
    each = spread(ratio(MS_PER_S, one.get("per_second")) for one in rounds_of(entry))
    return Goal(8, "a command beside 5,000 sleeping ones", "under", 2, "ms", each)


def troubles(result):
    """How many of runwired's commands went wrong in the whole run."""
    lists = (listed(result, key) for key in ("closed", "service", "open", "programs", "beside_build", *SESSION_LISTS))
    entries = [entry for entries in lists for entry in entries if is_ours(entry["server"])]
    return spread([total(total_over_rounds(entry, name) for entry in entries for name in ("failed", "gave_up"))])


def total(counts):
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def tally(judged):
    """`21 of 30 met, 2 not met, 7 not measured`"""
    verdicts = [goal.verdict() for goal in judged]
    met, missed, unknown = (shown(verdicts.count(one), 1) for one in ("met", "not met", NOT_MEASURED))
    return f"{met} of {len(verdicts)} met, {missed} not met, {unknown} not measured"
