// Connected stream sockets of every kind that the daemon may meet, both ends the test's.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "server/descriptor.hpp"

namespace runwire::test {

enum class Kind { unix_socket, tcp4, tcp6, mapped };

struct SocketPair {
  explicit SocketPair(Kind kind) {
    if (kind == Kind::unix_socket) {
      int ends[2];
      REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
      client = Descriptor(ends[0]);
      server = Descriptor(ends[1]);
    } else {
      connect_over_loopback(kind);
    }
  }

  Descriptor client, server;

 private:
  // Mapped: the listener speaks IPv6 and the client IPv4, so that the peer is ::ffff:127.0.0.1.
  void connect_over_loopback(Kind kind) {
    const bool listen6 = kind != Kind::tcp4, connect6 = kind == Kind::tcp6;
    const Descriptor listener(socket(listen6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_addr = kind == Kind::mapped ? in6addr_any : in6addr_loopback;
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* at = listen6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
    socklen_t size = listen6 ? sizeof six : sizeof four;
    const int dual = 0;
    if (listen6) setsockopt(listener.get(), IPPROTO_IPV6, IPV6_V6ONLY, &dual, sizeof dual);
    REQUIRE(bind(listener.get(), at, size) == 0);
    REQUIRE(listen(listener.get(), 1) == 0);
    REQUIRE(getsockname(listener.get(), at, &size) == 0);
    four.sin_port = listen6 ? six.sin6_port : four.sin_port;
    six.sin6_addr = in6addr_loopback;
    client = Descriptor(socket(connect6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
    const auto* to = connect6 ? reinterpret_cast<sockaddr*>(&six) : reinterpret_cast<sockaddr*>(&four);
    REQUIRE(connect(client.get(), to, connect6 ? sizeof six : sizeof four) == 0);
    server = Descriptor(accept(listener.get(), nullptr, nullptr));
    REQUIRE(server.get() >= 0);
  }
};

}  // namespace runwire::test
