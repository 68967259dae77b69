#!/usr/bin/env python3
"""Counts what `./dev test` ran under a build directory and prints the last line, `N passed, N failed`.

A case of meson's JUnit log and a check's NAME.result count one each. The JUnit log alone would hide a program
that printed nothing but `ok` and then crashed, leaked or hung, so what meson says of the program as a whole
(testlog.json) is read as well.
"""

import collections
import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

BAD = {"FAIL", "TIMEOUT", "INTERRUPT", "ERROR", "UNEXPECTEDPASS"}  # mesonbuild.mtest.TestResult.is_bad


def outcome_of(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    return "skipped" if case.find("skipped") is not None else "passed"


def junit_cases(path):
    """(program, case, outcome) of each case; a program without cases is itself a case, of the project."""
    for suite in ElementTree.parse(path).getroot():
        _, _, program = suite.get("name").partition(".")
        for case in suite.iter("testcase"):
            yield program or case.get("name"), case.get("name"), outcome_of(case)


def bad_programs(path, blamed):
    """{program: why} of those that failed otherwise than by a failed case of theirs."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return {
        each["name"]: f"{each['result']}, exit status {each['returncode']}"
        for each in records
        if each["result"] in BAD and (each["name"] not in blamed or each["result"] == "TIMEOUT")
    }


def meson_results(logs):
    cases = list(junit_cases(logs / "testlog.junit.xml"))
    blamed = {program for program, _, outcome in cases if outcome == "failed"}
    bad = bad_programs(logs / "testlog.json", blamed)
    yield from ((f"{program}: {case}", outcome) for program, case, outcome in cases if case not in bad)
    yield from ((f"{program}, the program as a whole: {why}", "failed") for program, why in bad.items())


def check_results(directory):
    for path in sorted(directory.glob("*.result")):
        yield path.stem, path.read_text().split()[0]


def main(build):
    results = list(check_results(build / "checks"))
    if (build / "meson-logs/testlog.junit.xml").exists():
        results += meson_results(build / "meson-logs")
    for name, outcome in results:
        if outcome == "failed":
            print(f"FAILED {name}")

    count = collections.Counter(outcome for _, outcome in results)
    skipped = f", {count['skipped']} skipped" if count["skipped"] else ""
    print(f"{count['passed']} passed, {count['failed']} failed{skipped}")
    return 0 if count["passed"] and not count["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1])))
