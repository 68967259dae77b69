#!/usr/bin/env python3
"""Runs clang-tidy over our sources, as many at a time as there are processors: run_clang_tidy.py BUILD_DIR

BUILD_DIR/compile_commands.json says which and how. A file that passed is left out until something that
matters to it changes: itself, a header of ours that it includes, .clang-tidy, its command or clang-tidy.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
INCLUDE = re.compile(rb'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def with_headers(source):
    """The file and all our headers that it includes, directly or not."""
    found, unread = set(), [source]
    while unread:
        path = unread.pop()
        if path in found:
            continue
        found.add(path)
        for name in INCLUDE.findall(path.read_bytes()):
            candidates = (ROOT / name.decode(), path.parent / name.decode())
            unread += [header for header in candidates if header.is_file()]
    return sorted(found)


def key_of(source, command, tidy_version):
    digest = hashlib.sha256(tidy_version + command.encode())
    for path in [ROOT / ".clang-tidy", *with_headers(source)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def tidy(source, build):
    command = ["clang-tidy", "--quiet", "-p", str(build), str(source)]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def check(source, build, passed):
    """Whether the file passes; `passed` is a file that remembers it."""
    if passed.exists():
        return True
    result = tidy(source, build)
    if result.returncode == 0:
        passed.touch()
        return True
    print(result.stdout, flush=True)
    return False


def main(build):
    version = subprocess.run(["clang-tidy", "--version"], capture_output=True, check=True).stdout
    commands = json.loads((build / "compile_commands.json").read_text())
    cache = build / "clang-tidy-passed"
    cache.mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        checks = []
        for entry in commands:
            source = pathlib.Path(entry["directory"], entry["file"]).resolve()
            passed = cache / key_of(source, entry["command"], version)
            checks.append(pool.submit(check, source, build, passed))
    ok = [each.result() for each in checks]
    print(f"{sum(ok)} of {len(ok)} files pass")
    return 0 if ok and all(ok) else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
