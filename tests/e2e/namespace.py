"""Command lines that run their arguments in Linux namespaces of their own. Nothing of these is left once the
process has ended. A test that cannot have one is skipped."""

import functools
import os
import shutil
import subprocess
import unittest


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
