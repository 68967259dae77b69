"""A TCP relay on loopback in front of a daemon. It knows frames, cuts connections where it is told to, and can fall
silent as a broken network does."""

import collections
import json
import os
import select
import socket
import struct
import threading

PREFACE_BYTES = 4
PIECE = 65536

# Where a connection is cut: on the `way` "up" (to the daemon) or "down", behind so many frames and so much of the next
# one, as a fraction; with 0 right behind the last. A cut is a FIN to both ends, or a reset.
Cut = collections.namedtuple("Cut", "way frames inside is_reset", defaults=(0.0, False))


class Way:
    """What flows one way, frame by frame."""

    def __init__(self, name, cut):
        self.cut = cut if cut and cut.way == name else None
        self.frames = 0
        self.arrived = bytearray()  # and makes no frame yet
        self.preface = PREFACE_BYTES if name == "up" else 0
        self.leaving = bytearray()  # on its way out
        self.has_ended = self.is_cut = False
        self.judge()

    def take(self, data):
        self.has_ended = not data
        self.arrived += data
        if self.has_ended:
            self.move(len(self.arrived))
        self.judge()

    def judge(self):
        while not self.is_cut and not self.has_ended:
            if self.cut and self.cut.frames == self.frames and not self.cut.inside and not self.preface:
                self.is_cut = True
            elif (size := self.size_of_next()) is None:
                return
            elif self.cut and self.cut.frames == self.frames and not self.preface:
                self.move(1 + int(self.cut.inside * (size - 1)))
                self.is_cut = True
            else:
                self.frames += not self.preface
                self.preface = 0
                self.move(size)

    def size_of_next(self):
        """None: it is not there yet."""
        if self.preface:
            return self.preface if len(self.arrived) >= self.preface else None
        if len(self.arrived) < 4:
            return None
        (header,) = struct.unpack_from("<I", self.arrived)
        if len(self.arrived) < 4 + header:
            return None
        size = 4 + header + json.loads(self.arrived[4 : 4 + header]).get("len", 0)
        return size if len(self.arrived) >= size else None

    def move(self, size):
        self.leaving += self.arrived[:size]
        del self.arrived[:size]


class Carried:
    """One connection, from its client to the daemon and back."""

    def __init__(self, client, daemon, cut, wake):
        self.ends = {"up": client, "down": daemon}  # where each way comes from
        self.ways = {name: Way(name, cut) for name in self.ends}
        self.cut, self.wake, self.is_silent = cut, wake, False
        for end in self.ends.values():
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.thread = threading.Thread(target=self.carry)
        self.thread.start()

    def carry(self):
        try:
            while not self.is_over():
                self.step()
        except OSError:
            pass  # an end has gone: so does the other
        finally:
            self.close()

    def is_over(self):
        return all(way.has_ended and not way.leaving for way in self.ways.values()) or any(
            way.is_cut and not way.leaving for way in self.ways.values()
        )

    def step(self):
        other = {"up": self.ends["down"], "down": self.ends["up"]}
        sources = {self.ends[name]: way for name, way in self.ways.items() if not way.has_ended and not way.is_cut}
        sinks = {other[name]: way for name, way in self.ways.items() if way.leaving}
        watched = ([self.wake], []) if self.is_silent else ([*sources, self.wake], [*sinks])
        readable, writable, _ = select.select(*watched, [])
        if self.wake in readable:
            raise BrokenPipeError("the relay closes")
        if self.is_silent:
            return  # since then
        for end in readable:
            sources[end].take(end.recv(PIECE))
        for end in writable:
            way = sinks[end]
            del way.leaving[: end.send(way.leaving)]
            if way.has_ended and not way.leaving:
                end.shutdown(socket.SHUT_WR)

    def close(self):
        for end in self.ends.values():
            if self.cut and self.cut.is_reset:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()


class Relay:
    def __init__(self, target, host="127.0.0.1"):  # where it listens
        self.target = target
        self.cuts = collections.deque()  # of the connections to come; None: that one is not cut
        self.carried = []
        self.wake, self.waker = os.pipe()
        self.listener = socket.create_server((host, 0))
        self.address = "%s:%d" % self.listener.getsockname()
        self.thread = threading.Thread(target=self.accept)
        self.thread.start()

    def accept(self):
        while True:
            readable, _, _ = select.select([self.listener, self.wake], [], [])
            if self.wake in readable:
                return
            client, _ = self.listener.accept()
            try:
                host, _, port = self.target.rpartition(":")
                daemon = socket.create_connection((host, int(port)))
            except OSError:
                client.close()
                continue
            cut = self.cuts.popleft() if self.cuts else None
            self.carried.append(Carried(client, daemon, cut, self.wake))

    def fall_silent(self):
        """Nothing gets through the connections of now any more, either way, and neither end is told."""
        for each in self.carried:
            each.is_silent = True

    def close(self):
        os.write(self.waker, b"x")  # which nobody reads: it wakes all
        self.thread.join()
        for each in self.carried:
            each.thread.join()
        self.listener.close()
        os.close(self.wake)
        os.close(self.waker)
