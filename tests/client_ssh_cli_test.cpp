#include <doctest/doctest.h>

#include "client/ssh_cli.hpp"
#include "client/ssh_options.hpp"

using namespace runwire;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

Environment make_environment() {
  Environment environment = {"", "/run/user/7", 7};
  environment.variables = {"USER=me",       "GIT_PROTOCOL=version=2", "LC_ALL=C",
                           "LC_TIME=de_DE", "LCX=unwanted",           "PSSH_NODENUM=3"};
  environment.hosts = [] {
    return parse_hosts(
        "[build1]\naddress = '10.0.0.7:99'\nworkdir = '/srv'\nenv = { A = '1' }\nlinger = 'return'\n"
        "connect_timeout = 3\n",
        "hosts.toml");
  };
  return environment;
}

Invocation parsed(const Words& words) {
  auto invocation = parse_ssh_command_line(words, make_environment());
  if (!invocation.ok()) FAIL(invocation.error().message);
  return *invocation;
}

CommandRequest request_of(const Words& words) {
  const Invocation invocation = parsed(words);
  CHECK(invocation.task == Invocation::run_line);
  CHECK(!invocation.plain);
  CHECK(invocation.request.shell);
  CHECK(invocation.request.linger == Linger::wait);
  return invocation.request;
}

std::string line_of(const Words& words) { return request_of(words).words.line; }
Words variables_of(const Words& words) { return request_of(words).words.environment; }
std::string address_of(const Words& words) { return to_string(request_of(words).address); }

std::string complaint(const Words& words) {
  const auto invocation = parse_ssh_command_line(words, make_environment());
  return invocation.ok() ? "" : invocation.error().message;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

bool has_note(const Words& words, const std::string& part) {
  for (const std::string& note : parsed(words).notes)
    if (contains(note, part)) return true;
  return false;
}

// What most callers want to come out: that host, that line, and stdin.
void check(const Words& words, const std::string& address, const std::string& line) {
  const CommandRequest request = request_of(words);
  CHECK(to_string(request.address) == address);
  CHECK(request.words.line == line);
  CHECK(request.forwards_stdin);
}

}  // namespace

// --- what real clients pass: their words exactly ---

TEST_CASE("ssh cli: rsync") {
  const std::string line = "rsync --server --sender -logDtpre.iLsfxCIvu . /p";
  const Words command = {"rsync", "--server", "--sender", "-logDtpre.iLsfxCIvu", ".", "/p"};
  Words words = {"h"};
  words.insert(words.end(), command.begin(), command.end());
  check(words, "h:8098", line);
  words = {"-p", "2222", "-i", "/k", "-o", "BatchMode=yes", "-l", "me", "h"};
  words.insert(words.end(), command.begin(), command.end());
  check(words, "h:2222", line);
}

TEST_CASE("ssh cli: git that knows an ssh") {
  const Words words = {"-o", "SendEnv=GIT_PROTOCOL", "-p", "29", "me@h", "git-upload-pack '/p'"};
  check(words, "h:29", "git-upload-pack '/p'");
  CHECK(variables_of(words) == Words{"GIT_PROTOCOL=version=2"});
}

TEST_CASE("ssh cli: git that asks whether it is an ssh") {
  const Invocation invocation = parsed({"-G", "-o", "SendEnv=GIT_PROTOCOL", "-p", "29", "h"});
  CHECK(invocation.task == Invocation::print);
  CHECK(invocation.text == "user me\nhostname h\nport 29\n");
  check({"h", "git-upload-pack '/p'"}, "h:8098", "git-upload-pack '/p'");
}

TEST_CASE("ssh cli: borg") { check({"-p", "29", "me@h", "borg", "serve"}, "h:29", "borg serve"); }

TEST_CASE("ssh cli: GNU parallel") {
  check({"-p", "29", "-l", "me", "h", "--", "exec", "perl", "-e", "'print 1'"}, "h:29",
        "exec perl -e 'print 1'");
  check({"h", "--", "exec", "true"}, "h:8098", "exec true");
}

TEST_CASE("ssh cli: pdsh, with -R exec and with -R ssh") {
  check({"-l", "me", "h", "uname -a"}, "h:8098", "uname -a");
  const Words words = {"-oConnectTimeout=10", "-2", "-a", "-x", "-lme", "h", "uname -a"};
  check(words, "h:8098", "uname -a");
  CHECK(request_of(words).connect_timeout == 10s);
}

TEST_CASE("ssh cli: clush") {
  const Words words = {"-o",
                       "StrictHostKeyChecking=no",
                       "-oForwardAgent=no",
                       "-oForwardX11=no",
                       "-l",
                       "me",
                       "-oConnectTimeout=15",
                       "-oBatchMode=yes",
                       "h",
                       "uname -a"};
  check(words, "h:8098", "uname -a");
  CHECK(request_of(words).connect_timeout == 15s);
}

TEST_CASE("ssh cli: parallel-ssh, whose options follow the host") {
  const Words words = {
      "-T", "h",  "-o",      "NumberOfPasswordPrompts=1", "-o", "SendEnv=PSSH_NODENUM", "-l", "me",
      "-p", "29", "uname -a"};
  check(words, "h:29", "uname -a");
  CHECK(variables_of(words) == Words{"PSSH_NODENUM=3"});
}

TEST_CASE("ssh cli: dsh") { check({"-l", "me", "h", "uname", "-a"}, "h:8098", "uname -a"); }

TEST_CASE("ssh cli: scp -O") {
  const Words words = {"-x",
                       "-oPermitLocalCommand=no",
                       "-oClearAllForwardings=yes",
                       "-oRemoteCommand=none",
                       "-oRequestTTY=no",
                       "-q",
                       "-i",
                       "/k",
                       "-C",
                       "-4",
                       "-oForwardAgent=no",
                       "-p",
                       "29",
                       "-l",
                       "me",
                       "--",
                       "h",
                       "scp -t /p"};
  check(words, "h:29", "scp -t /p");
  CHECK(request_of(words).quiet);
}

TEST_CASE("ssh cli: scp over sftp") {
  const std::string line =
      line_of({"-x", "-oPermitLocalCommand=no", "-oClearAllForwardings=yes", "-oRemoteCommand=none",
               "-oRequestTTY=no", "-oForwardAgent=no", "-l", "me", "-s", "--", "h", "sftp"});
  CHECK(contains(line, "/usr/lib/openssh/sftp-server"));
}

TEST_CASE("ssh cli: sftp, which writes a key, a blank and a value in one word") {
  const Words words = {"-oForwardX11 no",
                       "-oPermitLocalCommand no",
                       "-oClearAllForwardings yes",
                       "-q",
                       "-obatchmode yes",
                       "-oForwardAgent no",
                       "-oPort 2222",
                       "-l",
                       "me",
                       "-s",
                       "--",
                       "h",
                       "sftp"};
  CHECK(address_of(words) == "h:2222");
  CHECK(contains(line_of(words), "sftp-server"));
}

TEST_CASE("ssh cli: sshfs, with the subsystem and with the server's path") {
  const Words subsystem = {
      "-x",   "-a",  "-oClearAllForwardings=yes", "-oPort=29", "-oIdentityFile=/k", "-2", "-s", "--",
      "me@h", "sftp"};
  CHECK(address_of(subsystem) == "h:29");
  CHECK(contains(line_of(subsystem), "sftp-server"));
  check({"-x", "-a", "-oClearAllForwardings=yes", "-2", "--", "h", "/usr/lib/sftp-server"}, "h:8098",
        "/usr/lib/sftp-server");
}

TEST_CASE("ssh cli: ansible, whose values carry quotes") {
  const Words words = {"-C",
                       "-o",
                       "ControlMaster=auto",
                       "-o",
                       "ControlPersist=60s",
                       "-o",
                       "StrictHostKeyChecking=no",
                       "-o",
                       "Port=29",
                       "-o",
                       "IdentityFile=\"/k\"",
                       "-o",
                       "KbdInteractiveAuthentication=no",
                       "-o",
                       "PreferredAuthentications=gssapi-with-mic,gssapi-keyex,hostbased,publickey",
                       "-o",
                       "PasswordAuthentication=no",
                       "-o",
                       "User=\"root\"",
                       "-o",
                       "ConnectTimeout=10",
                       "-o",
                       "ControlPath=\"/p\"",
                       "-tt",
                       "h",
                       "/bin/sh -c 'echo ~root && sleep 0'"};
  check(words, "h:29", "/bin/sh -c 'echo ~root && sleep 0'");
  CHECK(has_note(words, "user 'root' is ignored"));
}

TEST_CASE("ssh cli: hg") {
  check({"-p", "29", "me@h", "hg -R r serve --stdio"}, "h:29", "hg -R r serve --stdio");
}

TEST_CASE("ssh cli: svn") {
  check({"-q", "-o", "ControlMaster=no", "--", "me@h", "svnserve", "-t"}, "h:8098", "svnserve -t");
}

TEST_CASE("ssh cli: cvs") { check({"-l", "me", "--", "h", "cvs server"}, "h:8098", "cvs server"); }

TEST_CASE("ssh cli: unison, whose options follow the host") {
  check({"-l", "me", "-p", "29", "h", "-e", "none", "-x", "unison", "-server", "__new-rpc-mode"}, "h:29",
        "unison -server __new-rpc-mode");
}

TEST_CASE("ssh cli: rdiff-backup") {
  check({"-C", "h", "rdiff-backup", "server"}, "h:8098", "rdiff-backup server");
}

TEST_CASE("ssh cli: GNU tar") { check({"h", "-l", "me", "/usr/sbin/rmt"}, "h:8098", "/usr/sbin/rmt"); }

TEST_CASE("ssh cli: distcc") {
  check({"-l", "me", "h", "/usr/bin/distccd", "--inetd", "--enable-tcp-insecure"}, "h:8098",
        "/usr/bin/distccd --inetd --enable-tcp-insecure");
}

// --- rule 1: letters ---

TEST_CASE("ssh cli: every letter that ssh knows is taken, joined or apart") {
  for (const char letter : std::string("1246AaCgKkMnqsTtvXxYy")) {
    CAPTURE(letter);
    CHECK(address_of({std::string("-") + letter, "h", "sftp"}) == "h:8098");
  }
  for (const char letter : std::string("BbcDEeFIiJLmPRSw")) {
    CAPTURE(letter);
    check({std::string("-") + letter, "value", "h", "ls"}, "h:8098", "ls");
    check({std::string("-") + letter + "value", "h", "ls"}, "h:8098", "ls");
  }
  check({"-xaCp29", "h", "ls"}, "h:29", "ls");
  check({"-xaCp", "29", "h", "ls"}, "h:29", "ls");
}

TEST_CASE("ssh cli: an unknown letter and a long option are refused") {
  for (const char letter : std::string("0dHhjrUuZz3=,.")) {
    CAPTURE(letter);
    CHECK(contains(complaint({std::string("-x") + letter, "h", "ls"}),
                   std::string("no option '-") + letter + "'"));
  }
  CHECK(contains(complaint({"--help"}), "there is no option '--help'"));
  CHECK(contains(complaint({"h", "--version", "ls"}), "there is no option '--version'"));
}

TEST_CASE("ssh cli: a value that is missing is told") {
  CHECK(complaint({"-p"}).starts_with("-p needs a value"));
  CHECK(complaint({"h", "-xo"}).starts_with("-o needs a value"));
}

TEST_CASE("ssh cli: what would be something else if it were ignored is refused, and why is said") {
  CHECK(contains(complaint({"-N", "h"}), "-N: it is for forwarding"));
  CHECK(contains(complaint({"-W", "x:22", "h"}), "-W: forwarding is not done here"));
  CHECK(contains(complaint({"-f", "h", "ls"}), "-f: there is no background here"));
  CHECK(contains(complaint({"-O", "check", "h"}), "-O: there is no master connection"));
  CHECK(contains(complaint({"-Oexit", "h"}), "-O: there is no master connection"));
  CHECK(contains(complaint({"-Q", "cipher"}), "-Q: "));
  CHECK(contains(complaint({"-o", "SessionType=none", "h"}), "-N: "));
  CHECK(contains(complaint({"-o", "ForkAfterAuthentication=yes", "h", "ls"}), "-f: "));
  CHECK(line_of({"-o", "ForkAfterAuthentication=no", "-o", "SessionType=default", "h", "ls"}) == "ls");
}

TEST_CASE("ssh cli: what is ignored and might be missed is a note") {
  for (const char* letter : {"-L", "-R", "-D", "-w"})
    CHECK(has_note({letter, "8080:x:80", "h", "ls"}, "forwarding"));
  CHECK(has_note({"-A", "h", "ls"}, "agent"));
  CHECK(has_note({"-X", "h", "ls"}, "X11"));
  CHECK(has_note({"-J", "jump", "h", "ls"}, "straight to HOST"));
  CHECK(parsed({"-x", "-a", "-T", "-tt", "-o", "RequestTTY=no", "h", "ls"}).notes.empty());
}

TEST_CASE("ssh cli: a terminal is asked for as ssh has it") {
  const auto terminal = [](Words words) {
    words.insert(words.end(), {"h", "ls"});
    return request_of(words).terminal;
  };
  CHECK(terminal({}) == TerminalWish::never);
  CHECK(terminal({"-t"}) == TerminalWish::as_here);
  CHECK(terminal({"-tt"}) == TerminalWish::always);
  CHECK(terminal({"-t", "-t"}) == TerminalWish::always);
  CHECK(terminal({"-tt", "-T"}) == TerminalWish::never);
  CHECK(terminal({"-o", "RequestTTY=yes"}) == TerminalWish::as_here);
  CHECK(terminal({"-o", "RequestTTY=force"}) == TerminalWish::always);
  CHECK(terminal({"-o", "RequestTTY=no"}) == TerminalWish::never);
  CHECK(terminal({"-T", "-o", "RequestTTY=force"}) == TerminalWish::never);
  CHECK(request_of({"h"}).terminal == TerminalWish::as_here);
  CHECK(request_of({"-T", "h"}).terminal == TerminalWish::never);
  CHECK(request_of({"-s", "h", "sftp"}).terminal == TerminalWish::never);
}

// --- rule 2: where options may stand ---

TEST_CASE("ssh cli: options end at the command's first word") {
  check({"h", "-p", "29", "ls", "-p", "30", "--", "-v"}, "h:29", "ls -p 30 -- -v");
  check({"h", "ls", "-W", "x"}, "h:8098", "ls -W x");
}

TEST_CASE("ssh cli: after a -- before the host nothing is an option any more") {
  check({"--", "h", "-p", "29"}, "h:8098", "-p 29");
  check({"-p", "29", "--", "h", "--", "ls"}, "h:29", "-- ls");
}

TEST_CASE("ssh cli: a -- after the host is dropped, once") {
  check({"h", "--", "-p", "29"}, "h:8098", "-p 29");
  check({"h", "-p", "29", "--", "--", "ls"}, "h:29", "-- ls");
}

// --- rule 3: settings ---

TEST_CASE("ssh cli: a setting is written in four ways, its key in any case") {
  for (const Words& setting :
       {Words{"-o", "Port=29"}, Words{"-o", "Port 29"}, Words{"-oPort=29"}, Words{"-oport 29"},
        Words{"-o", "PORT = 29"}, Words{"-o", " Port\t\"29\" "}, Words{"-o", "Port=\"29\""}}) {
    CAPTURE(setting.back());
    Words words = setting;
    words.insert(words.end(), {"h", "ls"});
    check(words, "h:29", "ls");
  }
}

TEST_CASE("ssh cli: settings that are not known are ignored, also without a value") {
  check({"-o", "Nonsense=1", "-o", "Nonsense", "-o", "", "-o", "ProxyCommand=nc \"x", "h", "ls"}, "h:8098",
        "ls");
}

TEST_CASE("ssh cli: of a setting that is given twice the first value holds") {
  CHECK(address_of({"-p", "1", "-o", "Port=2", "-p3", "h", "ls"}) == "h:1");
  CHECK(address_of({"-o", "Port=2", "-p", "1", "ssh://h:3", "ls"}) == "h:3");
  CHECK(has_note({"-l", "a", "-o", "User=b", "c@h", "ls"}, "user 'a'"));
  CHECK(has_note({"-o", "User=b", "-l", "a", "c@h", "ls"}, "user 'b'"));
  CHECK(request_of({"-o", "ConnectTimeout=7", "-o", "ConnectTimeout=8", "h", "ls"}).connect_timeout == 7s);
  CHECK(variables_of({"-o", "SetEnv=A=1", "-o", "SetEnv=B=2", "h", "ls"}) == Words{"A=1"});
}

TEST_CASE("ssh cli: wrong values are refused") {
  for (const char* port : {"0", "65536", "-1", "x", "22x", ""})
    CHECK(contains(complaint({"-p", port, "h", "ls"}), "write a number from 1 to 65535"));
  CHECK(contains(complaint({"-o", "Port=0", "h", "ls"}), "write a number from 1 to 65535"));
  CHECK(contains(complaint({"-o", "Port", "h", "ls"}), "-o Port: the value is missing"));
  CHECK(contains(complaint({"-o", "User=\"", "h", "ls"}), "a quote without its end"));
  CHECK(contains(complaint({"-o", "ConnectTimeout=soon", "h", "ls"}), "ConnectTimeout: no span of time"));
  CHECK(contains(complaint({"-o", "SetEnv=A", "h", "ls"}), "SetEnv: 'A' is no variable"));
}

TEST_CASE("ssh cli: ConnectTimeout is a time as ssh writes it, and may be none") {
  CHECK(request_of({"-o", "ConnectTimeout=1m30s", "h", "ls"}).connect_timeout == 90s);
  CHECK(request_of({"-o", "ConnectTimeout=none", "h", "ls"}).connect_timeout == 10s);
  CHECK(request_of({"-o", "ConnectTimeout=0", "h", "ls"}).connect_timeout == 10s);
  CHECK(request_of({"h", "ls"}).connect_timeout == 10s);
}

TEST_CASE("ssh cli: SendEnv names variables by patterns, which add up and can be taken away") {
  CHECK(variables_of({"-o", "SendEnv=LC_* GIT_PROTOCOL", "h", "ls"}) ==
        Words{"GIT_PROTOCOL=version=2", "LC_ALL=C", "LC_TIME=de_DE"});
  CHECK(variables_of({"-o", "SendEnv=LC_A?L", "-o", "SendEnv=USER", "h", "ls"}) ==
        Words{"USER=me", "LC_ALL=C"});
  CHECK(variables_of({"-o", "SendEnv=LC_ALL USER", "-o", "SendEnv=-LC_*", "h", "ls"}) == Words{"USER=me"});
  CHECK(variables_of({"-o", "SendEnv=UNSET", "h", "ls"}).empty());
}

TEST_CASE("ssh cli: SetEnv gives variables, and is stronger than SendEnv") {
  CHECK(variables_of({"-o", "SetEnv=A=1 B=\"x y\" \"C=z w\"", "h", "ls"}) == Words{"A=1", "B=x y", "C=z w"});
  CHECK(variables_of({"-o", "SetEnv LC_ALL=x", "-o", "SendEnv LC_ALL", "h", "ls"}) == Words{"LC_ALL=x"});
}

TEST_CASE("ssh cli: how much is told") {
  CHECK(request_of({"-q", "h", "ls"}).quiet);
  CHECK(request_of({"-o", "LogLevel=QUIET", "h", "ls"}).quiet);
  CHECK(request_of({"-o", "LogLevel=error", "h", "ls"}).quiet);
  CHECK(request_of({"-vvv", "h", "ls"}).verbose);
  CHECK(request_of({"-o", "LogLevel=DEBUG3", "h", "ls"}).verbose);
  const CommandRequest request = request_of({"-o", "LogLevel=INFO", "-o", "LogLevel=QUIET", "h", "ls"});
  CHECK(!request.quiet);
  CHECK(!request.verbose);
}

TEST_CASE("ssh cli: RemoteCommand is a command, and one of two is too many") {
  check({"-o", "RemoteCommand=echo \"a  b\" x=1", "h"}, "h:8098", "echo \"a  b\" x=1");
  CHECK(contains(complaint({"-o", "RemoteCommand=ls", "h", "ls"}), "leave one of them out"));
}

// --- rule 4: who and where ---

TEST_CASE("ssh cli: a host is written as ssh has it, and as runwire has it") {
  CHECK(address_of({"me@h", "ls"}) == "h:8098");
  CHECK(address_of({"me@corp@h", "ls"}) == "h:8098");
  CHECK(address_of({"::1", "ls"}) == "[::1]:8098");
  CHECK(address_of({"-p", "29", "me@::1", "ls"}) == "[::1]:29");
  CHECK(address_of({"ssh://me@h:29", "ls"}) == "h:29");
  CHECK(address_of({"ssh://h/", "ls"}) == "h:8098");
  CHECK(address_of({"h:29", "ls"}) == "h:29");
  CHECK(address_of({"unix:/run/a@b/s", "ls"}) == "unix:/run/a@b/s");
  CHECK(address_of({"me@unix:/run/s", "ls"}) == "unix:/run/s");
  CHECK(address_of({"-o", "HostName=real", "h", "ls"}) == "real:8098");
}

TEST_CASE("ssh cli: `.` is the default server, and must be the user's own") {
  CHECK(address_of({".", "ls"}) == "unix:/run/user/7/runwire.sock");
  CHECK(request_of({".", "ls"}).own_server_only);
  CHECK(!request_of({"h", "ls"}).own_server_only);
  CHECK(has_note({"-p", "29", ".", "ls"}, "port 29 is ignored"));
}

TEST_CASE("ssh cli: a name of hosts.toml brings its address and what goes with it, but for linger") {
  const Words words = {"-p", "29", "me@build1", "ls"};
  const CommandRequest request = request_of(words);
  CHECK(to_string(request.address) == "10.0.0.7:99");
  CHECK(request.cwd == "/srv");
  CHECK(request.words.environment == Words{"A=1"});
  CHECK(request.connect_timeout == 3s);
  CHECK(has_note(words, "port 29 is ignored: HOST is 10.0.0.7:99"));
  CHECK(request_of({"-o", "ConnectTimeout=8", "build1", "ls"}).connect_timeout == 8s);
}

TEST_CASE("ssh cli: a user is taken, and a note says that it changes nothing") {
  for (const Words& words : {Words{"-l", "me", "h", "ls"}, Words{"-lme", "h", "ls"}, Words{"me@h", "ls"},
                             Words{"-o", "User=me", "h", "ls"}, Words{"ssh://me@h", "ls"}})
    CHECK(has_note(words, "user 'me' is ignored: runwired runs commands as its own user"));
  CHECK(parsed({"h", "ls"}).notes.empty());
}

TEST_CASE("ssh cli: a host or a user that begins with - is refused") {
  CHECK(contains(complaint({"--", "-oProxyCommand=x", "ls"}), "a host cannot start with '-'"));
  CHECK(contains(complaint({"me@-oProxyCommand=x", "ls"}), "a host cannot start with '-'"));
  CHECK(contains(complaint({"-o", "HostName=-oProxyCommand=x", "h", "ls"}), "a host cannot start with '-'"));
  CHECK(contains(complaint({"ssh://-oProxyCommand=x", "ls"}), "a host cannot start with '-'"));
  CHECK(contains(complaint({"-o", "HostName=h", "--", "-oProxyCommand=x"}), "a host cannot start with '-'"));
  CHECK(contains(complaint({"-", "ls"}), "a host cannot start with '-'"));
  for (const Words& words :
       {Words{"-l", "-lroot", "h", "ls"}, Words{"-l-lroot", "h", "ls"}, Words{"--", "-lroot@h"},
        Words{"-o", "User=-lroot", "h", "ls"}, Words{"-l", "me", "--", "-lroot@h", "ls"}})
    CHECK(contains(complaint(words), "which does not begin with '-'"));
}

TEST_CASE("ssh cli: a host must be there, and be one") {
  CHECK(complaint({}).starts_with("no host; write runwire-ssh [OPTIONS] [USER@]HOST [COMMAND...]"));
  CHECK(complaint({"-p", "22"}).starts_with("no host"));
  CHECK(contains(complaint({"", "ls"}), "the host is missing"));
  CHECK(contains(complaint({"me@", "ls"}), "the host is missing"));
  CHECK(contains(complaint({"@h", "ls"}), "a user has a name"));
  CHECK(contains(complaint({"a b", "ls"}), "a host cannot hold a blank"));
}

// --- rule 5: the command ---

TEST_CASE("ssh cli: words are joined with single blanks and left as they are") {
  CHECK(line_of({"h", "echo", "a  b", "", "$HOME", "'x"}) == "echo a  b  $HOME 'x");
}

TEST_CASE("ssh cli: no command is a shell that reads stdin") {
  for (const Words& words : {Words{"h"}, Words{"h", ""}, Words{"-T", "h", "--"}, Words{"h", "-p", "29"}}) {
    CHECK(line_of(words) == R"([ -t 0 ] && exec "${SHELL:-/bin/sh}" -l; exec "${SHELL:-/bin/sh}")");
    CHECK(request_of(words).forwards_stdin);
  }
}

TEST_CASE("ssh cli: a command that cannot be sent is refused") {
  CHECK(complaint({"h", std::string(1048577, 'x')}).starts_with("the command has 1048577 bytes"));
}

// --- rules 6 and 8 ---

TEST_CASE("ssh cli: -G prints the settings, of a socket its path") {
  CHECK(parsed({"-G", "you@h"}).text == "user you\nhostname h\nport 8098\n");
  CHECK(parsed({"h", "-G"}).text == "user me\nhostname h\nport 8098\n");
  CHECK(parsed({"-G", "."}).text == "user me\nhostname unix:/run/user/7/runwire.sock\n");
  CHECK(parsed({"-G", "build1"}).text == "user me\nhostname 10.0.0.7\nport 99\n");
  CHECK(complaint({"-G"}).starts_with("no host"));
}

TEST_CASE("ssh cli: -V prints the version and needs no host") {
  CHECK(parsed({"-V"}).task == Invocation::print);
  CHECK(parsed({"-V"}).text.starts_with("runwire-ssh "));
}

TEST_CASE("ssh cli: -n and StdinNull keep stdin here") {
  CHECK(!request_of({"-n", "h", "ls"}).forwards_stdin);
  CHECK(!request_of({"-o", "StdinNull=yes", "h", "ls"}).forwards_stdin);
  CHECK(request_of({"-o", "StdinNull=no", "h", "ls"}).forwards_stdin);
}

TEST_CASE("ssh cli: the one subsystem is sftp") {
  CHECK(line_of({"-s", "h", "sftp"}).ends_with("; exec sftp-server"));
  CHECK(line_of({"-o", "SessionType=subsystem", "h", "sftp"}).ends_with("; exec sftp-server"));
  CHECK(line_of({"h", "sftp"}) == "sftp");
  CHECK(contains(complaint({"-s", "h", "netconf"}), "there is no subsystem 'netconf', only sftp"));
  CHECK(contains(complaint({"-s", "h"}), "there is no subsystem ''"));
}

TEST_CASE("ssh cli: the program's name decides") {
  for (const char* name : {"ssh", "/usr/bin/ssh", "runwire-ssh", "./client/runwire-ssh", "/x/my-runwire-ssh"})
    CHECK(is_ssh_name(name));
  for (const char* name : {"runwire", "/ssh/runwire", "sshd", "runwire-ssh-x", "xssh", ""})
    CHECK(!is_ssh_name(name));
}

TEST_CASE("ssh options: quotes hold words together and are taken off, a backslash takes one") {
  CHECK(split_ssh_words("a  b\tc").value() == Words{"a", "b", "c"});
  CHECK(split_ssh_words("\"a b\" 'c d' e\"f g\"h \"\"").value() == Words{"a b", "c d", "ef gh", ""});
  CHECK(split_ssh_words(R"(a\ b \"c "d\"e" 'f"g' h\i)").value() ==
        Words{"a b", "\"c", "d\"e", "f\"g", "h\\i"});
  CHECK(split_ssh_words("").value().empty());
  CHECK(!split_ssh_words("\"a").ok());
}
