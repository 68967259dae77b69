"""The command lines of `runwire` and `runwire-ssh`, as far as they end before a server is spoken to: what is printed,
what is refused and with which words, and the names in hosts.toml."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from client import ClientCase, environment, program, reply, runwire
from plain import DEADLINE_S


def runwire_ssh(*words, name="runwire-ssh", **variables):
    path = pathlib.Path(program()).with_name(name)
    return subprocess.run(
        [path, *words], stdin=subprocess.DEVNULL, capture_output=True, env=environment(**variables), timeout=DEADLINE_S
    )


class RunwireSsh(ClientCase):
    def test_it_is_runwire_under_another_name(self):
        path = pathlib.Path(program()).with_name("runwire-ssh")
        self.assertTrue(os.path.samefile(path, program()))
        self.assertRegex(runwire_ssh("-V").stdout, rb"\Arunwire-ssh \d+\.\d+\.\d+\n\Z")

    def test_a_link_named_ssh_is_it_too(self):
        with tempfile.TemporaryDirectory(prefix="runwire-") as directory:
            os.symlink(program(), f"{directory}/ssh")
            done = subprocess.run([f"{directory}/ssh", "-V"], capture_output=True, env=environment())
        self.assertTrue(done.stdout.startswith(b"runwire-ssh "), done.stdout)

    def test_settings_are_printed_without_a_connection(self):
        done = runwire_ssh("-G", "-o", "SendEnv=GIT_PROTOCOL", "-p", "29", "host.invalid", USER="me")
        self.assert_ran(done, 0, b"user me\nhostname host.invalid\nport 29\n")

    def test_each_refusal_is_255_with_its_text_and_nothing_on_stdout(self):
        refusals = {
            ("-N", "h"): "-N: it is for forwarding, which is not done here; leave it out and name a command",
            ("-W", "x:1", "h"): "-W: forwarding is not done here; run a program there that connects, as `nc HOST PORT` does",
            ("-f", "h", "ls"): "-f: there is no background here that would outlive us; let the shell do it, with &",
            ("-O", "check", "h"): "-O: there is no master connection to be spoken to, every command has its own; leave it out",
            ("-Q", "cipher"): "-Q: there are no algorithms here to be listed; leave it out",
            ("-s", "h", "x"): "there is no subsystem 'x', only sftp; without -s it would be run as a command",
            ("-z", "h"): "there is no option '-z'; runwire-ssh takes the options of ssh, docs/ssh.md tells which",
            ("--help",): "there is no option '--help'; runwire-ssh takes the options of ssh, docs/ssh.md tells which",
            ("-p",): "-p needs a value; runwire-ssh takes the options of ssh, docs/ssh.md tells which",
            (): "no host; write runwire-ssh [OPTIONS] [USER@]HOST [COMMAND...], as for ssh; docs/ssh.md tells more",
        }  # fmt: skip
        for words, text in refusals.items():
            with self.subTest(words):
                self.assert_ran(runwire_ssh(*words), 255, stderr=f"runwire: {text}\n".encode())

    def test_a_host_or_a_user_that_looks_like_an_option_is_refused(self):
        """promise 55"""
        for words in (["--", "-oProxyCommand=x", "ls"], ["me@-oProxyCommand=x", "ls"]):
            with self.subTest(words):
                self.assert_failed(runwire_ssh(*words), "address '-oProxyCommand=x': a host cannot start with '-'")
        for words in (["-l", "-lroot", "h", "ls"], ["-o", "User=-lroot", "h", "ls"], ["--", "-lroot@h", "ls"]):
            with self.subTest(words):
                self.assert_failed(runwire_ssh(*words), "user '-lroot': a user has a name, which does not begin with '-'")

    def test_a_failure_of_ours_is_255(self):
        self.assert_failed(runwire_ssh("unix:/nonexistent", "true"), "cannot connect to unix:/nonexistent: no such socket")

    def test_what_is_ignored_is_told_with_v_only(self):
        words = ["-l", "me", "-tt", "-L", "1:x:2", "unix:/nonexistent", "true"]
        self.assert_failed(runwire_ssh(*words), "no such socket")
        told = runwire_ssh("-v", *words).stderr.decode()
        for text in ("user 'me' is ignored", "-D, -L, -R and -w are ignored"):
            self.assertIn(f"runwire: {text}", told)


class HostsFile(ClientCase):
    def write(self, text):
        directory = tempfile.TemporaryDirectory(prefix="runwire-")
        self.addCleanup(directory.cleanup)
        path = pathlib.Path(directory.name, "runwire", "hosts.toml")
        path.parent.mkdir()
        path.write_text(text)
        return path

    def test_a_name_leads_to_its_server(self):
        server = self.serve(reply(b"hi"))
        path = self.write(f'[build1]\naddress = "{server.address}"\n')
        done = runwire("--plain", "build1", "true", XDG_CONFIG_HOME=str(path.parents[1]))
        self.assert_ran(done, 0, b"hi")

    def test_the_default_host_may_be_a_name(self):
        server = self.serve(reply(b"hi"))
        path = self.write(f'[build1]\naddress = "{server.address}"\n')
        done = runwire("--plain", ".", "true", XDG_CONFIG_HOME=str(path.parents[1]), RUNWIRE_HOST="build1")
        self.assert_ran(done, 0, b"hi")

    def test_the_file_lies_below_config_in_the_home_without_xdg(self):
        server = self.serve(reply(b"hi"))
        path = self.write(f'[build1]\naddress = "{server.address}"\n')
        home = path.parents[1] / "home"
        home.mkdir()
        os.symlink(path.parents[1], home / ".config")
        self.assert_ran(runwire("--plain", "build1", "true", HOME=str(home)), 0, b"hi")

    def test_a_mistake_is_255_and_its_line(self):
        path = self.write('[build1]\naddress = "x"\nworkdirr = "/srv"\n')
        text = f"runwire: {path}:3: there is no key 'workdirr'; did you mean 'workdir'?\n".encode()
        self.assert_ran(runwire("build1", "true", XDG_CONFIG_HOME=str(path.parents[1])), 255, stderr=text)
        self.assert_ran(runwire_ssh("build1", "true", XDG_CONFIG_HOME=str(path.parents[1])), 255, stderr=text)

    def test_one_that_cannot_be_read_is_255_and_what_to_do(self):
        path = self.write("")
        path.unlink()
        path.mkdir()
        done = runwire("build1", "true", XDG_CONFIG_HOME=str(path.parents[1]))
        self.assert_failed(done, f"{path}: Is a directory; make it a file that you may read, or remove it")

    def test_a_name_with_a_port_leads_nowhere_and_that_is_said(self):
        path = self.write('["build1.invalid"]\naddress = "x"\n')
        for how in ([], ["--plain"]):
            done = runwire(*how, "build1.invalid:8098", "true", XDG_CONFIG_HOME=str(path.parents[1]))
            self.assert_failed(done, "; 'build1.invalid' is a name of hosts.toml, which has its own address")

    def test_ssh_shows_the_name_with_its_address(self):
        path = self.write('[build1]\naddress = "10.0.0.7:99"\n')
        done = runwire_ssh("-G", "build1", XDG_CONFIG_HOME=str(path.parents[1]), USER="me")
        self.assert_ran(done, 0, b"user me\nhostname 10.0.0.7\nport 99\n")


class Runwire(ClientCase):
    def test_an_option_behind_the_host_is_told_where_it_belongs(self):
        done = runwire("unix:/nonexistent", "-v", "true")
        self.assert_failed(done, "'-v' stands after HOST; options stand before it, and a command that begins with '-' behind")

    def test_plain_names_what_it_cannot_do(self):
        done = runwire("--plain", "--timeout", "5", "unix:/nonexistent", "true")
        self.assert_failed(done, "--timeout needs a session, which --plain is not; leave one of them out")

    def test_a_wrong_time_is_refused(self):
        done = runwire("--timeout", "soon", "unix:/nonexistent", "true")
        self.assert_failed(done, "--timeout: no span of time: 'soon'; write 10s, 500ms, 2m or 1h")


if __name__ == "__main__":
    unittest.main()
