#!/usr/bin/env python3
"""Runs unittest modules and prints TAP: run_python.py [-k WORD] [--timeout SECONDS] FILE...

Each test is a TAP line under its real name. What failed is told on stderr too: of a failing TAP test that is
all meson shows. Whatever the tests and their children print goes to stderr, for stdout belongs to TAP.

A test that takes too long fails with the stack of where it stood, and the next one runs; if even that does
not reach it, all stacks are printed and the program ends.
"""

import argparse
import faulthandler
import os
import signal
import sys
import unittest

BACKSTOP_S = 10  # how long after its timeout a test may still swallow the exception


class TookTooLong(Exception):
    pass


class TapResult(unittest.TestResult):
    def __init__(self, tap, timeout_s):
        super().__init__()
        self.tap = tap
        self.timeout_s = timeout_s
        self.count = 0
        signal.signal(signal.SIGALRM, self.on_alarm)

    def on_alarm(self, *_):
        raise TookTooLong(f"the test took more than {self.timeout_s} s")

    def startTest(self, test):
        super().startTest(test)
        self.troubled = False
        self.arm()

    def stopTest(self, test):
        super().stopTest(test)
        signal.alarm(0)
        self.arm_backstop()

    def arm(self):
        signal.alarm(self.timeout_s)
        self.arm_backstop()

    def arm_backstop(self):
        """Also between tests: setUpClass and tearDownModule can hang as well."""
        faulthandler.dump_traceback_later(self.timeout_s + BACKSTOP_S, exit=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.trouble(test, self.failures)

    def addError(self, test, error):
        super().addError(test, error)
        self.trouble(test, self.errors)

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error:
            self.diagnose(self.failures if issubclass(error[0], test.failureException) else self.errors)
            if not self.troubled:
                self.line("not ok", test)
            self.troubled = True

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("ok", test, f" # SKIP {reason}")

    def addExpectedFailure(self, test, error):
        super().addExpectedFailure(test, error)
        self.line("ok", test)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.line("not ok", test)

    def trouble(self, test, list_of_it):
        self.diagnose(list_of_it)
        self.line("not ok", test)

    def line(self, outcome, test, directive=""):
        self.count += 1
        self.write(f"{outcome} {self.count} - {test.id()}{directive}")

    def diagnose(self, list_of_it):
        """Tells the last one of self.failures or self.errors, where unittest's own frames are left out."""
        test, stack = list_of_it[-1]
        text = f"{test.id()}\n{stack.rstrip()}"
        print(text, file=sys.stderr, flush=True)
        self.write("\n".join(f"# {line}" for line in text.splitlines()))

    def write(self, text):
        print(text, file=self.tap, flush=True)


def load(path, pattern):
    """The tests of one file; a file that cannot be imported is one test, which fails."""
    loader = unittest.TestLoader()
    loader.testNamePatterns = [f"*{pattern}*"] if pattern else None
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    return loader.loadTestsFromName(os.path.splitext(os.path.basename(path))[0])


def own_stdout():
    """Takes stdout for TAP alone; what anybody else writes there goes to stderr from now on."""
    tap = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return tap


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-k", metavar="WORD", help="only tests with WORD in their name")
    parser.add_argument("--timeout", metavar="S", type=int, default=60, help="for each test (default: 60)")
    parser.add_argument("files", nargs="+", metavar="FILE")
    options = parser.parse_args()

    result = TapResult(own_stdout(), options.timeout)
    result.arm_backstop()
    unittest.TestSuite(load(path, options.k) for path in options.files).run(result)
    result.write(f"1..{result.count}")
    return 0 if result.wasSuccessful() and result.count else 1


if __name__ == "__main__":
    sys.exit(main())
