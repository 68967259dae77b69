#include "client/cli.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace runwire;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

const Environment kPlain = {"", "/run/user/7", 7};

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
  return to_string(parsed(words, environment).options.address);
}

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
  CHECK(parsed({}).options.own_server_only);
  CHECK(parsed({".", "ls"}).options.own_server_only);
  CHECK(!parsed({"unix:/run/user/7/runwire.sock"}).options.own_server_only);
  CHECK(!parsed({}, {"unix:/x", "", 7}).options.own_server_only);
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

TEST_CASE("cli: a HOST that looks like an option or a command is refused") {
  CHECK(complaint({"--", "-oProxyCommand=x"}).find("a host cannot start with '-'") != std::string::npos);
  CHECK(complaint({"-"}).find("a host cannot start with '-'") != std::string::npos);
  CHECK(complaint({"ls -l"}).find("the first word is HOST, `.` is the default one") != std::string::npos);
}

TEST_CASE("cli: one word after HOST is a line for the shell, several are a program and its arguments") {
  CHECK(parsed({"h", "ls -l | wc"}).line == "ls -l | wc");
  CHECK(parsed({"h", "ls", "-l", "a b"}).line == "'ls' '-l' 'a b'");
  CHECK(parsed({"h", "ls"}).task == Invocation::run_line);
}

TEST_CASE("cli: words after HOST are never options, and none is changed") {
  CHECK(parsed({"h", "-v", "--help", "[a,b]", "%%", ""}).line == "'-v' '--help' '[a,b]' '%%' ''");
  CHECK(!parsed({"h", "ls", "-v"}).options.verbose);
}

TEST_CASE("cli: exactly one -- is dropped before HOST and one after it") {
  CHECK(parsed({"h", "--", "ls"}).line == "ls");
  CHECK(parsed({"h", "--", "--", "ls"}).line == "'--' 'ls'");
  CHECK(parsed({"--", "h", "--", "ls"}).line == "ls");
  CHECK(parsed({"h", "ls", "--", "x"}).line == "'ls' '--' 'x'");
  CHECK(parsed({"h", "--"}).task == Invocation::prompt);
  CHECK(parsed({"--"}).task == Invocation::prompt);
}

TEST_CASE("cli: options stand before HOST, in any spelling") {
  const Invocation invocation = parsed({"-v", "--encoding", "GBK", "--connect-timeout=0.25", "h", "ls"});
  CHECK(invocation.options.verbose);
  CHECK(invocation.options.encoding == "GBK");
  CHECK(invocation.options.connect_timeout == 250ms);
  CHECK(parsed({"-q", "h"}).options.quiet);
  CHECK(parsed({"h"}).options.connect_timeout == 5s);
}

TEST_CASE("cli: a mistyped option is refused and never taken for HOST") {
  CHECK(complaint({"--prot", "9", "h1"}).find("--prot") != std::string::npos);
  CHECK(complaint({"-x", "h1"}).find("-x") != std::string::npos);
  CHECK(complaint({"-vx", "h1"}) != "");
}

TEST_CASE("cli: wrong values are refused with the option's name") {
  for (const char* seconds : {"0", "-1", "x", "", "86401", "nan", "inf", "1e999"}) {
    CAPTURE(seconds);
    CHECK(complaint({"--connect-timeout", seconds, "h"}).find("--connect-timeout") != std::string::npos);
  }
  CHECK(complaint({"--connect-timeout"}).find("--connect-timeout") != std::string::npos);
  CHECK(complaint({"--encoding"}).find("--encoding") != std::string::npos);
  CHECK(complaint({"-v", "-q", "h"}).find("excludes") != std::string::npos);
}

TEST_CASE("cli: a complaint about usage says where the usage is shown") {
  CHECK(complaint({"--prot"}).ends_with("; `runwire --help` shows the usage"));
}

TEST_CASE("cli: a command that cannot be sent is refused before anything is connected") {
  CHECK(complaint({"h", ""}).starts_with("the command is empty"));
  CHECK(complaint({"h", std::string(1048577, 'x')}).starts_with("the command has 1048577 bytes"));
}

TEST_CASE("cli: help and version need no HOST, and help is the stronger") {
  CHECK(parsed({"-h"}).task == Invocation::help);
  CHECK(parsed({"--version"}).task == Invocation::version);
  CHECK(parsed({"--version", "--help", "h"}).task == Invocation::help);
}

TEST_CASE("cli: help fits a screen and shows every option") {
  const std::string_view help = help_text();
  CHECK(std::count(help.begin(), help.end(), '\n') <= 40);
  for (const char* option : {"-v, --verbose", "-q, --quiet", "--encoding NAME", "--connect-timeout SECONDS",
                             "--version", "-h, --help"})
    CHECK(help.find(option) != help.npos);
}
