#include "client/cli.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

using namespace runwire;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

const Environment kPlain = {"", "/run/user/7", 7};

Environment with_hosts(const std::string& text, const std::string& runwire_host = "") {
  Environment environment = kPlain;
  environment.runwire_host = runwire_host;
  environment.hosts = [text] { return parse_hosts(text, "hosts.toml"); };
  return environment;
}

Invocation parsed(const Words& words, const Environment& environment = kPlain) {
  auto invocation = parse_command_line(words, environment);
  if (!invocation.ok()) FAIL(invocation.error().message);
  return *invocation;
}

std::string complaint(const Words& words, const Environment& environment = kPlain) {
  const auto invocation = parse_command_line(words, environment);
  return invocation.ok() ? "" : invocation.error().message;
}

std::string address_of(const Words& words, const Environment& environment = kPlain) {
  return to_string(parsed(words, environment).request.address);
}

// What is to be run: a line for the shell ...
std::string line_of(const Words& words) {
  const Invocation invocation = parsed(words);
  CHECK(invocation.task == Invocation::run_line);
  CHECK(invocation.request.shell);
  return invocation.request.words.line;
}

// ... or a program and its arguments.
Words argv_of(const Words& words) {
  const Invocation invocation = parsed(words);
  CHECK(invocation.task == Invocation::run_line);
  CHECK(!invocation.request.shell);
  return invocation.request.words.argv;
}

CommandRequest request_of(const Words& words, const Environment& environment = kPlain) {
  return parsed(words, environment).request;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("cli: nothing means a prompt on the user's own socket") {
  CHECK(parsed({}).task == Invocation::prompt);
  CHECK(address_of({}) == "unix:/run/user/7/runwire.sock");
  CHECK(address_of({}, {"", "", 7}) == "unix:/tmp/runwire-7/runwire.sock");
}

TEST_CASE("cli: RUNWIRE_HOST is the default, and a HOST on the command line is stronger") {
  const Environment environment = {"example.org:99", "/run/user/7", 7};
  CHECK(address_of({}, environment) == "example.org:99");
  CHECK(address_of({"."}, environment) == "example.org:99");
  CHECK(address_of({"::1"}, environment) == "[::1]:8098");
}

TEST_CASE("cli: only the default socket must be the user's own, for others were named by him") {
  CHECK(request_of({}).own_server_only);
  CHECK(request_of({".", "ls"}).own_server_only);
  CHECK(!request_of({"unix:/run/user/7/runwire.sock"}).own_server_only);
  CHECK(!request_of({}, {"unix:/x", "", 7}).own_server_only);
}

TEST_CASE("cli: a wrong RUNWIRE_HOST is named as the cause") {
  CHECK(complaint({}, {"host:", "", 7}).starts_with("RUNWIRE_HOST: address 'host:': "));
}

TEST_CASE("cli: HOST is a host, a host with a port, or a socket") {
  CHECK(address_of({"h"}) == "h:8098");
  CHECK(address_of({"h:1"}) == "h:1");
  CHECK(address_of({"[::1]:1"}) == "[::1]:1");
  CHECK(address_of({"[::1]"}) == "[::1]:8098");
  CHECK(address_of({"unix:/a b"}) == "unix:/a b");
}

TEST_CASE("cli: HOST is a name of hosts.toml first, and an address where the file does not have it") {
  const Environment environment = with_hosts("[h]\naddress = '10.0.0.7:99'\n");
  CHECK(address_of({"h"}, environment) == "10.0.0.7:99");
  CHECK(address_of({"h2"}, environment) == "h2:8098");
  CHECK(address_of({"h:1"}, environment) == "h:1");
}

TEST_CASE(
    "cli: a host with a port that is a name of hosts.toml is an address, and a hint if it leads nowhere") {
  const Environment environment = with_hosts("[h]\naddress = '10.0.0.7:99'\n['::1']\naddress = 'x'\n");
  const Environment right = with_hosts("[h]\naddress = '10.0.0.7:99'\n");
  CHECK(request_of({"h:1"}, right).address_hint ==
        "; 'h' is a name of hosts.toml, which has its own address");
  for (const char* word : {"h", "h2:1", "10.0.0.7:1", "unix:/h", "[::1]:1"})
    CHECK(request_of({word}, right).address_hint.empty());
  CHECK(request_of({"h:1"}, environment).address_hint.empty());  // a wrong file is in nobody's way
}

TEST_CASE("cli: RUNWIRE_HOST may be a name of hosts.toml") {
  const Environment environment = with_hosts("[h]\naddress = '10.0.0.7:99'\n", "h");
  CHECK(address_of({}, environment) == "10.0.0.7:99");
  CHECK(address_of({".", "ls"}, environment) == "10.0.0.7:99");
}

TEST_CASE("cli: what hosts.toml says of a host holds unless an option says otherwise") {
  const Environment environment = with_hosts(
      "[h]\naddress = 'x'\nworkdir = '/srv'\nenv = { A = '1', B = '2' }\nconnect_timeout = 2\nlinger = "
      "'wait'\n");
  const CommandRequest by_file = request_of({"h", "ls"}, environment);
  CHECK(by_file.cwd == "/srv");
  CHECK(by_file.words.environment == Words{"A=1", "B=2"});
  CHECK(by_file.connect_timeout == 2s);
  CHECK(by_file.linger == Linger::wait);
  const CommandRequest by_options = request_of(
      {"-w", "/tmp", "-e", "B=3", "-e", "C=4", "--connect-timeout=7", "--linger", "return", "h", "ls"},
      environment);
  CHECK(by_options.cwd == "/tmp");
  CHECK(by_options.words.environment == Words{"A=1", "B=3", "C=4"});
  CHECK(by_options.connect_timeout == 7s);
  CHECK(by_options.linger == Linger::now);
}

TEST_CASE("cli: a wrong hosts.toml is told by its own place and is in nobody's way who names no name") {
  const Environment environment = with_hosts("[h\n");
  CHECK(complaint({"h", "ls"}, environment).starts_with("hosts.toml:1: this is no TOML: "));
  CHECK(address_of({"h:1"}, environment) == "h:1");
  CHECK(address_of({"unix:/x"}, environment) == "unix:/x");
  CHECK(address_of({}, environment) == "unix:/run/user/7/runwire.sock");
  CHECK(parsed({"--help"}, environment).task == Invocation::help);
}

TEST_CASE("cli: a HOST that looks like an option or a command is refused") {
  CHECK(contains(complaint({"--", "-oProxyCommand=x"}), "a host cannot start with '-'"));
  CHECK(contains(complaint({"-"}), "a host cannot start with '-'"));
  CHECK(contains(complaint({"ls -l"}), "the first word is HOST, `.` is the default one"));
}

TEST_CASE("cli: one word after HOST is a line for the shell, several are a program and its arguments") {
  CHECK(line_of({"h", "ls -l | wc"}) == "ls -l | wc");
  CHECK(line_of({"h", "ls"}) == "ls");
  CHECK(argv_of({"h", "ls", "-l", "a b"}) == Words{"ls", "-l", "a b"});
}

TEST_CASE("cli: words after HOST are never options, and none is changed") {
  CHECK(argv_of({"h", "--", "-v", "--help", "[a,b]", "%%", ""}) == Words{"-v", "--help", "[a,b]", "%%", ""});
  CHECK(!request_of({"h", "ls", "-v"}).verbose);
}

TEST_CASE("cli: an option that stands after HOST is told where it belongs") {
  const std::string text = complaint({"h", "-v", "ls"});
  CHECK(text.starts_with("'-v' stands after HOST; options stand before it"));
  CHECK(contains(text, "behind a `--`"));
  CHECK(complaint({"h", "--timeout=3", "ls"}) != "");
}

TEST_CASE("cli: exactly one -- is dropped before HOST and one after it") {
  CHECK(line_of({"h", "--", "ls"}) == "ls");
  CHECK(argv_of({"h", "--", "--", "ls"}) == Words{"--", "ls"});
  CHECK(line_of({"--", "h", "--", "ls"}) == "ls");
  CHECK(argv_of({"h", "ls", "--", "x"}) == Words{"ls", "--", "x"});
  CHECK(parsed({"h", "--"}).task == Invocation::prompt);
  CHECK(parsed({"--"}).task == Invocation::prompt);
}

TEST_CASE("cli: options stand before HOST, in any spelling") {
  const CommandRequest request = request_of({"-v", "--encoding", "GBK", "--connect-timeout=0.25", "h", "ls"});
  CHECK(request.verbose);
  CHECK(request.encoding == "GBK");
  CHECK(request.connect_timeout == 250ms);
  CHECK(request_of({"-q", "h"}).quiet);
  CHECK(request_of({"h"}).connect_timeout == 5s);
  CHECK(request_of({"-w/d", "h", "ls"}).cwd == "/d");
  CHECK(request_of({"--workdir=/d", "h", "ls"}).cwd == "/d");
  CHECK(request_of({"-vw", "/d", "h", "ls"}).cwd == "/d");
  CHECK(request_of({"-nvw/d", "h", "ls"}).cwd == "/d");
}

TEST_CASE(
    "cli: without options a command gets our stdin, the daemon's directory and variables, and no limit") {
  const CommandRequest request = request_of({"h", "ls"});
  CHECK(request.forwards_stdin);
  CHECK(request.cwd.empty());
  CHECK(request.words.environment.empty());
  CHECK(!request.clear_env);
  CHECK(request.linger == Linger::grace);
  CHECK(!request.timeout_ms);
  CHECK(!request.idle_ms);
  CHECK(request.status_file.empty());
  CHECK(!request.json);
  CHECK(!parsed({"h", "ls"}).plain);
}

TEST_CASE("cli: -e sets variables, the last of a name holds") {
  CHECK(request_of({"-e", "A=1", "--env", "B=x=y z", "-eC=", "h", "ls"}).words.environment ==
        Words{"A=1", "B=x=y z", "C="});
  CHECK(request_of({"-e", "A=1", "-e", "A=2", "h", "ls"}).words.environment == Words{"A=2"});
  CHECK(request_of({"-e", "A=[1,2]", "h", "ls"}).words.environment == Words{"A=[1,2]"});
  CHECK(request_of({"--clear-env", "-e", "A=1", "h", "ls"}).clear_env);
}

TEST_CASE("cli: -e takes a variable as it is, brackets and all") {
  for (const char* variable : {"[a,b]=c", "[a,b]=c]", "A=[x,y]"})
    CHECK(request_of({"-e", variable, "h", "ls"}).words.environment == Words{variable});
}

TEST_CASE("cli: -e with a name alone takes the variable from here, and nothing where it is not set") {
  Environment environment = kPlain;
  environment.variables = {"AB=no", "A=1=2"};
  CHECK(request_of({"-e", "A", "-e", "UNSET", "h", "ls"}, environment).words.environment == Words{"A=1=2"});
}

TEST_CASE("cli: -n keeps stdin here, and the prompt's lines are no command's stdin") {
  CHECK(!request_of({"-n", "h", "ls"}).forwards_stdin);
  CHECK(!request_of({"--no-stdin", "h", "ls"}).forwards_stdin);
  CHECK(!request_of({"h"}).forwards_stdin);
}

TEST_CASE(
    "cli: a terminal is asked for with -t if there is one here, with -tt always, and -T is the stronger") {
  CHECK(request_of({"h", "ls"}).terminal == TerminalWish::never);
  CHECK(request_of({"-t", "h", "ls"}).terminal == TerminalWish::as_here);
  CHECK(request_of({"-tt", "h", "ls"}).terminal == TerminalWish::always);
  CHECK(request_of({"-t", "-t", "h", "ls"}).terminal == TerminalWish::always);
  CHECK(request_of({"-t", "-T", "h", "ls"}).terminal == TerminalWish::never);
  CHECK(contains(complaint({"--plain", "-t", "h", "ls"}), "-t needs a session"));
}

TEST_CASE("cli: a terminal without a COMMAND is a login shell, with stdin") {
  const Invocation invocation = parsed({"-t", "h"});
  CHECK(invocation.task == Invocation::run_line);
  CHECK(invocation.request.shell);
  CHECK(invocation.request.words.line == R"(exec "${SHELL:-/bin/sh}" -l)");
  CHECK(invocation.request.forwards_stdin);
  CHECK(parsed({"-T", "h"}).task == Invocation::prompt);
}

TEST_CASE("cli: limits, niceness and umask are those that were asked for") {
  const CommandLimits limits = request_of({"--limit", "cpu=3,as=2G", "--limit", "nofile=9", "--nice", "-5",
                                           "--umask", "027", "h", "ls"})
                                   .limits;
  CHECK(limits.cpu_s == 3);
  CHECK(limits.as_bytes == std::uint64_t{2} << 30);
  CHECK(limits.nofile == 9);
  CHECK(limits.nice == -5);
  CHECK(limits.umask == 027);
  CHECK(request_of({"h", "ls"}).limits == CommandLimits{});
}

TEST_CASE("cli: a limit, niceness or umask that makes no sense is refused") {
  CHECK(contains(complaint({"--limit", "stack=1", "h", "ls"}), "--limit: 'stack=1' is no limit"));
  for (const char* nice : {"", "20", "-21", "1x"})
    CHECK(contains(complaint({"--nice", nice, "h", "ls"}), "--nice"));
  for (const char* umask : {"", "1000", "8", "-1"})
    CHECK(contains(complaint({"--umask", umask, "h", "ls"}), "--umask"));
}

TEST_CASE("cli: a time is written as timeout(1) has it") {
  CHECK(request_of({"--timeout", "10s", "h", "ls"}).timeout_ms == 10000);
  CHECK(request_of({"--timeout", "500ms", "h", "ls"}).timeout_ms == 500);
  CHECK(request_of({"--timeout=2m", "h", "ls"}).timeout_ms == 120000);
  CHECK(request_of({"--timeout", "5", "h", "ls"}).timeout_ms == 5000);
  CHECK(request_of({"--timeout", "0", "h", "ls"}).timeout_ms == std::nullopt);
  CHECK(request_of({"--idle-timeout", "1.5", "h", "ls"}).idle_ms == 1500);
  CHECK(request_of({"--connect-timeout", "2m", "h"}).connect_timeout == 2min);
}

TEST_CASE("cli: --linger is one of three") {
  CHECK(request_of({"--linger", "grace", "h", "ls"}).linger == Linger::grace);
  CHECK(request_of({"--linger", "wait", "h", "ls"}).linger == Linger::wait);
  CHECK(request_of({"--linger", "return", "h", "ls"}).linger == Linger::now);
}

TEST_CASE("cli: how a command ended can be had in a file and as JSON") {
  CHECK(request_of({"--status-file", "/tmp/x y", "h", "ls"}).status_file == "/tmp/x y");
  CHECK(request_of({"--json", "h", "ls"}).json);
}

TEST_CASE("cli: the options of a session hold for the prompt's commands too") {
  const Invocation invocation = parsed({"-w", "/d", "-e", "A=1", "--timeout", "5", "h"});
  CHECK(invocation.task == Invocation::prompt);
  CHECK(invocation.request.cwd == "/d");
  CHECK(invocation.request.words.environment == Words{"A=1"});
  CHECK(invocation.request.timeout_ms == 5000);
}

TEST_CASE("cli: what tells how one command ended needs a command") {
  CHECK(complaint({"--json", "h"}).starts_with("--json is about one command; give it a COMMAND"));
  CHECK(complaint({"--status-file", "f", "h"}).starts_with("--status-file is about one command"));
}

TEST_CASE("cli: --keep is for an hour unless it says how long, and never takes the next word") {
  CHECK(!request_of({"h", "ls"}).keep_ms);
  CHECK(request_of({"--keep", "h", "ls"}).keep_ms == 3600000);
  CHECK(request_of({"--keep=10m", "h", "ls"}).keep_ms == 600000);
  CHECK(request_of({"--keep", "h", "ls"}).forwards_stdin);
  CHECK(request_of({"--keep", "h", "ls"}).host == "h");
  CHECK(contains(request_of({"--keep", "10m", "h"}).address_hint, "write --keep=10m"));
  CHECK(request_of({"--keep", "h", "ls"}).address_hint.empty());
  CHECK(request_of({"10m", "ls"}).address_hint.empty());
  CHECK(contains(complaint({"--keep=0", "h", "ls"}), "--keep must be more than 0"));
  CHECK(contains(complaint({"--keep=x", "h", "ls"}), "--keep: no span of time"));
  CHECK(complaint({"--keep", "h"}).starts_with("--keep is about one command; give it a COMMAND"));
}

TEST_CASE("cli: at a terminal --detach gives stdin, for somebody who attaches, unless -n does not") {
  CHECK(request_of({"-d", "-t", "h", "ls"}).forwards_stdin);
  CHECK(request_of({"-d", "-t", "h"}).words.line == request_of({"-t", "h"}).words.line);
  CHECK(!request_of({"-d", "-t", "-n", "h", "ls"}).forwards_stdin);
  CHECK(!request_of({"-d", "-t", "-T", "h", "ls"}).forwards_stdin);
}

TEST_CASE("cli: --detach keeps for an hour unless --keep says how long, and gives no stdin") {
  const CommandRequest request = request_of({"-d", "h", "ls"});
  CHECK(request.detaches);
  CHECK(request.keep_ms == 3600000);
  CHECK(!request.forwards_stdin);
  CHECK(request_of({"-d", "--keep=5m", "h", "ls"}).keep_ms == 300000);
  CHECK(complaint({"-d", "h"}).starts_with("--detach is about one command; give it a COMMAND"));
  for (const Words& words : {Words{"-d", "--json", "h", "ls"}, Words{"-d", "--status-file", "f", "h", "ls"}})
    CHECK(contains(complaint(words), "which --detach does not wait for; `runwire attach` has it"));
}

TEST_CASE("cli: --plain makes one line for the shell of several words") {
  CHECK(parsed({"--plain", "h", "ls"}).plain);
  CHECK(line_of({"--plain", "h", "ls", "-l", "a b"}) == "'ls' '-l' 'a b'");
  CHECK(line_of({"--plain", "h", "ls -l | wc"}) == "ls -l | wc");
  CHECK(parsed({"--plain", "h"}).task == Invocation::prompt);
}

TEST_CASE("cli: --plain refuses what needs a session, and says which it was") {
  const std::pair<const char*, Words> options[] = {
      {"--env", {"-e", "A=1"}},
      {"--clear-env", {"--clear-env"}},
      {"--workdir", {"-w", "/d"}},
      {"--timeout", {"--timeout", "5"}},
      {"--idle-timeout", {"--idle-timeout", "5"}},
      {"--linger", {"--linger", "wait"}},
      {"--status-file", {"--status-file", "f"}},
      {"--json", {"--json"}},
      {"--detach", {"-d"}},
      {"--keep", {"--keep"}},
  };
  for (const auto& [name, option] : options) {
    Words words = {"--plain"};
    words.insert(words.end(), option.begin(), option.end());
    words.insert(words.end(), {"h", "ls"});
    CHECK(complaint(words).starts_with(std::string(name) + " needs a session, which --plain is not"));
  }
  for (const char* line : {"workdir = '/d'", "env = { A = '1' }", "linger = 'wait'"}) {
    const Environment environment = with_hosts("[h]\naddress = 'x'\n" + std::string(line) + "\n");
    CHECK(contains(complaint({"--plain", "h", "ls"}, environment), "of hosts.toml needs a session"));
  }
}

TEST_CASE("cli: --plain goes with the options that it always had") {
  const RemoteShell::Options options = plain_options(
      request_of({"--plain", "-v", "--encoding", "GBK", "--connect-timeout", "3", "h:1", "ls"}));
  CHECK(to_string(options.address) == "h:1");
  CHECK(options.verbose);
  CHECK(options.says_status);
  CHECK(options.encoding == "GBK");
  CHECK(options.connect_timeout == 3s);
  CHECK(plain_options(request_of({"--plain", "-q", "h", "ls"})).quiet);
  CHECK(plain_options(request_of({"--plain"})).own_server_only);
}

TEST_CASE("cli: a mistyped option is refused and never taken for HOST") {
  CHECK(contains(complaint({"--prot", "9", "h1"}), "--prot"));
  CHECK(contains(complaint({"-x", "h1"}), "-x"));
  CHECK(complaint({"-vx", "h1"}) != "");
}

TEST_CASE("cli: wrong values are refused with the option's name") {
  for (const char* seconds : {"0", "-1", "x", "", "86401", "nan", "inf", "1e999"}) {
    CAPTURE(seconds);
    CHECK(contains(complaint({"--connect-timeout", seconds, "h"}), "--connect-timeout"));
  }
  for (const char* option : {"--timeout", "--idle-timeout"})
    for (const char* span : {"-1", "x", "", "5x", "nan", "1e3", "s", "5 s", "366d"}) {
      CAPTURE(span);
      CHECK(contains(complaint({option, span, "h", "ls"}), std::string(option) + ": no span of time"));
    }
  CHECK(contains(complaint({"--linger", "no", "h", "ls"}), "--linger must be grace, wait or return"));
  CHECK(contains(complaint({"-e", "=x", "h", "ls"}), "--env: '=x' has no name"));
  CHECK(contains(complaint({"-e", "", "h", "ls"}), "--env"));
  CHECK(contains(complaint({"-w", "", "h", "ls"}), "--workdir"));
  CHECK(contains(complaint({"--status-file", "", "h", "ls"}), "--status-file"));
  CHECK(contains(complaint({"--connect-timeout"}), "--connect-timeout"));
  CHECK(contains(complaint({"--encoding"}), "--encoding"));
  CHECK(contains(complaint({"-v", "-q", "h"}), "excludes"));
}

TEST_CASE("cli: a complaint about usage says where the usage is shown") {
  CHECK(complaint({"--prot"}).ends_with("; `runwire --help` shows the usage"));
}

TEST_CASE("cli: a command that cannot be sent is refused before anything is connected") {
  CHECK(complaint({"h", ""}).starts_with("the command is empty"));
  CHECK(complaint({"h", "", "x"}).starts_with("the program's name is empty"));
  CHECK(complaint({"h", std::string(1048577, 'x')}).starts_with("the command has 1048577 bytes"));
  CHECK(complaint({"h", "cat", std::string(1048577, 'x')})
            .starts_with("the command and its variables have 1048582 b"));
  CHECK(complaint({"-e", "A=" + std::string(1048576, 'x'), "h", "ls"})
            .starts_with("the command and its variables"));
}

TEST_CASE("cli: help and version need no HOST, and help is the stronger") {
  CHECK(parsed({"-h"}).task == Invocation::help);
  CHECK(parsed({"--version"}).task == Invocation::version);
  CHECK(parsed({"--version", "--help", "h"}).task == Invocation::help);
}

TEST_CASE("cli: help fits a screen and shows every option") {
  const std::string_view help = help_text();
  CHECK(std::count(help.begin(), help.end(), '\n') <= 40);
  for (std::size_t at = 0, end = 0; (end = help.find('\n', at)) != help.npos; at = end + 1)
    CHECK(end - at <= 80);
  for (const char* option : {"-e, --env NAME=VALUE",
                             "--clear-env",
                             "-w, --workdir DIR",
                             "-n, --no-stdin",
                             "-t, -tt, -T",
                             "--limit NAME=MAX,...",
                             "--nice N, --umask OCTAL",
                             "--timeout DURATION",
                             "--idle-timeout DURATION",
                             "--linger grace|wait|return",
                             "-d, --detach",
                             "--keep[=DURATION]",
                             "--status-file PATH",
                             "--json",
                             "--plain",
                             "-v, --verbose",
                             "-q, --quiet",
                             "--encoding NAME",
                             "--connect-timeout DURATION",
                             "--version",
                             "-h, --help"})
    CHECK(contains(help, option));
}
