#!/usr/bin/env python3
"""asyncssh_client.py PORT KEY SECONDS: what one connection of asyncssh does to an sshd on loopback, as one line of JSON.

Runs in whatever Python has asyncssh.
"""

import asyncio
import json
import sys
import time

import asyncssh

BYTES = 2**28  # at some 50 MB/s
PIECE = 1 << 18
LINE = b"." * 63 + b"\n"
COMMANDS = 100


async def stream(connection):
    begun, received = time.monotonic(), 0
    async with connection.create_process(f"head -c {BYTES} /dev/zero", encoding=None) as process:
        while piece := await process.stdout.read(PIECE):
            received += len(piece)
    assert received == BYTES, received
    return BYTES / 1e6 / (time.monotonic() - begun)


async def stdin(connection):
    begun, piece = time.monotonic(), bytes(PIECE)
    async with connection.create_process("wc -c", encoding=None) as process:
        for _ in range(BYTES // PIECE):
            process.stdin.write(piece)
            await process.stdin.drain()
        process.stdin.write_eof()
        counted = await process.stdout.read()
    assert counted.split() == [b"%d" % BYTES], counted
    return BYTES / 1e6 / (time.monotonic() - begun)


async def echo(connection, seconds):
    times, end = [], time.monotonic() + seconds
    async with connection.create_process("cat", encoding=None) as process:
        while (begun := time.monotonic()) < end:
            process.stdin.write(LINE)
            assert await process.stdout.readexactly(len(LINE)) == LINE
            times.append((time.monotonic() - begun) * 1000)
        process.stdin.write_eof()
    ordered = sorted(times[len(times) // 10 :])
    return ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100]


async def mux(connection, seconds):
    """Commands a second, so many at a time."""
    end, done = time.monotonic() + seconds, 0

    async def client():
        nonlocal done
        while time.monotonic() < end:
            assert (await connection.run("echo hello")).stdout == "hello\n"
            done += time.monotonic() <= end

    await asyncio.gather(*(client() for _ in range(COMMANDS)))
    return done / seconds


async def main(port, key, seconds):
    connection = await asyncssh.connect("127.0.0.1", port, client_keys=[key], known_hosts=None, config=None)
    async with connection:
        p50, p99 = await echo(connection, seconds)
        print(
            json.dumps(
                {
                    "stream_mb_per_s": await stream(connection),
                    "stdin_mb_per_s": await stdin(connection),
                    "echo_p50_ms": p50,
                    "echo_p99_ms": p99,
                    "mux_per_second": await mux(connection, seconds),
                }
            )
        )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3])))
