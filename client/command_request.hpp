// What one run of runwire is to do, whichever command line said so.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/address.hpp"
#include "proto/result.hpp"
#include "proto/session_message.hpp"

namespace runwire {

inline constexpr std::chrono::hours kLongestConnecting{24};  // that may be asked for

// Whether the command is at a terminal over there: where our stdin is one, or whatever it is.
enum class TerminalWish { never, as_here, always };

inline constexpr std::chrono::hours kUsualKeep{1};  // of a kept command that nobody said more about

struct CommandRequest {
  std::string host = ".";  // the address, as it was written
  Address address;
  bool own_server_only = false;  // as RemoteShell::Options has it
  std::string address_hint;      // to be appended to why it can't be connected to
  std::chrono::milliseconds connect_timeout{10000};
  bool shell = false;  // `words.line` for the shell; else words.argv as they are
  StartWords words;
  bool clear_env = false;
  std::string cwd;                // empty: the daemon's
  bool forwards_stdin = true;     // false: it is /dev/null over there
  bool leaves_on_signal = false;  // see StdioRelay::Options
  Linger linger = Linger::grace;
  std::optional<std::uint64_t> timeout_ms, idle_ms;
  CommandLimits limits;
  TerminalWish terminal = TerminalWish::never;
  std::optional<std::uint64_t> keep_ms;  // it outlives its connection, and is kept so long after its end
  bool detaches = false;                 // with keep_ms: nobody here waits for it
  std::string status_file;               // empty: none
  bool json = false, verbose = false, quiet = false;
  std::string encoding;  // of the server's programs; empty: bytes pass untouched
};

// Puts NAME=VALUE into `environment`, in the place of what stands there under that name.
void set_variable(std::vector<std::string>& environment, std::string_view variable);

// The VALUE of NAME among NAME=VALUE words. Absent where there is none.
std::optional<std::string_view> find_variable(const std::vector<std::string>& environment,
                                              std::string_view name);

// Can its words be sent? ERRORS: invalid_argument (nothing to run, a NUL byte, more than a message may hold).
Status check_words(const CommandRequest& request);

}  // namespace runwire
