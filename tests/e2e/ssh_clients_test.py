"""Programs that call ssh, each doing its own job over `runwire-ssh`. They are Debian's, unchanged; one that is missing
fails its test. The program is the one that RUNWIRE_SSH names, or runwire-ssh beside RUNWIRE."""

import hashlib
import os
import pathlib
import pwd
import shutil
import subprocess
import unittest

from client import environment, program
from daemon import DaemonCase

DEADLINE_S = 50
HOSTS = ("node1", "node2", "node3")


def runwire_ssh():
    path = os.environ.get("RUNWIRE_SSH") or os.path.join(os.path.dirname(program()), "runwire-ssh")
    assert os.path.exists(path), f"there is no {path}"
    return os.path.abspath(path)


def tree(directory):
    """{name: what is there}"""
    found = {}
    for path in sorted(pathlib.Path(directory).rglob("*")):
        name = os.fsencode(path.relative_to(directory))
        if path.is_symlink():
            found[name] = ("link", os.readlink(path))
        elif path.is_dir():
            found[name] = ("directory", path.stat().st_mode)
        else:
            found[name] = (path.read_bytes(), path.stat().st_mode, int(path.stat().st_mtime))
    return found


class SshCase(DaemonCase):
    """`node1` to `node3` are all the same daemon, started as a service manager does: with next to no environment."""

    def setUp(self):
        super().setUp()
        self.daemon = self.start(environment=dict.fromkeys(("HOME", "SHELL", "USER", "LOGNAME")))
        config = pathlib.Path(self.path("config"), "runwire")
        config.mkdir(parents=True)
        entries = [f'[{name}]\naddress = "{self.daemon.tcp}"\n' for name in HOSTS]
        (config / "hosts.toml").write_text("\n".join(entries))
        self.home = self.path("home")
        os.mkdir(self.home)
        self.ssh = runwire_ssh()

    def run_program(self, *words, status=0, stdin=b"", **variables):
        self.assertTrue(shutil.which(words[0]), f"{words[0]} is not installed; `./dev test` installs it")
        given = environment(HOME=self.home, XDG_CONFIG_HOME=self.path("config"), **variables)
        given["PATH"] += os.pathsep + os.pathsep.join(("/usr/sbin", "/sbin"))
        done = subprocess.run(words, input=stdin, capture_output=True, env=given, cwd=self.directory, timeout=DEADLINE_S)
        self.assertEqual(done.returncode, status, done.stderr.decode(errors="replace")[-4000:])
        return done

    def make_tree(self, name):
        """Sizes around those of buffers, names that need care, links, modes, times of the past."""
        root = pathlib.Path(self.path(name))
        root.mkdir()
        for size in (0, 1, 4096, 65535, 65536, 65537, 1_000_000, 5_000_000):
            (root / f"{size} bytes").write_bytes(os.urandom(size))
        (root / "deep" / "er").mkdir(parents=True)
        pathlib.Path(os.fsdecode(os.fsencode(root / "deep") + b"/\xd6\xd0 $(touch x) 'q' \"d\"")).write_text("named")
        (root / "link").symlink_to("1 bytes")
        script = root / "deep" / "er" / "script"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
        for path in root.rglob("*"):
            os.utime(path, (1_000_000_000, 1_000_000_000), follow_symlinks=False)
        return str(root)


class Files(SshCase):
    """promise 61"""

    def test_rsync_in_both_directions(self):
        """promise 61"""
        source, there, back = self.make_tree("source"), self.path("there"), self.path("back")
        for words in ([f"{source}/", f"node1:{there}/"], [f"node1:{there}/", f"{back}/"]):
            self.run_program("rsync", "-a", *words, RSYNC_RSH=self.ssh)
        self.assertEqual(tree(there), tree(source))
        self.assertEqual(tree(back), tree(source))
        pathlib.Path(source, "1000000 bytes").write_bytes(b"changed")
        os.unlink(os.path.join(source, "link"))
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.run_program("rsync", "-a", "--delete", "-z", "-e", self.ssh, f"{source}/", f"{user}@node2:{there}/")
        self.assertEqual(tree(there), tree(source))

    def test_rsync_tells_what_went_wrong_over_there(self):
        """promise 61"""
        done = self.run_program("rsync", "-a", "node1:/no/such/file", self.path("here"), status=23, RSYNC_RSH=self.ssh)
        self.assertIn(b"No such file", done.stderr)

    def test_scp_old_and_new_in_both_directions(self):
        """promise 61"""
        source = self.make_tree("source")
        os.unlink(os.path.join(source, "link"))  # scp follows links
        for mode in ("-O", "-s"):
            there, back = self.path(f"there{mode}"), self.path(f"back{mode}")
            self.run_program("scp", mode, "-S", self.ssh, "-q", "-r", "-p", source, f"node1:{there}")
            self.run_program("scp", mode, "-S", self.ssh, "-q", "-r", "-p", f"node1:{there}", back)
            self.assertEqual(tree(back), tree(source))

    def test_sftp_puts_gets_and_lists(self):
        """promise 61"""
        source, there, back = self.make_tree("source"), self.path("there"), self.path("back")
        batch = f"put -rp {source} {there}\nls -l {there}\nget -rp {there} {back}\nrename {there}/deep {there}/moved\n"
        batch += f"rm \"{there}/1 bytes\"\n"
        done = self.run_program("sftp", "-S", self.ssh, "-b", "-", "node1", stdin=batch.encode())
        self.assertIn(b"65537 bytes", done.stdout)
        expected = {name: what for name, what in tree(source).items() if name != b"link"}
        self.assertEqual({name: what for name, what in tree(back).items() if name != b"link"}, expected)
        self.assertEqual(os.listdir(os.path.join(there, "moved", "er")), ["script"])
        self.assertFalse(os.path.exists(os.path.join(there, "1 bytes")))

    def test_tar_of_200_mb_each_way_arrives_with_the_same_sha_256(self):
        """promise 61, promise 6"""
        size = 200_000_000
        source, there, back = self.path("source"), self.path("there"), self.path("back")
        for directory in (source, there, back):
            os.mkdir(directory)
        block = os.urandom(1_000_000)
        with open(os.path.join(source, "file"), "wb") as file:
            for number in range(size // len(block)):
                file.write(block[number:] + block[:number])
        self.pipe(["tar", "-C", source, "-cf", "-", "."], [self.ssh, "node1", f"tar -C '{there}' -xf -"])
        self.pipe([self.ssh, "node1", f"tar -C '{there}' -cf - ."], ["tar", "-C", back, "-xf", "-"])
        digests = {self.digest(os.path.join(directory, "file")) for directory in (source, there, back)}
        self.assertEqual(len(digests), 1)

    def pipe(self, producer, consumer):
        given = environment(HOME=self.home, XDG_CONFIG_HOME=self.path("config"))
        first = subprocess.Popen(producer, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=given)
        second = subprocess.Popen(consumer, stdin=first.stdout, env=given)
        first.stdout.close()
        self.assertEqual((second.wait(DEADLINE_S), first.wait(DEADLINE_S)), (0, 0))

    def digest(self, path):
        digest = hashlib.sha256()
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                digest.update(piece)
        return digest.digest()


class Git(SshCase):
    def git(self, *words, **variables):
        variables = {"GIT_SSH_COMMAND": self.ssh, "GIT_CONFIG_NOSYSTEM": "1", **variables}
        for role in ("AUTHOR", "COMMITTER"):
            variables |= {f"GIT_{role}_NAME": "A", f"GIT_{role}_EMAIL": "a@example.org"}
        return self.run_program("git", *words, **variables)

    def make_repository(self):
        """A bare one over there, with some history."""
        bare, work = self.path("over there.git"), self.path("work")
        self.git("init", "-q", "--bare", "-b", "main", bare)
        self.git("init", "-q", "-b", "main", work)
        for number in range(8):
            pathlib.Path(work, f"file{number}").write_bytes(os.urandom(50_000))
            self.git("-C", work, "add", ".")
            self.git("-C", work, "commit", "-q", "-m", f"commit {number}")
        return bare, work

    def test_it_pushes_and_clones_with_protocol_v2(self):
        """promise 61"""
        bare, work = self.make_repository()
        self.git("-C", work, "push", "-q", f"node1:{bare}", "main")
        done = self.git("clone", "-q", f"ssh://node1{bare.replace(' ', '%20')}", self.path("copy"), GIT_TRACE_PACKET="1")
        self.assertIn(b"version 2", done.stderr)
        self.assertEqual(self.head(self.path("copy")), self.head(work))
        self.git("-C", self.path("copy"), "fsck", "--strict")

    def test_it_fetches_what_is_new(self):
        """promise 61"""
        bare, work = self.make_repository()
        self.git("-C", work, "push", "-q", f"node1:{bare}", "main")
        self.git("clone", "-q", f"node2:{bare}", self.path("copy"))
        self.git("-C", work, "commit", "-q", "--allow-empty", "-m", "new")
        self.git("-C", work, "push", "-q", f"node1:{bare}", "main")
        self.git("-C", self.path("copy"), "pull", "-q")
        self.assertEqual(self.head(self.path("copy")), self.head(work))

    def head(self, repository):
        return self.git("-C", repository, "rev-parse", "HEAD").stdout

    def test_a_repository_that_is_not_there_is_said(self):
        """promise 61"""
        self.assertIn(b"does not appear to be a git repository", self.fails("ls-remote", "node1:/no/such"))

    def fails(self, *words):
        return self.run_program("git", *words, status=128, GIT_SSH_COMMAND=self.ssh).stderr


class Backup(SshCase):
    def borg(self, *words, **variables):
        variables |= {"BORG_RSH": self.ssh, "BORG_BASE_DIR": self.path("borg"), "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes"}
        variables |= {"BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes"}
        return self.run_program("borg", *words, **variables)

    def test_borg_creates_and_extracts(self):
        """promise 61"""
        source, repository = self.make_tree("source"), f"ssh://node1{self.path('repository')}"
        self.borg("init", "-e", "none", repository)
        self.borg("create", f"{repository}::first", os.path.relpath(source, self.directory))
        os.rename(source, self.path("original"))
        self.borg("extract", f"{repository}::first")
        self.assertEqual(tree(source), tree(self.path("original")))


class ManyHosts(SshCase):
    def test_parallel_runs_jobs_and_carries_files(self):
        """promise 61"""
        words = ["parallel", "--will-cite", "--ssh", self.ssh, "-S", "4/node1,4/node2", "-k"]
        done = self.run_program(*words, "echo {} is 'it''s' {#}; exit {}", ":::", "0", "0", "3", status=1)
        self.assertEqual(done.stdout.splitlines(), [b"0 is its 1", b"0 is its 2", b"3 is its 3"])
        for number in range(3):
            pathlib.Path(self.path(f"in{number}")).write_text(f"{number}\n" * 1000)
        files = [f"in{number}" for number in range(3)]
        self.run_program(*words, "--workdir", self.path("work"), "--transferfile", "{}", "--return", "{}.out",
                         "wc -l < {} > {}.out", ":::", *files)  # fmt: skip
        self.assertEqual([pathlib.Path(self.path(f"{name}.out")).read_text() for name in files], ["1000\n"] * 3)

    def test_parallel_carries_40_jobs_to_four_slots(self):
        """promise 61"""
        words = ["parallel", "--will-cite", "--ssh", self.ssh, "-S", "2/node1,2/node2", "-k"]
        done = self.run_program(*words, "echo {}", ":::", *map(str, range(40)))
        self.assertEqual(done.stdout, "".join(f"{number}\n" for number in range(40)).encode())

    def test_pdsh_reaches_all_hosts_at_once(self):
        """promise 61"""
        done = self.run_program("pdsh", "-R", "exec", "-w", "node[1-3]", self.ssh, "-l", "%u", "%h", "echo hello from %h; echo e >&2")
        self.assertEqual(sorted(done.stdout.splitlines()), [f"{name}: hello from {name}".encode() for name in HOSTS])
        self.assertEqual(done.stderr.count(b": e\n"), 3)

    def test_pdsh_reports_the_largest_status(self):
        """promise 61"""
        words = ["pdsh", "-S", "-R", "exec", "-w", "node[1-2]", self.ssh, "%h"]
        self.run_program(*words, "exit 3", status=3)


if __name__ == "__main__":
    unittest.main()
