// What somebody at the terminal means by Ctrl-C, where the command would go on without him.
#pragma once

#include <optional>

#include "client/signals.hpp"

namespace runwire {

enum class InterruptMeaning { interrupt, detach, nothing };

// Asks on the terminal, which may be raw, and waits for one key. The key that has asked, and a signal that wants an
// end, mean to detach; others come again afterwards. Absent: there is nobody to ask, for there is no terminal after
// all, or it is not ours while we are in the background. `amid_line`: the terminal shows the beginning of a line, which
// is to stay.
std::optional<InterruptMeaning> ask_for_meaning(Signals& signals, bool amid_line);

}  // namespace runwire
