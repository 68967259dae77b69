// The terminal here, while a command at a terminal over there has it: every key goes there as it is.
#pragma once

#include <termios.h>

#include <optional>

#include "proto/client_message.hpp"

namespace runwire {

// Raw (cfmakeraw(3)) while it lives, or until the program exits in any orderly way. One at a time in a process.
// What kills this program by a signal that nobody catches leaves the terminal raw.
class TerminalMode {
 public:
  // `fd` outlives this. Where it is no terminal nothing is changed.
  explicit TerminalMode(int fd);
  TerminalMode(const TerminalMode&) = delete;
  TerminalMode& operator=(const TerminalMode&) = delete;
  ~TerminalMode();

  bool is_raw() const;  // false: there is no terminal

  // Stops this program, the terminal being as it was; returns when the program goes on, and the terminal is raw.
  void stop_program();
  // Raw anew: whoever had the terminal while the program was stopped has set it for himself.
  void resume();
};

// Of the first of stdin, stdout and stderr that is a terminal and knows.
std::optional<PtySize> window_size();

}  // namespace runwire
