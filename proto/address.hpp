// Where a daemon listens and a client connects, as people write it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/result.hpp"

namespace runwire {

// A socket's path, or a host and a port.
struct Address {
  std::string unix_path;  // not empty: a Unix socket, and the rest has no meaning
  std::string host;       // a name or a numeric address, without brackets
  std::uint16_t port = 0;

  bool is_unix() const { return !unix_path.empty(); }
  friend bool operator==(const Address&, const Address&) = default;
};

// Reads `unix:/path`, `/path`, `host`, `host:port`, `[::1]`, `[::1]:port` and a bare `::1`; `tcp://` and
// `unix://` before them are understood. A missing port is `default_port`.
// ERRORS: Errc::invalid_argument, saying what is wrong and showing a right one.
Result<Address> parse_address(std::string_view text, std::uint16_t default_port);

// The form that parse_address() reads back: "127.0.0.1:8098", "[::1]:8098", "unix:/run/x.sock".
std::string to_string(const Address& address);

// Where runwired listens, and runwire looks, when nobody says otherwise: `runwire.sock` in `xdg_runtime_dir`
// or, where that is empty, in /tmp/runwire-UID (XDG Base Directory Specification).
std::string default_socket_dir(std::string_view xdg_runtime_dir, unsigned uid);
std::string default_socket_path(std::string_view xdg_runtime_dir, unsigned uid);

}  // namespace runwire
