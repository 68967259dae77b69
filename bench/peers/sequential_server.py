#!/usr/bin/env python3
"""The design of the teaching note that runwire grew from, to be measured beside runwired.

One client at a time, on a connection for as long as it stays; recv(1024) is one command; the shell's output
is collected with communicate() (the note reads one pipe after the other, which deadlocks on long outputs);
the reply goes out in three sends: length, header, output. As in the note there is no TCP_NODELAY and listen(5).

It runs whatever it is sent: for loopback, and for measuring only.
"""

import json
import signal
import socket
import struct
import subprocess
import sys


def serve(connection):
    while True:
        command = connection.recv(1024)
        if not command:
            return
        process = subprocess.Popen(
            command.decode("utf-8", "surrogateescape"),
            shell=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        stdout, stderr = process.communicate()
        header = json.dumps({"filename": "cls.txt", "len": len(stdout) + len(stderr)}).encode()
        connection.send(struct.pack("i", len(header)))
        connection.send(header)
        connection.sendall(stdout + stderr)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0))
    listener.listen(5)
    print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        with connection:
            try:
                serve(connection)
            except ConnectionError:
                pass  # this client has gone; the next one is waiting


if __name__ == "__main__":
    main()
