// What one run of runwire is to do, whichever command line said so.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "proto/address.hpp"
#include "proto/session_message.hpp"

namespace runwire {

struct CommandRequest {
  Address address;
  bool own_server_only = false;  // as RemoteShell::Options has it
  std::chrono::milliseconds connect_timeout{10000};
  bool shell = false;  // `words.line` for the shell; else words.argv as they are
  StartWords words;
  bool clear_env = false;
  std::string cwd;             // empty: the daemon's
  bool forwards_stdin = true;  // false: it is /dev/null over there
  Linger linger = Linger::grace;
  std::optional<std::uint64_t> timeout_ms, idle_ms;
  std::string status_file;  // empty: none
  bool json = false, verbose = false, quiet = false;
  std::string encoding;  // of the server's programs; empty: bytes pass untouched
};

}  // namespace runwire
