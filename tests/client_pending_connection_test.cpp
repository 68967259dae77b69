#include <doctest/doctest.h>
#include <poll.h>

#include <utility>
#include <vector>

#include "client/pending_connection.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;
using namespace runwire::test;
using namespace std::chrono_literals;

namespace {

bool shows_an_end(const PendingConnection& pending, std::chrono::milliseconds within) {
  pollfd watched = {pending.fd(), POLLIN, 0};
  return ::poll(&watched, 1, static_cast<int>(within.count())) == 1;
}

}  // namespace

TEST_CASE("pending connection: it is there once its descriptor can be read, and once only") {
  const TcpListener listener;
  PendingConnection pending(listener.address(), false, kPatience);
  REQUIRE(shows_an_end(pending, kPatience));
  const auto channel = pending.take();
  REQUIRE(channel.has_value());
  CHECK(channel->ok());
  CHECK(!pending.take());
}

TEST_CASE("pending connection: why there is none is told in its place") {
  const SocketPath path;
  PendingConnection pending(path.address(), false, kPatience);
  REQUIRE(shows_an_end(pending, kPatience));
  const auto channel = pending.take();
  REQUIRE(channel.has_value());
  REQUIRE(!channel->ok());
  CHECK(channel->error().code == Errc::refused);
}

TEST_CASE("pending connection: a server that does not accept holds up nobody") {
  const SocketPath path;
  const UniqueFd listener = path.listen(0);
  std::vector<Channel> queue;
  auto channel = Channel::connect(path.address(), 1ms);
  for (; channel.ok(); channel = Channel::connect(path.address(), 1ms)) queue.push_back(std::move(*channel));
  PendingConnection pending(path.address(), false, kPatience);
  CHECK(!pending.take());
  CHECK(!shows_an_end(pending, 0ms));
}
