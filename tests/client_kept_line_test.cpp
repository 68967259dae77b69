#include <doctest/doctest.h>
#include <poll.h>

#include <utility>

#include "client/kept_line.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using namespace runwire::test;
using namespace std::chrono_literals;

namespace {

// A line to a daemon that the test plays, and the session over it.
struct Line {
  explicit Line(std::chrono::milliseconds patience = 1h)
      : line(request_to(listener), "k1", patience, false) {}

  const CommandRequest& request_to(const TcpListener& to) {
    request.host = "h";
    request.address = to.address();
    request.connect_timeout = kPatience;
    return request;
  }
  static ServerHello hello_of(const std::string& boot) {
    ServerHello hello;
    hello.boot = boot;
    return hello;
  }
  // Tries until there is a connection, or no hope.
  Status restore() {
    while (line.is_down()) {
      pollfd watched = {line.fd(), POLLIN, 0};
      (void)::poll(&watched, 1, line.milliseconds_to_wake());
      RUNWIRE_TRY(line.try_again(session));
    }
    return Ok{};
  }

  TcpListener listener;
  Session session{Pair::connected(listener), 1, kPatience};
  CommandRequest request;
  KeptLine line;
};

const Error kWhy = {Errc::closed, "it broke"};

bool says(const Error& error, std::string_view what) { return error.message.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("kept line: a connection that was never greeted is made anew, too") {
  Line each;
  REQUIRE(each.line.lose(kWhy).ok());
  CHECK(!each.line.has_met());
  REQUIRE(each.restore().ok());
  CHECK(each.line.meet(Line::hello_of("1")).ok());
}

TEST_CASE("kept line: where no daemon is met while connecting may take, the first cause is the error") {
  Line each;
  REQUIRE(each.line.lose(kWhy).ok());
  each.request.connect_timeout = 0ms;
  const Status lost = each.line.lose({Errc::refused, "another cause"});
  REQUIRE(!lost.ok());
  CHECK(lost.error().message == "it broke");
  CHECK(!each.line.has_met());
}

TEST_CASE("kept line: a lost connection is made anew, and greeted anew") {
  Line each;
  REQUIRE(each.line.meet(Line::hello_of("1")).ok());
  CHECK(each.line.is_up());
  REQUIRE(each.line.lose(kWhy).ok());
  CHECK(each.line.is_down());
  REQUIRE(each.restore().ok());
  CHECK(each.line.is_greeting());
  const UniqueFd peer = each.listener.accept();
  CHECK(each.line.meet(Line::hello_of("1")).ok());
}

TEST_CASE("kept line: nothing is tried before its time") {
  Line each;
  REQUIRE(each.line.meet(Line::hello_of("1")).ok());
  REQUIRE(each.line.lose(kWhy).ok());
  CHECK(each.line.milliseconds_to_wake() > 0);
  CHECK(each.line.try_again(each.session).ok());
  CHECK(each.line.is_down());
}

TEST_CASE("kept line: another daemon in the place of the first is told by its boot") {
  Line each;
  REQUIRE(each.line.meet(Line::hello_of("1")).ok());
  REQUIRE(each.line.lose(kWhy).ok());
  REQUIRE(each.restore().ok());
  const Status met = each.line.meet(Line::hello_of("2"));
  REQUIRE(!met.ok());
  CHECK(says(met.error(), "the daemon is a new one"));
  CHECK(says(met.error(), "command k1"));
}

TEST_CASE("kept line: it gives up when its patience, or the daemon's, is over") {
  for (const bool by_daemon : {false, true}) {
    Line each(by_daemon ? 3600000ms : 1ms);
    ServerHello hello = Line::hello_of("1");
    if (by_daemon) hello.limits.keep_ms = 1;
    REQUIRE(each.line.meet(hello).ok());
    REQUIRE(each.line.lose(kWhy).ok());
    REQUIRE(each.restore().ok());
    const Status lost = each.line.lose(kWhy);
    REQUIRE(!lost.ok());
    CHECK(says(lost.error(), "cannot be had again (it broke): the command's outcome is unknown"));
    CHECK(says(lost.error(), "`runwire attach h k1` asks for it"));
  }
}

TEST_CASE("kept line: time that was lost counts from when the command was last followed") {
  Line each(100ms);
  REQUIRE(each.line.meet(Line::hello_of("1")).ok());
  for (int i = 0; i < 5; ++i) {
    REQUIRE(each.line.lose(kWhy).ok());
    REQUIRE(each.restore().ok());
    REQUIRE(each.line.meet(Line::hello_of("1")).ok());
    each.line.found();
  }
}

TEST_CASE("kept line: each loss is news once, and so is its end") {
  Line each;
  REQUIRE(each.line.meet(Line::hello_of("1")).ok());
  CHECK(!each.line.take_news());
  CHECK(!each.line.good_news());
  REQUIRE(each.line.lose(kWhy).ok());
  CHECK(each.line.take_news() == "the connection is lost: it broke");
  CHECK(!each.line.take_news());
  CHECK(each.line.standing() == "the connection is lost, trying again (0 s)");
  CHECK(each.line.good_news() == "connected again to " + to_string(each.request.address));
  each.line.found();
  CHECK(!each.line.good_news());
}

TEST_CASE("kept line: whether the command goes on is said as far as it is known") {
  Line each;
  CHECK(says(each.line.detached(), "before the daemon was asked for anything"));
  REQUIRE(each.line.meet(Line::hello_of("1")).ok());
  CHECK(says(each.line.detached(), "the command may go on;"));  // the start may not have left
  each.line.found();
  CHECK(says(each.line.detached(), "the command goes on;"));
  REQUIRE(each.line.lose(kWhy).ok());
  CHECK(says(each.line.detached(), "the command may go on;"));
}

TEST_CASE("kept line: who leaves is told how to come back") {
  Line each;
  REQUIRE(each.line.meet(Line::hello_of("1")).ok());
  CHECK(says(each.line.detached(), "`runwire attach h k1` comes back to it, `runwire kill h k1` ends it"));
  CHECK(each.line.left(kWhy).message ==
        "it broke; the command may still run: `runwire attach h k1` comes back to it");
}

TEST_CASE("kept line: a command that cannot be followed is told with the next step") {
  Line each;
  CHECK(says(each.line.refused(error_reply(error_name::kUnknown, "")), "`runwire ps h` shows those"));
  CHECK(says(each.line.refused(error_reply(error_name::kExpired, "")), "--keep=1d keeps one longer"));
  CHECK(
      says(each.line.refused(error_reply(error_name::kConflict, "it ends at 3")), "conflict: it ends at 3"));
}
