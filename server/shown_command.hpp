// A command as a list shows it to people.
#pragma once

#include <string>

#include "proto/start_words.hpp"

namespace runwire {

// The beginning of a line, or of words as a shell's user would write the plain ones. UTF-8 stays as it is; what would
// steer a terminal, and what is no UTF-8, becomes `\x1b` and the like.
std::string shown_command(const StartWords& words);

}  // namespace runwire
