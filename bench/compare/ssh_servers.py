"""OpenSSH's sshd, and dropbear, by way of OpenSSH's client."""

import contextlib
import functools
import os
import pathlib
import pwd
import shutil
import subprocess

from measured_program import Program
from started_server import TIMEOUT_S, accepts, find, free_port, scratch, started, until

MANY = 100_000  # where sshd has a limit that we do not want to measure


class SshServer(Program):
    """Each client has an ssh connection, which a master keeps open; `ssh -S` runs its commands there.

    (Not one connection for all of them: dropbear 2022.83 ends one on which commands run side by side, with
    "Failed assertion: !channel->sent_close".)

    The user is the one who measures. An ssh server gives a command to that user's login shell, which is not
    always the /bin/sh of the others. To be filled in: start(directory, port), a context manager: the server,
    as its public host key.
    """

    @contextlib.contextmanager
    def running(self):
        with scratch() as directory:
            make_key(directory / "key")
            port = free_port()
            with self.start(directory, port) as host_key:
                (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}\n")
                yield directory, port

    @contextlib.contextmanager
    def client(self, address):
        directory, port = address
        with scratch() as own:
            control = own / "control"
            with started(master_words(directory, port, control), own / "log") as master:
                until(lambda: answers_checks(control), master)
                yield control

    def run_one(self, control, command):
        return subprocess.run(
            [*ssh_through(control), command], timeout=TIMEOUT_S, check=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ).stdout


class OpenSsh(SshServer):
    name = "openssh"
    needs = {"sshd": "openssh-server", "ssh": "openssh-client", "ssh-keygen": "openssh-client"}

    @contextlib.contextmanager
    def start(self, directory, port):
        host_key, config = directory / "host_key", directory / "sshd_config"
        make_key(host_key)
        # SHLVL: bash reads ~/.bashrc when sshd starts it, unless it is told that it is not the outermost one.
        config.write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {host_key}\nPidFile none\n"
            f"AuthorizedKeysFile {directory / 'key.pub'}\nAuthenticationMethods publickey\nStrictModes no\n"
            "PermitRootLogin prohibit-password\nUsePAM no\nPermitUserRC no\nPrintLastLog no\n"
            f"MaxStartups {MANY}\nMaxSessions {MANY}\nSetEnv SHLVL=2\n"
        )
        # sshd wants to be called by its full path: it starts itself again for each connection.
        with privilege_separation_directory():
            with started([find("sshd"), "-D", "-e", "-f", config], directory / "sshd.log") as server:
                until(lambda: accepts(port), server)
                yield key_of((directory / "host_key.pub").read_text())


class Dropbear(SshServer):
    """dropbear looks for authorized_keys in the user's home directory and nowhere else. So that it sees one
    of ours, it runs in a mount namespace of its own, with another /etc/passwd."""

    name = "dropbear"
    needs = {
        "dropbear": "dropbear-bin",
        "dropbearkey": "dropbear-bin",
        "ssh": "openssh-client",
        "ssh-keygen": "openssh-client",
        "unshare": "util-linux",
    }

    def missing(self):
        if why := super().missing():
            return why
        return "" if can_unshare_mounts() else "dropbear needs root here, for `unshare --mount`"

    @contextlib.contextmanager
    def start(self, directory, port):
        host_key, passwd = directory / "host_key", directory / "passwd"
        made = ["dropbearkey", "-t", "ed25519", "-f", host_key]
        said = subprocess.run(made, check=True, capture_output=True, text=True).stdout
        (directory / ".ssh").mkdir(mode=0o700)
        shutil.copy(directory / "key.pub", directory / ".ssh/authorized_keys")
        user = pwd.getpwuid(os.geteuid())
        passwd.write_text(f"{user.pw_name}:x:{user.pw_uid}:{user.pw_gid}::{directory}:{user.pw_shell}\n")
        inside = 'mount --bind "$1" /etc/passwd && shift && exec "$@"'
        words = ["unshare", "--mount", "/bin/sh", "-c", inside, "sh", passwd]
        words += [find("dropbear"), "-F", "-E", "-s", "-j", "-k", "-m"]
        words += ["-r", host_key, "-P", directory / "dropbear.pid", "-p", f"127.0.0.1:{port}"]
        with started(words, directory / "dropbear.log") as server:
            until(lambda: accepts(port), server)
            yield next(key_of(line) for line in said.splitlines() if line.startswith("ssh-"))


def master_words(directory, port, control):
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "IdentityFile": directory / "key",
        "UserKnownHostsFile": directory / "known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
    }
    settings = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-F", "none", "-M", "-N", "-S", control, *settings, "-p", str(port), "127.0.0.1"]


def ssh_through(control):
    """The words before a command. Without the master ssh must fail, and not connect to anything by itself."""
    return ["ssh", "-F", "none", "-S", control, "-o", "ProxyCommand=false", "127.0.0.1"]


def answers_checks(control):
    words = ssh_through(control)
    check = [*words[:-1], "-O", "check", words[-1]]
    return subprocess.run(check, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def make_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)


def key_of(line):
    """Kind and key; what may follow is a comment."""
    return " ".join(line.split()[:2])


@contextlib.contextmanager
def privilege_separation_directory():
    """sshd insists on it when root starts sshd. Where nobody has made it, it is there for our sshd only."""
    path = pathlib.Path("/run/sshd")
    if os.geteuid() != 0 or path.exists():
        yield
        return
    path.mkdir(mode=0o755)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.rmdir()


@functools.cache
def can_unshare_mounts():
    return subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0
