#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <string>
#include <vector>

#include "bench/options.hpp"

using namespace runwire;

namespace {

using Words = std::vector<const char*>;

std::variant<Options, EarlyExit> parse(Words words) {
  words.insert(words.begin(), "runwire-bench");
  return parse_options(static_cast<int>(words.size()), words.data(), "/run/user/1");
}

Options accepted(const Words& words) {
  auto parsed = parse(words);
  if (const auto* exit = std::get_if<EarlyExit>(&parsed)) FAIL(exit->text);
  return std::get<Options>(std::move(parsed));
}

EarlyExit ended(const Words& words) {
  auto parsed = parse(words);
  REQUIRE(std::holds_alternative<EarlyExit>(parsed));
  return std::get<EarlyExit>(std::move(parsed));
}

}  // namespace

TEST_CASE("bench options: none give 10 s of echo hello at the user's own socket") {
  const Options options = accepted({});
  CHECK(options.address.unix_path == "/run/user/1/runwire.sock");
  CHECK(options.command == "echo hello");
  CHECK(options.extent.duration == 10 * kSecond);
  CHECK(options.extent.commands == 0);
  CHECK(options.plan.connections == 8);
  CHECK_FALSE(options.plan.open_loop.has_value());
  CHECK_FALSE(options.plan.new_connections);
  CHECK(options.warmup == kSecond);
  CHECK(options.progress);
}

TEST_CASE("bench options: a count alone has no time limit, with a duration it has both") {
  CHECK(accepted({"-n", "5"}).extent.duration == 0);
  CHECK(accepted({"-n", "5", "-z", "3s"}).extent.duration == 3 * kSecond);
  CHECK(accepted({"-n", "5", "-z", "3s"}).extent.commands == 5);
}

TEST_CASE("bench options: a rate makes it an open loop, random unless it is to be fixed") {
  const Options random = accepted({"-r", "500"});
  REQUIRE(random.plan.open_loop.has_value());
  CHECK(random.plan.open_loop->per_second == 500);
  CHECK(random.plan.open_loop->spacing == Spacing::poisson);
  CHECK(random.plan.connections == 256);
  const Options fixed = accepted({"--rate", "0.5", "--spacing", "fixed", "-c", "3"});
  CHECK(fixed.plan.open_loop->spacing == Spacing::fixed);
  CHECK(fixed.plan.connections == 3);
}

TEST_CASE("bench options: the words after HOST are the command, whatever they look like") {
  const Options options = accepted({"-c", "2", "localhost:99", "ls", "-c", "--json", "x"});
  CHECK(options.address == Address{"", "localhost", 99});
  CHECK(options.command == "ls -c --json x");
  CHECK(options.plan.connections == 2);
  CHECK(options.json_path.empty());
}

TEST_CASE("bench options: of an option given twice the last one counts, so that an alias can be overruled") {
  CHECK(accepted({"-c", "2", "-c", "3"}).plan.connections == 3);
  CHECK(accepted({"--timeout", "1s", "--timeout", "2s"}).plan.timeout == 2 * kSecond);
}

TEST_CASE("bench options: each scenario has its own defaults") {
  CHECK(accepted({}).scenario == Scenario::plain);
  const Options spawn = accepted({"--scenario", "spawn"});
  CHECK(spawn.plan.connections == 8);
  CHECK(spawn.plan.sessions == 0);
  CHECK(spawn.reply == ReplyForm::whole);
  CHECK(spawn.command == "echo hello");
  const Options mux = accepted({"--scenario", "mux"});
  CHECK(mux.plan.connections == 100);
  CHECK(mux.plan.sessions == 1);
  const Options stream = accepted({"--scenario", "stream"});
  CHECK(stream.command == "head -c 1073741824 /dev/zero");
  CHECK(stream.reply == ReplyForm::stream);
  CHECK(stream.plan.connections == 1);
  CHECK(stream.extent.commands == 1);
  CHECK(stream.extent.duration == 0);
  CHECK(stream.warmup == 0);
  CHECK(accepted({"--scenario", "stdin"}).command == "wc -c");
  const Options echo = accepted({"--scenario", "echo"});
  CHECK(echo.command == "cat");
  CHECK(echo.bytes == 64);
  CHECK(echo.extent.duration == 10 * kSecond);
  const Options idle = accepted({"--scenario", "many-idle"});
  CHECK(idle.idle == 1000);
  CHECK(idle.plan.idle_sessions == 1000);
}

TEST_CASE("bench options: what is said of a scenario overrules its defaults") {
  const Options mux = accepted({"--scenario", "mux", "-c", "6", "--sessions", "2", "--reply", "stream"});
  CHECK(mux.plan.connections == 6);
  CHECK(mux.plan.sessions == 2);
  CHECK(mux.reply == ReplyForm::stream);
  const Options stream =
      accepted({"--scenario", "stream", "--bytes", "64M", "-z", "3s", "-c", "4", "--window", "64K"});
  CHECK(stream.command == "head -c 67108864 /dev/zero");
  CHECK(stream.extent.duration == 3 * kSecond);
  CHECK(stream.extent.commands == 0);
  CHECK(stream.plan.connections == 4);
  CHECK(stream.window == 65536);
  CHECK(accepted({"--scenario", "spawn", "--idle", "5"}).plan.idle_sessions == 5);
  CHECK(accepted({"--idle", "5"}).plan.idle_sessions == 0);
}

TEST_CASE("bench options: 0 bytes are endless, until the time is up") {
  const Options stream = accepted({"--scenario", "stream", "--bytes", "0", "-z", "1s"});
  CHECK(stream.plan.endless);
  CHECK(stream.command == "cat /dev/zero");
  CHECK_FALSE(accepted({"--scenario", "stream", "-z", "1s"}).plan.endless);
}

TEST_CASE("bench options: --command goes with the default host") {
  const Options options = accepted({"--command", "true"});
  CHECK(options.command == "true");
  CHECK(options.address.is_unix());
}

TEST_CASE("bench options: an expected text may be empty, a status above 128 is a signal") {
  CHECK(accepted({"--expect", ""}).expected_payload == "");
  CHECK_FALSE(accepted({}).expected_payload.has_value());
  CHECK(accepted({"--expect-status", "3"}).expected_status == ExitStatus::exited(3));
  CHECK(accepted({"--expect-status", "137"}).expected_status == ExitStatus::killed(SIGKILL));
}

TEST_CASE("bench options: --expect-file is the file's bytes") {
  char path[] = "/tmp/runwire-test-XXXXXX";
  const int fd = ::mkstemp(path);
  REQUIRE(fd >= 0);
  REQUIRE(::write(fd, "a\0b\n", 4) == 4);
  ::close(fd);
  CHECK(accepted({"--expect-file", path}).expected_payload == std::string("a\0b\n", 4));
  ::unlink(path);
}

TEST_CASE("bench options: each misuse ends with 255, names its cause and where to look") {
  const std::pair<Words, const char*> misuses[] = {
      {{"localhost", "-c", "8"}, "put options before HOST"},
      {{"-c", "0"}, "-c"},
      {{"-c", "many"}, "-c"},
      {{"-z", "soon"}, "duration 'soon'"},
      {{"-z", "0"}, "--duration"},
      {{"--timeout", "0"}, "--timeout"},
      {{"-r", "-5"}, "--rate"},
      {{"--spacing", "fixed"}, "--rate"},
      {{"-r", "1", "--spacing", "odd"}, "--spacing"},
      {{"--expect", "a", "--expect-file", "b"}, "--expect"},
      {{"--expect-file", "/no/such/file"}, "/no/such/file"},
      {{"--expect-status", "256"}, "--expect-status"},
      {{"--json", "-", "--csv", "-"}, "stdout"},
      {{"--command", "a", "localhost", "b"}, "twice"},
      {{"--no-such-option"}, "--no-such-option"},
      {{"[::1"}, "address '[::1'"},
      {{"--pid", "0"}, "--pid"},
      {{"--scenario", "odd"}, "'odd' is none of plain, spawn"},
      {{"--sessions", "2"}, "--sessions is about sessions"},
      {{"--reply", "stream"}, "--reply is about sessions"},
      {{"--scenario", "spawn", "-c", "2", "--sessions", "3"}, "--sessions"},
      {{"--scenario", "mux", "--new-connection"}, "--new-connection"},
      {{"--scenario", "stream", "--bytes", "0"}, "--duration"},
      {{"--scenario", "echo", "--bytes", "0"}, "--bytes"},
      {{"--scenario", "spawn", "--reply", "odd"}, "--reply"},
      {{"--scenario", "stream", "--reply", "whole"}, "brings its own"},
      {{"--scenario", "echo", "localhost", "true"}, "brings its own"},
      {{"--scenario", "stdin", "--command", "true"}, "brings its own"},
      {{"--scenario", "stdin", "--expect", "x"}, "brings its own"},
  };
  for (const auto& misuse : misuses) {
    const char* const cause = misuse.second;  // clang cannot capture a part of a structured binding
    CAPTURE(cause);
    const EarlyExit exit = ended(misuse.first);
    CHECK(exit.code == 255);
    CHECK(exit.text.find("runwire-bench: ") == 0);
    CHECK(exit.text.find(cause) != std::string::npos);
    CHECK(exit.text.find("--help") != std::string::npos);
  }
}

TEST_CASE("bench options: help fits a screen and has examples before options") {
  const EarlyExit exit = ended({"--help"});
  CHECK(exit.code == 0);
  CHECK(std::count(exit.text.begin(), exit.text.end(), '\n') <= 40);
  CHECK(exit.text.find("Examples:") < exit.text.find("--connections"));
}

TEST_CASE("bench options: help names every option there is") {
  const std::string help = ended({"-h"}).text;
  for (const char* option : {"-c, --connections", "-n, --commands",   "-z, --duration", "-r, --rate",
                             "--spacing",         "--new-connection", "-w, --warmup",   "--idle",
                             "--command",         "--timeout",        "--expect ",      "--expect-file",
                             "--expect-status",   "--json",           "--csv",          "--pid",
                             "--no-progress",     "-h, --help",       "-V, --version",  "--scenario",
                             "--sessions",        "--reply",          "--bytes",        "--window",
                             "`plain`",           "`spawn`",          "`mux`",          "`many-idle`",
                             "`stream`",          "`stdin`",          "`echo`"}) {
    CAPTURE(option);
    CHECK(help.find(option) != std::string::npos);
  }
}

TEST_CASE("bench options: version says how it was built, for the warnings of others to read") {
  const EarlyExit exit = ended({"--version"});
  CHECK(exit.code == 0);
  CHECK(exit.text.find("runwire-bench ") == 0);
  CHECK(exit.text.find("asserts o") != std::string::npos);
  CHECK(exit.text.find("sanitizers o") != std::string::npos);
}
