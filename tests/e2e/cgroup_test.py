"""Control groups of kept commands: nothing leaves them, and so nothing is left, whatever it does.

The daemon is in a group that the test has made for it, as systemd makes one with Delegate=yes.
"""

import contextlib
import os
import pathlib
import signal
import unittest

import process
from daemon import until
from other_user import needs_root, spare_uid
from session_case import SessionCase
from session_client import Session

HOUR_MS = 3600 * 1000


def group_of(pid):
    """In the hierarchy of version 2."""
    lines = process.read(pid, "cgroup").decode().splitlines()
    return next((line[3:] for line in lines if line.startswith("0::/")), None)


def own_directory():
    """Of this process's group; None where it is not to be seen."""
    group = group_of("self")
    for mount in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        root, point = mount.split()[3:5]
        root = root.rstrip("/")
        if group and " - cgroup2 " in mount and group.startswith(root):
            return pathlib.Path(point + group.removeprefix(root))
    return None


class CgroupCase(SessionCase):
    def setUp(self):
        self.make_group()
        super().setUp()
        self.rung = self.bell("rung")

    def make_group(self):
        own = own_directory()
        if own is None:
            self.skipTest("this system shows no control groups of version 2")
        self.group = own / f"runwire-test.{os.getpid()}"
        try:
            self.group.mkdir()
            self.addCleanup(self.remove_group)
            with self.within():
                pass
        except FileExistsError:
            raise
        except OSError as error:
            self.skipTest(f"this system lets nobody make a control group here: {error}")

    def remove_group(self):
        """With all who are in it, so that a test that fails leaves nobody."""
        groups = [*self.group.glob("*/*/"), *self.group.glob("*/"), self.group]
        for pid in (int(pid) for group in groups for pid in (group / "cgroup.procs").read_text().split()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            until(lambda pid=pid: not process.is_alive(pid), "who was left to end")
        for group in groups:
            group.rmdir()

    @contextlib.contextmanager
    def within(self):
        """What is started meanwhile is in the group."""
        home = own_directory()
        (self.group / "cgroup.procs").write_text("0")
        try:
            yield
        finally:
            (home / "cgroup.procs").write_text("0")

    def start(self, *options, **how):
        with self.within():
            return super().start(*options, **how)

    def group_by(self, pid):
        """Where it is, as seen from the test's group."""
        _, is_within, rest = (group_of(pid) or "").partition(self.group.name)
        return rest if is_within else None

    def groups(self, daemon=None):
        """Those of commands, that are there."""
        of_daemon = self.group / f"runwired.{(daemon or self.daemon).pid}"
        return [path.name for path in of_daemon.iterdir() if path.is_dir()]

    def keep(self, session, name, line, **how):
        return session.start(line, id=name, keep_ms=HOUR_MS, **how)

    def lose(self, then, stays="exec sleep 1000"):
        """A line that starts who clears its environment and leaves its session and its parent, and so all that tells of
        it."""
        return f"(setsid env -i sh -c 'echo $$ > {self.rung}; {stays}' &); {then}"


class Group(CgroupCase):
    def test_each_kept_command_is_in_one_of_its_own_and_no_other_command_is(self):
        bell, session = self.bell(), self.session()
        says = f"echo $$ > {bell}; exec sleep 1000"
        tree = f"sh -c '{says}' & setsid sh -c '{says}' & (setsid env -i sh -c '{says}' &); {says}"
        tops = {}
        for name in ("one", "other"):
            self.keep(session, name, tree)
            (tops[name],) = {self.group_by(int(pid)) for pid in bell.wait(4)}
            self.assertRegex(tops[name], rf"^/runwired\.{self.daemon.pid}/\d+$")
        self.assertNotEqual(tops["one"], tops["other"])
        session.start(says, id="own")
        (pid,) = bell.wait()
        self.assertEqual((self.group_by(int(pid)), self.group_by(self.daemon.pid)), ("", ""))
        for name in ("one", "other", "own"):
            command = session.commands[name]
            command.tell("cancel")
            self.assertEqual(command.wait().end["reason"], "cancelled")
        until(lambda: not self.groups(), "the groups to be removed")

    def test_cancel_ends_who_can_be_found_in_no_other_way(self):
        """promise 66"""
        for stays in ("exec sleep 1000", "trap \"\" TERM; while :; do sleep 1000; done"):
            session = self.session()
            command = self.keep(session, f"tree {len(stays)}", self.lose("exec sleep 1000", stays))
            (lost,) = map(int, self.rung.wait())
            command.tell("cancel")
            end = command.wait().end
            self.assertEqual((end["reason"], end["survivors"]), ("cancelled", 0))
            self.assertFalse(process.is_alive(lost), "it was told to be over before it was")
            until(lambda: not self.groups(), "its group to be removed")

    def test_an_upgrade_leaves_them_as_they_are(self):
        """promise 66"""
        with Session(self.daemon.unix) as session:
            self.keep(session, "tree", self.lose("exec sleep 1000"))
            (lost,) = map(int, self.rung.wait())
        (before,) = self.groups()
        self.daemon.upgrade()
        self.assertEqual(self.groups(), [before])
        command = self.session().attach("tree")
        command.tell("cancel")
        self.assertEqual(command.wait().end["survivors"], 0)
        self.assertFalse(process.is_alive(lost))
        until(lambda: not self.groups(), "its group to be removed")

    def test_what_is_left_of_a_command_that_has_ended_lives_on_in_it(self):
        session = self.session()
        end = self.keep(session, "over", self.lose("exit 3")).wait().end
        self.assertEqual((end["code"], end["reason"]), (3, "exited"))
        (lost,) = map(int, self.rung.wait())
        self.assertTrue(process.is_alive(lost))
        self.assertRegex(self.group_by(lost), rf"^/runwired\.{self.daemon.pid}/\d+$")
        os.kill(lost, signal.SIGKILL)
        until(lambda: not process.is_alive(lost), "it to end")

    def test_all_are_gone_with_the_daemon(self):
        with Session(self.daemon.unix) as session:
            self.keep(session, "tree", self.lose("exec sleep 1000"))
            (lost,) = map(int, self.rung.wait())
        self.daemon.terminate()
        self.daemon.terminate()
        self.assertEqual(self.daemon.await_end(), 0)
        self.assertFalse(process.is_alive(lost))
        self.assertEqual([path.name for path in self.group.iterdir() if path.is_dir()], [])


class Never(CgroupCase):
    options = ("--cgroup", "never")

    def test_a_kept_command_is_in_the_daemons(self):
        session = self.session()
        command = self.keep(session, "tree", f"echo $$ > {self.rung}; exec sleep 1000")
        (pid,) = map(int, self.rung.wait())
        self.assertEqual(self.group_by(pid), "")
        command.tell("cancel")
        command.wait()

    def test_another_word_is_an_error_that_names_the_right_ones(self):
        self.assert_start_refused("--cgroup: 'sometimes' is none of: auto, never", "--cgroup", "sometimes")


@needs_root
class OrdinaryUser(CgroupCase):
    def setUp(self):
        self.uid = spare_uid()
        super().setUp()

    def serve(self):
        daemon = self.start_as(self.uid)
        session = self.session(daemon.unix)
        command = self.keep(session, "tree", f"echo $$ > {self.rung}; exec sleep 1000")
        (pid,) = map(int, self.rung.wait())
        group = self.group_by(pid)
        command.tell("cancel")
        self.assertEqual(command.wait().end["survivors"], 0)
        return daemon, group

    def test_where_it_is_delegated_to_him_he_has_them(self):
        for path in (self.group, self.group / "cgroup.procs"):
            os.chown(path, self.uid, self.uid)
        daemon, group = self.serve()
        self.assertRegex(group, rf"^/runwired\.{daemon.pid}/\d+$")
        until(lambda: not self.groups(daemon), "its group to be removed")

    def test_where_it_is_not_commands_are_kept_without(self):
        _, group = self.serve()
        self.assertEqual(group, "")


if __name__ == "__main__":
    unittest.main()
