#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "client/hosts.hpp"
#include "scratch_dir.hpp"

using namespace runwire;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

HostEntry entry_of(const std::string& keys) {
  const auto hosts = parse_hosts("[h]\n" + keys, "hosts.toml");
  if (!hosts.ok()) FAIL(hosts.error().message);
  return hosts->at("h");
}

std::string complaint(const std::string& text) {
  const auto hosts = parse_hosts(text, "hosts.toml");
  return hosts.ok() ? "" : hosts.error().message;
}

// About the third line; the first two are right.
std::string complaint_about_key(const std::string& line) {
  return complaint("[h]\naddress = 'x'\n" + line + "\n");
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("hosts: a name needs an address and nothing else") {
  const HostEntry entry = entry_of("address = '10.0.0.7:99'\n");
  CHECK(to_string(entry.address) == "10.0.0.7:99");
  CHECK(entry.workdir.empty());
  CHECK(entry.environment.empty());
  CHECK(!entry.connect_timeout);
  CHECK(!entry.linger);
}

TEST_CASE("hosts: an address is written as HOST is") {
  CHECK(to_string(entry_of("address = 'h'\n").address) == "h:8098");
  CHECK(to_string(entry_of("address = '::1'\n").address) == "[::1]:8098");
  CHECK(to_string(entry_of("address = 'unix:/run/x.sock'\n").address) == "unix:/run/x.sock");
}

TEST_CASE("hosts: every key is read") {
  const HostEntry entry = entry_of(
      "address = 'h'\nworkdir = '/srv/a b'\nenv = { B = 'x=y', A = '' }\nconnect_timeout = 2.5\nlinger = "
      "'return'\n");
  CHECK(entry.workdir == "/srv/a b");
  CHECK(entry.environment == Words{"A=", "B=x=y"});
  CHECK(entry.connect_timeout == 2500ms);
  CHECK(entry.linger == Linger::now);
}

TEST_CASE("hosts: connect_timeout is a number of seconds or a span of time, env also a table of its own") {
  CHECK(entry_of("address = 'h'\nconnect_timeout = 2\n").connect_timeout == 2s);
  CHECK(entry_of("address = 'h'\nconnect_timeout = '500ms'\n").connect_timeout == 500ms);
  CHECK(entry_of("address = 'h'\n[h.env]\nA = '1'\n").environment == Words{"A=1"});
}

TEST_CASE("hosts: a file holds many names, also one with dots, and may be empty") {
  const auto hosts = parse_hosts("[a]\naddress = '1'\n[\"b.c\"]\naddress = '2'\n", "hosts.toml");
  REQUIRE(hosts.ok());
  CHECK(hosts->size() == 2);
  CHECK(hosts->at("b.c").address.host == "2");
  CHECK(parse_hosts("", "hosts.toml").value().empty());
}

TEST_CASE("hosts: an unknown key is told with its line and the nearest name") {
  CHECK(complaint_about_key("workdirr = '/x'") ==
        "hosts.toml:3: there is no key 'workdirr'; did you mean 'workdir'?");
  CHECK(complaint_about_key("conect-timeout = 3").ends_with("did you mean 'connect_timeout'?"));
  CHECK(complaint_about_key("environ = {}").ends_with("did you mean 'env'?"));
  CHECK(complaint_about_key("timeout = 3").ends_with("did you mean 'connect_timeout'?"));
  CHECK(complaint("[h]\nadress = 'x'\n") ==
        "hosts.toml:2: there is no key 'adress'; did you mean 'address'?");
}

TEST_CASE("hosts: to a key that is like none, all are told") {
  for (const char* key : {"user", "x", "colour"})
    CHECK(complaint_about_key(std::string(key) + " = 'me'") ==
          "hosts.toml:3: there is no key '" + std::string(key) +
              "'; there are address, workdir, env, connect_timeout, linger");
}

TEST_CASE("hosts: a wrong value is told with its line and a right one") {
  CHECK(complaint("[h]\n\naddress = 7\n") ==
        "hosts.toml:3: address is no text; write it in quotes, as in \"10.0.0.7:8098\"");
  CHECK(complaint("[h]\naddress = 'x:'\n")
            .starts_with("hosts.toml:2: address 'x:': the port must be a number"));
  CHECK(complaint("[h]\naddress = '-x'\n")
            .starts_with("hosts.toml:2: address '-x': a host cannot start with '-'"));
  for (const char* line : {"workdir = ''", "workdir = 3", R"(workdir = "a\u0000b")"})
    CHECK(complaint_about_key(line).starts_with("hosts.toml:3: workdir must name a directory there"));
  for (const char* line : {"linger = 'no'", "linger = true", "linger = ''"})
    CHECK(complaint_about_key(line) == R"(hosts.toml:3: linger must be "grace", "wait" or "return")");
  for (const char* line : {"connect_timeout = 0", "connect_timeout = -1", "connect_timeout = nan",
                           "connect_timeout = inf", "connect_timeout = 'soon'", "connect_timeout = []",
                           "connect_timeout = '25h'", "connect_timeout = 86401"})
    CHECK(complaint_about_key(line).starts_with(
        "hosts.toml:3: connect_timeout must be more than 0 and at most 24h"));
  CHECK(complaint("[h]\naddress = 'x:0'\n").starts_with("hosts.toml:2: nobody listens on port 0"));
}

TEST_CASE("hosts: variables are texts with names that can be variables") {
  CHECK(complaint_about_key("env = 'A=1'") ==
        "hosts.toml:3: env must be a table, as in { LANG = \"C.UTF-8\" }");
  CHECK(complaint_about_key("env = { A = 1 }") ==
        "hosts.toml:3: env: the value of A is no text; put quotes around it");
  for (const char* line : {"env = { '' = '1' }", "env = { 'A=B' = '1' }", R"(env = { A = "\u0000" })"})
    CHECK(contains(complaint_about_key(line), "hosts.toml:3: env: a variable needs a name without '='"));
}

TEST_CASE("hosts: a name without an address, or that no HOST could be, is refused") {
  CHECK(complaint("\n[h]\nworkdir = '/x'\n") ==
        "hosts.toml:2: no address for 'h'; give it one, as in address = \"10.0.0.7:8098\"");
  for (const char* name : {"-h", "a b", "a:1", "a/b", "a@b", ".", ""})
    CHECK(contains(complaint("['" + std::string(name) + "']\naddress = 'x'\n"),
                   "hosts.toml:1: a name is made of"));
  CHECK(complaint("address = 'x'\n") == "hosts.toml:1: it is no table: 'address'; put it below a [NAME]");
}

TEST_CASE("hosts: a name with dots and without quotes is told what it lacks") {
  CHECK(complaint("[web.prod]\naddress = 'x'\n").ends_with("and quotes to a name with dots: [\"web.prod\"]"));
}

TEST_CASE("hosts: what is no TOML is told with its line") {
  CHECK(complaint("[h]\naddress =\n").starts_with("hosts.toml:2: this is no TOML: "));
  CHECK(complaint("[h]\naddress = 'x'\n[h]\naddress = 'y'\n").starts_with("hosts.toml:3: this is no TOML: "));
  CHECK(complaint("\xff").starts_with("hosts.toml:1: this is no TOML: "));
  CHECK(complaint("[!]\naddress = 'x'\n").starts_with("hosts.toml:1: this is no TOML: "));
  CHECK(complaint("[h]\n\u00ca = 'x'\n").starts_with("hosts.toml:2: this is no TOML: "));
}

TEST_CASE("hosts: a file that is not there has no names") {
  const test::ScratchDir dir;
  CHECK(read_hosts(dir.path("none")).value().empty());
  CHECK(read_hosts(dir.path("none/none")).value().empty());
  CHECK(read_hosts("").value().empty());
}

TEST_CASE("hosts: a file is read, and its path is in what is said about it") {
  const test::ScratchDir dir;
  const std::string path = dir.path("hosts.toml");
  std::ofstream(path) << "[h]\naddress = 'x'\n" << std::string(100000, '#') << "\n[h2]\naddress = 'y'\n";
  CHECK(read_hosts(path).value().size() == 2);
  std::ofstream(path) << "[h]\n";
  CHECK(read_hosts(path).error().message.starts_with(path + ":1: "));
}

TEST_CASE("hosts: what cannot be read is told with its path and what to do") {
  const test::ScratchDir dir;
  const auto hosts = read_hosts(dir.path());
  REQUIRE(!hosts.ok());
  CHECK(hosts.error().code == Errc::io);
  CHECK(hosts.error().message ==
        dir.path() + ": Is a directory; make it a file that you may read, or remove it");
}

TEST_CASE("hosts: the example in docs/hosts.md is right") {
  std::ifstream file(RUNWIRE_SOURCE_ROOT "/docs/hosts.md");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto begin = text.find("```toml\n") + 8;
  const auto hosts = parse_hosts(text.substr(begin, text.find("```", begin) - begin), "docs/hosts.md");
  REQUIRE_MESSAGE(hosts.ok(), hosts.error().message);
  CHECK(hosts->at("build1").connect_timeout == 500ms);
  CHECK(hosts->at("web.prod").address.is_unix());
}

TEST_CASE("hosts: the file lies where XDG says") {
  CHECK(hosts_path("/c", "/home/u") == "/c/runwire/hosts.toml");
  CHECK(hosts_path("", "/home/u") == "/home/u/.config/runwire/hosts.toml");
  CHECK(hosts_path("relative", "/home/u") == "/home/u/.config/runwire/hosts.toml");
  CHECK(hosts_path("", "") == "");
}
