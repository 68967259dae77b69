"""`runc exec`: how Docker, containerd and Kubernetes start a command in a running container, without their daemons.

It hands its own pipes to the command, so there is no network in its figures. `docker exec` and `kubectl exec` add a
client, one or more daemons that copy each byte, and for kubectl TLS: this is what is left when all of that costs nothing.
"""

import contextlib
import json
import os
import subprocess

from measured_program import Program
from started_server import TIMEOUT_S, DoesNotWork, find, scratch

NAME = f"runwire-compare-{os.getpid()}"


class RuncExec(Program):
    """A container that has this machine's /usr and nothing else, and sleeps; each command is a process of runc."""

    name = "runc"
    needs = {"runc": "runc"}

    def missing(self):
        return super().missing() or ("" if os.geteuid() == 0 else "runc needs root here")

    @contextlib.contextmanager
    def running(self):
        with scratch() as directory:
            make_bundle(directory)
            runc = [find("runc"), "--root", str(directory / "state")]
            log = directory / "log"
            with log.open("wb") as said:  # not a pipe: the container would hold it
                words = [*runc, "run", "--detach", "--bundle", directory, NAME]
                try:
                    begun = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=said, stderr=said, check=False)
                    if begun.returncode != 0:
                        raise DoesNotWork(f"runc does not start: {log.read_text(errors='replace').strip()}")
                    yield [*runc, "exec", NAME]
                finally:
                    subprocess.run([*runc, "delete", "--force", NAME], capture_output=True, check=False)

    def run_one(self, address, command):
        return subprocess.run(
            [*address, "/bin/sh", "-c", command], timeout=TIMEOUT_S, check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ).stdout


def make_bundle(directory):
    root = directory / "rootfs"
    for name in ("usr", "proc", "dev", "sys", "tmp"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / name).symlink_to(f"usr/{name}")
    subprocess.run([find("runc"), "spec", "--bundle", directory], check=True)
    path = directory / "config.json"
    config = json.loads(path.read_text())
    config["process"].update(terminal=False, args=["sleep", "infinity"])
    config["root"] = {"path": "rootfs", "readonly": True}
    config["mounts"].append({"destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"]})
    path.write_text(json.dumps(config))
