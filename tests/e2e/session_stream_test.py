"""Output of a session's commands: as it is written, each stream in order, all of it before the exit record."""

import hashlib
import os
import signal
import socket
import statistics
import time
import unittest

import process
from session_case import KIB, PREFACE, SessionCase, message, start

# How often the tail of a long output must arrive; by hand: RUNWIRE_EXIT_RUNS=500.
EXIT_RUNS = int(os.environ.get("RUNWIRE_EXIT_RUNS", "8"))
SEQ = b"".join(b"%d\n" % number for number in range(1, 2_000_001))


class Stream(SessionCase):
    def setUp(self):
        super().setUp()
        self.client = self.session()

    def test_output_arrives_while_the_command_runs_and_a_line_need_not_be_whole(self):
        """promise 5"""
        gate = self.gate()
        for line in ("printf part; read x < {0}", "printf part >&2; read x < {0}"):
            command = self.client.start(line.format(gate))
            self.assertEqual(next(command.output())[1], b"part")
            self.assertIsNone(command.end)
            gate.open()
            self.assert_ended(command.wait())

    def test_a_byte_arrives_within_100_ms_of_being_written(self):
        """promise 5: the way there and back through `cat` is longer than that."""
        command, times = self.client.start("cat", stdin=True), []
        for _ in range(50):
            began = time.monotonic()
            command.write(b"x")
            self.wait_for(self.client, lambda: command.pieces)
            times.append(time.monotonic() - began)
            command.pieces.clear()
        self.assertLess(statistics.median(times), 0.1)
        command.write(eof=True)
        self.assert_ended(command.wait())

    def test_each_piece_tells_its_place_in_its_stream(self):
        connection = self.raw()
        connection.send(start("for i in 1 2 3; do echo out$i; echo err$i >&2; done", id="a"))
        streams = {"stdout": b"", "stderr": b""}
        for header, payload in connection.receive_until("exit"):
            if header["type"] == "output":
                self.assertEqual(header["off"], len(streams[header["stream"]]))
                streams[header["stream"]] += payload
        self.assertEqual(streams, {"stdout": b"out1\nout2\nout3\n", "stderr": b"err1\nerr2\nerr3\n"})

    def test_4_mb_on_each_stream_in_any_order_of_writing_do_not_deadlock(self):
        """promise 4"""
        out, err = "head -c 4000000 /dev/zero", "head -c 4000000 /dev/zero >&2"
        for line in (f"{out}; {err}", f"{err}; {out}", f"{out} & {err}; wait"):
            command = self.run_line(self.client, line)
            self.assert_ended(command)
            self.assertEqual((len(command.stdout), len(command.stderr)), (4_000_000, 4_000_000))

    def test_every_byte_passes(self):
        """promise 6"""
        every = bytes(range(256)) * 4096
        command = self.client.start("tee /dev/stderr", stdin=True)
        command.write(every, eof=True)
        command.wait()
        self.assertEqual((command.stdout, command.stderr), (every, every))

    def test_100_mb_arrive_whole(self):
        """promise 3"""
        line = "head -c 100000000 /dev/urandom | { tee /dev/fd/3 | sha256sum >&2; } 3>&1"
        for client in (self.client, self.session(window=256 * KIB)):
            command, digest = client.start(line), hashlib.sha256()
            for stream, piece in command.output():
                digest.update(piece) if stream == "stdout" else command.stderr.extend(piece)
            self.assert_ended(command)
            self.assertEqual(command.end["stdout"], 100_000_000)
            self.assertEqual(command.stderr.split()[0].decode(), digest.hexdigest())

    def test_a_command_killed_at_full_pipes_loses_nothing_that_it_wrote(self):
        """promise 3"""
        bell = self.bell()
        for _ in range(10):
            command = self.client.start(f"head -c 60001 /dev/zero; echo > {bell}; kill -KILL $$")
            bell.wait()
            self.assert_ended(command.wait(), signal="KILL")
            self.assertEqual(len(command.stdout), 60_001)

    def test_a_command_may_close_its_streams_and_live_on(self):
        gate = self.gate()
        command = self.client.start(f"echo last; exec >&- 2>&-; read x < {gate}; exit 44")
        self.assertEqual(next(command.output())[1], b"last\n")
        gate.open()
        self.assert_ended(command.wait(), 44)


class ExitAfterTheLastByte(SessionCase):
    """exit follows all output, however slow the reader."""

    def seq(self, connection, take):
        connection.send(start("seq 2000000", id="a"))
        digest, count = hashlib.sha256(), 0
        while True:
            header, payload = connection.receive()
            if header["type"] == "exit":
                break
            if header["type"] == "output":
                self.assertEqual(header["off"], count)
                digest.update(payload)
                count += len(payload)
                take(len(payload))
        self.assertEqual((count, header["stdout"], header["code"]), (len(SEQ), len(SEQ), 0))
        self.assertEqual(digest.digest(), hashlib.sha256(SEQ).digest())

    def throttle(self, connection):
        """Little room in front of the reader, so that the daemon and the command always have to wait for it."""
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * KIB)

    def test_2_000_000_lines_to_a_throttled_reader(self):
        for run in range(EXIT_RUNS):
            connection = self.raw(address=self.daemon.addresses[run % 2])
            self.throttle(connection)
            self.seq(connection, lambda size: None)
            connection.close()

    def test_2_000_000_lines_through_a_small_window(self):
        for _ in range(max(1, EXIT_RUNS // 4)):
            connection = self.raw(b"")
            connection.send(PREFACE + message("hello", v=1, window=64 * KIB))
            connection.receive()
            self.seq(connection, lambda size: connection.tell("credit", id="a", stream="stdout", bytes=size))
            connection.close()

    def test_what_the_pipe_holds_at_the_exit_comes_first_also_where_the_window_is_closed_then(self):
        client = self.session(window=1000)
        command = client.start("head -c 60001 /dev/zero")
        self.wait_for(client, lambda: command.got["stdout"] == 1000)
        self.assertIsNone(command.end)
        self.assert_ended(command.wait())
        self.assertEqual(len(command.stdout), 60_001)


class Background(SessionCase):
    """A process that a command leaves behind with its pipes; linger says how long the exit waits for it."""

    def setUp(self):
        super().setUp()
        self.client = self.session()

    def end_later(self, pid):
        self.addCleanup(os.kill, pid, signal.SIGKILL)

    def test_grace_is_the_default_and_says_cut(self):
        """promise 18"""
        for how in ({}, {"linger": "grace"}, {"linger": "return"}):
            for reply in ("stream", "whole"):
                command = self.run_line(self.client, "sleep 1000 & echo $!", reply=reply, **how)
                self.end_later(int(command.stdout))
                self.assert_ended(command)
                self.assertTrue(command.end["cut"])
                self.assertTrue(process.is_alive(int(command.stdout)))

    def test_one_that_keeps_writing_is_waited_for_a_second_at_most(self):
        """promise 18"""
        line = "(while :; do echo more; sleep 0.02; done) & echo $! >&2"
        command = self.run_line(self.client, line)
        self.end_later(int(command.stderr))
        self.assert_ended(command)
        self.assertTrue(command.end["cut"])
        self.assertTrue(process.is_alive(int(command.stderr)))

    def test_wait_waits_for_it_as_ssh_does(self):
        """promise 18"""
        gate = self.gate()
        for reply in ("stream", "whole"):
            command = self.client.start(f"(read x < {gate}; echo late) & echo early", linger="wait", reply=reply)
            watch = self.client.start("sleep 0.3")  # longer than the quiet that ends grace
            watch.wait()
            self.assertIsNone(command.end)
            gate.open()
            self.assert_ended(command.wait())
            self.assertEqual((command.stdout, command.end["cut"]), (b"early\nlate\n", False))

    def test_return_does_not_wait_but_loses_nothing_that_was_written(self):
        """promise 3, promise 18"""
        for _ in range(20):
            command = self.run_line(self.client, "sleep 1000 & echo $!; head -c 60000 /dev/zero", linger="return")
            self.end_later(int(command.stdout.split(b"\n")[0]))
            self.assertEqual(command.stdout.count(0), 60_000)

    def test_its_later_writes_neither_block_nor_kill_it(self):
        """promise 18, promise 19: drained and thrown away."""
        for linger in ("grace", "return"):
            for reply in ("stream", "whole"):
                bell, gate = self.bell(linger + reply), self.gate(f"gate {linger} {reply}".replace(" ", "-"))
                line = f"(read x < {gate}; head -c 1000000 /dev/zero && echo wrote all > {bell}) & echo hi"
                command = self.run_line(self.client, line, linger=linger, reply=reply)
                self.assertEqual((command.stdout, command.end["cut"]), (b"hi\n", True))
                gate.open()
                self.assertEqual(bell.wait(), ["wrote all"])

    def test_it_outlives_its_clients_end(self):
        """promise 19"""
        bell, gate = self.bell(), self.gate()
        client = self.session()
        line = f"(read x < {gate}; head -c 1000000 /dev/zero && echo wrote all > {bell}) & echo hi"
        self.assert_ended(self.run_line(client, line))
        client.link.close()
        self.assert_serves(self.daemon.tcp)
        gate.open()
        self.assertEqual(bell.wait(), ["wrote all"])


class Stop(SessionCase):
    """The client wants no more of a stream."""

    def setUp(self):
        super().setUp()
        self.client = self.session(window=64 * KIB)

    def test_a_stopped_command_is_told_by_sigpipe_as_behind_a_closed_pipe(self):
        """promise 10"""
        for stream, line in (("stdout", "exec yes"), ("stderr", "exec yes >&2")):
            command = self.client.start(line)
            self.wait_for(self.client, lambda: command.got[stream])
            command.tell("stop", stream=stream)
            self.assert_ended(command.wait(), signal="PIPE")
            self.assert_session_works(self.client)

    def test_one_that_waits_for_its_window_is_stopped_as_well(self):
        command = self.client.start("exec yes")
        self.wait_for(self.client, lambda: command.got["stdout"] == 64 * KIB)
        command.tell("stop", stream="stdout")
        self.wait_for(self.client, lambda: command.end)
        self.assertEqual(command.end["signal"], "PIPE")

    def test_the_other_stream_goes_on(self):
        command = self.client.start("yes; trap '' PIPE; echo end >&2; exit 3")
        self.wait_for(self.client, lambda: command.got["stdout"])
        command.tell("stop", stream="stdout")
        self.assert_ended(command.wait(), 3)
        self.assertEqual(command.stderr, b"end\n")

    def test_a_command_that_does_not_write_is_not_disturbed(self):
        gate = self.gate()
        command = self.client.start(f"read x < {gate}; exit 7")
        command.tell("stop", stream="stdout")
        command.tell("stop", stream="stderr")
        gate.open()
        self.assert_ended(command.wait(), 7)

    def test_stopping_twice_or_after_the_end_does_nothing(self):
        command = self.client.start("exec yes")
        for _ in range(3):
            command.tell("stop", stream="stdout")
        command.wait()
        command.tell("stop", stream="stdout")
        self.assert_session_works(self.client)


class OutputLimit(SessionCase):
    options = ("--max-output", "1M")

    def test_more_output_than_the_daemon_keeps_ends_a_command_whose_reply_is_whole(self):
        """promise 26"""
        command = self.run_line(self.session(), "yes", reply="whole")
        self.assertEqual((command.end["reason"], command.end["truncated"]), ("output-limit", True))
        self.assertEqual(len(command.stdout), 1 << 20)

    def test_what_is_streamed_is_not_kept_and_has_no_limit(self):
        command = self.run_line(self.session(), "head -c 3000000 /dev/zero")
        self.assert_ended(command)
        self.assertEqual(len(command.stdout), 3_000_000)


if __name__ == "__main__":
    unittest.main()
