// A client's socket in a test's own hand: connects to a daemon in the same process, sends, and reads what is there.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "proto/address.hpp"
#include "server/descriptor.hpp"

namespace runwire::test {

// Connected at once: the kernel does it for whoever listens.
inline Descriptor connect_to(const Address& address) {
  sockaddr_storage to{};
  socklen_t size = 0;
  if (address.is_unix()) {
    auto& path = reinterpret_cast<sockaddr_un&>(to);
    path.sun_family = AF_UNIX;
    REQUIRE(address.unix_path.size() < sizeof path.sun_path);
    std::memcpy(path.sun_path, address.unix_path.c_str(), address.unix_path.size() + 1);
    size = sizeof path;
  } else if (address.host == "::1") {
    auto& six = reinterpret_cast<sockaddr_in6&>(to);
    six.sin6_family = AF_INET6;
    six.sin6_addr = in6addr_loopback;
    six.sin6_port = htons(address.port);
    size = sizeof six;
  } else {
    auto& four = reinterpret_cast<sockaddr_in&>(to);
    four.sin_family = AF_INET;
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    four.sin_port = htons(address.port);
    size = sizeof four;
  }
  Descriptor fd(socket(to.ss_family, SOCK_STREAM, 0));
  REQUIRE(connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), size) == 0);
  fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  const int at_once = 1;
  if (!address.is_unix()) setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  return fd;
}

// One end of a conversation; the other is served by the loop of the same test.
class Client {
 public:
  explicit Client(Descriptor fd) : fd_(std::move(fd)) {}

  void send(std::string_view bytes) {
    REQUIRE(::send(fd_.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  }
  void half_close() { shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_ = Descriptor(); }
  void reset() {
    const linger at_once{1, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }

  // Everything received so far.
  const std::string& received() {
    std::array<char, 65536> bytes{};
    for (ssize_t n; fd_.get() >= 0 && !ended_;) {
      n = recv(fd_.get(), bytes.data(), bytes.size(), 0);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) break;
      if (n <= 0) {
        ended_ = true;
        was_reset_ = n < 0;
      } else {
        received_.append(bytes.data(), static_cast<std::size_t>(n));
      }
    }
    return received_;
  }
  bool has_ended() { return received(), ended_; }  // the daemon has closed, or reset
  bool was_reset() { return received(), was_reset_; }
  int fd() const { return fd_.get(); }

 private:
  Descriptor fd_;
  std::string received_;
  bool ended_ = false, was_reset_ = false;
};

}  // namespace runwire::test
