"""What Linux tells of a process in /proc: state, children, descriptors, memory, CPU."""

import contextlib
import ctypes
import os
import pathlib
import platform
import resource
import struct

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def running_pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def read(pid, name):
    """A file of /proc/PID; empty when the process is gone, or is not ours to look at."""
    try:
        return pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def stat(pid):
    """The fields of proc(5)'s stat from the third on, which is the state; empty when the process is gone."""
    return read(pid, "stat").rpartition(b") ")[2].decode().split()


def state(pid):
    return (stat(pid) or [""])[0]


def is_alive(pid):
    return state(pid) not in ("", "Z", "X")


def children(pid):
    """Zombies included."""
    return [child for child in running_pids() if stat(child)[1:2] == [str(pid)]]


def zombies(pid):
    return [child for child in children(pid) if state(child) == "Z"]


def status(pid):
    """The fields of /proc/PID/status as text."""
    lines = read(pid, "status").decode(errors="replace").splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def kilobytes(pid, field):
    """`VmRSS` or `VmHWM`."""
    return int(status(pid)[field].split()[0])


def forget_peak(pid):
    """Makes VmHWM count from now on."""
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")


def cpu_seconds(pid):
    fields = stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def loop_seconds(pid):
    """The CPU time of the first thread, to the nanosecond, as of its last pause."""
    return int(read(pid, "schedstat").split()[0]) / 1e9


def time_slice_ns(pid):
    """How long it may compute before another gets the CPU; 0 where the kernel does not tell (before Linux 6.12)."""
    sched_getattr = {"x86_64": 315}.get(platform.machine(), 275)
    attributes = ctypes.create_string_buffer(48)
    if ctypes.CDLL(None).syscall(sched_getattr, pid, attributes, 48, 0) != 0:
        return 0
    return struct.unpack("IIQiIQQQ", attributes)[5]


def remove_control_groups(pid):
    """Of a daemon that could not do it itself."""
    for left in pathlib.Path("/sys/fs/cgroup").glob(f"**/runwired.{pid}"):
        for group in [*filter(pathlib.Path.is_dir, left.iterdir()), left]:
            with contextlib.suppress(OSError):  # its commands may be about to end
                group.rmdir()


def descriptors(pid):
    """{number: what it refers to}"""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
        except OSError:
            pass  # closed meanwhile
    return found


def lowest_free_descriptor(pid):
    """As a limit it leaves a process with what it has, and nothing more."""
    held = descriptors(pid)
    return next(number for number in range(len(held) + 1) if number not in held)


def limit(pid, what):
    """(soft, hard), for one of resource.RLIMIT_*."""
    return resource.prlimit(pid, what)


def words(pid, name):
    """The NUL-terminated words of `cmdline` or `environ`."""
    return read(pid, name).split(b"\0")[:-1]
