#include <doctest/doctest.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "client/relay_ending.hpp"
#include "client/stdio_relay.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

struct Pipe {
  Pipe() {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  std::string all() {
    write_end.reset();
    std::string bytes(1 << 20, '\0');
    const ssize_t n = ::read(read_end.get(), bytes.data(), bytes.size());
    REQUIRE(n >= 0);
    bytes.resize(static_cast<std::size_t>(n));
    return bytes;
  }
  UniqueFd read_end, write_end;
};

template <class Message> std::string framed(const Message& message, std::string_view payload = {}) {
  return frame_head(to_json(message)) + std::string(payload);
}

Start start_of(bool takes_stdin) {
  Start start;
  start.id = "1";
  start.shell = true;
  start.takes_stdin = takes_stdin;
  start.len = 4;
  return start;
}

Exit exit_with(ExitStatus status, std::uint64_t stdout_bytes, std::uint64_t stderr_bytes) {
  Exit exit;
  exit.id = "1";
  exit.status = status;
  exit.reason = status.by_signal() ? Reason::signal : Reason::exited;
  exit.stdout_bytes = stdout_bytes;
  exit.stderr_bytes = stderr_bytes;
  return exit;
}

// One command, whose server's words are all there before it is relayed.
struct Relayed {
  RelayEnding run(const std::string& server_says, bool forwards_stdin = false) {
    pair.peer_sends(framed(ServerHello{}) + server_says);
    Session session(std::move(pair.client), kOutputWindow, kPatience);
    StdioRelay::Options options;
    options.in_fd = in.read_end.get();
    options.output = {out.write_end.get(), err.write_end.get(), json, nullptr};
    options.forwards_stdin = forwards_stdin;
    return StdioRelay(session, start_of(forwards_stdin), options).run("true");
  }

  Pair pair;
  Pipe in, out, err;
  bool json = false;
};

const std::string kStarted = framed(Started{"1", 7, false});

}  // namespace

TEST_CASE("stdio relay: each stream goes where it belongs, and the end is the command's") {
  Relayed relayed;
  const RelayEnding ending = relayed.run(kStarted + framed(Output{"1", StdStream::out, 0, 3}, "out") +
                                         framed(Output{"1", StdStream::err, 0, 4}, "err\n") +
                                         framed(exit_with(ExitStatus::exited(3), 3, 4)));
  CHECK(!ending.failure);
  CHECK(exit_status_of(ending) == 3);
  CHECK(relayed.out.all() == "out");
  CHECK(relayed.err.all() == "err\n");
}

TEST_CASE("stdio relay: what came before a failure is written, and the failure counts") {
  Relayed relayed;
  const RelayEnding ending = relayed.run(kStarted + framed(Output{"1", StdStream::out, 0, 3}, "out") +
                                         framed(exit_with(ExitStatus::exited(0), 2, 0)));
  REQUIRE(ending.failure);
  CHECK(ending.failure->code == Errc::protocol);
  CHECK(exit_status_of(ending) == kOwnFailureStatus);
  CHECK(relayed.out.all() == "out");
}

TEST_CASE("stdio relay: an error about the command is its end, whenever it comes") {
  const std::string refusal = framed(SessionError{"1", {"spawn", "m", "exec", "ENOENT", std::nullopt}});
  for (const std::string& before : {std::string(), kStarted}) {
    Relayed relayed;
    const RelayEnding ending = relayed.run(before + refusal);
    REQUIRE(ending.refusal);
    CHECK(exit_status_of(ending) == 127);
  }
}

TEST_CASE("stdio relay: in JSON every event is a line, whatever blanks the server writes") {
  Relayed relayed;
  relayed.json = true;
  const std::string exit = "{\"type\":\"exit\",\n\"id\":\"1\",\"code\":0,\"stdout\":2,\"stderr\":1}";
  relayed.run(kStarted + framed(Output{"1", StdStream::out, 0, 2}, "\xc3\xa4") +
              framed(Output{"1", StdStream::err, 0, 1}, "\xff") + frame_head(exit));
  CHECK(relayed.out.all() ==
        "{\"type\":\"started\",\"id\":\"1\",\"pid\":7,\"existing\":false}\n"
        "{\"type\":\"output\",\"stream\":\"stdout\",\"off\":0,\"text\":\"\xc3\xa4\"}\n"
        "{\"type\":\"output\",\"stream\":\"stderr\",\"off\":0,\"b64\":\"/w==\"}\n"
        "{\"type\":\"exit\", \"id\":\"1\",\"code\":0,\"stdout\":2,\"stderr\":1}\n");
  CHECK(relayed.err.all().empty());
}

TEST_CASE("stdio relay: timeouts, signals and refusals have their statuses") {
  RelayEnding ending;
  CHECK(exit_status_of(ending) == 255);
  ending.exit = exit_with(ExitStatus::killed(SIGKILL), 0, 0);
  CHECK(exit_status_of(ending) == 137);
  for (const Reason reason : {Reason::timeout, Reason::idle_timeout}) {
    ending.exit->reason = reason;
    CHECK(exit_status_of(ending) == 124);
  }
  ending.exit.reset();
  ending.refusal = SessionError{"1", {"spawn", "", "exec", "EACCES", std::nullopt}};
  CHECK(exit_status_of(ending) == 126);
  ending.refusal->error.stage = "cwd";
  CHECK(exit_status_of(ending) == 255);
}

TEST_CASE("stdio relay: what was wanted has come, unless it was its reader who wanted no more") {
  RelayEnding ending;
  ending.was_enough = true;
  CHECK(exit_status_of(ending) == 0);
  ending.reader_has_gone = true;
  CHECK(exit_status_of(ending) == kOwnFailureStatus);
}

TEST_CASE("stdio relay: incomplete output is no success, and an end by the server is none either") {
  RelayEnding ending;
  ending.exit = exit_with(ExitStatus::exited(0), 0, 0);
  for (const Reason reason : {Reason::output_limit, Reason::client_gone, Reason::shutdown}) {
    ending.exit->reason = reason;
    CHECK(exit_status_of(ending) == 255);
  }
  ending.exit->status = ExitStatus::exited(3);
  CHECK(exit_status_of(ending) == 3);
  ending.exit->reason = Reason::exited;
  ending.exit->truncated = true;
  CHECK(exit_status_of(ending) == 255);
}
