"""--lead group: commands that lead a process group, but no session."""

import os
import signal
import sys
import unittest

import process
from daemon import DaemonCase, until
from session_case import SessionCase
from session_client import Session

HOUR_MS = 3600 * 1000
OURS = "ps -o pid=,pgid=,sid=,tty= -p $$"
OWN_GROUP = "import os, sys; os.setpgid(0, 0); os.execvp(sys.argv[1], sys.argv[1:])"


def stays(bell, before=""):
    """A process of its own, which tells its number."""
    return f"sh -c '{before}echo $$ > {bell}; while :; do sleep 1000; done'"


class LeadGroup(SessionCase):
    def setUp(self):
        DaemonCase.setUp(self)
        self.daemon = self.start("--lead", "group", start_new_session=True)
        self.client = self.session()

    def group_and_session(self, command):
        self.assert_ended(command)
        pid, *rest = command.stdout.split()
        self.assertEqual(int(pid), command.pid)
        return [int(word) for word in rest[:2]], rest[2]

    def test_a_command_leads_a_group_in_the_daemons_session(self):
        command = self.run_line(self.client, OURS)
        self.assertEqual(self.group_and_session(command), ([command.pid, os.getsid(self.daemon.pid)], b"?"))

    def test_so_does_one_that_runs_without_a_shell(self):
        command = self.client.start("sleep 1000")
        self.wait_for(self.client, lambda: command.pid)
        until(lambda: process.words(command.pid, "cmdline") == [b"sleep", b"1000"], "it to be what it is")
        ids = os.getpgid(command.pid), os.getsid(command.pid)
        self.assertEqual(ids, (command.pid, os.getsid(self.daemon.pid)))
        command.tell("cancel")
        command.wait()

    def test_at_a_terminal_it_leads_a_session(self):
        command = self.run_line(self.client, OURS, pty={"rows": 30, "cols": 100})
        ids, terminal = self.group_and_session(command)
        self.assertEqual(ids, [command.pid] * 2)
        self.assertTrue(terminal.startswith(b"pts/"), terminal)

    def test_it_cannot_make_a_terminal_its_own_by_opening_it(self):
        controller, terminal = os.openpty()
        self.addCleanup(os.close, controller)
        self.addCleanup(os.close, terminal)
        command = self.run_line(self.client, f"exec < {os.ttyname(terminal)} && (: < /dev/tty) 2> /dev/null || echo none")
        self.assert_ended(command)
        self.assertEqual(command.stdout, b"none\n")

    def test_a_signal_reaches_its_group_and_no_other(self):
        bell = self.bell()
        line = f"{stays(bell)} & wait"
        signalled, other = self.client.start(line), self.client.start(line)
        pids = [int(pid) for pid in bell.wait(2)]
        self.wait_for(self.client, lambda: signalled.pid and other.pid)
        groups = {pid: os.getpgid(pid) for pid in pids}
        self.assertEqual(set(groups.values()), {signalled.pid, other.pid})
        signalled.tell("signal", signal="KILL")
        self.assert_ended(signalled.wait(), signal="KILL")
        for pid, group in groups.items():
            if group == signalled.pid:
                until(lambda: not process.is_alive(pid), "its background process to have the signal, too")
            else:
                self.assertTrue(process.is_alive(pid))
        other.tell("signal", signal="KILL")
        self.assert_ended(other.wait(), signal="KILL")

    def test_sigtstp_stops_it_which_one_that_leads_a_session_does_not_feel(self):
        in_group, in_session = self.client.start("exec sleep 1000"), self.client.start("exec sleep 1000", pty={})
        self.wait_for(self.client, lambda: in_group.pid and in_session.pid)
        for command in (in_session, in_group):
            until(lambda: process.words(command.pid, "cmdline")[:1] == [b"sleep"], "it to run")
            command.tell("signal", signal="TSTP")
        until(lambda: process.state(in_group.pid) == "T", "it to stop")
        until(lambda: process.state(in_session.pid) == "S", "the other one, which was told before, to sleep on")
        for command in (in_session, in_group):
            command.tell("signal", signal="KILL")
            self.assert_ended(command.wait(), signal="KILL")

    def test_killing_ends_the_whole_tree_with_what_has_a_group_or_a_session_of_its_own(self):
        bell = self.bell()
        stay = stays(bell, 'trap "" TERM; ')
        command = self.client.start(f"{sys.executable} -c '{OWN_GROUP}' {stay} & setsid -f {stay}; ({stay} &); exec {stay}")
        pids = [int(pid) for pid in bell.wait(4)]
        self.assertEqual(len({os.getpgid(pid) for pid in pids}), 3)
        command.tell("cancel")
        self.assertEqual(command.wait().end["reason"], "cancelled")
        self.assertEqual(command.end["survivors"], 0)
        for pid in pids:
            until(lambda: not process.is_alive(pid), "it to be killed")

    def test_what_is_left_of_a_command_that_has_ended_lives_on(self):
        bell = self.bell()
        self.assert_ended(self.run_line(self.client, f"{stays(bell)} > /dev/null 2>&1 &"))
        (pid,) = map(int, bell.wait())
        self.assertTrue(process.is_alive(pid))
        os.killpg(os.getpgid(pid), signal.SIGKILL)

    def test_one_of_the_plain_protocol_ends_with_its_client_and_so_does_its_group(self):
        bell = self.bell()
        client = self.connect(self.daemon.tcp)
        client.send(f"{stays(bell)} & {stays(bell)}")
        pids = [int(pid) for pid in bell.wait(2)]
        client.reset()
        for pid in pids:
            until(lambda: not process.is_alive(pid), "it to be killed")

    def test_a_kept_one_goes_on_over_an_upgrade(self):
        gate = self.gate()
        with Session(self.daemon.unix) as session:
            command = session.start(f"read x < {gate}; {OURS}", id="a", keep_ms=HOUR_MS)
            self.wait_for(session, lambda: command.pid)
        self.daemon.upgrade()
        gate.open()
        with Session(self.daemon.unix) as session:
            done = session.attach("a").wait()
            self.assertEqual(self.group_and_session(done)[0], [command.pid, os.getsid(self.daemon.pid)])
            self.assertEqual(self.group_and_session(self.run_line(session, OURS))[0][1], os.getsid(self.daemon.pid))


class Refused(DaemonCase):
    def test_a_daemon_that_has_a_terminal_may_not_share_its_session(self):
        controller, terminal = os.openpty()
        path = os.ttyname(terminal)
        self.addCleanup(os.close, controller)
        self.addCleanup(os.close, terminal)

        def at_terminal():
            os.setsid()
            os.open(path, os.O_RDWR)  # which makes it the session's

        reason = "--lead group: every command could read and write the terminal that runwired was started at; start it"
        self.assert_start_refused(reason, "--lead", "group", preexec_fn=at_terminal)
        self.start("--lead", "session", preexec_fn=at_terminal)

    def test_the_portable_spawner_cannot_do_it(self):
        self.assert_start_refused("--lead group: only the native spawner", "--lead", "group", "--spawner", "uv")


if __name__ == "__main__":
    unittest.main()
