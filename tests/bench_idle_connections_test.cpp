#include <doctest/doctest.h>
#include <sys/resource.h>

#include <vector>

#include "bench/idle_connections.hpp"
#include "tests/scripted_peer.hpp"

using namespace runwire;

namespace {

std::vector<UniqueFd> accept_all(const test::TcpListener& listener, std::size_t count) {
  std::vector<UniqueFd> peers;
  while (peers.size() < count) peers.push_back(listener.accept());
  return peers;
}

}  // namespace

TEST_CASE("idle connections: as many are open as were asked for, and none is lost") {
  const test::TcpListener listener;
  const auto idle = IdleConnections::open(listener.address(), 10, 10 * kSecond);
  REQUIRE(idle.ok());
  const auto peers = accept_all(listener, 10);
  CHECK(idle->count() == 10);
  CHECK(idle->lost() == 0);
}

TEST_CASE("idle connections: those that the daemon closes are told as lost") {
  const test::TcpListener listener;
  const auto idle = IdleConnections::open(listener.address(), 5, 10 * kSecond);
  REQUIRE(idle.ok());
  auto peers = accept_all(listener, 5);
  peers.resize(3);
  CHECK(idle->lost() == 2);
}

TEST_CASE("idle connections: the daemon sees an end when they go, and no reset") {
  const test::TcpListener listener;
  std::vector<UniqueFd> peers;
  {
    const auto idle = IdleConnections::open(listener.address(), 1, 10 * kSecond);
    REQUIRE(idle.ok());
    peers = accept_all(listener, 1);
  }
  char byte;
  CHECK(::recv(peers[0].get(), &byte, 1, 0) == 0);
}

TEST_CASE("idle connections: one that cannot be opened is named") {
  const test::SocketPath path;
  const auto idle = IdleConnections::open(path.address(), 3, kSecond);
  REQUIRE_FALSE(idle.ok());
  CHECK(idle.error().message.find("idle connection 1 of 3: ") == 0);
}

TEST_CASE("descriptors: more than the hard limit is an error that names the limit") {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  CHECK(allow_descriptors(16).ok());
  if (limit.rlim_max == RLIM_INFINITY) return;
  const Status refused = allow_descriptors(limit.rlim_max + 1);
  REQUIRE_FALSE(refused.ok());
  CHECK(refused.error().message.find(std::to_string(limit.rlim_max)) != std::string::npos);
  CHECK(refused.error().message.find("ulimit -Hn") != std::string::npos);
}
