"""CPU control groups: one of its own for a server, as service managers and container runtimes give each of theirs.

Linux shares the processors between the sessions (sched_autogroup) only of what is in the root group: in any other one
it does not matter which session a process is in.
"""

import contextlib
import os
import pathlib
import signal
import sys
import time
from typing import NamedTuple

from started_server import TIMEOUT_S, DoesNotWork

MOUNTS = pathlib.Path("/proc/self/mountinfo")
GROUPS = pathlib.Path("/proc/self/cgroup")
AUTOGROUP = pathlib.Path("/proc/sys/kernel/sched_autogroup_enabled")
NAME = f"runwire-compare-{os.getpid()}"
BY_SESSION, BY_PROCESS = "by session (autogroup)", "by process"
# $$ is the command's pid too, which takes the shell's place.
MOVE_AND_RUN = 'echo $$ > "$0" && exec "$@"'


class Hierarchy(NamedTuple):
    """One that may hold CPU control groups."""

    root: pathlib.Path
    version: int

    def controls_cpu(self):
        """Whether a group below the root is one for CPU."""
        return self.version == 1 or "cpu" in words_of(self.root / "cgroup.subtree_control")

    def is_whole(self):
        """Its root is the system's, not that of a container: two files are there, or not, in that one alone."""
        return (self.root / "release_agent").exists() if self.version == 1 else not (self.root / "cgroup.type").exists()


@contextlib.contextmanager
def control_group(mounts=MOUNTS):
    """Words to stand before a command's: with all that it starts it is in a group of its own then, which is removed in
    the end. Raises DoesNotWork."""
    group = root_for_cpu(mounts) / NAME
    try:
        group.mkdir()
    except OSError as why:
        advice = "run this as root, outside of containers"
        raise DoesNotWork(f"no control group can be made in {group.parent} ({why.strerror}): {advice}") from None
    try:
        yield ["/bin/sh", "-c", MOVE_AND_RUN, str(group / "cgroup.procs")]
    finally:
        remove(group)


def root_for_cpu(mounts=MOUNTS):
    known = hierarchies(mounts)
    for one in known:
        if one.controls_cpu():
            return one.root
    if not known:
        raise DoesNotWork("no control groups for CPU are to be seen: mount -t cgroup2 none /sys/fs/cgroup")
    control = known[0].root / "cgroup.subtree_control"
    raise DoesNotWork(f"control groups are not for CPU here: as root, echo +cpu > {control}")


def hierarchies(mounts=MOUNTS):
    """That of the CPU controller of version 1, which version 2 then has not, and that of version 2."""
    found = []
    for line in mounts.read_text().splitlines() if mounts.exists() else []:
        mount, _, source = line.partition(" - ")
        kind, options = source.split()[0], source.split()[-1].split(",")
        root = pathlib.Path(mount.split()[4])
        if kind == "cgroup" and "cpu" in options:
            found.insert(0, Hierarchy(root, 1))
        elif kind == "cgroup2":
            found.append(Hierarchy(root, 2))
    return found


def remove(group):
    """When the last of its processes has ended, which may take it a moment; who goes on for long is ended."""
    if not is_removed(group):
        for pid in words_of(group / "cgroup.procs"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        if not is_removed(group):
            sys.exit(f"{group} cannot be removed: what its cgroup.procs lists does not end")


def is_removed(group):
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            group.rmdir()
        except OSError:
            time.sleep(0.01)
        else:
            return True
    return False


def scheduling(mounts=MOUNTS, groups=GROUPS, autogroup=AUTOGROUP):
    """How Linux shares the processors among what is started from here."""
    is_on = words_of(autogroup) == ["1"]
    return BY_SESSION if is_on and is_in_root_group(hierarchies(mounts), groups) else BY_PROCESS


def is_in_root_group(known, groups):
    lines = groups.read_text().splitlines() if groups.exists() else []
    for one in known:
        if one.controls_cpu():
            return one.is_whole() and any(is_root_in(one.version, group) for group in lines)
    return True


def is_root_in(version, group):
    """`group` is a line of /proc/PID/cgroup: ID:CONTROLLERS:PATH."""
    number, controllers, path = group.split(":", 2)
    is_for_cpu = "cpu" in controllers.split(",") if version == 1 else number == "0"
    return is_for_cpu and path == "/"


def words_of(path):
    with contextlib.suppress(OSError):
        return path.read_text().split()
    return []
