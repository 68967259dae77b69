"""The servers of bench/peers: what one would write instead of using runwired, in several languages.

Each speaks the plain protocol on a free port of loopback, prints 'listening on 127.0.0.1:PORT' when it is
ready, and ends on SIGTERM.
"""

import os
import pathlib
import shutil
import subprocess
import sys

COMPILE_DEADLINE_S = 120
PYTHON = {"sequential": "sequential_server.py", "asyncio": "asyncio_server.py"}


class CannotBuild(Exception):
    """Why, and what to do, in one line."""


def build(peer_dir, out_dir):
    """What can be run here as {name: argv}, compiled into `out_dir` where it must be, and [(name, why not)].

    A program that is newer than its source is not compiled again.
    """
    peer_dir, out_dir = pathlib.Path(peer_dir).resolve(), pathlib.Path(out_dir).resolve()
    out_dir.mkdir(parents=True, exist_ok=True)
    runnable = {name: [sys.executable, str(peer_dir / source)] for name, source in PYTHON.items()}
    left_out = []
    for name, argv in {"node": node, "go": go, "rust": rust, "fork": fork}.items():
        try:
            runnable[name] = argv(peer_dir, out_dir)
        except CannotBuild as why:
            left_out.append((name, str(why)))
    return runnable, left_out


def barest(peer_dir, out_dir):
    """As build(), of the yardstick that each server is measured by."""
    names = {f"barest ({what})": what for what in ("session", "group")}
    try:
        if sys.platform != "linux":
            raise CannotBuild("it is for Linux only")
        argv = c_program("barest_server.c", pathlib.Path(peer_dir).resolve(), pathlib.Path(out_dir).resolve())
    except CannotBuild as why:
        return {}, [(name, str(why)) for name in names]
    return {name: [*argv, what] for name, what in names.items()}, []


def node(peer_dir, _):
    return [found("nodejs", "node", "nodejs"), str(peer_dir / "node_server.js")]


def go(peer_dir, out_dir):
    def words(program):
        return [found("golang-go", "go"), "build", "-o", program]

    # Without cgo: nothing here needs it, and net would want a C compiler.
    return compiled(peer_dir / "go_server.go", out_dir, words, {"CGO_ENABLED": "0"})


def rust(peer_dir, out_dir):
    def words(program):
        return [found("rustc", "rustc"), "-O", "-o", program]

    return compiled(peer_dir / "rust_server.rs", out_dir, words)


def fork(peer_dir, out_dir):
    return c_program("fork_server.c", peer_dir, out_dir)


def c_program(source, peer_dir, out_dir):
    def words(program):
        return [found("gcc", "cc", "gcc", "clang"), "-O2", "-o", program]

    return compiled(peer_dir / source, out_dir, words, headers=[peer_dir / "c_server.h"])


def found(package, *programs):
    """The first of the programs that is there."""
    paths = filter(None, map(shutil.which, programs))
    if path := next(paths, None):
        return path
    raise CannotBuild(f"{programs[0]} is not installed: apt-get install {package}")


def compiled(source, out_dir, words, environment=None, headers=()):
    """The argv of a compiled source. `words` gives the compiler's, but for the source, for an output file."""
    program = out_dir / source.stem
    if not all(is_newer(program, part) for part in (source, *headers)):
        fresh = f"{program}.{os.getpid()}"  # put in place at once: another run may be starting the program
        try:
            compile_one([*words(fresh), str(source)], environment)
            os.replace(fresh, program)
        finally:
            pathlib.Path(fresh).unlink(missing_ok=True)
    return [str(program)]


def is_newer(program, source):
    return program.exists() and program.stat().st_mtime_ns > source.stat().st_mtime_ns


def compile_one(words, environment):
    try:
        done = subprocess.run(
            words, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, errors="replace", timeout=COMPILE_DEADLINE_S,
        )
    except subprocess.TimeoutExpired:
        raise CannotBuild(f"`{' '.join(words)}` took more than {COMPILE_DEADLINE_S} s") from None
    if done.returncode:
        said = (done.stderr.strip() or f"exit status {done.returncode}").splitlines()[0]
        raise CannotBuild(f"`{' '.join(words)}` fails: {said}")
