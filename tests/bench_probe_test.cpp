#include <doctest/doctest.h>

#include "bench/endpoint.hpp"
#include "bench/probe.hpp"
#include "proto/frame.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;

namespace {

constexpr const char* kFull =
    R"({"filename":"cls.txt","len":6,"stdout":4,"stderr":2,"code":3,"signal":null,"reason":"exited"})";

}  // namespace

TEST_CASE("probe: the first reply is what is expected of the others") {
  test::Pair pair;
  pair.peer_sends(frame_head(kFull) + "outter");
  const auto learnt = ask_once(pair.client, "the command", kSecond * 10);
  REQUIRE(learnt.ok());
  CHECK(learnt->payload == "outter");
  CHECK(learnt->status == ExitStatus::exited(3));
  CHECK(pair.peer_reads(100) == "the command");
}

TEST_CASE("probe: of an original server no status is expected") {
  test::Pair pair;
  pair.peer_sends(frame_head(R"({"filename":"cls.txt","len":2})") + "hi");
  const auto learnt = ask_once(pair.client, "x", kSecond * 10);
  REQUIRE(learnt.ok());
  CHECK(learnt->payload == "hi");
  CHECK_FALSE(learnt->status.has_value());
}

TEST_CASE("probe: an error frame is the daemon's refusal, in its words") {
  test::Pair pair;
  pair.peer_sends(frame_head(R"({"filename":"cls.txt","len":0,"error":"denied","message":"not you"})"));
  const auto learnt = ask_once(pair.client, "x", kSecond * 10);
  REQUIRE_FALSE(learnt.ok());
  CHECK(learnt.error().code == Errc::refused);
  CHECK(learnt.error().message.find("denied: not you") != std::string::npos);
}

TEST_CASE("probe: a daemon that closes without a whole reply is an error") {
  test::Pair pair;
  pair.peer_sends(frame_head(kFull) + "out");
  pair.peer_ends();
  const auto learnt = ask_once(pair.client, "x", kSecond * 10);
  REQUIRE_FALSE(learnt.ok());
  CHECK(learnt.error().code == Errc::closed);
}

TEST_CASE("probe: a daemon that stays silent is an error after the timeout") {
  test::Pair pair;
  const auto learnt = ask_once(pair.client, "x", 20 * kMillisecond);
  REQUIRE_FALSE(learnt.ok());
  CHECK(learnt.error().code == Errc::timeout);
}

TEST_CASE("probe: bytes that are no frame are an error that says so") {
  test::Pair pair;
  pair.peer_sends("HTTP/1.1 400 Bad Request\r\n\r\n");
  const auto learnt = ask_once(pair.client, "x", kSecond * 10);
  REQUIRE_FALSE(learnt.ok());
  CHECK(learnt.error().code == Errc::protocol);
}

TEST_CASE("endpoint: further TCP connections lead where the first one does") {
  const test::TcpListener listener;
  const test::Pair first(listener);
  const auto endpoint = endpoint_of(first.client.fd(), {"", "no-such-host.invalid", 1});
  REQUIRE(endpoint.ok());
  Attempt attempt = begin_connecting(*endpoint);
  CHECK((attempt.progress == Attempt::connected || attempt.progress == Attempt::under_way));
  CHECK(listener.accept());
}

TEST_CASE("endpoint: a path too long for a socket is refused, with its limit") {
  const auto endpoint = endpoint_of(-1, {"/" + std::string(200, 'x'), "", 0});
  REQUIRE_FALSE(endpoint.ok());
  CHECK(endpoint.error().code == Errc::invalid_argument);
  CHECK(endpoint.error().message.find("longer than") != std::string::npos);
}
