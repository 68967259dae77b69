// A pseudo-terminal (pty(7)): the daemon's end of it, and the command's.
#pragma once

#include <string>

#include "proto/client_message.hpp"
#include "server/descriptor.hpp"

namespace runwire {

struct Pty {
  Descriptor master;  // ours: does not block
  Descriptor slave;   // the command's

  // Both are closed on exec, and become nobody's controlling terminal. 0 or a libuv error.
  int open(PtySize size);
};

// The kernel tells the command (SIGWINCH) where it had another size.
void set_window_size(int master, PtySize size);

// What a person at the terminal would type for the end of input, twice where the line that is being typed has to be
// given to the command first. Empty where the terminal knows no end: it is not in canonical mode (termios(3)).
std::string end_of_input(int master, bool is_within_a_line);

}  // namespace runwire
