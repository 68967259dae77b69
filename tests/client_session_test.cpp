#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "client/session.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

using Milliseconds = std::chrono::milliseconds;

// A session whose server is the test.
struct Conversation {
  explicit Conversation(Milliseconds patience = kPatience)
      : session(std::move(pair.client), kWindow, patience) {}

  template <class Message> void server_says(const Message& message, std::string_view payload = {}) {
    pair.peer_sends(frame_head(to_json(message)) + std::string(payload));
  }
  // The next event, of which the server has sent everything.
  SessionEvent event() {
    for (;;) {
      auto event = session.next();
      REQUIRE(event.ok());
      if (*event) return **event;
      REQUIRE(session.receive().ok());
    }
  }
  // What next() or receive() fails with in the end.
  Error failure() {
    for (;;) {
      const auto event = session.next();
      if (!event) return event.error();
      const auto received = session.receive();
      if (!received) return received.error();
    }
  }
  void meet(std::uint64_t ping_ms = 0) {
    ServerHello hello;
    hello.ping_ms = ping_ms;
    server_says(hello);
    REQUIRE(session.await_hello().ok());
    CHECK(pair.peer_reads(4096) == opening());
  }
  static std::string opening() { return std::string(kPreface) + frame_head(to_json(ClientHello{kWindow})); }

  static constexpr std::uint64_t kWindow = 1000;
  Pair pair;
  Session session;
};

bool says(const Error& error, std::string_view what) { return error.message.find(what) != std::string::npos; }

}  // namespace

TEST_CASE("session: preface and hello go out with the first message, which does not wait for an answer") {
  Conversation talk;
  REQUIRE(talk.session.send(Signal{"1", 15}).ok());
  CHECK(talk.pair.peer_reads(4096) == Conversation::opening() + frame_head(to_json(Signal{"1", 15})));
}

TEST_CASE("session: a message goes out with its payload") {
  Conversation talk;
  talk.meet();
  REQUIRE(talk.session.send(StdinBytes{"1", 0, false, 3}, "abc").ok());
  CHECK(talk.pair.peer_reads(4096) == frame_head(to_json(StdinBytes{"1", 0, false, 3})) + "abc");
  CHECK(talk.session.unsent_bytes() == 0);
}

TEST_CASE("session: what the server does not take waits, and goes out in order") {
  Conversation talk;
  talk.meet();
  const std::string payload(100000, 'x');
  std::string sent;
  while (talk.session.unsent_bytes() < 500000) {
    const StdinBytes message = {"1", sent.size(), false, payload.size()};
    REQUIRE(talk.session.send(message, payload).ok());
    sent += frame_head(to_json(message)) + payload;
  }
  std::string received;
  while (received.size() < sent.size()) {
    received += talk.pair.peer_reads(1 << 20);
    REQUIRE(talk.session.flush().ok());
  }
  CHECK((received == sent));
  CHECK(talk.session.unsent_bytes() == 0);
}

TEST_CASE("session: output comes in pieces that say their place") {
  Conversation talk;
  talk.meet();
  talk.server_says(Output{"1", StdStream::err, 10, 5}, "ab");
  SessionEvent event = talk.event();
  CHECK(event.bytes == "ab");
  CHECK(std::get<Output>(event.message).off == 10);
  talk.pair.peer_sends("cde");
  event = talk.event();
  CHECK(event.bytes == "cde");
  CHECK(std::get<Output>(event.message).off == 12);
  CHECK(std::get<Output>(event.message).stream == StdStream::err);
}

TEST_CASE("session: an empty output is an event, too") {
  Conversation talk;
  talk.meet();
  talk.server_says(Output{"1", StdStream::out, 7, 0});
  CHECK(std::get<Output>(talk.event().message).off == 7);
}

TEST_CASE("session: a header comes with its own words") {
  Conversation talk;
  talk.meet();
  const std::string json = R"({"type":"started","id":"1","pid":7,"news":true})";
  talk.pair.peer_sends(frame_head(json));
  CHECK(talk.event().json == json);
}

TEST_CASE("session: a ping is answered, unasked and once") {
  Conversation talk;
  talk.meet();
  talk.server_says(Ping{});
  talk.server_says(Started{"1", 7, false});
  talk.event();
  CHECK(talk.pair.peer_reads(4096) == frame_head(to_json(Pong{})));
}

TEST_CASE("session: answers to pings that are not taken do not pile up") {
  Conversation talk;
  talk.meet();
  while (talk.session.unsent_bytes() == 0)
    REQUIRE(talk.session.send(StdinBytes{"1", 0, false, 4}, "abcd").ok());
  const std::size_t before = talk.session.unsent_bytes();
  for (int i = 0; i < 100; ++i) talk.server_says(Ping{});
  talk.server_says(Started{"1", 7, false});
  talk.event();
  CHECK(talk.session.unsent_bytes() == before + frame_head(to_json(Pong{})).size());
}

TEST_CASE("session: what may be passed over is passed over with its payload") {
  Conversation talk;
  talk.meet();
  talk.pair.peer_sends(frame_head(R"({"type":"news","optional":true,"len":4})") + "{}{}");
  talk.server_says(Started{"1", 7, false});
  CHECK(std::holds_alternative<Started>(talk.event().message));
}

TEST_CASE("session: what makes no sense ends it for ever") {
  for (const char* json :
       {R"({"type":"news"})", R"({"type":"hello","v":1})", "[]", R"({"type":"ping","type":"ping"})"}) {
    CAPTURE(json);
    Conversation talk;
    talk.meet();
    talk.pair.peer_sends(frame_head(json));
    CHECK(talk.failure().code == Errc::protocol);
    CHECK(!talk.session.next().ok());
  }
}

TEST_CASE("session: before a hello nothing else is believed, and the next step is named") {
  for (const std::string& bytes :
       {frame_head(R"({"type":"ping"})"), frame_head(R"({"len":0})"), std::string("HTTP/1.1 400 Bad\r\n")}) {
    Conversation talk;
    talk.pair.peer_sends(bytes);
    const Error error = talk.failure();
    CHECK(error.code == Errc::protocol);
    CHECK(says(error, "is it a runwired that listens there? Check HOST and its port, or give --plain"));
  }
}

TEST_CASE("session: a refusal in the place of hello is an event, in the plain protocol as well") {
  for (const char* json : {R"({"type":"error","error":"busy","message":"m"})",
                           R"({"filename":"cls.txt","len":0,"error":"busy","message":"m"})"}) {
    Conversation talk;
    talk.pair.peer_sends(frame_head(json));
    CHECK(std::get<SessionError>(talk.event().message).error.error == "busy");
  }
}

TEST_CASE("session: waiting for hello ends with the refusal, the end or the deadline") {
  Conversation refused;
  refused.server_says(SessionError{"", {"busy", "m", "", "", std::nullopt}});
  CHECK(refused.session.await_hello().error().code == Errc::refused);
  Conversation ended;
  ended.pair.peer_ends();
  CHECK(ended.session.await_hello().error().code == Errc::closed);
  Conversation silent(Milliseconds(1));
  CHECK(silent.session.await_hello().error().code == Errc::timeout);
}

TEST_CASE("session: the end of the connection is told after everything that came before it") {
  Conversation talk;
  talk.meet();
  talk.server_says(Started{"1", 7, false});
  talk.pair.peer_ends();
  CHECK(std::holds_alternative<Started>(talk.event().message));
  CHECK(talk.failure().code == Errc::closed);
}

TEST_CASE("session: a server that reads no more can still be heard") {
  Conversation talk;
  talk.meet();
  talk.server_says(Started{"1", 7, false});
  REQUIRE(::shutdown(talk.pair.peer.get(), SHUT_RD) == 0);
  talk.pair.peer.reset();
  for (int i = 0; i < 3; ++i) CHECK(talk.session.send(Signal{"1", 15}).ok());
  CHECK(talk.session.flush().ok());
  CHECK(talk.session.unsent_bytes() == 0);
  CHECK(std::holds_alternative<Started>(talk.event().message));
}

TEST_CASE("session: a silent server is asked three times and given up the fourth") {
  Conversation talk;
  talk.meet(1000);
  auto now = Session::Clock::now();
  CHECK(talk.session.keep_alive(now).ok());
  for (int i = 0; i < 3; ++i) {
    now = *talk.session.wake_at();
    CHECK(talk.session.keep_alive(now).ok());
    CHECK(talk.pair.peer_reads(4096) == frame_head(to_json(Ping{})));
  }
  now = *talk.session.wake_at();
  const auto given_up = talk.session.keep_alive(now);
  REQUIRE(!given_up.ok());
  CHECK(given_up.error().code == Errc::closed);
  CHECK(says(given_up.error(), "the server answered none of 3 pings and was silent for 4000 ms"));
}

TEST_CASE("session: whatever is heard counts as life") {
  Conversation talk;
  talk.meet(1000);
  for (int i = 0; i < 5; ++i) {
    REQUIRE(talk.session.keep_alive(*talk.session.wake_at()).ok());
    talk.server_says(Pong{});
    REQUIRE(talk.session.receive().ok());
    REQUIRE(talk.session.next().ok());
  }
}

TEST_CASE("session: a long absence of ours is one interval and not many") {
  Conversation talk;
  talk.meet(1000);
  const auto much_later = Session::Clock::now() + std::chrono::hours(1);
  CHECK(talk.session.keep_alive(much_later).ok());
  CHECK(talk.session.keep_alive(much_later).ok());
  CHECK(*talk.session.wake_at() == much_later + Milliseconds(1000));
}

TEST_CASE("session: between commands pings are answered and anything else is out of place") {
  Conversation talk;
  talk.meet();
  talk.server_says(Ping{});
  CHECK(talk.session.catch_up().ok());
  CHECK(talk.pair.peer_reads(4096) == frame_head(to_json(Pong{})));
  talk.server_says(Started{"1", 7, false});
  CHECK(talk.session.catch_up().error().code == Errc::protocol);
}

TEST_CASE("session: a connection that ended between commands is told as closed") {
  Conversation talk;
  talk.meet();
  talk.pair.peer_ends();
  CHECK(talk.session.catch_up().error().code == Errc::closed);
}
