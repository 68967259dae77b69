"""Commands that outlive their connection: attach, detach, cancel, forget, list, what is kept of them and for how long."""

import os
import threading
import unittest

import process
from daemon import until
from session_case import KIB, MIB, PREFACE, SessionCase, start

HOUR = 3600 * 1000
LETTERS = b"abcdefghijklmnopqrstuvwxyz"


class KeptCase(SessionCase):
    def client(self, window=None):
        connection = self.raw(PREFACE)
        connection.tell("hello", v=1, **({"window": window} if window else {}))
        self.hello, _ = connection.receive()
        return connection

    def keep(self, connection, name, line, keep_ms=HOUR, **fields):
        connection.send(start(line, id=name, keep_ms=keep_ms, **fields))

    def attach(self, connection, name, **places):
        """The answer, without what follows."""
        connection.tell("attach", id=name, **places)
        return connection.receive()[0]

    def collect(self, connection, credit=False):
        """All up to the exit: it, and the bytes of each stream. A place that does not follow is an error."""
        streams, places = {"stdout": b"", "stderr": b""}, {}
        while True:
            header, payload = connection.receive()
            if header["type"] == "output":
                stream = header["stream"]
                self.assertEqual(header["off"], places.get(stream, header["off"]))
                places[stream] = header["off"] + len(payload)
                streams[stream] += payload
                if credit:
                    connection.tell("credit", id=header["id"], stream=stream, bytes=len(payload))
            if header["type"] in ("exit", "error"):
                return header, streams["stdout"], streams["stderr"]

    def finish(self, connection, name, line, **fields):
        """Runs it to its end."""
        self.keep(connection, name, line, **fields)
        return self.collect(connection)

    def jobs(self, connection):
        connection.tell("list")
        received = [header for header, _ in connection.receive_until("listed")]
        self.assertEqual(received[-1]["jobs"], len(received) - 1)
        return received[:-1]

    def assert_error(self, answer, error, name):
        self.assertEqual((answer["type"], answer.get("error"), answer.get("id")), ("error", error, name), answer)
        self.assertTrue(answer["message"])


class Outliving(KeptCase):
    def test_a_command_outlives_its_connection(self):
        """promise 63"""
        gate = os.path.join(self.daemon.directory, "gate")
        os.mkfifo(gate)
        first = self.client()
        self.keep(first, "long", f"echo begun; read line < {gate}; echo $line; exit 7")
        first.receive_until("output")
        first.close()
        second = self.client()
        started = self.attach(second, "long", stdout=0, stderr=0)
        self.assertEqual((started["type"], started["existing"], started["kept"]["stdout"]), ("started", True, 6))
        with open(gate, "w") as writer:
            writer.write("went on\n")
        record, out, err = self.collect(second)
        self.assertEqual((record["code"], out, err), (7, b"begun\nwent on\n", b""))

    def test_a_reset_ends_its_own_commands_and_no_kept_one(self):
        """promise 63"""
        first = self.client()
        first.send(start("echo $$; exec sleep 1000", id="own"))
        own = int(first.receive_until("output")[-1][1])
        self.keep(first, "kept", "echo $$; exec sleep 1000")
        kept = int(first.receive_until("output")[-1][1])
        first.reset()
        until(lambda: not process.is_alive(own), "the session's own command is ended")
        self.assertTrue(process.is_alive(kept))
        self.client().tell("cancel", id="kept")
        until(lambda: not process.is_alive(kept), "the kept command is cancelled")

    def test_attach_at_every_place_of_a_small_output(self):
        """promise 63"""
        connection = self.client()
        self.finish(connection, "small", "printf abcdefghijklmnopqrstuvwxyz; printf ABC >&2; exit 3")
        for place in range(len(LETTERS) + 1):
            started = self.attach(connection, "small", stdout=place, stderr=min(place, 3))
            self.assertEqual((started["existing"], started["kept"]["stdout"], started["kept"]["eof"]), (True, 26, True))
            record, out, err = self.collect(connection)
            self.assertEqual((out, err), (LETTERS[place:], b"ABC"[min(place, 3) :]))
            self.assertEqual((record["code"], record["stdout"], record["stderr"]), (3, 26, 3))

    def test_what_was_there_before_is_a_replay_and_no_frame_is_half_of_one(self):
        first, second = self.client(), self.client()
        self.keep(first, "cat", "cat", stdin=True)
        first.tell("stdin", b"before", id="cat", off=0)
        first.receive_until("output")
        started = self.attach(second, "cat", stdout=2, stderr=0)
        self.assertEqual(started["kept"], {"stdout": 6, "stderr": 0, "stdin": 6, "window": 256 * KIB - 6, "eof": False})
        self.assertEqual([second.receive()], [({"type": "output", "id": "cat", "stream": "stdout", "off": 2,
                                                "replay": True, "len": 4}, b"fore")])  # fmt: skip
        second.tell("stdin", b" after", id="cat", off=6, eof=True)
        for connection in (first, second):
            header, payload = connection.receive()
            self.assertEqual((header["off"], header.get("replay"), payload), (6, None, b" after"))
            self.assertEqual(connection.receive()[0]["type"], "exit")

    def test_without_a_place_only_what_is_new_comes(self):
        first, second = self.client(), self.client()
        self.keep(first, "cat", "cat", stdin=True)
        first.tell("stdin", b"old", id="cat", off=0)
        first.receive_until("output")
        self.attach(second, "cat")
        first.tell("stdin", b"new", id="cat", off=3, eof=True)
        self.assertEqual(self.collect(second)[1], b"new")

    def test_without_output_only_its_end_comes(self):
        first, second = self.client(), self.client()
        self.keep(first, "cat", "cat", stdin=True)
        first.receive_until("started")
        self.attach(second, "cat", output=False)
        first.tell("stdin", b"x" * 100, id="cat", off=0, eof=True)
        self.assertEqual(second.receive()[0]["type"], "exit")

    def test_a_place_beyond_the_end_and_a_command_that_is_followed_are_conflicts(self):
        connection = self.client()
        self.finish(connection, "done", "echo hi")
        answer = self.attach(connection, "done", stdout=4)
        self.assert_error(answer, "conflict", "done")
        self.assertIn("3", answer["message"])
        self.keep(connection, "cat", "cat", stdin=True)
        connection.receive_until("started")
        self.assert_error(self.attach(connection, "cat"), "conflict", "cat")
        connection.tell("stdin", id="cat", off=0, eof=True)
        self.assertEqual(connection.receive()[0]["type"], "exit")

    def test_detach_leaves_the_command_and_its_stdin_as_they_are(self):
        connection = self.client()
        self.keep(connection, "cat", "cat", stdin=True)
        connection.receive_until("started")
        connection.tell("detach", id="cat")
        self.assertEqual(connection.receive()[0], {"type": "detached", "id": "cat", "reason": "asked"})
        self.attach(connection, "cat", stdout=0, stderr=0)
        connection.tell("stdin", b"still open", id="cat", off=0, eof=True)
        self.assertEqual(self.collect(connection)[1], b"still open")

    def test_a_large_output_comes_whole_to_several_followers_at_their_own_pace(self):
        first, slow, plain = self.client(64 * KIB), self.client(1000), self.client()
        self.keep(first, "big", "seq 1 200000", full="spill")
        first.receive_until("started")
        for connection in (slow, plain):
            self.attach(connection, "big", stdout=0, stderr=0)
        expected = b"".join(b"%d\n" % number for number in range(1, 200001))
        results = {}

        def read(name, connection, credit):
            results[name] = self.collect(connection, credit)[1]

        readers = [
            threading.Thread(target=read, args=each)
            for each in (("first", first, True), ("slow", slow, True), ("plain", plain, False))
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        self.assertEqual({name: out == expected for name, out in results.items()}, dict.fromkeys(results, True))
        self.assertEqual(len(results), 3)


class Unread(KeptCase):
    def test_a_command_that_was_ended_is_over_though_nobody_reads_it(self):
        """promise 65"""
        connection = self.client()
        self.keep(connection, "yes", "yes", timeout_ms=1)
        connection.close()
        connection = self.client()
        until(lambda: self.jobs(connection)[0]["state"] == "finished", "the command to be over")
        connection.tell("forget", id="yes")
        self.assertEqual(connection.receive()[0]["type"], "forgotten")

    def test_a_command_that_has_ended_is_over_though_its_last_bytes_are_in_the_pipe(self):
        """promise 65"""
        size = MIB + 10000
        connection = self.client()
        self.keep(connection, "last", f"head -c {size} /dev/zero; exit 5")
        connection.close()
        connection = self.client()
        until(lambda: self.jobs(connection)[0]["state"] == "finished", "the command to be over")
        self.assertEqual(self.attach(connection, "last", stdout=0, stderr=0)["kept"]["stdout"], size)
        record, out, _ = self.collect(connection)
        self.assertEqual(record["code"], 5)
        self.assertEqual(len(out), size)


class Once(KeptCase):
    def count_runs(self):
        return os.path.join(self.daemon.directory, "runs")

    def test_two_starts_at_once_run_once(self):
        """promise 64"""
        runs = self.count_runs()
        connections = [self.client() for _ in range(10)]
        for connection in connections:
            self.keep(connection, "once", f"echo run >> {runs}; echo out")
        for connection in connections:
            record, out, _ = self.collect(connection)
            self.assertEqual((record["code"], out), (0, b"out\n"))
        with open(runs) as file:
            self.assertEqual(file.read(), "run\n")

    def test_the_same_start_later_gets_all_again(self):
        """promise 64"""
        connection = self.client()
        self.finish(connection, "once", "echo $$")
        _, first, _ = self.finish(self.client(), "once", "echo $$")
        self.keep(connection, "once", "echo $$")
        self.assertTrue(connection.receive()[0]["existing"])
        self.assertEqual(self.collect(connection)[1], first)

    def test_another_start_under_its_id_is_a_conflict(self):
        """promise 64"""
        connection = self.client()
        self.finish(connection, "mine", "echo one")
        for line, fields in (("echo two", {}), ("echo one", {"cwd": "/"}), ("echo one", {"full": "drop"})):
            self.keep(connection, "mine", line, **fields)
            self.assert_error(connection.receive()[0], "conflict", "mine")
        self.assertEqual(self.finish(connection, "other", "echo three")[1], b"three\n")

    def test_an_id_that_is_gone_is_expired_and_one_that_never_was_is_unknown(self):
        """promise 64"""
        connection = self.client()
        self.finish(connection, "gone", "echo one")
        connection.tell("forget", id="gone")
        self.assertEqual(connection.receive()[0], {"type": "forgotten", "id": "gone"})
        self.keep(connection, "gone", "echo one")
        self.assert_error(connection.receive()[0], "expired", "gone")
        for verb in ("attach", "forget"):
            for name, error in (("gone", "expired"), ("never", "unknown")):
                connection.tell(verb, id=name)
                self.assert_error(connection.receive()[0], error, name)
        connection.tell("cancel", id="nobody")
        self.assert_error(connection.receive()[0], "unknown", "nobody")

    def test_an_outcome_that_is_not_kept_is_gone_at_once(self):
        connection = self.client()
        self.assertEqual(self.finish(connection, "brief", "echo one", keep_ms=0)[1], b"one\n")
        self.assert_error(self.attach(connection, "brief"), "expired", "brief")

    def test_a_command_that_could_not_be_started_leaves_its_id_free(self):
        connection = self.client()
        for _ in range(2):
            self.keep(connection, "tried", "true", cwd="/nowhere")
            self.assert_error(connection.header_of("error"), "spawn", "tried")
        self.assertEqual(self.finish(connection, "tried", "true")[0]["code"], 0)

    def test_the_daemon_makes_ids_that_nobody_had(self):
        connection = self.client()
        self.finish(connection, "k1", "true")
        connection.tell("forget", id="k1")
        connection.receive()
        made = []
        for _ in range(3):
            connection.send(start("true", keep_ms=HOUR))
            made.append(connection.header_of("exit")["id"])
        self.assertEqual(made, ["k2", "k3", "k4"])


class Retention(KeptCase):
    options = ("--max-keep", "0.2", "--max-kept", "3")

    def test_an_outcome_is_kept_no_longer_than_the_daemon_allows(self):
        connection = self.client()
        self.assertEqual(self.hello["limits"]["keep_ms"], 200)
        self.finish(connection, "short", "echo hi")
        until(lambda: not self.jobs(connection), "it expires")
        self.assert_error(self.attach(connection, "short"), "expired", "short")

    def test_more_of_them_than_may_be_are_busy(self):
        connection = self.client()
        for name in ("a", "b", "c"):
            self.keep(connection, name, "exec sleep 1000")
            connection.receive_until("started")
        self.keep(connection, "d", "true")
        self.assert_error(connection.receive()[0], "busy", "d")
        connection.tell("cancel", id="a")
        self.assertEqual(connection.header_of("exit")["reason"], "cancelled")
        connection.tell("forget", id="a")
        self.assertEqual(connection.receive()[0]["type"], "forgotten")
        self.assertEqual(self.finish(connection, "d", "true")[0]["code"], 0)
        for name in ("b", "c"):
            connection.tell("cancel", id=name)
            connection.receive_until("exit")


class Full(KeptCase):
    """What happens when nobody takes the output (promise 65)."""

    def test_block_a_command_waits_for_its_reader(self):
        """promise 65"""
        connection = self.client(window=4 * MIB)
        written = os.path.join(self.daemon.directory, "written")
        self.keep(connection, "wide", f"head -c 3000000 /dev/zero; echo > {written}")
        size = sum(len(connection.receive_until("output")[-1][1]) for _ in range(4))
        until(lambda: self.jobs(self.client())[0]["stdout"] >= MIB, "it has filled its room")
        self.assertFalse(os.path.exists(written))
        self.assertLessEqual(self.jobs(self.client())[0]["stdout"], MIB + 320 * KIB)
        connection.tell("credit", id="wide", stream="stdout", bytes=size)
        _, out, _ = self.collect(connection, credit=True)
        self.assertEqual(size + len(out), 3000000)
        self.assertTrue(os.path.exists(written))

    def test_block_without_a_follower_it_waits_for_one(self):
        """promise 65"""
        first = self.client(window=1000)
        self.keep(first, "alone", "head -c 3000000 /dev/zero")
        first.receive_until("output")
        first.close()
        until(lambda: self.jobs(self.client())[0]["stdout"] >= MIB, "it has filled its room")
        second = self.client(window=MIB)
        self.assertEqual(self.attach(second, "alone", stdout=0, stderr=0)["kept"]["stdout"], MIB)
        self.assertEqual(len(self.collect(second, credit=True)[1]), 3000000)

    def test_spill_a_command_goes_on_and_every_byte_is_there_later(self):
        """promise 65"""
        first = self.client()
        self.keep(first, "spilled", "seq 1 400000", full="spill")
        first.receive_until("started")
        first.close()
        second = self.client()
        until(lambda: self.jobs(second)[0]["state"] == "finished", "it ends without a reader")
        self.attach(second, "spilled", stdout=0, stderr=0)
        _, out, _ = self.collect(second)
        self.assertEqual(out, b"".join(b"%d\n" % number for number in range(1, 400001)))

    def test_drop_the_oldest_bytes_go_and_the_gap_is_what_is_missing(self):
        """promise 65"""
        first = self.client()
        self.keep(first, "dropped", "seq 1 400000", full="drop")
        first.receive_until("started")
        first.close()
        second = self.client()
        until(lambda: self.jobs(second)[0]["state"] == "finished", "it ends without a reader")
        expected = b"".join(b"%d\n" % number for number in range(1, 400001))
        for place in (0, 5, len(expected) - 10):
            self.attach(second, "dropped", stdout=place, stderr=0)
            gaps, bytes_got = [], b""
            while (received := second.receive())[0]["type"] != "exit":
                if received[0]["type"] == "gap":
                    gaps.append((received[0]["from"], received[0]["to"]))
                bytes_got += received[1]
            self.assertEqual(gaps, [(place, len(expected) - len(bytes_got))] if place < 1000 else [])
            self.assertTrue(expected.endswith(bytes_got))
            self.assertGreaterEqual(len(bytes_got), min(MIB - 64 * KIB, len(expected) - place))

    def test_output_of_a_command_of_the_session_can_be_recorded_too(self):
        connection = self.client(window=1000)
        connection.send(start("seq 1 100000; exit 4", id="own", full="spill"))
        record, out, _ = self.collect(connection, credit=True)
        self.assertEqual((record["code"], len(out)), (4, 588895))
        self.assertEqual(self.jobs(connection), [])


class LittleDisk(KeptCase):
    options = ("--spill-space", "1M")

    def test_the_disk_is_bounded_and_then_the_command_waits(self):
        """promise 65"""
        connection = self.client()
        self.keep(connection, "much", "head -c 20000000 /dev/zero", full="spill")
        connection.receive_until("started")
        connection.tell("detach", id="much")
        had = sum(len(payload) for _, payload in connection.receive_until("detached"))
        until(lambda: self.jobs(connection)[0]["stdout"] >= MIB, "it has filled its room")
        self.assertLess(self.jobs(connection)[0]["stdout"], 4 * MIB)
        connection.tell("attach", id="much", stdout=had, stderr=0)
        self.assertEqual(had + len(self.collect(connection)[1]), 20000000)


class SlowFollower(KeptCase):
    options = ("--follower-timeout", "0.5")

    def test_one_that_holds_up_another_is_let_go(self):
        reader, deaf = self.client(window=MIB), self.client(window=1000)
        self.keep(reader, "shared", "head -c 3000000 /dev/zero")
        reader.receive_until("started")
        self.attach(deaf, "shared", stdout=0, stderr=0)
        self.assertEqual(len(self.collect(reader, credit=True)[1]), 3000000)
        last = deaf.receive_until("detached")[-1][0]
        self.assertEqual((last["id"], last["reason"]), ("shared", "slow"))
        self.assertEqual(self.attach(deaf, "shared")["existing"], True)

    def test_one_that_nobody_waits_for_is_not(self):
        deaf, other = self.client(window=1000), self.client(window=1000)
        self.keep(deaf, "shared", "head -c 1200000 /dev/zero")
        deaf.receive_until("started")
        self.attach(other, "shared", stdout=0, stderr=0)
        until(lambda: self.jobs(self.client())[0]["stdout"] >= MIB, "it has filled its room")
        for connection in (deaf, other):
            connection.tell("credit", id="shared", stream="stdout", bytes=1200000)
        self.assertEqual(len(self.collect(other, credit=True)[1]), 1200000)


class Input(KeptCase):
    def test_input_that_is_said_again_is_never_doubled(self):
        """promise 64"""
        first = self.client()
        self.keep(first, "cat", "cat", stdin=True)
        first.tell("stdin", LETTERS[:10], id="cat", off=0)
        first.receive_until("output")
        first.close()
        second = self.client()
        self.assertEqual(self.attach(second, "cat", stdout=0, stderr=0)["kept"]["stdin"], 10)
        for place in range(0, 10):
            second.tell("stdin", LETTERS[place : place + 1], id="cat", off=place)
        second.tell("stdin", LETTERS[5:], id="cat", off=5, eof=True)
        second.tell("stdin", LETTERS, id="cat", off=0, eof=True)
        self.assertEqual(self.collect(second)[1], LETTERS)

    def test_a_place_beyond_the_next_one_ends_the_session_and_not_the_command(self):
        connection = self.client()
        self.keep(connection, "cat", "cat", stdin=True)
        connection.receive_until("started")
        connection.tell("stdin", b"x", id="cat", off=1)
        self.assertIn("0 comes next", self.assert_refused(connection))
        other = self.client()
        self.assertEqual(self.attach(other, "cat")["kept"]["stdin"], 0)
        other.tell("stdin", id="cat", off=0, eof=True)
        self.assertEqual(self.collect(other)[0]["code"], 0)

    def test_credit_goes_to_all_who_follow_and_more_is_refused(self):
        first, second = self.client(), self.client()
        self.keep(first, "sink", "cat > /dev/null", stdin=True)
        first.receive_until("started")
        self.attach(second, "sink")
        first.tell("stdin", b"x" * 256 * KIB, id="sink", off=0)
        for connection in (first, second):
            self.assertEqual(connection.header_of("credit")["stream"], "stdin")
        second.tell("stdin", b"y" * MIB, id="sink", off=256 * KIB)
        self.assert_refused(second)
        first.tell("cancel", id="sink")
        self.assertEqual(first.header_of("exit")["reason"], "cancelled")


class Control(KeptCase):
    def test_list_tells_of_each_the_oldest_first(self):
        connection = self.client()
        self.finish(connection, "b", "printf 'a\\nb'; exit 3")
        self.keep(connection, "a", "exec sleep 1000 # \x1b[31m")
        pid = connection.header_of("started")["pid"]
        over, runs = self.jobs(connection)
        self.assertEqual((over["id"], over["state"], over["code"], over["stdout"]), ("b", "finished", 3, 3))
        self.assertLessEqual(over["expires_ms"], HOUR)
        self.assertEqual((runs["id"], runs["state"], runs["pid"], runs["clients"]), ("a", "running", pid, 1))
        self.assertNotIn("\x1b", runs["command"])
        self.assertRegex(runs["who"], r"127\.0\.0\.1:\d+")
        connection.tell("cancel", id="a")
        connection.receive_until("exit")

    def test_cancel_ends_all_that_was_started_from_any_connection(self):
        """promise 66"""
        first, second = self.client(), self.client()
        self.keep(first, "tree", "setsid sh -c 'echo $$; exec sleep 1000' & wait")
        child = int(first.receive_until("output")[-1][1])
        second.tell("cancel", id="tree")
        record = first.header_of("exit")
        self.assertEqual((record["reason"], record["survivors"]), ("cancelled", 0))
        self.assertFalse(process.is_alive(child))

    def test_cancel_ends_a_command_of_the_session_too(self):
        connection = self.client()
        connection.send(start("exec sleep 1000", id="own"))
        connection.receive_until("started")
        connection.tell("cancel", id="own")
        self.assertEqual(connection.header_of("exit")["reason"], "cancelled")
        connection.tell("cancel", id="own")
        self.assertEqual(self.finish(connection, "next", "true")[0]["code"], 0)

    def test_a_signal_reaches_a_command_that_is_not_followed(self):
        first, second = self.client(), self.client()
        self.keep(first, "trap", "trap 'echo got it; exit 5' USR1; echo ready; while :; do sleep 0.01; done")
        first.receive_until("output")
        second.tell("signal", id="trap", signal="USR1")
        record, out, _ = self.collect(first)
        self.assertEqual((record["code"], out), (5, b"got it\n"))

    def test_forget_is_for_what_is_over(self):
        connection = self.client()
        self.keep(connection, "runs", "exec sleep 1000")
        connection.receive_until("started")
        connection.tell("forget", id="runs")
        self.assert_error(connection.receive()[0], "conflict", "runs")
        connection.tell("cancel", id="runs")
        connection.receive_until("exit")
        connection.tell("forget", id="runs")
        self.assertEqual(connection.receive()[0]["type"], "forgotten")
        self.assertEqual(self.jobs(connection), [])

    def test_stop_ends_the_output_for_all(self):
        connection = self.client(window=64 * KIB)
        self.keep(connection, "yes", "yes; exit 0")
        connection.receive_until("output")
        connection.tell("stop", id="yes", stream="stdout")
        self.assertEqual(connection.header_of("exit")["type"], "exit")


class Queue(KeptCase):
    options = ("--max-running", "1")

    def test_one_that_waits_is_followed_and_cancelled_without_being_run(self):
        connection, other = self.client(), self.client()
        self.keep(connection, "runs", "exec sleep 1000")
        connection.receive_until("started")
        trace = os.path.join(self.daemon.directory, "trace")
        self.keep(connection, "waits", f"echo > {trace}")
        self.keep(connection, "next", "true")
        until(lambda: len(self.jobs(other)) == 3, "all have arrived")
        self.assertEqual([job["state"] for job in self.jobs(other)], ["running", "waiting", "waiting"])
        self.assertIsNone(self.attach(other, "waits").get("pid"))
        self.assertIsNone(self.attach(other, "next").get("pid"))
        connection.tell("cancel", id="waits")
        for follower in (connection, other):
            self.assert_error(follower.receive()[0], "cancelled", "waits")
        connection.tell("cancel", id="runs")
        started = other.receive()[0]
        self.assertEqual((started["type"], started["id"], started["existing"]), ("started", "next", True))
        self.assertEqual(other.header_of("exit")["id"], "next")
        self.assertFalse(os.path.exists(trace))


class Shutdown(KeptCase):
    options = ("--drain-timeout", "0")

    def test_it_ends_kept_commands_and_says_so_to_who_follows(self):
        first, second = self.client(), self.client()
        self.keep(first, "done", "true")
        first.receive_until("exit")
        self.keep(first, "runs", "echo $$; exec sleep 1000")
        pid = int(first.receive_until("output")[-1][1])
        self.keep(second, "alone", "echo $$; exec sleep 1000")
        alone = int(second.receive_until("output")[-1][1])
        second.close()
        self.daemon.terminate()
        self.assertEqual(first.header_of("exit")["reason"], "shutdown")
        self.daemon.await_end()
        self.assertFalse(process.is_alive(pid) or process.is_alive(alone))


if __name__ == "__main__":
    unittest.main()
