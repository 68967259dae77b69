// The line that a server's shell is to run, made from the words of a command line.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "proto/result.hpp"

namespace runwire {

// One word is a line for the shell already and stays as it is: `runwire HOST 'ls -l | wc -l'`. Several are a
// program and its arguments and arrive there exactly as given, whatever they hold: each is put into single
// quotes (POSIX XCU 2.2.2) and joined with blanks.
// REQUIRES: words is not empty.
std::string shell_line(std::span<const std::string> words);

// Can it be sent as a plain command? ERRORS: invalid_argument (empty, with a NUL byte, over kMaxCommandBytes).
Status check_shell_line(std::string_view line);

}  // namespace runwire
