"""A network of two places and a wire between them, which can swallow what it carries, either way, and tells nobody:
no reset, no "unreachable", no lost carrier. The machine's own network is left alone, and nothing of this one is left
once its holders have ended. A test that cannot have one is skipped."""

import os
import pathlib
import shutil
import subprocess
import sys
import unittest

import namespace

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = ("ip", "nsenter", "tc")  # iproute2, util-linux
SYN_SENT = "02"  # in /proc/net/tcp

RELAY = """
import sys
from relay import Relay
relay = Relay(*sys.argv[1:])
print(relay.address, flush=True)
sys.stdin.read()
relay.close()
"""


class Place:
    """What runs behind `prefix` has this network, and no other: a loopback, and an end of the wire."""

    def __init__(self, number):
        self.address, self.hardware = f"10.0.0.{number}", f"02:00:00:00:00:{number:02}"
        words = [*namespace.private_network(), "sh", "-c", "echo; exec cat"]
        self.holder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.holder.stdout.readline()  # it is in there
        self.prefix = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]

    def run(self, line):
        subprocess.run([*self.prefix, *line.split()], check=True)

    def python(self, program, *words, **how):
        """A process that runs here, and finds the tests' modules."""
        environment = {**os.environ, "PYTHONPATH": str(HERE)}
        return subprocess.Popen([*self.prefix, sys.executable, "-c", program, *words], env=environment, **how)

    def connects_in_vain(self):
        """Somebody here has asked for a connection, and there is no answer, not even a no."""
        lines = pathlib.Path(f"/proc/{self.holder.pid}/net/tcp").read_text().splitlines()
        return any(line.split()[3] == SYN_SENT for line in lines[1:])

    def close(self):
        self.holder.communicate()


class Network:
    def __init__(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("needs root, for networks of its own")
        if missing := [tool for tool in TOOLS if not shutil.which(tool)]:
            raise unittest.SkipTest(f"needs {' and '.join(missing)}, for networks of its own")
        self.places = []
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        for number in (1, 2):
            self.places.append(Place(number))
        near, far = self.places
        self.join(near, far)
        for here, there in ((near, far), (far, near)):
            here.run("ip link set lo up")
            here.run(f"ip address add {here.address}/24 dev wire")
            here.run("ip link set wire up")
            # A neighbour that is never asked for cannot be found missing.
            here.run(f"ip neighbour replace {there.address} lladdr {there.hardware} dev wire nud permanent")

    def join(self, near, far):
        pair = f"ip link add wire address {near.hardware} type veth peer name wire address {far.hardware}"
        try:
            near.run(f"{pair} netns {far.holder.pid}")
        except subprocess.CalledProcessError:
            raise unittest.SkipTest(f"this system does not allow `{pair}`") from None

    @property
    def near(self):
        return self.places[0]

    @property
    def far(self):
        return self.places[1]

    def fall_silent(self, *senders):
        """Whatever these places say (both, if none is named) gets nowhere."""
        for place in senders or self.places:
            place.run("tc qdisc replace dev wire root blackhole")

    def come_back(self):
        for place in self.places:
            place.run("tc qdisc replace dev wire root pfifo")

    def relay(self, target):
        """A process at the far place that carries connections on to there: how to reach it, and how to end it."""
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        relay = self.far.python(RELAY, target, self.far.address, **pipes)
        return relay.stdout.readline().strip(), relay.communicate

    def close(self):
        for place in self.places:
            place.close()
