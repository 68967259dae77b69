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
