// The last screenful of what a kept command has written at its terminal: all that somebody who comes back wants to see.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "client/command_request.hpp"
#include "proto/result.hpp"

namespace runwire {

inline constexpr std::uint64_t kScreenBytes = 16 << 10;  // with its colours and the ways of its cursor

// What somebody is told who wants to come back to a terminal that is not there.
inline constexpr const char* kAtNoTerminal = "the command is at no terminal: -t counts as -i";

struct LastScreen {
  bool is_terminal = false;  // else the command has no terminal, and this is just the last of its output
  std::uint64_t begin = 0;   // in its stdout
};

// Asks the server, over a connection of its own. Absent: the server does not tell; whoever follows the command then is
// told why. ERRORS: those of connecting.
Result<std::optional<LastScreen>> find_last_screen(const CommandRequest& request, const std::string& id);

}  // namespace runwire
