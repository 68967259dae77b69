#include <doctest/doctest.h>

#include <string>

#include "client/session_command.hpp"

using namespace runwire;

namespace {

constexpr std::uint64_t kWindow = 1000;
constexpr std::uint64_t kStdinWindow = 50;

SessionCommand running() {
  SessionCommand command("1", kWindow);
  REQUIRE(command.take(Started{"1", 42, false}, kStdinWindow).ok());
  return command;
}

Output piece(std::uint64_t off, std::uint64_t len, StdStream stream = StdStream::out) {
  return {"1", stream, off, len};
}

Exit exit_after(std::uint64_t stdout_bytes, std::uint64_t stderr_bytes) {
  Exit exit;
  exit.id = "1";
  exit.stdout_bytes = stdout_bytes;
  exit.stderr_bytes = stderr_bytes;
  return exit;
}

std::string complaint(SessionCommand& command, const ServerMessage& message) {
  const auto taken = command.take(message, kStdinWindow);
  return taken.ok() ? "" : taken.error().message;
}

bool refuses(SessionCommand& command, const ServerMessage& message) {
  const auto taken = command.take(message, kStdinWindow);
  return !taken.ok() && taken.error().code == Errc::protocol;
}

}  // namespace

TEST_CASE("session command: output that follows without a gap and an exit that counts it add up") {
  SessionCommand command = running();
  CHECK(command.take(piece(0, 5), 0).ok());
  CHECK(command.take(piece(0, 2, StdStream::err), 0).ok());
  CHECK(command.take(piece(5, 1), 0).ok());
  CHECK(command.take(piece(6, 0), 0).ok());
  CHECK(!command.has_exited());
  CHECK(command.take(exit_after(6, 2), 0).ok());
  CHECK(command.has_exited());
}

TEST_CASE("session command: a gap, an overlap and wrong counts are the server's mistakes") {
  SessionCommand command = running();
  CHECK(command.take(piece(0, 5), 0).ok());
  CHECK(complaint(command, piece(6, 1)) == "a piece of stdout begins at byte 6, and 5 have come before it");
  CHECK(complaint(command, piece(4, 1)) == "a piece of stdout begins at byte 4, and 5 have come before it");
  CHECK(complaint(command, exit_after(4, 0)) ==
        "the server says that it sent 4 bytes of stdout, and 5 have come");
  CHECK(complaint(command, exit_after(5, 1)) ==
        "the server says that it sent 1 bytes of stderr, and 0 have come");
  CHECK(!command.has_exited());
}

TEST_CASE("session command: nothing is believed about another command") {
  SessionCommand command = running();
  CHECK(refuses(command, Output{"2", StdStream::out, 0, 1}));
  CHECK(refuses(command, Stop{"2", StdStream::in}));
  CHECK(refuses(command, Credit{"2", StdStream::in, 1}));
  CHECK(refuses(command, Started{"2", 1, false}));
  CHECK(refuses(command, SessionError{"2", {}}));
  Exit exit = exit_after(0, 0);
  exit.id = "2";
  CHECK(refuses(command, exit));
}

TEST_CASE("session command: output and exit come after started, which comes once, and nothing after exit") {
  SessionCommand command("1", kWindow);
  CHECK(refuses(command, piece(0, 1)));
  CHECK(refuses(command, exit_after(0, 0)));
  CHECK(command.take(Started{"1", 42, false}, kStdinWindow).ok());
  CHECK(refuses(command, Started{"1", 42, false}));
  CHECK(command.take(exit_after(0, 0), kStdinWindow).ok());
  CHECK(refuses(command, piece(0, 0)));
  CHECK(refuses(command, exit_after(0, 0)));
}

TEST_CASE("session command: an exit brings no output of its own") {
  SessionCommand command = running();
  CHECK(command.take(piece(0, 3), 0).ok());
  Exit exit = exit_after(3, 0);
  exit.len = 3;
  CHECK(refuses(command, exit));
}

TEST_CASE("session command: no more output comes than the window lets in") {
  SessionCommand command = running();
  CHECK(command.take(piece(0, kWindow), 0).ok());
  CHECK(refuses(command, piece(kWindow, 1)));
  CHECK(command.take(piece(0, kWindow, StdStream::err), 0).ok());
  CHECK(refuses(command, piece(kWindow, ~std::uint64_t{0}, StdStream::err)));
}

TEST_CASE("session command: what was written makes room for more, once that is worth a message") {
  SessionCommand command = running();
  CHECK(command.take(piece(0, kWindow), 0).ok());
  CHECK(!command.grant(StdStream::out, kWindow));
  CHECK(!command.grant(StdStream::out, kWindow - kWindow / 8));
  const auto credit = command.grant(StdStream::out, kWindow / 2);
  REQUIRE(credit);
  CHECK(credit->bytes == kWindow / 2);
  CHECK(!command.grant(StdStream::out, kWindow / 2));
  CHECK(command.take(piece(kWindow, kWindow / 2), 0).ok());
  CHECK(refuses(command, piece(kWindow + kWindow / 2, 1)));
}

TEST_CASE("session command: more may wait here than has come, where it grew on its way") {
  SessionCommand command = running();
  CHECK(command.take(piece(0, kWindow), 0).ok());
  CHECK(!command.grant(StdStream::out, 6 * kWindow));
  CHECK(command.grant(StdStream::out, 0)->bytes == kWindow);
}

TEST_CASE("session command: a stopped stream is stopped once and gets no room") {
  SessionCommand command = running();
  CHECK(command.stop(StdStream::out)->stream == StdStream::out);
  CHECK(!command.stop(StdStream::out));
  CHECK(command.take(piece(0, kWindow), 0).ok());
  CHECK(!command.grant(StdStream::out, 0));
  CHECK(!command.is_stopped(StdStream::err));
}

TEST_CASE("session command: stdin is sent within the window, with offsets, and once it ended no more") {
  SessionCommand command("1", kWindow);
  CHECK(command.stdin_room() == 0);
  CHECK(command.take(Started{"1", 42, false}, kStdinWindow).ok());
  CHECK(command.stdin_room() == kStdinWindow);
  CHECK(command.send_stdin(kStdinWindow, false).off == 0);
  CHECK(command.stdin_room() == 0);
  CHECK(command.take(Credit{"1", StdStream::in, 7}, 0).ok());
  CHECK(command.stdin_room() == 7);
  const StdinBytes end = command.send_stdin(0, true);
  CHECK(end.off == kStdinWindow);
  CHECK(end.eof);
  CHECK(!command.takes_stdin());
  CHECK(command.stdin_room() == 0);
}

TEST_CASE("session command: room for stdin does not overflow, and none is left after stop") {
  SessionCommand command = running();
  for (int i = 0; i < 5000; ++i) REQUIRE(command.take(Credit{"1", StdStream::in, kMaxPayloadBytes}, 0).ok());
  CHECK(command.stdin_room() == kMaxPayloadBytes);
  CHECK(command.take(Stop{"1", StdStream::in}, 0).ok());
  CHECK(command.stdin_room() == 0);
}

namespace {

SessionCommand kept_running() {
  Start start;
  start.id = "1";
  start.keep_ms = 1000;
  SessionCommand command(start, kWindow);
  REQUIRE(command.take(Started{"1", 42, false}, kStdinWindow).ok());
  return command;
}

Started found(const KeptState& kept, std::optional<std::int64_t> pid = 42) { return {"1", pid, true, kept}; }

}  // namespace

TEST_CASE("session command: a kept one goes on behind a lost connection where it was") {
  SessionCommand command = kept_running();
  CHECK(command.take(piece(0, 7), 0).ok());
  CHECK(command.take(piece(0, 3, StdStream::err), 0).ok());
  command.resume();
  CHECK(!command.is_started());
  const Attach attach = command.attach();
  CHECK(attach.stdout_off == 7);
  CHECK(attach.stderr_off == 3);
  CHECK(attach.wants_output);
  CHECK(command.take(found({9, 3, 0, 0, true}), kStdinWindow).ok());
  CHECK(command.take(piece(7, kWindow), 0).ok());  // a window anew
  CHECK(command.take(exit_after(kWindow + 7, 3), 0).ok());
}

TEST_CASE("session command: a piece that comes twice or is left out behind a lost connection is a mistake") {
  for (const std::uint64_t off : {std::uint64_t{0}, std::uint64_t{6}, std::uint64_t{8}}) {
    SessionCommand command = kept_running();
    CHECK(command.take(piece(0, 7), 0).ok());
    command.resume();
    CHECK(command.take(found({9, 0, 0, 0, true}), kStdinWindow).ok());
    CHECK(refuses(command, piece(off, 1)));
  }
}

TEST_CASE("session command: input goes on where the server wants it, with the room that it has") {
  SessionCommand command = kept_running();
  CHECK(command.send_stdin(kStdinWindow, true).eof);
  command.resume();
  CHECK(command.take(found({0, 0, 20, 5, false}), kStdinWindow).ok());
  CHECK(command.takes_stdin());
  CHECK(command.stdin_sent() == 20);
  CHECK(command.stdin_room() == 5);
  command.resume();
  CHECK(command.take(found({0, 0, kStdinWindow, 0, true}), kStdinWindow).ok());
  CHECK(!command.takes_stdin());
  command.resume();
  CHECK(!command.takes_stdin());
}

TEST_CASE("session command: of input a window is needed again at most, and what was read never") {
  SessionCommand command = kept_running();
  CHECK(command.send_stdin(40, false).off == 0);
  CHECK(command.stdin_needed_from() == 0);
  CHECK(command.take(Credit{"1", StdStream::in, 30}, 0).ok());
  CHECK(command.stdin_needed_from() == 30);
  command.resume();
  CHECK(refuses(command, found({0, 0, 29, 50, false})));
}

TEST_CASE("session command: input of one that is not kept is never needed again") {
  SessionCommand command = running();
  CHECK(command.send_stdin(40, false).off == 0);
  CHECK(command.stdin_needed_from() == 40);
}

TEST_CASE("session command: who follows from now on begins where the streams stand") {
  Attach attach;
  attach.id = "1";
  SessionCommand command(attach, kWindow);
  CHECK(!command.attach().stdout_off);
  CHECK(command.take(found({100, 50, 0, 0, true}), kStdinWindow).ok());
  CHECK(command.take(piece(100, 5), 0).ok());
  CHECK(command.attach().stdout_off == 105);
  CHECK(command.attach().stderr_off == 50);
  CHECK(command.take(exit_after(105, 50), 0).ok());
}

TEST_CASE("session command: who follows from now on must be told where that is") {
  Attach attach;
  attach.id = "1";
  SessionCommand command(attach, kWindow);
  CHECK(refuses(command, Started{"1", 42, true}));
}

TEST_CASE("session command: who wants no output counts none") {
  Attach attach;
  attach.id = "1";
  attach.wants_output = false;
  SessionCommand command(attach, kWindow);
  CHECK(command.take(found({100, 50, 0, 0, true}), kStdinWindow).ok());
  CHECK(command.take(exit_after(1000, 50), 0).ok());
}

TEST_CASE("session command: a gap stands in its place and takes no room") {
  SessionCommand command = kept_running();
  CHECK(command.take(piece(0, 5), 0).ok());
  CHECK(command.take(Gap{"1", StdStream::out, 5, 5 + 3 * kWindow}, 0).ok());
  CHECK(command.take(piece(5 + 3 * kWindow, kWindow - 5), 0).ok());
  CHECK(refuses(command, Gap{"1", StdStream::out, 5, 6}));
  CHECK(refuses(command, Gap{"1", StdStream::err, 0, 0}));
  SessionCommand own = running();
  CHECK(refuses(own, Gap{"1", StdStream::out, 0, 1}));
}

TEST_CASE("session command: a kept one may wait, and is told once that it runs") {
  Attach attach;
  attach.id = "1";
  SessionCommand command(attach, kWindow);
  CHECK(command.take(found({0, 0, 0, 0, true}, std::nullopt), kStdinWindow).ok());
  CHECK(command.take(found({0, 0, 0, 0, true}), kStdinWindow).ok());
  CHECK(refuses(command, found({0, 0, 0, 0, true})));
}

TEST_CASE("session command: an answer that nobody asked for is a mistake") {
  SessionCommand own = running();
  CHECK(refuses(own, Detached{"1", DetachReason::slow}));
  CHECK(refuses(own, Forgotten{"1"}));
  CHECK(refuses(own, JobInfo{}));
  CHECK(refuses(own, Listed{}));
  SessionCommand kept = kept_running();
  CHECK(kept.take(Detached{"1", DetachReason::slow}, 0).ok());
  CHECK(refuses(kept, Detached{"2", DetachReason::slow}));
}
