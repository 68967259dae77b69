#!/usr/bin/env python3
"""Runs clang-tidy over our sources, as many at a time as there are processors: run_clang_tidy.py BUILD_DIR

BUILD_DIR/compile_commands.json says which and how. A file that passed is left out until something that matters to it
changes: any file that was read for it, of ours or of the system, a .clang-tidy above it, its command or clang-tidy.
Precompiled headers are left out: an #include that a file has forgotten is an error here.
"""

import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time


BEGAN = time.time()  # what is as it was then can be read whenever it is convenient


def clang_tidy():
    """What tells this clang-tidy from another one."""
    said = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    status = os.stat(shutil.which("clang-tidy"))
    return said + f"{status.st_size} {status.st_mtime_ns}".encode()


def configs_of(source):
    return [directory / ".clang-tidy" for directory in source.parents]


def key_of(entry, source, tool):
    digest = hashlib.sha256(tool + json.dumps(entry, sort_keys=True).encode())
    for config in configs_of(source):
        digest.update(b"\0" + config.read_bytes() if config.is_file() else b"\1")
    return digest.hexdigest()


@functools.cache
def digest_of(path):
    """None where there is no such file any more."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def tidy(source, entry):
    """The result, and every file that was read."""
    with tempfile.TemporaryDirectory() as build:
        pathlib.Path(build, "compile_commands.json").write_text(json.dumps([entry]))
        rule = pathlib.Path(build, "rule")
        command = ["clang-tidy", "--quiet", "-p", build, f"--extra-arg=-Wp,-MD,{rule}", str(source)]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return result, files_in(rule, entry["directory"])


def files_in(rule, directory):
    """Those that a rule for make names after its target; none where there is no rule."""
    text = rule.read_text() if rule.exists() else ""
    _, _, names = text.replace("\\\n", " ").partition(": ")
    return [pathlib.Path(directory, name) for name in shlex.split(names)]


def has_passed(passed):
    """Whether all that was read then reads the same now."""
    try:
        known = json.loads(passed.read_text())
    except (OSError, ValueError):
        return False
    return bool(known) and all(digest_of(pathlib.Path(path)) == digest for path, digest in known.items())


def is_as_it_was(path):
    """Its time of change is the system's own: a file that is moved here keeps its time of writing."""
    status = path.stat()
    return max(status.st_mtime, status.st_ctime) < BEGAN


def remember(passed, files, configs):
    """Not what was changed meanwhile: clang-tidy may have read it as it was before."""
    if all(map(is_as_it_was, [*files, *filter(pathlib.Path.is_file, configs)])):
        passed.write_text(json.dumps({str(path): digest_of(path) for path in files}))


def check(entry, passed):
    """Whether the file passes; `passed` is a file that remembers it."""
    if has_passed(passed):
        return True
    result, files = tidy(source_of(entry), entry)
    if result.returncode == 0:
        remember(passed, files, configs_of(source_of(entry)))
        return True
    print(result.stdout, flush=True)
    return False


def source_of(entry):
    return pathlib.Path(entry["directory"], entry["file"]).resolve()


def sources_of(entries):
    """Without the precompiled headers, and their use."""
    sources = [entry for entry in entries if not entry["file"].endswith(".hpp")]
    return [{**entry, "command": re.sub(r" -include-pch \S+", "", entry["command"])} for entry in sources]


def main(build):
    tool = clang_tidy()
    commands = sources_of(json.loads((build / "compile_commands.json").read_text()))
    cache = (build / "clang-tidy-passed").resolve()
    cache.mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        checks = [pool.submit(check, entry, cache / key_of(entry, source_of(entry), tool)) for entry in commands]
    ok = [each.result() for each in checks]
    print(f"{sum(ok)} of {len(ok)} files pass")
    return 0 if ok and all(ok) else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
