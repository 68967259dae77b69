#include "client/cli.hpp"

#include <doctest/doctest.h>

#include <csignal>

#include "client/job_cli.hpp"

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

std::string complaint(const Words& words) {
  const auto invocation = parse_command_line(words, kPlain);
  return invocation.ok() ? "" : invocation.error().message;
}

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

}  // namespace

TEST_CASE("job cli: a first word that is a verb is the verb, and behind it stand HOST and ID") {
  const std::pair<const char*, JobVerb> verbs[] = {{"attach", JobVerb::attach},
                                                   {"wait", JobVerb::wait},
                                                   {"logs", JobVerb::logs},
                                                   {"kill", JobVerb::kill},
                                                   {"rm", JobVerb::rm}};
  for (const auto& [name, verb] : verbs) {
    const Invocation invocation = parsed({name, "h:1", "k1"});
    CHECK(invocation.task == Invocation::job_verb);
    CHECK(invocation.job.verb == verb);
    CHECK(to_string(invocation.request.address) == "h:1");
    CHECK(invocation.request.host == "h:1");
    CHECK(invocation.job.ids == Words{"k1"});
  }
}

TEST_CASE("job cli: a host that is named like a verb is behind a --, and a command may be, too") {
  const Invocation invocation = parsed({"--", "ps", "ls"});
  CHECK(invocation.task == Invocation::run_line);
  CHECK(to_string(invocation.request.address) == "ps:8098");
  CHECK(parsed({"h", "ps"}).task == Invocation::run_line);
  CHECK(to_string(parsed({"ps:1", "ls"}).request.address) == "ps:1");
}

TEST_CASE("job cli: ps takes HOST, or none for the default one") {
  CHECK(to_string(parsed({"ps"}).request.address) == "unix:/run/user/7/runwire.sock");
  CHECK(parsed({"ps"}).request.own_server_only);
  CHECK(to_string(parsed({"ps"}, {"other:7", "", 7}).request.address) == "other:7");
  CHECK(to_string(parsed({"ps", "h"}).request.address) == "h:8098");
  CHECK(contains(complaint({"ps", "h", "x"}), "'x' stands behind it"));
}

TEST_CASE("job cli: the others need an id, rm takes several") {
  for (const char* name : {"attach", "wait", "logs", "kill", "rm"}) {
    CHECK(contains(complaint({name}), std::string("write runwire ") + name + " HOST ID"));
    CHECK(contains(complaint({name, "k1"}), "`.` is the default HOST"));
    CHECK(contains(complaint({name, ".", ""}), "is no id"));
    CHECK(contains(complaint({name, ".", std::string(65, 'x')}), "is no id"));
  }
  CHECK(complaint({"wait", ".", "a", "b"}) != "");
  CHECK(parsed({"rm", ".", "a", "b"}).job.ids == Words{"a", "b"});
}

TEST_CASE("job cli: options stand anywhere before a --") {
  for (const Words& words : {Words{"-q", "attach", "h", "k"}, Words{"attach", "-q", "h", "k"},
                             Words{"attach", "h", "-q", "k"}, Words{"attach", "h", "k", "-q"}})
    CHECK(parsed(words).request.quiet);
  CHECK(parsed({"attach", "h", "--", "-q"}).job.ids == Words{"-q"});
  CHECK(parsed({"ps", "--connect-timeout", "2s", "h"}).request.connect_timeout == 2s);
  CHECK(parsed({"--connect-timeout=2s", "ps", "h"}).request.connect_timeout == 2s);
}

TEST_CASE("job cli: each verb has options of its own") {
  CHECK(!parsed({"attach", "h", "k"}).request.forwards_stdin);
  CHECK(parsed({"attach", "-i", "h", "k"}).request.forwards_stdin);
  CHECK(parsed({"attach", "h", "k"}).request.terminal == TerminalWish::never);
  CHECK(parsed({"attach", "-t", "h", "k"}).request.terminal == TerminalWish::as_here);
  CHECK(parsed({"attach", "-t", "h", "k"}).request.forwards_stdin);
  CHECK(!parsed({"attach", "h", "k"}).job.from_now);
  CHECK(parsed({"attach", "--tail", "h", "k"}).job.from_now);
  CHECK(parsed({"logs", "-f", "h", "k"}).job.goes_on);
  CHECK(parsed({"wait", "--status-file", "f", "h", "k"}).request.status_file == "f");
  CHECK(parsed({"ps", "--json"}).request.json);
  CHECK(contains(complaint({"ps", "-f"}), "ps: "));
  CHECK(complaint({"ps", "-f"}).ends_with("; `runwire ps -h` shows the usage"));
  CHECK(complaint({"logs", "-i", "h", "k"}) != "");
  CHECK(complaint({"logs", "-t", "h", "k"}) != "");
  CHECK(complaint({"-w", "/", "attach", "h", "k"}) != "");
}

TEST_CASE("job cli: a signal is a name, with or without SIG, or a number") {
  CHECK(parsed({"kill", "h", "k"}).job.signal == 0);
  for (const char* word : {"HUP", "SIGHUP", "1", "hup", "sigHup"})
    CHECK(parsed({"kill", "-s", word, "h", "k"}).job.signal == SIGHUP);
  for (const char* word : {"", "NO", "-1", "0", "x1", "65", "127"})
    CHECK(contains(complaint({"kill", "-s", word, "h", "k"}), "is no signal here"));
  for (const char* word : {"-9", "-KILL", "-kill", "-SIGKILL"})
    CHECK(contains(complaint({"kill", word, "h", "k"}), "write -s KILL instead of "));
}

TEST_CASE("job cli: help of a verb is that of all of them, and fits a screen") {
  CHECK(parsed({"ps", "-h"}).task == Invocation::job_help);
  CHECK(parsed({"rm", "--help"}).task == Invocation::job_help);
  const std::string_view help = job_help_text();
  std::size_t lines = 0;
  for (std::size_t at = 0, end = 0; (end = help.find('\n', at)) != help.npos; at = end + 1, ++lines)
    CHECK(end - at <= 80);
  CHECK(lines <= 40);
}
