"""Command lines that run their arguments in Linux namespaces of their own. Nothing of these is left once the
process has ended. A test that cannot have one is skipped."""

import functools
import os
import shutil
import subprocess
import unittest

LAST_PID = "/proc/sys/kernel/ns_last_pid"


@functools.cache
def works(*prefix):
    if not shutil.which(prefix[0]):
        return False
    return subprocess.run([*prefix, "true"], capture_output=True).returncode == 0


def unshare(*options):
    """As root, or else as a user who is root in a namespace of users."""
    prefix = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), *options]
    if not works(*prefix):
        raise unittest.SkipTest(f"this system does not allow `{' '.join(prefix)}`")
    return prefix


def private_network():
    """A network that has a loopback interface (which is down) and nothing else: all ports are free."""
    return unshare("--net")


def small_disk(directory, size):
    """`directory` becomes a file system of `size` bytes."""
    mount = f"mount -t tmpfs -o size={size} none '{directory}' && exec \"$@\""
    return [*unshare("--mount"), "sh", "-c", mount, "sh"]


def private_pids():
    """Process numbers of their own, in a /proc that shows no others. There any of them can be had: see ask_for_number()."""
    if not os.path.exists(LAST_PID):
        raise unittest.SkipTest("this system gives no process number that is asked for (CONFIG_CHECKPOINT_RESTORE)")
    return [*unshare("--pid", "--fork", "--mount-proc", "--kill-child"), "sh", "-c", '"$@"; exit $?', "sh"]


def ask_for_number(number):
    """The next process that this namespace sees born has that number, or the first behind it that is free."""
    with open(LAST_PID, "w") as last:
        last.write(str(number - 1))
