"""A peer that is gone without a word is found; one that is merely quiet is not ended."""

import pathlib
import shutil
import socket
import subprocess
import threading
import time
import unittest

import process
from daemon import until
from session_case import SessionCase, message, start

INTERVAL_S = 0.3


class KeepaliveCase(SessionCase):
    options = ("--keepalive", str(INTERVAL_S))

    def begin(self, connection, line="exec sleep 1000"):
        connection.send(start(line, id="a"))
        return connection.header_of("started")["pid"]

    def assert_ended_soon(self, pid):
        until(lambda: not process.is_alive(pid), "the command of the dead client to end", deadline_s=INTERVAL_S * 4 + 3)


class Keepalive(KeepaliveCase):
    def test_hello_tells_the_interval(self):
        self.assertEqual(self.session().hello["ping_ms"], INTERVAL_S * 1000)

    def test_ping_is_answered(self):
        connection = self.raw()
        for _ in range(3):
            connection.tell("ping")
            self.assertEqual(connection.receive()[0]["type"], "pong")

    def test_a_client_that_answers_nothing_is_asked_three_times_and_then_ended(self):
        """promise 21"""
        for address in self.daemon.addresses:
            connection = self.raw(address=address)
            pid = self.begin(connection)
            began = time.monotonic()
            kinds = [header["type"] for header in connection.to_the_end()]
            self.assertEqual([kind for kind in kinds if kind == "ping"], ["ping"] * 3)
            self.assertGreater(time.monotonic() - began, INTERVAL_S * 3)
            self.assert_ended_soon(pid)

    def test_one_that_answers_lives_on_and_so_does_its_silent_command(self):
        """promise 21: only a stated timeout ends a command."""
        for answer in ("pong", "ping"):
            gate = self.gate(answer)
            connection = self.raw()
            self.begin(connection, f"read x < {gate}; exit 3")
            for _ in range(5):
                while connection.receive()[0]["type"] != "ping":
                    pass
                connection.tell(answer)
            gate.open()
            while (header := connection.receive()[0])["type"] != "exit":
                connection.tell("pong")
            self.assertEqual(header["code"], 3)

    def test_any_byte_is_a_sign_of_life(self):
        connection = self.raw()
        pid = self.begin(connection)
        began = time.monotonic()
        slow = message("ping")
        for byte in slow * 2:
            connection.send(bytes([byte]))
            until(lambda: time.monotonic() > began, "the next byte's time")
            began = max(began, time.monotonic()) + INTERVAL_S / 4
        self.assertTrue(process.is_alive(pid))

    def test_a_stopped_client_is_found(self):
        """promise 21: SIGSTOP"""
        connection = self.raw()
        pid = self.begin(connection)
        held = subprocess.Popen(["sleep", "1000"], pass_fds=[connection.socket.fileno()])
        self.addCleanup(held.wait)
        self.addCleanup(held.kill)
        held.send_signal(19)
        connection.close()
        self.assert_ended_soon(pid)

    def test_a_client_behind_a_relay_that_stops_forwarding_is_found_and_its_place_is_free(self):
        """promise 21"""
        relay = Relay(self.daemon.tcp)
        self.addCleanup(relay.close)
        connection = self.raw(address=relay.address)
        pid = self.begin(connection)
        relay.stop_forwarding()
        self.assert_ended_soon(pid)
        until(lambda: not process.children(self.daemon.pid), "its command to be reaped")


class Relay:
    """Between a client and the daemon, until it forwards no more, without closing anything."""

    def __init__(self, target):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "%s:%d" % self.listener.getsockname()
        self.target, self.forwards, self.links = target, True, []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        client, _ = self.listener.accept()
        host, port = self.target.split(":")
        server = socket.create_connection((host, int(port)))
        self.links = [client, server]
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self.forward, args=(source, sink), daemon=True).start()

    def forward(self, source, sink):
        try:
            while data := source.recv(65536):
                if self.forwards:
                    sink.sendall(data)
        except OSError:
            pass

    def stop_forwarding(self):
        self.forwards = False

    def close(self):
        for link in (*self.links, self.listener):
            link.close()


class Off(SessionCase):
    options = ("--keepalive", "0")

    def test_without_an_interval_nobody_asks(self):
        connection = self.raw()
        connection.send(start("sleep 0.5; exit 2", id="a"))
        kinds = [header["type"] for header, _ in connection.receive_until("exit")]
        self.assertEqual(kinds, ["started", "exit"])
        self.assertEqual(self.session().hello["ping_ms"], 0)


CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
/* Each look at the wall clock finds it a day ahead or a day behind. */
static time_t jump(void) { static int n; return __sync_fetch_and_add(&n, 1) % 2 ? 86400 : -86400; }
static int is_wall(clockid_t id) { return id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE || id == CLOCK_TAI; }
int clock_gettime(clockid_t id, struct timespec *t) {
  int status = syscall(SYS_clock_gettime, id, t);
  if (status == 0 && is_wall(id)) t->tv_sec += jump();
  return status;
}
int gettimeofday(struct timeval *tv, void *zone) {
  struct timespec t;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &t);
  tv->tv_sec = t.tv_sec;
  tv->tv_usec = t.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *to) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  if (to) *to = t.tv_sec;
  return t.tv_sec;
}
"""


class WallClock(KeepaliveCase):
    """A wall clock that jumps by two days at each look."""

    def setUp(self):
        compiler = next(filter(shutil.which, ("cc", "clang", "gcc", "g++")), None)
        if not compiler:
            self.skipTest("no C compiler")
        super().setUp()

    def start(self, *options, **how):
        source, library = pathlib.Path(self.path("clock.c")), self.path("clock.so")
        source.write_text(CLOCK)
        compiler = next(filter(shutil.which, ("cc", "clang", "gcc", "g++")))
        subprocess.run([compiler, "-x", "c", "-shared", "-fPIC", "-o", library, str(source)], check=True)
        return super().start(*options, environment={"LD_PRELOAD": library}, **how)

    def test_no_timer_fires_early_or_late(self):
        """promise 39"""
        client = self.session()
        began = time.monotonic()
        command = self.run_line(client, "LD_PRELOAD= exec sleep 1000", timeout_ms=500)
        self.assert_ended(command, signal="TERM", reason="timeout")
        self.assertGreater(time.monotonic() - began, 0.5)
        self.assertLess(time.monotonic() - began, 2)
        self.assertLess(command.end["usage"]["wall_ms"], 2000)
        self.assertGreaterEqual(command.end["usage"]["wall_ms"], 500)

    def test_it_does_jump(self):
        times = {event["time"][:10] for event in self.daemon.events()}
        self.assert_serves(self.daemon.tcp)
        connection = self.connect(self.daemon.tcp)
        connection.send("GET / HTTP/1.1\r\n\r\n")
        connection.rest()
        times |= {event["time"][:10] for event in self.daemon.events()}
        self.assertTrue(times)
        today = time.strftime("%Y-%m-%d", time.gmtime())
        self.assertNotIn(today, times)


if __name__ == "__main__":
    unittest.main()
