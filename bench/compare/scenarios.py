"""What is measured: each function measures one round of one kind and adds it to the result."""

import contextlib
import socket
import threading
import time

from closed_loop import measure as measure_program
from goals import ECHO, GIB
from measured_server import children_of, figures_of, status_of
from started_server import DoesNotWork

HELD_BYTES = 500_000_000
SLEEPING = 5000
BIG_READERS = 64
READY_DEADLINE_S = 60
PIECE_BYTES = 1 << 20


def entry_of(result, kind, **what):
    """The entry of result[kind] with these keys, made where it is not there yet."""
    entries = result[kind]
    for entry in entries:
        if all(entry.get(key) == value for key, value in what.items()):
            return entry
    entries.append({**what, "rounds": []})
    return entries[-1]


def limits(result, programs, command, duration):
    """The yardsticks of this moment: R and L, as {"r", "l_ms"}."""
    two = programs.rate_limit(command, duration)
    one = programs.spawn_limit(command, duration, 1, 4)
    alone = programs.spawn_limit(command, duration, 1, 1)
    entry_of(result, "limits", command=command)["rounds"].append(
        {
            "one_process": one["per_second"],
            "two_processes": two["per_second"],
            "one_at_a_time_p50_ms": alone["p50_ms"],
            "cpu_us": two["cpu_us"],
        }
    )
    return {"r": two["per_second"], "l_ms": alone["p50_ms"]}


def closed(result, programs, server, command, clients, duration, yardsticks, kind="closed"):
    with server.running() as (address, _):
        report = programs.bench(address, command, "-c", str(clients), "-z", duration, "-w", programs.warmup)
    result["builds"].update({server.name: report["daemon_build"], "runwire-bench": report["bench_build"]})
    cell = {**figures_of(report), **yardsticks}
    entry_of(result, kind, server=server.name, command=command, clients=clients)["rounds"].append(cell)


def open_loop(result, programs, server, share, duration, yardsticks):
    rate = share * yardsticks["r"]
    with server.running() as (address, _):
        report = programs.bench(address, ECHO, "-r", f"{rate:.0f}", "-z", duration, "-w", programs.warmup)
    figures = {**figures_of(report), **yardsticks, "rate": rate, "gave_up": 1 if report["gave_up"] else 0}
    entry_of(result, "open", server=server.name, command=ECHO, share_of_r=share)["rounds"].append(figures)


def other_program(result, program, clients, duration_s, yardsticks):
    try:
        row = measure_program(program, ECHO, clients, duration_s)
    except DoesNotWork as why:
        result["skipped"].append([program.name, str(why)])
        return
    entry = entry_of(result, "programs", server=program.name, command=ECHO, clients=clients)
    entry["rounds"].append({**row, "r": yardsticks["r"]})


def connected(address):
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)))


def big_reply(result, programs, server):
    copy = programs.limit("copy")
    with server.running() as (address, pid):
        begun = time.monotonic()
        received = fetch(address, f"head -c {GIB} /dev/zero", GIB)
        seconds = time.monotonic() - begun
        peak = status_of(pid, "VmHWM")
    round_ = {
        "seconds": seconds,
        "mb_per_s": received / 1e6 / seconds,
        "peak_rss_kb": peak,
        "copy_mb_per_s": copy["mb_per_s"],
    }
    entry_of(result, "big", server=server.name, bytes=GIB)["rounds"].append(round_)
    entry_of(result, "copy", how="read and write")["rounds"].append(copy)
    with contextlib.suppress(SystemExit):
        entry_of(result, "copy", how="splice")["rounds"].append(programs.limit("copy", "--splice"))


def fetch(address, command, at_least):
    """Reads and discards the reply of so many bytes and a header."""
    piece, received = bytearray(PIECE_BYTES), 0
    with connected(address) as client:
        client.sendall(command.encode())
        while received < at_least:
            count = client.recv_into(piece)
            if count == 0:
                break
            received += count
    return received


def idle(result, programs, server, connections, duration):
    with server.running() as (address, pid):
        with contextlib.ExitStack() as stack:
            costs = costs_of_idle(pid, connections, lambda: stack.enter_context(connected(address)))
        alone = programs.bench(address, ECHO, "-c", "8", "-z", duration, "-w", programs.warmup)
        beside = programs.bench(
            address, ECHO, "-c", "8", "-z", duration, "-w", programs.warmup, "--idle", str(connections)
        )
    result["idle"].append(
        {
            "server": server.name,
            "connections": connections,
            **costs,
            "per_second": beside["per_second"],
            "per_second_alone": alone["per_second"],
        }
    )


def costs_of_idle(pid, count, open_one):
    """The server's memory at rest, with one connection, which has it read the code for that, and with all of them."""
    settle(lambda: True)  # it says that it is ready before the last of its start is done
    before = status_of(pid, "VmRSS")
    open_one()
    settle(lambda: True)
    first = status_of(pid, "VmRSS")
    for _ in range(count - 1):
        open_one()
    settle(lambda: True)
    after, woken = status_of(pid, "VmRSS"), switches(pid)
    time.sleep(1)
    wakeups = switches(pid) - woken
    return {"rss_kb_before": before, "rss_kb_first": first, "rss_kb_after": after, "wakeups_per_s": wakeups}


def switches(pid):
    return status_of(pid, "voluntary_ctxt_switches")


def settle(is_ready):
    """Waits until it is, and a moment more for what follows from it."""
    deadline = time.monotonic() + READY_DEADLINE_S
    while not is_ready() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)


def beside(result, programs, server, what, duration, occupy, clients=8):
    """The rate of `clients` clients alone, and beside what occupy(address, pid, stack) has made of the server."""
    load = ("-c", str(clients), "-z", duration, "-w", programs.warmup)
    with server.running() as (address, pid), contextlib.ExitStack() as stack:
        alone = programs.bench(address, ECHO, *load)
        occupy(address, pid, stack)
        occupied = programs.bench(address, ECHO, *load)
    round_ = {
        "per_second": occupied["per_second"],
        "per_second_alone": alone["per_second"],
        "p99_ms": occupied["latency"]["p99_ms"],
        "p99_ms_alone": alone["latency"]["p99_ms"],
    }
    entry_of(result, "beside", server=server.name, what=what)["rounds"].append(round_)


def sleeping_commands(address, pid, stack):
    for _ in range(SLEEPING):
        stack.enter_context(connected(address)).sendall(b"exec sleep 600")
    settle(lambda: children_of(pid) >= SLEEPING)


def slow_reader(address, pid, stack):
    client = stack.enter_context(connected(address))
    client.sendall(f"head -c {HELD_BYTES} /dev/zero".encode())
    client.recv(1)  # the reply begins when all of it is there
    settle(lambda: True)


def big_readers(address, pid, stack):
    """They are under way, and read as fast as they can, until the measurement is over."""
    over = threading.Event()

    def read(client):
        piece = bytearray(PIECE_BYTES)
        with contextlib.suppress(OSError):
            while not over.is_set() and client.recv_into(piece) > 0:
                pass

    clients = [connected(address) for _ in range(BIG_READERS)]
    readers = [threading.Thread(target=read, args=[client]) for client in clients]

    def end():
        over.set()
        for client in clients:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for reader, client in zip(readers, clients, strict=True):
            reader.join()
            client.close()

    stack.callback(end)
    for reader, client in zip(readers, clients, strict=True):
        client.sendall(f"head -c {GIB} /dev/zero".encode())
        reader.start()
    settle(lambda: children_of(pid) >= BIG_READERS)
