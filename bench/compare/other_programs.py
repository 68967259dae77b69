#!/usr/bin/env python3
"""Programs that one would run commands of many clients with instead of runwired, each through its own client.

    other_programs.py --list              which of them can be measured here
    other_programs.py NAME...             measures them: 2 s with 1 client, 2 s with 8

None of them speaks the plain protocol, so runwire-bench cannot drive them; measure() does. Its figures
include what the client costs, as it costs who uses the program: for ssh and runc a process for each command, for the
others a connection for each command, opened by Python. Compare them with that in mind.

Each server is started on a free port of loopback (runc has none) with a directory of its own for keys, configuration and log,
reads no configuration of the system, and is gone afterwards with all of its files. Like its peers it runs
whatever it is sent, for whoever has a shell on this machine: for measuring only.
"""

import argparse
import signal
import sys

from closed_loop import measure
from container_exec import RuncExec
from line_servers import Socat, Websocketd, Xinetd
from ssh_servers import Dropbear, OpenSsh
from started_server import DoesNotWork

PROGRAMS = [OpenSsh(), Dropbear(), Xinetd(), Socat(), Websocketd(), RuncExec()]


def print_list():
    for program in PROGRAMS:
        print(f"{program.name:<11} {program.missing() or 'ok'}")


def print_measurements(program, options):
    for clients in options.clients:
        row = measure(program, options.command, clients, options.duration)
        p50, p99 = ("-" if row[key] is None else f"{row[key]:.2f}" for key in ("p50_ms", "p99_ms"))
        rate, failed = row["per_second"], row["failed"]
        print(f"{program.name:<11} {clients:>7} {rate:>10.0f} {p50:>8} {p99:>8} {failed:>7}", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(p.name for p in PROGRAMS))
    parser.add_argument("--list", action="store_true", help="say which can be measured here, and end")
    parser.add_argument("--command", default="echo hello", help="default: %(default)s")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], metavar="N", help="default: 1 8")
    parser.add_argument("--duration", type=float, default=2, metavar="S", help="seconds (%(default)s)")
    options = parser.parse_args()
    if unknown := set(options.names) - {program.name for program in PROGRAMS}:
        parser.error(f"no such program: {', '.join(sorted(unknown))}; --list shows all")
    if not options.list and not options.names:
        parser.error("name a program, or see --list")
    return options


def main():
    options = arguments()
    if options.list:
        print_list()
        return
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    print(f"{'program':<11} {'clients':>7} {'commands/s':>10} {'p50 ms':>8} {'p99 ms':>8} {'failed':>7}")
    for program in (program for program in PROGRAMS if program.name in options.names):
        if why := program.missing():
            sys.exit(f"{program.name}: {why}")
        try:
            print_measurements(program, options)
        except DoesNotWork as why:
            sys.exit(str(why))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
