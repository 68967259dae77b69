// Names for servers, and what goes with each: the file hosts.toml, which people write.
//
//   [build1]                         # runwire build1 make
//   address = "10.0.0.7:8098"        # as HOST is written; the only key that must be there
//   workdir = "/srv/build"
//   env = { CC = "clang", LANG = "C.UTF-8" }
//   connect_timeout = "2s"           # or a number of seconds
//   linger = "wait"
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/address.hpp"
#include "proto/result.hpp"
#include "proto/session_message.hpp"

namespace runwire {

struct HostEntry {
  Address address;
  std::string workdir;                   // empty: not given
  std::vector<std::string> environment;  // NAME=VALUE
  std::optional<std::chrono::milliseconds> connect_timeout;
  std::optional<Linger> linger;
};

using Hosts = std::map<std::string, HostEntry, std::less<>>;

// Letters, digits, `.`, `-` and `_`, and no `-` in front: what can be told from an address with a port, a path and an
// option. `.` alone is the default server.
bool can_name_a_host(std::string_view word);

// `path` is for the messages. ERRORS: invalid_argument: "PATH:LINE: what is wrong; how to put it right".
Result<Hosts> parse_hosts(std::string_view text, std::string_view path);

// A file that is not there is a file without names. ERRORS: io, and as parse_hosts().
Result<Hosts> read_hosts(const std::string& path);

// runwire/hosts.toml in `xdg_config_home` or, where that is empty, in ~/.config (XDG Base Directory Specification).
// Empty where there is no home either.
std::string hosts_path(std::string_view xdg_config_home, std::string_view home);

}  // namespace runwire
