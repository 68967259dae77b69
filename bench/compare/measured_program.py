"""What is asked of a program that is measured beside runwired."""

import contextlib

from started_server import find


class Program:
    """name: for people and as a word of the command line. needs: {program: package of Debian}."""

    name = ""
    needs = {}

    def missing(self):
        """Why it cannot be measured here, with the next step; empty when it can."""
        for program, package in self.needs.items():
            if not find(program):
                return f"{program} is not installed: apt-get install {package}"
        return ""

    def running(self):
        """A context manager: the server, ready, as the address that client() takes."""
        raise NotImplementedError

    @contextlib.contextmanager
    def client(self, address):
        """What one client keeps from one command to the next, as the address that run_one() takes."""
        yield address

    def run_one(self, address, command):
        """The output of one command (a line), as bytes. OSError or subprocess.SubprocessError: no reply."""
        raise NotImplementedError
