"""Acting as another user, where the tests run as root."""

import encodings.idna  # noqa: F401 - not readable any more for another user, when name resolution asks for it
import os
import sys
import traceback
import unittest

import process

NOBODY = 65534

needs_root = unittest.skipUnless(os.geteuid() == 0, "needs root, to act as another user")


def as_user(uid, action):
    """What `action()`, which must return bytes, returns in a process of that user."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        act_and_exit(uid, action, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as result:
        outcome = result.read()
    _, status = os.waitpid(pid, 0)
    assert status == 0, outcome.decode(errors="replace")
    return outcome


def act_and_exit(uid, action, writer):
    status = 1
    try:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
        os.write(writer, action())
        status = 0
    except BaseException:
        os.write(writer, traceback.format_exc().encode())
    finally:
        sys.stderr.flush()
        os._exit(status)


def spare_uid():
    """A user that owns no process and for whom no daemon has left a directory."""
    taken = {process.status(pid).get("Uid", "").split("\t")[0] for pid in process.running_pids()}
    candidates = range(60_000 + os.getpid() % 4000, 65_000)
    free = (uid for uid in candidates if str(uid) not in taken)
    return next(uid for uid in free if not os.path.lexists(f"/tmp/runwire-{uid}"))
