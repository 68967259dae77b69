#include <doctest/doctest.h>
#include <poll.h>

#include "server/peer.hpp"
#include "tests/forked_child.hpp"
#include "tests/socket_pair.hpp"

using namespace runwire;
using namespace runwire::test;

namespace {

constexpr Kind kTcp[] = {Kind::tcp4, Kind::tcp6, Kind::mapped};

// Until the other end's FIN or reset is here.
void wait_for_end(int fd) {
  pollfd state{fd, POLLIN, 0};
  REQUIRE(poll(&state, 1, 10000) == 1);
}

void reset_connection(Descriptor& fd) {
  const linger at_once{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  fd = Descriptor();
}

}  // namespace

TEST_CASE("peer: on a Unix socket the owner is known") {
  const SocketPair pair(Kind::unix_socket);
  CHECK(peer_owner(pair.server.get()) == geteuid());
}

TEST_CASE("peer: what is no socket has no owner") {
  CHECK_FALSE(peer_owner(STDIN_FILENO).has_value());
  CHECK_FALSE(peer_owner(-1).has_value());
}

TEST_CASE("peer: a Unix peer that has closed is gone, one that only sends no more is not") {
  SocketPair pair(Kind::unix_socket);
  CHECK_FALSE(peer_is_gone(pair.server.get()));
  shutdown(pair.client.get(), SHUT_WR);
  wait_for_end(pair.server.get());
  CHECK_FALSE(peer_is_gone(pair.server.get()));
  pair.client = Descriptor();
  CHECK(peer_is_gone(pair.server.get()));
}

#ifdef __linux__

TEST_CASE("peer: on loopback TCP the owner is known, over IPv4, IPv6 and IPv4 mapped into IPv6") {
  for (const Kind kind : kTcp) {
    CAPTURE(static_cast<int>(kind));
    const SocketPair pair(kind);
    CHECK(peer_owner(pair.server.get()) == geteuid());
    CHECK(peer_owner(pair.client.get()) == geteuid());
  }
}

TEST_CASE("peer: the owner of a TCP socket is the user that made it, not the one who asks" *
          doctest::skip(geteuid() != 0)) {
  const Descriptor listener(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(listen(listener.get(), 1) == 0);
  getsockname(listener.get(), reinterpret_cast<sockaddr*>(&at), &size);
  const ForkedChild nobody([&] {
    if (setuid(65534) != 0) return 1;
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return 2;
    return live();
  });
  const Descriptor accepted(accept(listener.get(), nullptr, nullptr));
  CHECK(peer_owner(accepted.get()) == 65534);
}

TEST_CASE("peer: a TCP peer that has closed its socket has an unknown owner, never root") {
  for (const Kind kind : kTcp) {
    CAPTURE(static_cast<int>(kind));
    SocketPair pair(kind);
    pair.client = Descriptor();
    wait_for_end(pair.server.get());
    CHECK_FALSE(peer_owner(pair.server.get()).has_value());
    CHECK(peer_is_gone(pair.server.get()));
  }
}

TEST_CASE("peer: a TCP peer that only sends no more is still there, and still known") {
  for (const Kind kind : kTcp) {
    CAPTURE(static_cast<int>(kind));
    const SocketPair pair(kind);
    shutdown(pair.client.get(), SHUT_WR);
    wait_for_end(pair.server.get());
    CHECK_FALSE(peer_is_gone(pair.server.get()));
    CHECK(peer_owner(pair.server.get()) == geteuid());
  }
}

TEST_CASE("peer: a TCP peer that has reset the connection is gone") {
  SocketPair pair(Kind::tcp4);
  reset_connection(pair.client);
  wait_for_end(pair.server.get());
  CHECK(peer_is_gone(pair.server.get()));
  CHECK_FALSE(peer_owner(pair.server.get()).has_value());
}

#endif
