#!/usr/bin/env python3
"""What one would write in Python today: the same protocol with asyncio, to be measured beside runwired.

Any number of clients, their commands side by side; one write per reply, with TCP_NODELAY (asyncio's default,
and set here all the same).

It runs whatever it is sent: for loopback, and for measuring only.
"""

import asyncio
import json
import signal
import socket
import struct
import sys
from asyncio.subprocess import PIPE


async def run(command):
    process = await asyncio.create_subprocess_shell(command, stdout=PIPE, stderr=PIPE)
    stdout, stderr = await process.communicate()
    header = json.dumps({"filename": "cls.txt", "len": len(stdout) + len(stderr)}).encode()
    return struct.pack("<i", len(header)) + header + stdout + stderr


async def serve(reader, writer):
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while command := await reader.read(65536):
            writer.write(await run(command))
            await writer.drain()
    except ConnectionError:
        pass  # this client has gone
    finally:
        writer.close()


async def main():
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = await asyncio.start_server(serve, "127.0.0.1", port, backlog=1024)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    print("listening on 127.0.0.1:%d" % server.sockets[0].getsockname()[1], flush=True)
    await stopped.wait()
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
