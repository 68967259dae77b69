"""System calls that fail as the test wants, by a filter that a process sets on itself: seccomp(2)."""

import ctypes
import errno
import platform
import socket
import struct

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 22, 38
SECCOMP_MODE_FILTER = 2
ALLOW, FAIL = 0x7FFF0000, 0x00050000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
CALL_NUMBER, FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data

SOCKET_CALL = {"x86_64": 41, "aarch64": 198, "riscv64": 198}.get(platform.machine())
LISTEN_CALL = {"x86_64": 50, "aarch64": 201, "riscv64": 201}.get(platform.machine())


def instruction(code, value, if_true=0, if_false=0):
    return struct.pack("HBBI", code, if_true, if_false, value)


def without_netlink():
    """For Popen's preexec_fn: from here on the kernel answers no question through socket(AF_NETLINK)."""
    program = b"".join([
        instruction(LOAD, CALL_NUMBER),
        instruction(JUMP_IF_EQUAL, SOCKET_CALL, 0, 3),
        instruction(LOAD, FIRST_ARGUMENT),
        instruction(JUMP_IF_EQUAL, socket.AF_NETLINK, 0, 1),
        instruction(RETURN, FAIL | errno.EAFNOSUPPORT),
        instruction(RETURN, ALLOW),
    ])  # fmt: skip
    install(program)


def without_listen():
    """For Popen's preexec_fn: from here on listen(2) fails, as it does where another has taken the port since bind."""
    install(b"".join([
        instruction(LOAD, CALL_NUMBER),
        instruction(JUMP_IF_EQUAL, LISTEN_CALL, 0, 1),
        instruction(RETURN, FAIL | errno.EADDRINUSE),
        instruction(RETURN, ALLOW),
    ]))  # fmt: skip


def install(program):
    libc = ctypes.CDLL(None, use_errno=True)
    text = ctypes.create_string_buffer(program, len(program))
    descriptor = struct.pack("HP", len(program) // 8, ctypes.addressof(text))
    for call in (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, descriptor, 0, 0):
        if libc.prctl(*call) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
