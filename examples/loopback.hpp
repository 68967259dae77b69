// The server's side of a connection, as short as it can be: what examples need that clients do not.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "client/unique_fd.hpp"

namespace runwire::example {

inline void must(bool worked, const char* what) {
  if (worked) return;
  std::fprintf(stderr, "%s failed\n", what);
  std::exit(1);
}

struct Listener {
  UniqueFd fd;
  std::uint16_t port;
};

// Waits for connections on 127.0.0.1, at a port that is free.
inline Listener listen_on_loopback() {
  Listener listener = {UniqueFd(::socket(AF_INET, SOCK_STREAM, 0)), 0};
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* name = reinterpret_cast<sockaddr*>(&address);
  must(::bind(listener.fd.get(), name, size) == 0, "bind");
  must(::listen(listener.fd.get(), 16) == 0, "listen");
  must(::getsockname(listener.fd.get(), name, &size) == 0, "getsockname");
  listener.port = ntohs(address.sin_port);
  return listener;
}

inline UniqueFd accept_one(const Listener& listener) {
  UniqueFd connection(::accept(listener.fd.get(), nullptr, nullptr));
  must(static_cast<bool>(connection), "accept");
  return connection;
}

}  // namespace runwire::example
