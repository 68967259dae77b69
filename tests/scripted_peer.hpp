// The other end of a client's connection, played by the test itself: no thread, no child. What it sends waits in
// the socket's buffers, so a reply up to some 100 KB can be put there before the client begins to read.
#pragma once

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>
#include <string_view>

#include "client/channel.hpp"
#include "client/unique_fd.hpp"
#include "proto/address.hpp"

namespace runwire::test {

inline constexpr std::chrono::milliseconds kPatience{10000};  // for what must come at all; never the subject

// A socket that listens on a free port of loopback.
class TcpListener {
 public:
  explicit TcpListener(int backlog = 16) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(fd_.get(), backlog) == 0);
    REQUIRE(::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    address_ = {"", "127.0.0.1", ntohs(address.sin_port)};
  }

  const Address& address() const { return address_; }
  UniqueFd accept() const {
    UniqueFd fd(::accept(fd_.get(), nullptr, nullptr));
    REQUIRE(fd);
    return fd;
  }

 private:
  UniqueFd fd_;
  Address address_;
};

// A directory of its own, with a path for a socket in it; both go with it.
class SocketPath {
 public:
  SocketPath() {
    REQUIRE(::mkdtemp(directory_) != nullptr);
    path_ = std::string(directory_) + "/s";
  }
  SocketPath(const SocketPath&) = delete;
  SocketPath& operator=(const SocketPath&) = delete;
  ~SocketPath() {
    ::unlink(path_.c_str());
    ::rmdir(directory_);
  }

  const std::string& path() const { return path_; }
  Address address() const { return {path_, "", 0}; }
  UniqueFd listen(int backlog) const {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(fd.get(), backlog) == 0);
    return fd;
  }

 private:
  char directory_[32] = "/tmp/runwire-test-XXXXXX";
  std::string path_;
};

// A connection over loopback TCP and both of its ends.
struct Pair {
  Pair() : Pair(TcpListener()) {}
  explicit Pair(const TcpListener& listener) : client(connected(listener)), peer(listener.accept()) {}

  static Channel connected(const TcpListener& listener) {
    auto channel = Channel::connect(listener.address(), kPatience);
    REQUIRE(channel.ok());
    return std::move(*channel);
  }

  void peer_sends(std::string_view bytes) const {
    REQUIRE(::send(peer.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  }
  void peer_ends() const { REQUIRE(::shutdown(peer.get(), SHUT_WR) == 0); }
  // What the peer has received, at most `size` bytes of it.
  std::string peer_reads(std::size_t size) const {
    std::string bytes(size, '\0');
    const ssize_t n = ::recv(peer.get(), bytes.data(), size, 0);
    REQUIRE(n >= 0);
    bytes.resize(static_cast<std::size_t>(n));
    return bytes;
  }

  Channel client;
  UniqueFd peer;
};

}  // namespace runwire::test
