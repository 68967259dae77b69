#include <doctest/doctest.h>

#include <algorithm>
#include <sstream>

#include "server/options.hpp"
#include "tests/captured_stream.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

struct Outcome {
  Invocation invocation;
  std::string out, err;
};

Outcome parse(std::vector<std::string> words) {
  words.insert(words.begin(), "runwired");
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  CapturedStream out(STDOUT_FILENO), err(STDERR_FILENO);
  Invocation invocation = parse_command_line(static_cast<int>(argv.size()), argv.data());
  std::string err_text = err.text();
  return {std::move(invocation), out.text(), std::move(err_text)};
}

Options options_of(std::vector<std::string> words) {
  Outcome outcome = parse(std::move(words));
  CAPTURE(outcome.err);
  REQUIRE(outcome.invocation.options.has_value());
  return *outcome.invocation.options;
}

// What a refused command line says; it says it on stderr and exits with the status for that.
std::string mistake(std::vector<std::string> words) {
  const Outcome outcome = parse(std::move(words));
  REQUIRE_FALSE(outcome.invocation.options.has_value());
  CHECK(outcome.invocation.exit_status == kExitUsage);
  CHECK(outcome.out.empty());
  return outcome.err;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("options: without any there is a default for each") {
  const Options options = options_of({});
  CHECK(options.listen.empty());
  CHECK(options.plain == PlainPolicy::own_user);
  CHECK(options.max_output_bytes == std::uint64_t{4} << 30);
  CHECK(options.drain_timeout_ms == 10000);
  CHECK(options.shell == "/bin/sh");
  CHECK_FALSE(options.cwd.empty());
  CHECK_FALSE(options.spill_dir.empty());
}

TEST_CASE("options: --listen is repeatable and takes every form of address") {
  const Options options =
      options_of({"--listen", "127.0.0.1:0", "--listen", "[::1]:99", "--listen=unix:/tmp/x.sock"});
  CHECK(options.listen ==
        std::vector<Address>{{"", "127.0.0.1", 0}, {"", "::1", 99}, {"/tmp/x.sock", "", 0}});
}

TEST_CASE("options: sizes are bytes, or K, M and G of 1024") {
  CHECK(options_of({"--max-output", "4G"}).max_output_bytes == std::uint64_t{4} << 30);
  CHECK(options_of({"--max-output", "10K"}).max_output_bytes == 10240);
  CHECK(options_of({"--max-output", "3M"}).max_output_bytes == 3 << 20);
  CHECK(options_of({"--max-output", "12345"}).max_output_bytes == 12345);
}

TEST_CASE("options: seconds may have a fraction") {
  CHECK(options_of({"--drain-timeout", "0.25"}).drain_timeout_ms == 250);
  CHECK(options_of({"--drain-timeout", "0"}).drain_timeout_ms == 0);
}

TEST_CASE("options: --plain, --spawner, --lead and --log-level know their words") {
  CHECK(options_of({"--plain", "any-local"}).plain == PlainPolicy::any_local);
  CHECK(options_of({"--plain=own-user"}).plain == PlainPolicy::own_user);
  CHECK(options_of({"--spawner", "uv"}).spawner == SpawnerChoice::uv);
  CHECK(options_of({"--log-level", "debug"}).log_level == log::Level::debug);
  CHECK(options_of({"--lead", "session"}).leads_session);
  CHECK_FALSE(options_of({"--lead", "group"}).leads_session);
}

TEST_CASE("options: a value that cannot be is refused by the name of its option") {
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"--max-running", "0"},       {"--max-running", "many"}, {"--max-queued", "-1"},
      {"--max-output", "lots"},     {"--max-output", "-5"},    {"--max-connections", "0"},
      {"--drain-timeout", "-1"},    {"--drain-timeout", "x"},  {"--plain", "everybody"},
      {"--log-level", "loud"},      {"--spawner", "magic"},    {"--cwd", "/no/such/dir"},
      {"--spill-dir", "/dev/null"}, {"--cgroup", "sometimes"}, {"--direct", "1"},
      {"--lead", "nothing"}};
  for (const auto& pair : wrong) {
    const std::string& option = pair.first;
    CAPTURE(option);
    CAPTURE(pair.second);
    const std::string words = mistake({option, pair.second});
    CAPTURE(words);
    CHECK(contains(words, option));
    CHECK(contains(words, "runwired --help"));
  }
}

TEST_CASE("options: a word that is none of an option's is answered with these") {
  CHECK(contains(mistake({"--cgroup", "sometimes"}), "--cgroup: 'sometimes' is none of: auto, never"));
}

TEST_CASE("options: a missing value, an unknown option and a stray word are refused by name") {
  CHECK(contains(mistake({"--max-running"}), "--max-running"));
  CHECK(contains(mistake({"--max-runnin", "5"}), "--max-runnin"));
  CHECK(contains(mistake({"start"}), "start"));
}

TEST_CASE("options: an address that cannot be read is refused with a right one beside it") {
  const std::string words = mistake({"--listen", "127.0.0.1:99999"});
  CHECK(contains(words, "99999"));
}

TEST_CASE("options: help goes to stdout, examples first, and fits on one screen") {
  for (const char* option : {"--help", "-h"}) {
    const Outcome outcome = parse({option});
    CHECK_FALSE(outcome.invocation.options.has_value());
    CHECK(outcome.invocation.exit_status == 0);
    CHECK(outcome.err.empty());
    CHECK(std::count(outcome.out.begin(), outcome.out.end(), '\n') <= 40);
    std::istringstream lines(outcome.out);
    for (std::string line; std::getline(lines, line);) CHECK(line.size() <= 110);
    CHECK(outcome.out.find("Examples:") < outcome.out.find("Where:"));
  }
}

TEST_CASE("options: help names every option that is understood") {
  const std::string help = parse({"--help"}).out;
  for (const char* option : {"--listen",    "--plain",           "--shell",         "--spawner",
                             "--cwd",       "--max-running",     "--max-queued",    "--max-output",
                             "--spill-dir", "--max-connections", "--drain-timeout", "--log-level",
                             "--max-keep",  "--max-kept",        "--spill-space",   "--follower-timeout",
                             "--cgroup",    "--upgrade",         "--help",          "--version",
                             "--lead"})
    CHECK_MESSAGE(contains(help, option), option);
}

TEST_CASE("options: help names both words of --lead") {
  const std::string help = parse({"--help"}).out;
  const std::string line =
      help.substr(help.find("--lead"), help.find('\n', help.find("--lead")) - help.find("--lead"));
  CHECK(contains(line, "session:"));
  CHECK(contains(line, "group:"));
}

TEST_CASE("options: --version says version and build in one line") {
  const Outcome outcome = parse({"--version"});
  CHECK(outcome.invocation.exit_status == 0);
  CHECK(outcome.out.starts_with("runwired "));
  CHECK(contains(outcome.out, "libuv"));
  CHECK(std::count(outcome.out.begin(), outcome.out.end(), '\n') == 1);
}

TEST_CASE("options: help is given even beside a mistake in the words of another option") {
  CHECK(parse({"--help", "--listen", "127.0.0.1:99999"}).invocation.exit_status == 0);
}
