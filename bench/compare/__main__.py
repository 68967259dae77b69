"""Measures runwired beside the bare limits of this machine and beside what one would use instead.

All of it is measured in rounds, one after the other, so that a machine that drifts does it to all alike; what is told
are medians of ratios within a round. ./dev compare builds what is needed and runs this.
"""

import argparse
import datetime
import json
import pathlib
import shlex
import signal
import sys
from typing import NamedTuple

import beside_build
import scenarios
import service
import session_scenarios
from goals import GIB, SESSION_CLIENTS, SESSION_LISTS, STREAMS
from instructions import COMMAND as INSTRUCTIONS_COMMAND
from instructions import CannotCount, per_command
from measured_server import RELEASE, ROOT, Programs, Server, as_many_descriptors_as_allowed, machine, runwired
from other_programs import PROGRAMS
from page import page
from peers import barest, build
from ranking import GROUPS
from report import against, tables
from session_programs import SESSION_PROGRAMS
from started_server import DoesNotWork

KINDS = (
    "closed", "service", "open", "programs", "big", "idle", "beside", "build", "start", "instructions", "sessions",
    "session-programs",
)  # fmt: skip
SHARES = (0.3, 0.5, 0.7)
IDLE = (1000, 10000)
STARTS = 10
# A reply costs them twice its size and more: a few are enough to show it.
BIG_PEERS = ("rust", "sequential", "go")
SERVICE_PEERS = ("fork", "rust", "go")  # the fastest
OPEN_PEERS = ("rust", "go", "fork")
QUICK_PEERS = ("rust", "fork")
QUICK_CLIENTS = (8, 64)
SLOW = ("sequential",)  # serves one client of many: measured with one only


class Times(NamedTuple):
    warmup: str = "500ms"  # before each measurement
    limit: str = "1s"  # of one yardstick, or of one figure that needs no more
    streams_s: float = 2


BRIEF = Times("50ms", "100ms", 0.3)


def arguments():
    parser = argparse.ArgumentParser(prog="./dev compare", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    parser.add_argument("--duration", default="3s", help="of one measurement (%(default)s)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64, 256, 1000], metavar="N")
    parser.add_argument("--commands", nargs="+", default=["echo hello", "true", "/bin/true", "/bin/ls"], metavar="TEXT")
    parser.add_argument("--servers", nargs="+", metavar="NAME", help="only these beside runwired")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=list(KINDS), help="kinds of measurement")
    parser.add_argument(
        "--quick", action="store_true", help=f"commands other than `{scenarios.ECHO}` with fewer clients and peers"
    )
    parser.add_argument(
        "--brief", action="store_true", help="a moment for warm-ups, limits and streams: shows that it works, no more"
    )
    parser.add_argument("--bulk", type=int, default=GIB, metavar="BYTES", help="through a session's command (1 GiB)")
    parser.add_argument("--build", default=str(RELEASE), metavar="DIR", help="where the programs are (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write the result there")
    parser.add_argument("--page", metavar="FILE", help="write it there as one HTML page")
    parser.add_argument("--baseline", metavar="FILE", help="an earlier result, to be compared with")
    return parser.parse_args()


def new_result(skipped):
    lists = ("limits", "copy", "closed", "service", "open", "programs", "big", "idle", "beside", "beside_build")
    lists += ("startup_ms", *SESSION_LISTS, "session_idle", "session_programs")
    return {
        "version": 1,
        "made_with": shlex.join(["./dev", "compare", *sys.argv[1:]]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "builds": {},
        "skipped": skipped,
        **{name: [] for name in lists},
    }


class Comparison:
    def __init__(self, options):
        self.options = options
        self.directory = pathlib.Path(options.build)
        self.times = BRIEF if options.brief else Times()
        self.programs = Programs(self.directory, self.times.warmup)
        places = ROOT / "bench" / "peers", ROOT / "build" / "peers"
        (runnable, left_out), (yardsticks, no_yardsticks) = build(*places), barest(*places)
        wanted = options.servers or [GROUPS, *runnable, *yardsticks, *(program.name for program in PROGRAMS)]
        self.ours_program = str(self.directory / "server" / "runwired")
        self.ours = runwired(self.ours_program)
        # The sleeping commands are more than run at once by default; idle connections would then be fewer.
        self.for_many = runwired(self.ours_program, "--max-running", "6000")
        self.peers = [Server(name, argv) for name, argv in runnable.items() if name in wanted]
        self.barest = [Server(name, argv) for name, argv in yardsticks.items() if name in wanted]
        self.both_ours = [self.ours]
        if sys.platform != "linux":
            no_yardsticks = [*no_yardsticks, (GROUPS, "it is for Linux only")]
        elif GROUPS in wanted:
            self.both_ours.append(runwired(self.ours_program, "--lead", "group", name=GROUPS))
        missing = {program: program.missing() for program in PROGRAMS if program.name in wanted}
        self.others = [program for program, why in missing.items() if not why]
        skipped = [[name, why] for name, why in left_out + no_yardsticks if name in wanted]
        self.result = new_result(skipped + [[program.name, why] for program, why in missing.items() if why])
        why_not = service.missing() if self.measures("service") else ""
        self.has_control_groups = self.measures("service") and not why_not
        if why_not:
            self.result["skipped"].append(["service", why_not])
        self.speaks_sessions = self.measures("sessions") and session_scenarios.speaks_sessions(self.ours)
        if self.measures("sessions") and not self.speaks_sessions:
            self.result["skipped"].append(["sessions", "this build of runwired does not speak them"])

    def measures(self, kind):
        return kind in self.options.only

    def yardsticks(self, command):
        return scenarios.limits(self.result, self.programs, command, self.times.limit)

    def round(self):
        for command in self.options.commands:
            yardsticks = self.yardsticks(command)
            if self.measures("closed"):
                self.closed(command, yardsticks)
        if self.has_control_groups:
            self.service()
        if self.measures("open"):
            self.open()
        if self.measures("big"):
            for server in [self.ours, *self.named(BIG_PEERS)]:
                scenarios.big_reply(self.result, self.programs, server)
        if self.measures("beside"):
            self.beside()
        if self.measures("build"):
            self.beside_build()
        if self.speaks_sessions:
            self.sessions()

    def named(self, names):
        return [peer for peer in self.peers if peer.name in names]

    def closed(self, command, yardsticks):
        """R is taken anew for each number of clients: within minutes the machine is another one."""
        is_short = self.options.quick and command != scenarios.ECHO
        if command == scenarios.ECHO:
            servers = [*self.both_ours, *self.peers, *self.barest]
        else:
            servers = [self.ours, *(self.named(QUICK_PEERS) if is_short else self.peers)]
        for clients in QUICK_CLIENTS if is_short else self.options.clients:
            now = self.programs.rate_limit(command, self.times.limit)
            at_hand = {**yardsticks, "r": now["per_second"]}
            for server in servers:
                if server.name in SLOW and clients > 1:
                    continue
                say(f"  {command}, {clients} clients: {server.name}")
                scenarios.closed(
                    self.result, self.programs, server, command, clients, self.options.duration, at_hand
                )

    def service(self):
        """As closed(), with all yardsticks of the same conditions. One client asks for no throughput."""
        latency = {"l_ms": service.latency_limit(self.programs, self.times.limit)}
        for clients in (count for count in self.options.clients if count > 1):
            at_hand = {**service.limits(self.programs, self.times.limit), **latency}
            for server in [*self.both_ours, *self.named(SERVICE_PEERS), *self.barest]:
                say(f"  in a control group, {clients} clients: {server.name}")
                service.service(self.result, self.programs, server, clients, self.options.duration, at_hand)

    def open(self):
        yardsticks = self.yardsticks(scenarios.ECHO)
        for share in SHARES:
            for server in [self.ours, *self.named(OPEN_PEERS)]:
                say(f"  open loop at {share} R: {server.name}")
                scenarios.open_loop(
                    self.result, self.programs, server, share, self.options.duration, yardsticks
                )

    def beside(self):
        loads = (
            ("5000 sleeping commands", scenarios.sleeping_commands, 8),
            ("a slow reader of 500 MB", scenarios.slow_reader, 8),
            ("64 replies of 1 GiB", scenarios.big_readers, 1),
        )
        for what, occupy, clients in loads:
            say(f"  beside {what}")
            scenarios.beside(
                self.result, self.programs, self.for_many, what, self.options.duration, occupy, clients
            )

    def beside_build(self):
        say("  beside a build: the bare loop")
        bare = beside_build.bare_limit(self.programs, self.options.duration)
        for server in [*self.both_ours, *(peer for peer in self.peers if peer.name not in SLOW)]:
            say(f"  beside a build: {server.name}")
            beside_build.beside_build(self.result, self.programs, server, self.options.duration, bare)

    def sessions(self):
        result, programs, duration = self.result, self.programs, self.options.duration
        for clients in SESSION_CLIENTS:
            say(f"  sessions, {clients} clients")
            session_scenarios.spawn(result, programs, self.ours, clients, duration)
        say("  sessions: many commands on one connection, first byte")
        session_scenarios.mux(result, programs, self.ours, duration)
        session_scenarios.first_byte(result, programs, self.ours_program, self.times.limit)
        say("  sessions: bulk each way")
        session_scenarios.bulk(result, programs, self.ours, self.options.bulk)
        session_scenarios.echo_alone(result, programs, self.ours, self.times.limit)
        session_scenarios.beside_starts(result, programs, self.ours, self.times.streams_s)
        for sessions in (1, STREAMS):
            say(f"  sessions: {STREAMS} streams over {sessions}")
            session_scenarios.fair(result, programs, self.ours, sessions, self.times.streams_s)

    def session_programs(self):
        for program in SESSION_PROGRAMS:
            if why := program.missing():
                self.result["skipped"].append([program.name, why])
                continue
            say(f"  {program.name}")
            try:
                measured = program.measure(1)
            except DoesNotWork as why:
                self.result["skipped"].append([program.name, str(why)])
            else:
                scenarios.entry_of(self.result, "session_programs", server=program.name)["rounds"].append(measured)

    def once(self):
        """What varies little, or takes long."""
        if self.measures("programs") and self.others:
            yardsticks = self.yardsticks(scenarios.ECHO)
            for program in self.others:
                for clients in (1, 8):
                    say(f"  {program.name}, {clients} clients")
                    scenarios.other_program(self.result, program, clients, 3, yardsticks)
        if self.measures("idle"):
            for connections in IDLE:
                say(f"  {connections} idle connections")
                scenarios.idle(self.result, self.programs, self.ours, connections, self.options.duration)
        if self.speaks_sessions:
            session_scenarios.idle_sessions(self.result, self.ours, IDLE[0])
        if self.measures("session-programs"):
            self.session_programs()
        if self.measures("start"):
            self.result["startup_ms"] = [self.ours.milliseconds_to_ready() for _ in range(STARTS)]
        if self.measures("instructions"):
            self.count_instructions()

    def count_instructions(self):
        try:
            counted = {command: per_command(self.directory, command) for command in self.options.commands[:2]}
        except CannotCount as why:
            self.result["skipped"].append(["instructions", str(why)])
        else:
            self.result["instructions_per_command"] = {**counted, "command": INSTRUCTIONS_COMMAND}

    def run(self):
        for number in range(self.options.rounds):
            say(f"round {number + 1} of {self.options.rounds}")
            self.round()
        self.once()
        cells = [one for entry in self.result["closed"] + self.result["service"] for one in entry["rounds"]]
        self.result["foreign_cpu_share_max"] = max((one["foreign_cpu_share"] or 0 for one in cells), default=None)
        return self.result


ENDINGS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def say(text):
    print(text, file=sys.stderr, flush=True)


def end(number, _):
    """What was started is ended on the way out, and nothing may cut that short."""
    for ending in ENDINGS:
        signal.signal(ending, signal.SIG_IGN)
    sys.exit(128 + number)


def main():
    options = arguments()
    for ending in ENDINGS:
        if signal.getsignal(ending) != signal.SIG_IGN:  # as nohup(1) has it
            signal.signal(ending, end)
    as_many_descriptors_as_allowed()
    before = json.loads(pathlib.Path(options.baseline).read_text()) if options.baseline else None
    result = Comparison(options).run()
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(result, indent=1) + "\n")
    if options.page:
        pathlib.Path(options.page).write_text(page(result))
    print(tables(result))
    if before:
        print(against(result, before))


if __name__ == "__main__":
    main()
